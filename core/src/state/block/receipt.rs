//! What became of an operation.

use crate::base::{Digest, Height, LeafIndex, MicroCaesar, PublicKey, UnixMillis};
use crate::state::{CertifiedName, OperationId, Revocation, SameKey};
use crate::trustchain::DomainName;
use crate::trustchain::ca::SerialNumber;
use crate::trustchain::dns::{CNAME_CHAIN_MAX, RecordType};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What became of an operation. It stands in the state until the operation expires, so that a repeat is
/// answered with it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Receipt {
    /// Which operation.
    pub operation: OperationId,
    /// Whose.
    pub owner: PublicKey,
    /// The block that carried it.
    pub height: Height,
    /// That block's time.
    pub time: UnixMillis,
    /// What it paid.
    pub fee: MicroCaesar,
    /// Its outcome.
    pub outcome: Outcome,
}

/// An operation's outcome.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened.
    Done(Effect),
    /// It did not, and nothing but its fee moved.
    Refused(Refusal),
}

/// What happened.
///
/// Exhaustive: checkers of runs have to judge each one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The member's ticket stands.
    Attested,
    /// A certificate was approved and logged.
    CertificateApproved {
        /// Its serial number.
        serial: SerialNumber,
        /// Its place in the log.
        leaf_index: LeafIndex,
        /// The SHA-256 of its pre-certificate bytes.
        precertificate: Digest,
    },
    /// A name has its owner.
    NameRegistered {
        /// Until when it is paid for; none for a name below another, which lasts as long as that.
        expires: Option<UnixMillis>,
    },
    /// A name is kept for another period.
    NameRenewed {
        /// Until when it is paid for.
        expires: UnixMillis,
    },
    /// A name has its records.
    RecordsSet,
    /// An amount was moved.
    Transferred,
    /// A certificate is revoked. Asked for again, also for another reason, it says what stands since the first time.
    CertificateRevoked {
        /// Its serial number.
        serial: SerialNumber,
        /// When and why.
        revocation: Revocation,
        /// If the key was reported as compromised: what else bears it.
        same_key: SameKey,
    },
    /// The key of a certificate that has ended is known to be compromised.
    KeyReported {
        /// The certificate's serial number.
        serial: SerialNumber,
        /// The SHA-256 of its subject public key info.
        key: Digest,
        /// What else bears the key.
        same_key: SameKey,
    },
    /// An amount was put at stake.
    Bonded {
        /// What the member has at stake now.
        stake: MicroCaesar,
    },
    /// An amount was taken out of the stake and is on its way to the account.
    Unbonding {
        /// What the member has at stake still.
        stake: MicroCaesar,
        /// The first block later than this puts it into the account.
        release: UnixMillis,
    },
    /// An instance of a service is announced, or its lease renewed.
    ServiceAnnounced {
        /// The first block later than this takes it away, unless it is renewed.
        expires: UnixMillis,
    },
    /// An instance of a service is gone.
    ServiceWithdrawn,
    /// A granted name belongs to the owner of the name above, and all that was granted below it is over.
    NameReclaimed {
        /// Whose it was; none if it had been taken back before.
        previous: Option<PublicKey>,
        /// Certificates that bear names at or below it, revoked because these are not their owners' any more.
        revoked: Vec<SerialNumber>,
        /// Where another operation has to go on, if one did not do for all.
        rest: Option<CertifiedName>,
    },
}

