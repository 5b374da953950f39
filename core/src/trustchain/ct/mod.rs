//! The transparency log: every certificate, in a Merkle tree that only grows.
//!
//! The log is part of the state that the validators agree on: the commit that approves a certificate appends its
//! [`LogEntry`], before anything is signed. A [`MerkleTree`] proves that an entry is in it and that it never lost
//! one; a [`Checkpoint`] is its size and root, signed by the committee's log key and cosigned by validators, in
//! the formats that other transparency tools read (RFC 6962, C2SP `tlog-checkpoint` and `tlog-cosignature`).
//!
//! What is not decided here: what may be logged, and who the validators are.

mod checkpoint;
mod entry;
mod proof;
mod tree;

#[cfg(test)]
mod tests;

pub use checkpoint::{
    CHECKPOINT_BYTES_MAX, Checkpoint, CheckpointFault, Cosigned, Cosigner, KEY_NAME_BYTES_MAX, NoteSignature,
    SIGNATURE_COUNT_MAX, SignedCheckpoint, cosigner_verifier_key, log_verifier_key,
};
pub use entry::{EntryFault, LogEntry};
pub use proof::{PATH_HASHES_MAX, ProofFault, verify_consistency, verify_inclusion};
pub use tree::{MerkleTree, TreeFault, TreeHead, empty_root, leaf_hash};
