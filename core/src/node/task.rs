//! What the committee signs, and how each node derives the bytes from its own committed state.

use crate::base::encode;
use crate::hypermesh::committee::KeyPurpose;
use crate::trustchain::ca::SerialNumber;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// Something that the committee signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(in crate::node) enum Task {
    /// The root certificate.
    Root,
    /// The issuing certificate of this number.
    Issuing(u32),
    /// A leaf certificate, with its consensus proof.
    Leaf(SerialNumber),
    /// A checkpoint of the log at this size.
    Checkpoint(u64),
    /// The revocation list of this number.
    RevocationList(u64),
    /// The root key's revocation list of this number.
    RootRevocationList(u64),
}

impl Task {
    /// Under which key it is signed.
    pub(in crate::node) const fn purpose(self) -> KeyPurpose {
        match self {
            Self::Root | Self::Issuing(_) | Self::RootRevocationList(_) => KeyPurpose::Root,
            Self::Leaf(_) | Self::RevocationList(_) => KeyPurpose::Issuing,
            Self::Checkpoint(_) => KeyPurpose::Log,
        }
    }

    /// Whether the whole mesh shares one signature on it. Other tasks are whoever's that waits for them.
    pub(in crate::node) const fn is_shared(self) -> bool {
        matches!(self, Self::Root | Self::Issuing(_) | Self::RevocationList(_) | Self::RootRevocationList(_))
    }

    /// Whether nobody needs it once this one is signed: a revocation list says all that those before it would have said.
    pub(in crate::node) const fn is_replaced_by(self, other: Self) -> bool {
        match (self, other) {
            (Self::RevocationList(number), Self::RevocationList(newer))
            | (Self::RootRevocationList(number), Self::RootRevocationList(newer)) => number < newer,
            _ => false,
        }
    }

    /// The key of its finished signature in the store.
    pub(in crate::node) fn key(self) -> Vec<u8> {
        [b"task/".as_slice(), &encode(&self)].concat()
    }
}
