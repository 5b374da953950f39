//! An operation: what an owner wants done, signed by the owner.

use super::{AnnounceService, AnnouncementFault, CertifiedName, GrantLimits, ServicePort, WithdrawService};
use crate::base::{Digest, Domain, MicroCaesar, PublicKey, SecretKey, Signature, UnixMillis};
use crate::trustchain::ca::{
    CSR_BYTES_MAX, CertificateRequest, RequestFault, RevocationReason, SerialNumber,
};
use crate::trustchain::dns::{RecordData, RecordFault, RecordSet, RecordType, UnsettableType};
use crate::trustchain::{DomainName, IdnFault};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use serde::{Deserialize, Serialize};

/// An operation expires at most this long after the block that could include it.
pub const OPERATION_MS_LIFE_MAX: u64 = 60 * 60 * 1000;
/// The most bytes in one encoded operation.
pub const OPERATION_BYTES_MAX: usize = 64 * 1024;
/// The most ports that one certificate publishes TLSA records for.
pub const SERVICE_PORT_COUNT_MAX: usize = 16;
/// The most TLSA records that one certificate publishes: one for each of its DNS names at each of its ports.
/// Without a bound, a request of 4 KB could write 512.
pub const TLSA_COUNT_MAX: usize = 64;
/// The shortest life of a leaf certificate.
pub const LEAF_SECONDS_MIN: u32 = 5 * 60;
/// The longest life of a leaf certificate: 90 days.
pub const LEAF_SECONDS_MAX: u32 = 90 * 24 * 60 * 60;
/// The life of a leaf certificate when nobody asks for another: 24 hours.
pub const LEAF_SECONDS_DEFAULT: u32 = 24 * 60 * 60;

const ID: Domain = Domain::new("hypermesh v1 operation id");

/// What identifies an operation: a hash of its content, never of its signature.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct OperationId(pub Digest);

/// An operation with its owner's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Operation {
    /// What is signed.
    pub body: OperationBody,
    /// By the owner, over the operation's id.
    pub signature: Signature,
}

/// What an operation says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct OperationBody {
    /// The mesh it is meant for: its genesis hash.
    pub genesis: Digest,
    /// Who wants it, pays for it and signs it.
    pub owner: PublicKey,
    /// Any number that makes this operation differ from the owner's others.
    pub nonce: u64,
    /// After this block time it may not happen any more.
    pub expires: UnixMillis,
    /// The most that the owner pays for it, rent included. If it costs more, it does not happen, and costs nothing.
    pub fee_max: MicroCaesar,
    /// What is to happen.
    pub action: Action,
}

/// What an owner can want.
///
/// Exhaustive: checkers of runs have to judge each one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing but to carry a member's ticket on chain. Costs nothing; only members may, each in a batch of its own that
    /// puts a ticket on chain, once.
    Attest,
    /// Issue a certificate.
    IssueCertificate(IssueCertificate),
    /// Give a free name to an owner.
    RegisterName(RegisterName),
    /// Set or remove the records of one type at a name.
    SetRecords(SetRecords),
    /// Move an amount to another account.
    Transfer(Transfer),
    /// Revoke a certificate, for good.
    RevokeCertificate(RevokeCertificate),
    /// Put an amount of the member's account at stake.
    Bond(Bond),
    /// Take an amount out of the member's stake. It comes into the account after a delay.
    Unbond(Unbond),
    /// Pay for a name for another period.
    RenewName(RenewName),
    /// Announce an instance of a service, or renew its lease.
    AnnounceService(AnnounceService),
    /// Take an instance of a service away.
    WithdrawService(WithdrawService),
    /// Take back a name that was granted below one of the owner's.
    ReclaimName(ReclaimName),
}

/// What a certificate is asked with.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct IssueCertificate {
    /// PKCS#10, DER (RFC 2986). Only its key and its subject alternative names are taken.
    #[serde(with = "hex::serde")]
    pub csr: Vec<u8>,
    /// What kind of certificate.
    pub profile: CertificateProfile,
    /// How long it lives, from [`LEAF_SECONDS_MIN`] to [`LEAF_SECONDS_MAX`].
    pub lifetime_seconds: u32,
    /// Where the names' services listen, in ascending order: a TLSA record is published for each.
    pub services: Vec<ServicePort>,
}

/// A kind of certificate.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateProfile {
    /// For one end of a TLS connection, server or client.
    #[default]
    Endpoint,
}

/// Which name is to belong to whom.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RegisterName {
    /// A name directly below the zone that nobody has, or any name below one of the operation's owner. Of one that was granted
    /// below such a name already, and to the same owner, this sets the limits anew.
    pub name: DomainName,
    /// Whose it becomes.
    pub owner: PublicKey,
    /// How long and what for. A name directly below the zone has no limits.
    #[serde(default)]
    pub limits: GrantLimits,
}

