//! Proofs about the log: that an entry is in it, and that one state of it continues another.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Digest, LeafIndex, UnixMillis};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for the proof that an entry is in the log.
    InclusionRequest {
        /// The entry's place.
        index: LeafIndex,
        /// The log's size, or its present one.
        size: Option<u64>,
    }
}

impl ReadMethod for InclusionRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<LogProof, ApiFault> {
        let log = view.state.log();
        let size = self.size.unwrap_or(log.size());
        let path = log.inclusion_proof(self.index, size).map_err(ApiFault::not_found)?;
        Ok(LogProof { size, root: log.root_at(size).map_err(ApiFault::not_found)?, path })
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

impl ReadMethod for ConsistencyRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<LogProof, ApiFault> {
        let log = view.state.log();
        let size = self.new.unwrap_or(log.size());
        let path = log.consistency_proof(self.old, size).map_err(ApiFault::not_found)?;
        Ok(LogProof { size, root: log.root_at(size).map_err(ApiFault::not_found)?, path })
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
