//! An owner's or the reserve's movements, page by page. The node answers it from its store.

use crate::base::Height;
use crate::caesar::{HistoryHead, HistoryPage, Holder};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most movements in one page of history.
pub const HISTORY_COUNT_MAX: u32 = 256;

message! {
    /// Asks for movements of a holder, the newest first to come.
    HistoryRequest {
        /// Whose.
        holder: Holder,
        /// Only what was before this; all if there is none.
        before: Option<HistoryCursor>,
        /// How many at most, from 1 to [`HISTORY_COUNT_MAX`].
        limit: u32,
    }
}

message! {
    /// A place in a history.
    HistoryCursor {
        /// In this block.
        height: Height,
        /// The movement of this number.
        number: u64,
    }
}

message! {
    /// A page of history, and what it is checked against: its digest is the state's if it is the newest page, and what
    /// the page after it begins with if not.
    History {
        /// How far the history goes.
        head: HistoryHead,
        /// The movements, oldest first.
        page: HistoryPage,
        /// Where the page before this one is found; none if this begins with the first movement.
        next: Option<HistoryCursor>,
        /// The block that the head is of.
        height: Height,
    }
}
