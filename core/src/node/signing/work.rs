//! Requests for shares that can be answered now and are not answered yet: a share takes a fraction of a millisecond, so a
//! message of hundreds is worked off in slices, between which votes have their turn.
//!
//! Coordinators take turns. One that asks again for the same task has only its newest request answered, and what nobody
//! can wait for any more is dropped.

use super::answer_times::TIMEOUT_MAX;
use crate::base::{Mono, PublicKey};
use crate::hypermesh::committee::{KeyPurpose, ShareRequest};
use crate::node::message::TASK_COUNT_MAX;
use crate::node::task::Task;
use alloc::collections::{BTreeMap, VecDeque};

/// The most requests that wait, of one coordinator; past it the oldest is dropped.
pub(super) const WORK_PER_COORDINATOR_COUNT_MAX: usize = 4 * TASK_COUNT_MAX;

/// Requests that can be answered, by coordinator.
#[derive(Default)]
pub(super) struct Work {
    queues: BTreeMap<PublicKey, CoordinatorQueue>,
    /// The coordinators with requests waiting, whose turn it is first. Each once.
    turns: VecDeque<PublicKey>,
    count: usize,
}

/// The requests of one coordinator, oldest first.
#[derive(Default)]
struct CoordinatorQueue {
    order: VecDeque<Task>,
    requests: BTreeMap<Task, (Mono, ShareRequest)>,
}

impl Work {
    /// Keeps a request. One for the same task gives way to it.
    pub(super) fn push(&mut self, now: Mono, coordinator: PublicKey, task: Task, request: ShareRequest) {
        let queue = self.queues.entry(coordinator).or_default();
        if queue.requests.is_empty() {
            self.turns.push_back(coordinator);
        }
        if queue.requests.insert(task, (now, request)).is_some() {
            return;
        }
        queue.order.push_back(task);
        self.count += 1;
        if queue.order.len() > WORK_PER_COORDINATOR_COUNT_MAX
            && let Some(oldest) = queue.order.pop_front()
        {
            queue.requests.remove(&oldest);
            self.count -= 1;
        }
    }

    /// Takes out the next request whose coordinator may still wait for it.
    pub(super) fn pop(&mut self, now: Mono) -> Option<(PublicKey, Task, ShareRequest)> {
        while let Some(coordinator) = self.turns.pop_front() {
            let Some(queue) = self.queues.get_mut(&coordinator) else { continue };
            let next = queue.order.pop_front();
            let request = next.and_then(|task| Some((task, queue.requests.remove(&task)?)));
            if queue.requests.is_empty() {
                self.queues.remove(&coordinator);
            } else {
                self.turns.push_back(coordinator);
            }
            let Some((task, (since, request))) = request else { continue };
            self.count -= 1;
            if now.since(since) <= TIMEOUT_MAX {
                return Some((coordinator, task, request));
            }
        }
        None
    }

    /// Whether a coordinator waits for shares of this purpose.
    pub(super) fn has(&self, coordinator: &PublicKey, purpose: KeyPurpose) -> bool {
        let queue = self.queues.get(coordinator);
        queue.is_some_and(|queue| queue.requests.keys().any(|task| task.purpose() == purpose))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many wait.
    pub(super) const fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;

    const fn coordinator(number: u8) -> PublicKey {
        PublicKey([number; 32])
    }

    const fn request(number: u8) -> ShareRequest {
        ShareRequest {
            committee: Digest([number; 32]),
            purpose: KeyPurpose::Log,
            message: Digest([0; 32]),
            commitments: BTreeMap::new(),
        }
    }

    #[test]
    fn requests_of_a_coordinator_hold_at_their_limit_and_past_it_the_oldest_goes() {
        let mut work = Work::default();
        let most = WORK_PER_COORDINATOR_COUNT_MAX as u64;
        (0..most).for_each(|size| work.push(Mono(0), coordinator(1), Task::Checkpoint(size), request(1)));
        assert_eq!(work.count(), WORK_PER_COORDINATOR_COUNT_MAX);
        work.push(Mono(0), coordinator(1), Task::Checkpoint(most), request(1));
        assert_eq!(work.count(), WORK_PER_COORDINATOR_COUNT_MAX);
        work.push(Mono(0), coordinator(2), Task::Root, request(1));
        assert_eq!(work.count(), WORK_PER_COORDINATOR_COUNT_MAX + 1, "another has room of its own");
        assert_eq!(work.pop(Mono(0)).map(|(_, task, _)| task), Some(Task::Checkpoint(1)));
    }

    #[test]
    fn coordinators_take_turns_and_the_newest_request_for_a_task_counts() {
        let mut work = Work::default();
        for size in 0..3 {
            work.push(Mono(0), coordinator(1), Task::Checkpoint(size), request(1));
        }
        work.push(Mono(0), coordinator(2), Task::Root, request(1));
        work.push(Mono(5), coordinator(1), Task::Checkpoint(0), request(9));
        assert_eq!(work.count(), 4);
        assert!(work.has(&coordinator(1), KeyPurpose::Log) && !work.has(&coordinator(1), KeyPurpose::Root));
        let order: alloc::vec::Vec<_> = core::iter::from_fn(|| work.pop(Mono(5))).collect();
        let coordinators: alloc::vec::Vec<_> = order.iter().map(|(who, ..)| *who).collect();
        assert_eq!(coordinators, [1, 2, 1, 1].map(coordinator));
        assert_eq!(order[0].2, request(9));
        assert!(work.is_empty() && work.queues.is_empty() && work.turns.is_empty());
    }

    #[test]
    fn a_request_is_answered_at_its_age_limit_and_not_past_it() {
        let mut work = Work::default();
        let end = Mono(0).after(TIMEOUT_MAX);
        work.push(Mono(0), coordinator(1), Task::Root, request(1));
        assert!(work.pop(end).is_some());
        work.push(Mono(0), coordinator(1), Task::Root, request(1));
        assert!(work.pop(Mono(end.0 + 1)).is_none() && work.is_empty());
    }
}
