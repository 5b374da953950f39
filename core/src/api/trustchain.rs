//! TrustChain's requests and responses: certificates, names, the log.

use crate::base::{Digest, Height, LeafIndex, MicroCaesar, PublicKey, UnixMillis};
use crate::state::{Operation, OperationId, Revocation};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{SerialNumber, SubjectNames};
use crate::trustchain::dns::{NamedRecordSet, RecordType, ResolutionOutcome};
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most certificates in one page of a list.
pub const LIST_COUNT_MAX: u32 = 1000;
/// The most certificates that are looked at for one page, so that no request costs more than that, however
/// many there are.
pub const LIST_SCAN_COUNT_MAX: usize = 1_000;

macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::api::Described for $name {
            const SHAPE: &'static str = concat!(
                stringify!($name), " {", $(" ", stringify!($field), ": ", stringify!($type), ",",)* " }"
            );
        }
    };
}
pub(super) use message;

message! {
    /// Asks for a certificate. Answered when it is committed, logged and signed.
    IssueCertificateRequest {
        /// The owner's signed operation, with the certificate request in it.
        operation: Operation,
    }
}

message! {
    /// A certificate with all that proves it.
    IssuedCertificate {
        /// Its serial number.
        serial_number: SerialNumber,
        /// The certificate, DER.
        #[serde(with = "hex::serde")]
        certificate_der: Vec<u8>,
        /// The certificate, PEM.
        certificate_pem: String,
        /// The issuing certificate, PEM.
        chain_pem: String,
        /// The root certificate, PEM.
        root_pem: String,
        /// Who approved it: the commit certificate and the cosigned checkpoint, PEM.
        proof_pem: String,
        /// The block that approved it.
        height: Height,
        /// Its place in the log.
        leaf_index: LeafIndex,
        /// Its last moment.
        not_after: UnixMillis,
        /// What it cost.
        fee: MicroCaesar,
    }
}

message! {
    /// Asks for a certificate that was issued.
    CertificateRequestBySerial {
        /// Its serial number.
        serial_number: SerialNumber,
    }
}

message! {
    /// Asks what the mesh knows of a certificate.
    ValidateCertificateRequest {
        /// The certificate, DER.
        #[serde(with = "hex::serde")]
        certificate_der: Vec<u8>,
    }
}