/// Which name is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ReclaimName {
    /// A name that was granted below one of the operation's owner, or one that was taken back and below which certificates
    /// stand still.
    pub name: DomainName,
    /// Where to go on with its certificates: what the receipt of the operation before says. None at first.
    #[serde(default)]
    pub start: Option<CertifiedName>,
}

/// Which name is to be kept for another period.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RenewName {
    /// A name directly below the zone, of the operation's owner.
    pub name: DomainName,
}

/// The records of one type at one name.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SetRecords {
    /// The name, within one that the operation's owner has.
    pub name: DomainName,
    /// The type.
    pub record_type: RecordType,
    /// The records that it has from now on; none removes them.
    pub records: Option<RecordSet>,
}

/// An amount to an account.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Transfer {
    /// Whose account.
    pub to: PublicKey,
    /// How much, above zero.
    pub amount: MicroCaesar,
}

/// How much a member puts at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Bond {
    /// How much, above zero.
    pub amount: MicroCaesar,
}

/// How much a member takes out of its stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Unbond {
    /// How much, above zero.
    pub amount: MicroCaesar,
}

/// Which certificate is to be revoked, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RevokeCertificate {
    /// Its serial number. Its owner may revoke it, and whoever owns a DNS name that it bears.
    pub serial_number: SerialNumber,
    /// Why.
    pub reason: RevocationReason,
}

/// An operation that may not be in a block at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationFault {
    /// It is for another mesh.
    #[error(
        "the operation is for the mesh with genesis {genesis}, not for this one: check which mesh the context names"
    )]
    OtherMesh {
        /// The mesh it names.
        genesis: Digest,
    },
    /// Its encoding is too long.
    #[error("the operation takes {bytes} bytes where at most {OPERATION_BYTES_MAX} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not its owner's signature.
    #[error("the operation's signature is not by its owner {owner}")]
    Signature {
        /// Who should have signed.
        owner: PublicKey,
    },
    /// The certificate request is not one that can be granted to anybody.
    #[error("certificate request: {0}")]
    Request(#[from] RequestFault),
    /// A lifetime that no certificate may have.
    #[error(
        "a lifetime of {seconds} s was asked for: it must be from {LEAF_SECONDS_MIN} to {LEAF_SECONDS_MAX} s"
    )]
    Lifetime {
        /// What was asked for.
        seconds: u32,
    },
    /// Too many ports, or ports that are not in ascending order, each once.
    #[error("at most {SERVICE_PORT_COUNT_MAX} service ports may be listed, in ascending order, each once")]
    Services,
    /// Too many TLSA records to publish.
    #[error(
        "{records} TLSA records, one for each DNS name and port, where at most {TLSA_COUNT_MAX} are allowed: \
         ask for several certificates"
    )]
    TooManyTlsa {
        /// How many there would be.
        records: usize,
    },
    /// Records that break a rule of the names.
    #[error("records: {0}")]
    Records(#[from] RecordFault),
    /// Records of a type that nobody sets.
    #[error("records: {0}")]
    Unsettable(#[from] UnsettableType),
    /// The records are not of the type that is to be set.
    #[error("the records are not all of type {expected}")]
    RecordType {
        /// The type to be set.
        expected: RecordType,
    },
    /// A name with an A-label that is not taken.
    #[error("name {name} is refused: {reason}")]
    Internationalised {
        /// The name.
        name: DomainName,
        /// What is wrong with it.
        reason: IdnFault,
    },
    /// An instance of a service that is none, or says what none may.
    #[error("service: {0}")]
    Announcement(#[from] AnnouncementFault),
    /// A transfer, bond or unbonding of nothing.
    #[error("the amount must be above zero")]
    NoAmount,
    /// A name's new owner is no usable key.
    #[error("the key {key} is not one that can sign")]
    Key {
        /// The key.
        key: PublicKey,
    },
}

/// An operation whose form and signature have been checked, and what was read out of it on the way.
#[derive(Clone, Debug)]
pub struct CheckedOperation {
    /// Its id.
    pub id: OperationId,
    /// How many bytes it takes, encoded.
    pub bytes: usize,
    /// The operation.
    pub operation: Operation,
    /// What its certificate request asks for, if it is one.
    pub request: Option<CertificateRequest>,
}

impl OperationBody {
    /// The id of an operation with this content.
    #[must_use]
    pub fn id(&self) -> OperationId {
        OperationId(ID.hash_of(self))
    }

    /// How many bytes the operation takes, encoded and with its signature: its fee depends on them, and they do not depend
    /// on what it is ready to pay.
    #[must_use]
    pub fn signed_bytes(&self) -> usize {
        crate::base::encode(&(self, Signature([0; 64]))).len()
    }

    /// The operation, signed by its owner.
    #[must_use]
    pub fn sign(self, owner: &SecretKey) -> Operation {
        let signature = owner.sign(&self.id().0);
        Operation { body: self, signature }
    }
}

impl Operation {
    /// The operation's id.
    #[must_use]
    pub fn id(&self) -> OperationId {
        self.body.id()
    }

    /// How many bytes it takes, encoded: its fee depends on them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        crate::base::encode(self).len()
    }

    /// Checks all that does not depend on the state: the form, the bounds, the signature, the request.
    ///
    /// # Errors
    /// With the first rule that the operation breaks.
    pub fn check(self, genesis: &Digest) -> Result<CheckedOperation, OperationFault> {
        if self.body.genesis != *genesis {
            return Err(OperationFault::OtherMesh { genesis: self.body.genesis });
        }
        let bytes = self.bytes();
        if bytes > OPERATION_BYTES_MAX {
            return Err(OperationFault::TooLong { bytes });
        }
        let id = self.id();
        let owner = self.body.owner;
        let signed = owner.check().is_ok() && owner.verify(&id.0, &self.signature).is_ok();
        if !signed {
            return Err(OperationFault::Signature { owner });
        }
        let request = self.body.action.check()?;
        Ok(CheckedOperation { id, bytes, operation: self, request })
    }
}

impl Action {
    /// What it is called in receipts and lists.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Attest => "attest",
            Self::IssueCertificate(_) => "issue_certificate",
            Self::RegisterName(_) => "register_name",
            Self::SetRecords(_) => "set_records",
            Self::Transfer(_) => "transfer",
            Self::RevokeCertificate(_) => "revoke_certificate",
            Self::Bond(_) => "bond",
            Self::Unbond(_) => "unbond",
            Self::RenewName(_) => "renew_name",
            Self::AnnounceService(_) => "announce_service",
            Self::WithdrawService(_) => "withdraw_service",
            Self::ReclaimName(_) => "reclaim_name",
        }
    }

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        match self {
            Self::Attest | Self::RevokeCertificate(_) => Ok(None),
            Self::IssueCertificate(issue) => issue.check().map(Some),
            Self::RegisterName(register) => {
                check_script(&register.name)?;
                register.owner.check().map_err(|_| OperationFault::Key { key: register.owner })?;
                Ok(None)
            }
            Self::SetRecords(set) => set.check().map(|()| None),
            Self::AnnounceService(announce) => announce.check().map(|()| None),
            Self::WithdrawService(withdraw) => withdraw.instance.check().map(|()| None),
            Self::Transfer(Transfer { amount, .. })
            | Self::Bond(Bond { amount })
            | Self::Unbond(Unbond { amount })
                if *amount == MicroCaesar::ZERO =>
            {
                Err(OperationFault::NoAmount)
            }
            Self::Bond(_) | Self::Unbond(_) | Self::RenewName(_) | Self::ReclaimName(_) => Ok(None),
            Self::Transfer(transfer) => {
                transfer.to.check().map_err(|_| OperationFault::Key { key: transfer.to })?;
                Ok(None)
            }
        }
    }
}

