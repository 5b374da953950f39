//! An entry of the log. The node answers it from its store.

use crate::base::LeafIndex;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

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
