//! How a node is.

use crate::api::{ApiFault, ReadMethod, Unmet, View};
use crate::base::{Digest, Height, PublicKey, UnixMillis};
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for the node's status.
    StatusRequest {}
}

message! {
    /// How a node is.
    NodeStatus {
        /// The mesh's name.
        network: String,
        /// The mesh: its genesis hash.
        genesis: Digest,
        /// The profile.
        profile: String,
        /// The node's key.
        node: PublicKey,
        /// The node's name, if it is a validator.
        name: String,
        /// The last block.
        height: Height,
        /// Its time.
        time: UnixMillis,
        /// How many validators there are.
        validators: u64,
        /// How many of them this node is linked with, itself included.
        connected: u64,
        /// How many it takes to decide.
        quorum: u64,
        /// How many blocks the node is behind, as far as it can know.
        behind: u64,
        /// Whether the node takes part in deciding the next height: `yes`, or why it does not. Says nothing of how far
        /// the others are: that is `behind`.
        voting: String,
        /// The names of those that it is not linked with.
        unreachable: Vec<String>,
        /// How long ago the last block was made, in milliseconds, by this node's clock when it was asked; 0 also if
        /// block time is ahead of that clock. A clock that is wrong makes it wrong: `standstill` does not rest on it alone.
        age_ms: u64,
        /// By how much the last block's time is ahead of this node's clock, in milliseconds: then its age is unknown.
        ahead_ms: u64,
        /// Why nothing is decided, if nothing is: quorum is missing, or no block has come for three heartbeats, by block
        /// time or by this node's monotonic clock.
        standstill: Option<String>,
        /// Whether the committee's keys are active, and if not, how far they are; whether this node holds its shares.
        committee: String,
        /// Whether the node can do its whole work: no condition is unmet.
        ready: bool,
        /// The conditions of readiness that do not hold, each once, with its cause.
        not_ready: Vec<Unmet>,
        /// How many certificates were approved.
        certificates: u64,
        /// How many names are registered.
        names: u64,
        /// The log's size.
        log_size: u64,
        /// The current beacon's number.
        beacon: u64,
        /// Where the node is in the network: never attested yet.
        position: String,
    }
}

impl ReadMethod for StatusRequest {
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<NodeStatus, ApiFault> {
        Ok(view.status_at(wall))
    }
}
