//! What requests and answers are charged while they are held, so that no caller fills the memory.

use super::connection::Peer;
use crate::status::{Status, StatusCode};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a message is charged while it is held: of the caller's share, and of the server's whole.
pub(super) struct Memory {
    _caller: OwnedSemaphorePermit,
    _server: OwnedSemaphorePermit,
}

/// That no more can be held for now.
pub(super) struct LimitReached;

impl Memory {
    /// Charges that many bytes, or refuses: it does not wait, since what would be waited for is the same
    /// peers' doing.
    pub(super) fn take(peer: &Peer, bytes: usize) -> Result<Self, LimitReached> {
        let take = |memory: &Arc<Semaphore>| {
            memory.clone().try_acquire_many_owned(kibibytes(bytes)).map_err(|_| LimitReached)
        };
        Ok(Self { _caller: take(&peer.memory)?, _server: take(&peer.shared.memory)? })
    }
}

impl LimitReached {
    /// What is said of an answer that cannot be held: what was asked may have been done.
    pub(super) fn status(self) -> Status {
        Status::new(StatusCode::Unavailable, "this node's memory for requests is full: retry later")
    }

    /// What is said of a request that cannot be held, and of which nothing is done: when to come back.
    pub(super) fn rejection(self, peer: &Peer) -> Status {
        self.status().with_advice(peer.shared.call_queue.retry_advice(peer.connection.key))
    }
}

/// Bytes in KiB, rounded up, as the memory's semaphores count them.
pub(super) fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}
