//! Log entries: the `MerkleTreeLeaf` of RFC 6962 §3.4, in its exact TLS encoding.
//!
//! Every certificate is logged as a `precert_entry`, the root and the issuing certificates too. An `x509_entry`
//! holds a whole certificate, signature and all, and here the log is written before anything is signed. For an
//! authority's certificate `tbs` is its to-be-signed bytes and the issuer's key is the root's.

use super::tree::leaf_hash;
use crate::base::{Digest, UnixMillis};
use crate::trustchain::ca::TBS_BYTES_MAX;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// `v1`, then `timestamped_entry`.
const VERSION_AND_TYPE: [u8; 2] = [0, 0];
/// `precert_entry`.
const PRECERT_ENTRY: [u8; 2] = [0, 1];
/// No extensions: a length of zero.
const NO_EXTENSIONS: [u8; 2] = [0, 0];

/// A certificate as the log has it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct LogEntry {
    /// The time of the block that logged it.
    pub timestamp: UnixMillis,
    /// SHA-256 of the issuer's SubjectPublicKeyInfo: [`crate::trustchain::ca::SubjectKey::spki_hash`].
    pub issuer_key_hash: Digest,
    /// The to-be-signed bytes without the consensus proof.
    pub tbs: Vec<u8>,
}

/// Bytes that are not an entry of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// More to-be-signed bytes than any certificate has.
    #[error("a certificate of {bytes} bytes, at most {TBS_BYTES_MAX} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// Not a `MerkleTreeLeaf` with a `precert_entry` and no extensions.
    #[error("not a log entry of this log: expected a v1 timestamped precert_entry without extensions")]
    Malformed,
}

impl LogEntry {
    /// The `MerkleTreeLeaf` that the log hashes.
    ///
    /// # Panics
    /// If `tbs` has 16 MiB or more, 8,000 times what this authority makes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.tbs.len()).expect("certificates are bounded far below 16 MiB");
        let [overflow, length @ ..] = length.to_be_bytes();
        assert_eq!(overflow, 0, "certificates are bounded far below 16 MiB");
        [
            &VERSION_AND_TYPE[..],
            &self.timestamp.0.to_be_bytes(),
            &PRECERT_ENTRY,
            self.issuer_key_hash.as_bytes(),
            &length,
            &self.tbs,
            &NO_EXTENSIONS,
        ]
        .concat()
    }

    /// The entry that these bytes encode, for monitors that read the log.
    ///
    /// # Errors
    /// If it is not an entry such as [`Self::encode`] makes, or too long.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryFault> {
        let rest = bytes.strip_prefix(&VERSION_AND_TYPE).ok_or(EntryFault::Malformed)?;
        let (timestamp, rest) = rest.split_first_chunk().ok_or(EntryFault::Malformed)?;
        let rest = rest.strip_prefix(&PRECERT_ENTRY).ok_or(EntryFault::Malformed)?;
        let (issuer_key_hash, rest) = rest.split_first_chunk().ok_or(EntryFault::Malformed)?;
        let (&[high, middle, low], rest) = rest.split_first_chunk().ok_or(EntryFault::Malformed)?;
        let tbs = rest.strip_suffix(&NO_EXTENSIONS).ok_or(EntryFault::Malformed)?;
        if u32::try_from(tbs.len()) != Ok(u32::from_be_bytes([0, high, middle, low])) {
            return Err(EntryFault::Malformed);
        }
        if tbs.len() > TBS_BYTES_MAX {
            return Err(EntryFault::TooLong { bytes: tbs.len() });
        }
        let timestamp = UnixMillis(u64::from_be_bytes(*timestamp));
        Ok(Self { timestamp, issuer_key_hash: Digest(*issuer_key_hash), tbs: tbs.to_vec() })
    }

    /// The hash under which it stands in the tree.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        leaf_hash(&self.encode())
    }
}