impl IssueCertificate {
    fn check(&self) -> Result<CertificateRequest, OperationFault> {
        const { assert!(CSR_BYTES_MAX < OPERATION_BYTES_MAX) };
        if !(LEAF_SECONDS_MIN..=LEAF_SECONDS_MAX).contains(&self.lifetime_seconds) {
            return Err(OperationFault::Lifetime { seconds: self.lifetime_seconds });
        }
        let ascending = self.services.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if self.services.len() > SERVICE_PORT_COUNT_MAX || !ascending {
            return Err(OperationFault::Services);
        }
        let request = CertificateRequest::from_csr(&self.csr)?;
        let records = request.names.dns().len() * self.services.len();
        if records > TLSA_COUNT_MAX {
            return Err(OperationFault::TooManyTlsa { records });
        }
        Ok(request)
    }
}

pub(super) fn check_script(name: &DomainName) -> Result<(), OperationFault> {
    name.check_idn().map_err(|reason| OperationFault::Internationalised { name: name.clone(), reason })
}

impl SetRecords {
    /// The data of the records that the name has from now on; none if they are removed.
    pub(super) fn data(&self) -> &[RecordData] {
        self.records.as_ref().map_or(&[], |records| records.data.as_slice())
    }

    pub(super) fn check(&self) -> Result<(), OperationFault> {
        check_script(&self.name)?;
        self.record_type.check_settable()?;
        let Some(records) = &self.records else { return Ok(()) };
        records.check()?;
        if records.record_type() != Some(self.record_type) {
            return Err(OperationFault::RecordType { expected: self.record_type });
        }
        Ok(())
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}
