//! Why an operation may not be done: classes of reasons, as the documentation lists them.

use hypermesh_core::state::Refusal;
use std::collections::BTreeSet;

/// A class of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RefusalReason {
    Expired,
    ExpiresTooLate,
    FeeMax,
    Funds,
    NotOwner,
    NotRegistered,
    AlreadyRegistered,
    OutsideZone,
    Alias,
    AliasChain,
    PointsAtAlias,
    PointedAt,
    Reserved,
    Spiffe,
    Address,
    NoCommittee,
    OutlivesIssuer,
    Unfit,
    NotMember,
    NoCertificate,
    NotCertificateOwner,
    KeyOfAnother,
    Compromised,
    CertificateExpired,
    RevocationListFull,
    Lapsed,
    NoRent,
    PaidAhead,
    Stake,
    UnbondingFull,
    SetByHand,
    ServiceFull,
    NoInstance,
    Unlimited,
    GrantTooShort,
    OutlivesGrant,
    MayNotGrant,
    NotGranted,
    NotGranter,
}

/// All the reasons that hold against an operation. Which of several is named is not laid down.
pub(super) type RefusalReasons = BTreeSet<RefusalReason>;

impl RefusalReason {
    /// The class of a refusal.
    pub(super) const fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Expired { .. } => Self::Expired,
            Refusal::ExpiresTooLate { .. } => Self::ExpiresTooLate,
            Refusal::FeeMax { .. } => Self::FeeMax,
            Refusal::Funds { .. } => Self::Funds,
            Refusal::NotOwner { .. } => Self::NotOwner,
            Refusal::NotRegistered { .. } => Self::NotRegistered,
            Refusal::AlreadyRegistered { .. } => Self::AlreadyRegistered,
            Refusal::OutsideZone { .. } => Self::OutsideZone,
            Refusal::Cname { .. } => Self::Alias,
            Refusal::AliasLoop { .. } | Refusal::AliasChain { .. } => Self::AliasChain,
            Refusal::TargetIsAlias { .. } => Self::PointsAtAlias,
            Refusal::PointedAt { .. } => Self::PointedAt,
            Refusal::Reserved { .. } => Self::Reserved,
            Refusal::SpiffeTrustDomain { .. } => Self::Spiffe,
            Refusal::Address { .. } => Self::Address,
            Refusal::NoCommittee => Self::NoCommittee,
            Refusal::OutlivesIssuer { .. } => Self::OutlivesIssuer,
            Refusal::Unfit { .. } => Self::Unfit,
            Refusal::NotMember { .. } => Self::NotMember,
            Refusal::NoCertificate { .. } => Self::NoCertificate,
            Refusal::NotCertificateOwner { .. } => Self::NotCertificateOwner,
            Refusal::KeyOfAnother { .. } => Self::KeyOfAnother,
            Refusal::Compromised { .. } => Self::Compromised,
            Refusal::CertificateExpired { .. } => Self::CertificateExpired,
            Refusal::RevocationListFull { .. } => Self::RevocationListFull,
            Refusal::Lapsed { .. } => Self::Lapsed,
            Refusal::NoRent { .. } => Self::NoRent,
            Refusal::PaidAhead { .. } => Self::PaidAhead,
            Refusal::Stake { .. } => Self::Stake,
            Refusal::UnbondingFull { .. } => Self::UnbondingFull,
            Refusal::SetByHand { .. } => Self::SetByHand,
            Refusal::ServiceFull { .. } => Self::ServiceFull,
            Refusal::NoInstance { .. } => Self::NoInstance,
            Refusal::Unlimited { .. } => Self::Unlimited,
            Refusal::GrantTooShort { .. } => Self::GrantTooShort,
            Refusal::OutlivesGrant { .. } => Self::OutlivesGrant,
            Refusal::MayNotGrant { .. } => Self::MayNotGrant,
            Refusal::NotGranted { .. } => Self::NotGranted,
            Refusal::NotGranter { .. } => Self::NotGranter,
        }
    }
}