/// Why a well-formed operation did not happen.
///
/// Exhaustive: checkers of runs have to judge each one.
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Its time had run out.
    #[error(
        "the operation expired at {expires}, {} s before the block's time, {time}: it waited too long, or the clock it was \
         signed by is slow; check that clock and sign it again",
        time.since(*expires) / 1000
    )]
    Expired {
        /// When it expired.
        expires: UnixMillis,
        /// The block's time.
        time: UnixMillis,
    },
    /// Its expiry lies too far ahead.
    #[error(
        "the operation expires at {expires}, more than an hour after the block's time, {time}: the clock it was signed by is \
         fast, by up to {} s; check that clock and sign it again",
        expires.since(*time) / 1000
    )]
    ExpiresTooLate {
        /// When it expires.
        expires: UnixMillis,
        /// The block's time.
        time: UnixMillis,
    },
    /// Its owner cannot pay.
    #[error(
        "account {owner} holds {balance} and {needed} are needed: transfer some to it",
        balance = balance.in_caesar(),
        needed = needed.in_caesar()
    )]
    Funds {
        /// Whose account.
        owner: PublicKey,
        /// What is in it.
        balance: MicroCaesar,
        /// What is needed.
        needed: MicroCaesar,
    },
    /// It costs more than its owner pays.
    #[error(
        "the operation costs {asked} at the present load, and its owner pays at most {fee_max}: sign it again with a \
         higher limit, or wait until there is less to do",
        asked = asked.in_caesar(),
        fee_max = fee_max.in_caesar()
    )]
    FeeMax {
        /// What it costs, rent included.
        asked: MicroCaesar,
        /// What its owner pays at most.
        fee_max: MicroCaesar,
    },
    /// The name belongs to someone else.
    #[error("{name} belongs to {owner}: ask them to register a name below it for you")]
    NotOwner {
        /// The name.
        name: DomainName,
        /// Its owner.
        owner: PublicKey,
    },
    /// The name belongs to nobody.
    #[error(
        "{name} is not registered: register it, or the name directly below the zone that it lies in, first"
    )]
    NotRegistered {
        /// The name.
        name: DomainName,
    },
    /// The name is taken.
    #[error("{name} is already registered to {owner}")]
    AlreadyRegistered {
        /// The name.
        name: DomainName,
        /// Its owner.
        owner: PublicKey,
    },
    /// The name is outside what this mesh answers for.
    #[error("{name} is outside the zone {zone}")]
    OutsideZone {
        /// The name.
        name: DomainName,
        /// The zone.
        zone: DomainName,
    },
    /// Records that may not stand beside those that are there.
    #[error("{name}: a CNAME record stands alone at its name (RFC 1034 §3.6.2): remove the others first")]
    Cname {
        /// The name.
        name: DomainName,
    },
    /// A name of the mesh itself, or records that the mesh itself writes.
    #[error("{name} is the mesh's own, or records of this type there are written by the mesh")]
    Reserved {
        /// The name.
        name: DomainName,
    },
    /// The SPIFFE identity is of another trust domain.
    #[error("the SPIFFE identity is not of the trust domain {zone}")]
    SpiffeTrustDomain {
        /// The only trust domain here.
        zone: DomainName,
    },
    /// An IPv6 address that none of the requester's names resolves to.
    #[error("the IPv6 address {address} is not the AAAA record of a name of yours: set it first")]
    Address {
        /// The address.
        address: core::net::Ipv6Addr,
    },
    /// The signing keys do not exist yet.
    #[error("the committee has not finished generating its keys: try again when the status says active")]
    NoCommittee,
    /// The issuing certificate ends before the certificate would.
    #[error(
        "the certificate would outlive its issuer, which ends at {issuer_ends}: ask for a shorter lifetime"
    )]
    OutlivesIssuer {
        /// When the issuing certificate ends.
        issuer_ends: UnixMillis,
    },
    /// The certificate cannot be built.
    #[error("{reason}")]
    Unfit {
        /// Why.
        reason: alloc::string::String,
    },
    /// Only members attest.
    #[error("{owner} is not a member: only members put tickets on chain and have a stake")]
    NotMember {
        /// Who tried.
        owner: PublicKey,
    },
    /// No certificate has this serial number.
    #[error("no certificate has the serial number {serial}: `hypermesh cert list` shows those that have")]
    NoCertificate {
        /// The number.
        serial: SerialNumber,
    },
    /// The certificate is not this owner's to revoke.
    #[error(
        "the certificate {serial} belongs to {owner}: they can revoke it, or the owner of a name that it bears"
    )]
    NotCertificateOwner {
        /// Which.
        serial: SerialNumber,
        /// Whose it is.
        owner: PublicKey,
    },
    /// Only the certificate's owner can say that its key is compromised.
    #[error(
        "the certificate {serial} belongs to {owner}, who alone can say that its key is compromised: revoke it for another \
         reason, such as privilegeWithdrawn"
    )]
    KeyOfAnother {
        /// Which.
        serial: SerialNumber,
        /// Whose it is.
        owner: PublicKey,
    },
    /// The key is known to be compromised.
    #[error(
        "the key with SHA-256 {key} was reported as compromised at {since}, and is certified for nobody any more: make a new \
         one, as `hypermesh cert renew DIR --new-key` does"
    )]
    Compromised {
        /// The SHA-256 of its subject public key info.
        key: Digest,
        /// The time of the block that reported it.
        since: UnixMillis,
    },
    /// The certificate has expired.
    #[error("the certificate {serial} expired at {not_after}: nobody accepts it any more")]
    CertificateExpired {
        /// Which.
        serial: SerialNumber,
        /// Its last moment.
        not_after: UnixMillis,
    },
    /// There is no more room in the revocation list.
    #[error(
        "{entries} certificates are revoked, and a list takes no more: try again when some of them have expired"
    )]
    RevocationListFull {
        /// How many there are.
        entries: u32,
    },
    /// The name is not paid for.
    #[error(
        "{name} is not paid for: its owner can renew it until {freed}, and anybody can register it once what is there has \
         been cleared away after that"
    )]
    Lapsed {
        /// The name.
        name: DomainName,
        /// When its grace is over.
        freed: UnixMillis,
    },
    /// The name costs no rent.
    #[error("{name} costs no rent: it was given by genesis, or lasts as long as the name that it lies below")]
    NoRent {
        /// The name.
        name: DomainName,
    },
    /// The name is paid for far ahead already.
    #[error("{name} is paid for until {expires}, which is as far ahead as it can be: renew it later")]
    PaidAhead {
        /// The name.
        name: DomainName,
        /// Until when it is paid for.
        expires: UnixMillis,
    },
    /// So much cannot be taken out of the stake.
    #[error(
        "{owner} has {stake} at stake, of which {least} must stay while it is a validator: unbond less",
        stake = stake.in_caesar(),
        least = least.in_caesar()
    )]
    Stake {
        /// Whose stake.
        owner: PublicKey,
        /// What it is.
        stake: MicroCaesar,
        /// What must stay: nothing for a member that is no validator.
        least: MicroCaesar,
    },
    /// Too many amounts are on their way out of the stake.
    #[error("{count} amounts are being unbonded, and no more can be: wait until one of them is released")]
    UnbondingFull {
        /// How many.
        count: u32,
    },
    /// Records that were set by hand stand where those of announced instances would.
    #[error(
        "{name} has {record_type} records that were set by hand: remove them first, with \
         `hypermesh dns set {name} {record_type} --remove`"
    )]
    SetByHand {
        /// The name.
        name: DomainName,
        /// Their type.
        record_type: RecordType,
    },
    /// No room for another instance, or for so many addresses.
    #[error(
        "{service} has as many instances as a service can have, or this one's label as many addresses: withdraw one first"
    )]
    ServiceFull {
        /// The service.
        service: DomainName,
    },
    /// A name directly below the zone is its owner's without limits.
    #[error(
        "{name} lies directly below the zone: it is its owner's without limits, as long as the rent is paid"
    )]
    Unlimited {
        /// The name.
        name: DomainName,
    },
    /// The end of a grant is no later than it has to be.
    #[error(
        "{name} cannot be granted until {until}: {}",
        least.map_or_else(
            || "it is granted without an end; take it back with `hypermesh dns reclaim` first".into(),
            |least| alloc::format!("that must be later than {least}; `hypermesh dns reclaim` takes it back sooner")
        )
    )]
    GrantTooShort {
        /// The name.
        name: DomainName,
        /// The end that was asked for.
        until: UnixMillis,
        /// The block's time, or the end that the grant has; none if it has none.
        least: Option<UnixMillis>,
    },
    /// Something would outlive the grant that it rests on.
    #[error(
        "{name} is granted until {until}, and nothing there can hold longer: ask for less, or have whoever granted it extend that"
    )]
    OutlivesGrant {
        /// The granted name.
        name: DomainName,
        /// Its last moment.
        until: UnixMillis,
    },
    /// A name was granted for use alone.
    #[error("no names can be registered below {name}: it was granted without the right to grant further")]
    MayNotGrant {
        /// The granted name.
        name: DomainName,
    },
    /// Nobody granted the name, so nobody can take it back.
    #[error("{name} was granted by no owner of a name above, so it cannot be taken back")]
    NotGranted {
        /// The name.
        name: DomainName,
    },
    /// The name is not this owner's to take back.
    #[error(
        "{name} can be taken back by {owner}, who owns the name that it was granted under, or by owners above that"
    )]
    NotGranter {
        /// The name.
        name: DomainName,
        /// The owner of the closest name above it.
        owner: PublicKey,
    },
    /// There is no such instance.
    #[error("{name} is not announced: `hypermesh service list` shows what is")]
    NoInstance {
        /// The instance, with its protocol and service.
        name: DomainName,
    },
    /// An alias that leads back to itself.
    #[error("{name} cannot be an alias of {target}, which leads back to {name}: name the host itself")]
    AliasLoop {
        /// The name.
        name: DomainName,
        /// Its target.
        target: DomainName,
    },
    /// An alias among too many.
    #[error(
        "{name} would be in a chain of more than {CNAME_CHAIN_MAX} aliases: let it, or an alias that leads to it, name the \
         host itself"
    )]
    AliasChain {
        /// The name.
        name: DomainName,
    },
    /// Records whose target must not be an alias.
    #[error(
        "{name} points at {target}, which is an alias (CNAME), and MX and SRV records may not (RFC 2181 §10.3, RFC 2782): \
         name the host itself"
    )]
    TargetIsAlias {
        /// The name.
        name: DomainName,
        /// What its records would point at.
        target: DomainName,
    },
    /// An alias that records point at that may not.
    #[error(
        "the {record_type} record of {by} points at {name}, which then may not be an alias (RFC 2181 §10.3, RFC 2782): \
         change that record first"
    )]
    PointedAt {
        /// The name.
        name: DomainName,
        /// Where the record stands.
        by: DomainName,
        /// Its type.
        record_type: RecordType,
    },
}

impl Refusal {
    /// Whether what the operation names is not there, rather than that it may not be done.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::NoCertificate { .. } | Self::NoInstance { .. })
    }
}
