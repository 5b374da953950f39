//! Requests for shares that came before the block that they are about: kept until this node has applied it.
//!
//! A coordinator may send what it likes, so what is kept of one is bounded in number, in bytes, and in how far ahead
//! it may be. What is not kept, the coordinator asks for again, or asks others.

use crate::base::{Height, PublicKey};
use crate::node::message::ShareRequests;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The most messages that wait, of one coordinator.
const WAITING_MESSAGE_COUNT_MAX: usize = 64;
/// The most bytes that wait, of one coordinator: more than the largest message that a correct one sends.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// A block further ahead than this comes too late for a request to wait for it.
const WAITING_BLOCK_COUNT_MAX: u64 = 16;

/// Requests that wait for blocks.
#[derive(Default)]
pub(super) struct Waiting {
    by_coordinator: BTreeMap<PublicKey, Queue>,
}

#[derive(Default)]
struct Queue {
    bytes: usize,
    messages: Vec<ShareRequests>,
}

impl Waiting {
    /// Keeps a message while there is room. Says whether it was kept.
    pub(super) fn keep(&mut self, here: Height, coordinator: PublicKey, requests: ShareRequests) -> bool {
        if requests.height.0.saturating_sub(here.0) > WAITING_BLOCK_COUNT_MAX {
            return false;
        }
        let queue = self.by_coordinator.entry(coordinator).or_default();
        let bytes = queue.bytes.saturating_add(requests.bytes());
        if queue.messages.len() >= WAITING_MESSAGE_COUNT_MAX || bytes > WAITING_BYTES_MAX {
            return false;
        }
        queue.bytes = bytes;
        queue.messages.push(requests);
        true
    }

    /// Whether messages of a coordinator wait.
    pub(super) fn has(&self, coordinator: &PublicKey) -> bool {
        self.by_coordinator.get(coordinator).is_some_and(|queue| !queue.messages.is_empty())
    }

    /// How many messages wait.
    pub(super) fn count(&self) -> usize {
        self.by_coordinator.values().map(|queue| queue.messages.len()).sum()
    }

    /// How many may wait of so many coordinators.
    pub(super) const fn count_max(&self, coordinators: usize) -> usize {
        coordinators * WAITING_MESSAGE_COUNT_MAX
    }

    /// Takes out all that can be answered at this height.
    pub(super) fn take(&mut self, here: Height) -> Vec<(PublicKey, ShareRequests)> {
        let mut due = Vec::new();
        for (coordinator, queue) in &mut self.by_coordinator {
            for requests in queue.messages.extract_if(.., |requests| requests.height <= here) {
                queue.bytes = queue.bytes.saturating_sub(requests.bytes());
                due.push((*coordinator, requests));
            }
        }
        self.by_coordinator.retain(|_, queue| !queue.messages.is_empty());
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;
    use crate::hypermesh::committee::{
        Commitment, KeyPurpose, NamedCommitment, NonceId, ShareRequest, SignerIncarnation,
        VALIDATOR_COUNT_MAX, threshold,
    };
    use crate::node::message::TASK_COUNT_MAX;
    use crate::node::task::Task;
    use crate::node::trace::MessageTraces;

    const ONE: PublicKey = PublicKey([1; 32]);

    fn message(height: u64, tasks: usize, signers: usize) -> ShareRequests {
        let named = NamedCommitment {
            incarnation: SignerIncarnation([1; 16]),
            id: NonceId(1),
            points: [1; Commitment::POINT_BYTES],
        };
        let commitments = (0..signers).map(|number| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(number as u64).to_le_bytes());
            (PublicKey(key), named.clone())
        });
        let request = ShareRequest {
            committee: Digest([1; 32]),
            purpose: KeyPurpose::Root,
            message: Digest([2; 32]),
            commitments: commitments.collect(),
        };
        ShareRequests {
            height: Height(height),
            requests: alloc::vec![(Task::Root, request); tasks],
            traces: MessageTraces::default(),
        }
    }

    #[test]
    fn messages_hold_at_their_number_and_not_one_past_it() {
        let mut waiting = Waiting::default();
        for _ in 0..WAITING_MESSAGE_COUNT_MAX {
            assert!(waiting.keep(Height(1), ONE, message(2, 1, 1)));
        }
        assert!(!waiting.keep(Height(1), ONE, message(2, 1, 1)));
        assert!(waiting.keep(Height(1), PublicKey([2; 32]), message(2, 1, 1)), "another has room of its own");
        assert_eq!(waiting.take(Height(2)).len(), WAITING_MESSAGE_COUNT_MAX + 1);
        assert!(waiting.keep(Height(2), ONE, message(3, 1, 1)), "what was taken made room");
    }

    #[test]
    fn bytes_hold_at_their_limit_and_not_one_message_past_it() {
        let mut waiting = Waiting::default();
        let largest = message(2, TASK_COUNT_MAX, threshold(VALIDATOR_COUNT_MAX));
        assert!(largest.bytes() <= WAITING_BYTES_MAX, "a correct coordinator's message always fits");
        let room = WAITING_BYTES_MAX - message(2, 0, 0).bytes();
        let one = message(2, 1, 0).bytes() - message(2, 0, 0).bytes();
        let fill = message(2, room / one, 0);
        let spare = WAITING_BYTES_MAX - fill.bytes();
        assert!(waiting.keep(Height(1), ONE, fill));
        assert!(spare < message(2, 1, 0).bytes() && !waiting.keep(Height(1), ONE, message(2, 1, 0)));
        assert_eq!(waiting.take(Height(2)).len(), 1);
        assert!(waiting.keep(Height(2), ONE, message(3, 1, 0)));
    }

    #[test]
    fn what_is_too_far_ahead_does_not_wait() {
        let mut waiting = Waiting::default();
        assert!(waiting.keep(Height(1), ONE, message(1 + WAITING_BLOCK_COUNT_MAX, 1, 1)));
        assert!(!waiting.keep(Height(1), ONE, message(2 + WAITING_BLOCK_COUNT_MAX, 1, 1)));
        assert!(!waiting.keep(Height(1), ONE, message(u64::MAX, 1, 1)));
        assert_eq!(waiting.take(Height(WAITING_BLOCK_COUNT_MAX)).len(), 0);
        assert_eq!(waiting.take(Height(1 + WAITING_BLOCK_COUNT_MAX)).len(), 1);
    }
}
