//! An operation: what an owner wants done, signed by the owner.

use super::{Action, LEAF_SECONDS_MAX, LEAF_SECONDS_MIN, SERVICE_PORT_COUNT_MAX, TLSA_COUNT_MAX};
use crate::base::{Digest, Domain, MicroCaesar, PublicKey, SecretKey, Signature, UnixMillis};
use crate::state::AnnouncementFault;
use crate::trustchain::ca::{CertificateRequest, RequestFault};
use crate::trustchain::dns::{RecordFault, RecordType, UnsettableType};
use crate::trustchain::{DomainName, IdnFault};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use serde::{Deserialize, Serialize};

/// An operation expires at most this long after the block that could include it.
pub const OPERATION_MS_LIFE_MAX: u64 = 60 * 60 * 1000;
/// The most bytes in one encoded operation.
pub const OPERATION_BYTES_MAX: usize = 64 * 1024;
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
    #[error("the operation takes {bytes} bytes, at most {OPERATION_BYTES_MAX} are allowed")]
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
    #[error("lifetime {seconds} s: it must be from {LEAF_SECONDS_MIN} to {LEAF_SECONDS_MAX} s")]
    Lifetime {
        /// What was asked for.
        seconds: u32,
    },
    /// Too many ports, or ports that are not in ascending order, each once.
    #[error("at most {SERVICE_PORT_COUNT_MAX} service ports may be listed, in ascending order, each once")]
    Services,
    /// Too many TLSA records to publish.
    #[error(
        "{records} TLSA records, one for each DNS name and port, at most {TLSA_COUNT_MAX} are allowed: \
        request several certificates"
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

pub(in crate::state) fn check_script(name: &DomainName) -> Result<(), OperationFault> {
    name.check_idn().map_err(|reason| OperationFault::Internationalised { name: name.clone(), reason })
}

impl fmt::Display for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}
