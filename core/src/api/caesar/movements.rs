//! What moved in a block. The node answers it from its store.

use crate::base::{Height, UnixMillis};
use crate::caesar::{JournalHead, Movement};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks what moved in a block.
    MovementsRequest {
        /// Which; the last if none is named.
        height: Option<Height>,
    }
}

message! {
    /// What moved in a block.
    Movements {
        /// Which.
        height: Height,
        /// Its time.
        time: UnixMillis,
        /// What moved, in order.
        movements: Vec<Movement>,
        /// How far the journal of all movements went before this block.
        before: JournalHead,
        /// How far it went after it: as the state has it, if nothing has moved since.
        after: JournalHead,
    }
}
