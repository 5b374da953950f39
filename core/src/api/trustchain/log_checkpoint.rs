//! A signed checkpoint of the log. The node answers it, when a quorum has cosigned it.

use crate::base::Digest;
use alloc::string::String;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

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
