//! What a group key is for. One key for one purpose, so that a signature for one is never one for another.

use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What a group key is for.
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
#[serde(rename_all = "lowercase")]
pub enum KeyPurpose {
    /// Signs the certificates of the issuing key.
    Root,
    /// Signs leaf certificates and revocation lists.
    Issuing,
    /// Signs the checkpoints of the certificate log.
    Log,
    /// Signs the DNS zone.
    Zone,
}

impl KeyPurpose {
    /// Every purpose, in order.
    pub const ALL: [Self; 4] = [Self::Root, Self::Issuing, Self::Log, Self::Zone];

    /// The purpose's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
            Self::Log => "log",
            Self::Zone => "zone",
        }
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