/// What the mesh knows of a certificate.
///
/// Exhaustive: checkers of runs have to judge each one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum CertificateState {
    /// Approved and logged by this mesh, signed by its committee, and within its time.
    Valid {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// As above, but it was revoked, whether in its time or past it. The summary says when and why.
    Revoked {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// As above, but its time has run out.
    Expired {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// As above, but its time has not begun: the asking or the asked clock is behind.
    NotYetValid {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// Of this mesh's issuer by name, but never approved by it.
    Unknown {
        /// Why it is not accepted.
        reason: String,
    },
    /// Of another issuer, or not a certificate.
    NotOfThisMesh {
        /// Why it is not accepted.
        reason: String,
    },
}

message! {
    /// What a list says of a certificate.
    CertificateSummary {
        /// Its serial number.
        serial_number: SerialNumber,
        /// Whose.
        owner: PublicKey,
        /// What it certifies.
        names: SubjectNames,
        /// Its first moment.
        not_before: UnixMillis,
        /// Its last moment.
        not_after: UnixMillis,
        /// The block that approved it.
        height: Height,
        /// Its place in the log.
        leaf_index: LeafIndex,
        /// The operation that asked for it.
        operation: OperationId,
        /// The time of the block that approved it.
        issued: UnixMillis,
        /// When and why it was revoked, if it was.
        revocation: Option<Revocation>,
    }
}

/// What has become of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateStatus {
    /// Neither of the others.
    Valid,
    /// It was revoked, whether in its time or past it.
    Revoked,
    /// Its time has run out, and it was not revoked.
    Expired,
}

impl CertificateSummary {
    /// What has become of it at this moment.
    #[must_use]
    pub const fn status(&self, at: UnixMillis) -> CertificateStatus {
        match self.revocation {
            Some(_) => CertificateStatus::Revoked,
            None if at.seconds() > self.not_after.seconds() => CertificateStatus::Expired,
            None => CertificateStatus::Valid,
        }
    }
}

message! {
    /// Asks for a page of certificates, in order of their serial numbers.
    #[derive(Default)]
    CertificateListRequest {
        /// Only this owner's.
        owner: Option<PublicKey>,
        /// Only certificates for this name.
        name: Option<DomainName>,
        /// Only certificates with this status, by the asked node's clock.
        status: Option<CertificateStatus>,
        /// Only those that end before this moment.
        expires_before: Option<UnixMillis>,
        /// Only certificates that were issued after this time.
        issued_after: Option<UnixMillis>,
        /// Only those after this serial number.
        after: Option<SerialNumber>,
        /// At most this many, and at most [`LIST_COUNT_MAX`].
        limit: u32,
    }
}

message! {
    /// A page of certificates. It may be short, or empty, though there is a next one: see
    /// [`LIST_SCAN_COUNT_MAX`].
    CertificateList {
        /// The certificates.
        certificates: Vec<CertificateSummary>,
        /// The last one that was looked at, if there are more: ask for those after it.
        next: Option<SerialNumber>,
    }
}

message! {
    /// Asks for the newest revocation lists that are signed: those that are there, once at least one is.
    RevocationListRequest {
        /// Wait for the issuing key's list with this number, or one after it, to be signed: the number in the receipt of a
        /// revocation.
        at_least: Option<u64>,
        /// Wait for the root key's list with this number, or one after it, to be signed.
        root_at_least: Option<u64>,
    }
}

message! {
    /// The revocation lists (RFC 5280 §5) of the mesh's two authorities.
    PublishedLists {
        /// The issuing key's, which names revoked certificates; none while its first is not signed.
        issuing: Option<PublishedList>,
        /// The root key's: empty, for verifiers that want a list for each certificate of a chain. None while its first is not
        /// signed.
        root: Option<PublishedList>,
        /// The number of the issuing key's newest list that a block has fixed: a later one while that is being signed.
        newest: u64,
        /// The number of the root key's newest list that a block has fixed.
        root_newest: u64,
    }
}

message! {
    /// A revocation list that is signed.
    PublishedList {
        /// Its number.
        number: u64,
        /// When it was made: a block's time, in whole seconds.
        this_update: UnixMillis,
        /// When there is a newer one at the latest.
        next_update: UnixMillis,
        /// The list, DER.
        #[serde(with = "hex::serde")]
        crl_der: Vec<u8>,
    }
}

message! {
    /// Asks for what a client needs to verify certificates offline.
    TrustBundleRequest {}
}

message! {
    /// Asks whose a name is, and until when.
    NameRequest {
        /// The name.
        name: DomainName,
    }
}

message! {
    /// Whose a name is, and until when.
    NameState {
        /// The name that was registered: the one asked for, or one that it lies below.
        name: DomainName,
        /// Whose it is.
        owner: PublicKey,
        /// Since when; height 0 is genesis.
        since: Height,
        /// Until when it is paid for; none for what genesis gave away, and for names below others.
        expires: Option<UnixMillis>,
        /// If it is not paid for any more: when it is free for anybody.
        freed: Option<UnixMillis>,
        /// Until when it is granted, if it lies below another name and the grant ends.
        until: Option<UnixMillis>,
        /// Whether names may be registered below it.
        may_grant: bool,
        /// Who can take it back first: the owner of the name that it was granted under. None if nobody can.
        granter: Option<PublicKey>,
        /// What another period costs.
        rent: MicroCaesar,
        /// The block that this is of.
        height: Height,
    }
}

message! {
    /// Asks for a name's records of one type.
    DnsRequest {
        /// The name.
        name: DomainName,
        /// The type.
        record_type: RecordType,
    }
}

message! {
    /// A name's records.
    DnsAnswer {
        /// What came of it.
        outcome: ResolutionOutcome,
        /// The records, after any aliases that led to them, in order.
        answers: Vec<NamedRecordSet>,
        /// The zone's own record, for an answer that says that something is not there.
        authority: Option<NamedRecordSet>,
        /// The block that the answer is of.
        height: Height,
        /// That block's time.
        time: UnixMillis,
        /// How long ago that was, in milliseconds, by the answering node's clock.
        age_ms: u64,
        /// Whether the answer may be out of date: no block for several heartbeats (Extended DNS Error 3).
        stale: bool,
    }
}

message! {
    /// Asks for a signed checkpoint of the log as it stands.
    CheckpointRequest {}
}

message! {
    /// A checkpoint of the log: a signed note (C2SP), cosigned by a quorum of validators.
    CheckpointNote {
        /// The note, as text.
        note: String,
        /// The log's size in it.
        size: u64,
        /// The log's root in it.
        root: Digest,
    }
}

message! {
    /// Asks for an entry of the log.
    LogEntryRequest {
        /// Its place.
        index: LeafIndex,
    }
}

message! {
    /// An entry of the log: a `MerkleTreeLeaf` (RFC 6962 §3.4).
    LogEntry {
        /// Its place.
        index: LeafIndex,
        /// Its bytes.
        #[serde(with = "hex::serde")]
        entry: Vec<u8>,
    }
}

message! {
    /// Asks for the proof that an entry is in the log.
    InclusionRequest {
        /// The entry's place.
        index: LeafIndex,
        /// The log's size, or its present one.
        size: Option<u64>,
    }
}

message! {
    /// Asks for the proof that one state of the log continues another.
    ConsistencyRequest {
        /// The older size.
        old: u64,
        /// The newer size, or the present one.
        new: Option<u64>,
    }
}

message! {
    /// A proof about the log (RFC 9162 §2.1.3 and §2.1.4).
    LogProof {
        /// The log's size that the proof leads to.
        size: u64,
        /// The log's root at that size.
        root: Digest,
        /// The hashes.
        path: Vec<Digest>,
    }
}
