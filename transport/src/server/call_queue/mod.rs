//! The queue of calls to the node: a fixed number is processed at once, and callers are served round-robin.
//!
//! A caller is a key, however many connections it has. Each caller's calls wait in a queue of their own, and
//! whenever a slot is free the next call of the next caller gets it. So a caller with a thousand calls
//! waits for itself: another's call is worked on after at most one call of each other caller.
//!
//! A call that waits holds its stream open, so a caller that asks faster than it is served is slowed by QUIC's
//! own bound on streams; past [`ServerLimits::calls_per_caller_max`](super::ServerLimits) it is refused. When as many wait
//! as may in all, the longest queue gives up its last call for one of a shorter queue: who asks most is rejected
//! first. When that is, follows from how long calls were worked on lately and how many are before it.
//!
//! Keys cost nothing, so a thousand of them get a thousand slots in turn. What bounds those is the number of
//! connections.

use crate::env::Clock;
use crate::lock::lock;
use crate::status::{Advice, Status, StatusCode};
use hypermesh_base::{Mono, PublicKey};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// Gives slots to calls, round-robin over callers.
pub(super) struct CallQueue {
    limits: CallQueueLimits,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

/// How many go through a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallQueueLimits {
    /// Calls that are worked on at once.
    pub(super) working_max: usize,
    /// Calls that wait, of all callers.
    pub(super) waiting_max: usize,
    /// Calls under way of one caller.
    pub(super) per_caller_max: usize,
}

struct Inner {
    /// How many more calls may be worked on.
    free_slots: usize,
    callers: BTreeMap<PublicKey, Caller>,
    /// Who has calls waiting, in the order in which they are next. Each once.
    callers_next: VecDeque<PublicKey>,
    /// How long calls were worked on lately: each counts for an eighth of it when it ends.
    service_time: Duration,
}

/// A call that waits, and learns when it has a slot, or that it is rejected.
type Waiting = oneshot::Sender<Result<CallSlot, Status>>;

/// One caller's calls.
#[derive(Default)]
struct Caller {
    /// Waiting, worked on, or waiting for an outcome.
    under_way: usize,
    waiting: VecDeque<Waiting>,
    /// Whether it stands in [`Inner::callers_next`].
    is_queued: bool,
}

/// That a call is under way. It is counted until this is dropped.
pub(super) struct CallGuard {
    queue: Arc<CallQueue>,
    key: PublicKey,
}

/// Permission to process a call. Whoever holds it uses one of the few slots that there are: drop it as soon
/// as the work is done or handed on, and in particular before waiting for something that takes long.
#[derive(Clone, Default)]
pub struct CallSlot {
    /// `None` where nobody counts.
    guard: Option<Arc<SlotGuard>>,
}

struct SlotGuard {
    /// `None` once the slot was given back.
    queue: Option<Arc<CallQueue>>,
    since: Mono,
}

impl CallQueue {
    pub(super) fn new(limits: CallQueueLimits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let inner = Inner {
            free_slots: limits.working_max,
            callers: BTreeMap::new(),
            callers_next: VecDeque::new(),
            service_time: Duration::ZERO,
        };
        Arc::new(Self { limits, clock, inner: Mutex::new(inner) })
    }

    /// Counts a call, unless its caller has as many under way as it may.
    pub(super) fn enter(self: &Arc<Self>, key: PublicKey) -> Result<CallGuard, Status> {
        let mut inner = lock(&self.inner);
        let caller = inner.callers.entry(key).or_default();
        if caller.under_way >= self.limits.per_caller_max {
            let message = format!(
                "this key has {} calls in progress, the maximum: wait for responses",
                caller.under_way
            );
            let advice = inner.retry_advice(key, self.limits.working_max);
            return Err(Status::new(StatusCode::ResourceExhausted, message).with_advice(advice));
        }
        caller.under_way += 1;
        Ok(CallGuard { queue: self.clone(), key })
    }

    /// When a rejected caller does well to try again.
    pub(super) fn retry_advice(&self, key: PublicKey) -> Advice {
        lock(&self.inner).retry_advice(key, self.limits.working_max)
    }

    /// How many calls wait for a slot.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.inner).waiting()
    }

    /// Gives the free slots to those who are next.
    fn serve(self: &Arc<Self>) {
        // A slot is handed over with the queue unlocked: dropped, it comes back through the queue.
        while let Some(next) = lock(&self.inner).next() {
            let guard = SlotGuard { queue: Some(self.clone()), since: self.clock.now().mono };
            let slot = CallSlot { guard: Some(Arc::new(guard)) };
            if let Err(undelivered) = next.send(Ok(slot)) {
                // Given back here and not by being dropped, so that a thousand who have gone are no recursion.
                if let Ok(slot) = undelivered {
                    slot.forfeit();
                }
                lock(&self.inner).free_slots += 1;
            }
        }
    }
}

impl Inner {
    /// Who is to be worked on next, if there is room and anybody waits.
    fn next(&mut self) -> Option<Waiting> {
        while self.free_slots > 0 {
            let key = self.callers_next.pop_front()?;
            let Some(caller) = self.callers.get_mut(&key) else { continue };
            let next = loop {
                match caller.waiting.pop_front() {
                    Some(gone) if gone.is_closed() => {}
                    next => break next,
                }
            };
            caller.is_queued = !caller.waiting.is_empty();
            if caller.is_queued {
                self.callers_next.push_back(key);
            }
            if next.is_some() {
                self.free_slots -= 1;
                return next;
            }
        }
        None
    }

    /// Puts a call into its caller's queue. If too many wait, the last of the longest queue is rejected: that may be this one.
    fn wait(
        &mut self,
        key: PublicKey,
        limits: CallQueueLimits,
    ) -> oneshot::Receiver<Result<CallSlot, Status>> {
        let (sender, receiver) = oneshot::channel();
        if self.waiting() >= limits.waiting_max && !self.evict_one(key, limits.working_max) {
            let rejection = self.rejection(key, limits.working_max);
            sender.send(Err(rejection)).unwrap_or_default();
            return receiver;
        }
        let caller = self.callers.entry(key).or_default();
        caller.waiting.push_back(sender);
        if !std::mem::replace(&mut caller.is_queued, true) {
            self.callers_next.push_back(key);
        }
        receiver
    }

    /// How many calls wait.
    fn waiting(&self) -> usize {
        self.callers.values().map(|caller| caller.waiting.len()).sum()
    }

    /// Rejects the last call of the longest queue, if that is longer than this caller's is and would be.
    fn evict_one(&mut self, key: PublicKey, working_max: usize) -> bool {
        let own = self.callers.get(&key).map_or(0, |caller| caller.waiting.len());
        let lengths = self.callers.iter().map(|(key, caller)| (caller.waiting.len(), *key));
        let Some((longest, greediest)) = lengths.max().filter(|(longest, _)| *longest > own + 1) else {
            return false;
        };
        let rejection = self.rejection(greediest, working_max);
        let Some(caller) = self.callers.get_mut(&greediest) else { return false };
        caller.waiting.retain(|waiting| !waiting.is_closed());
        if caller.waiting.len() == longest
            && let Some(last) = caller.waiting.pop_back()
        {
            // It may have gone this moment.
            last.send(Err(rejection)).unwrap_or_default();
        }
        true
    }

    fn rejection(&self, key: PublicKey, working_max: usize) -> Status {
        let waiting = self.waiting();
        let message = format!(
            "{waiting} calls wait at this node, the maximum: retry later, or with \
            another node"
        );
        Status::new(StatusCode::Unavailable, message).with_advice(self.retry_advice(key, working_max))
    }

    /// When a call of this caller would get a slot: after those of its own queue, and as many of each other queue.
    fn retry_advice(&self, key: PublicKey, working_max: usize) -> Advice {
        let own = self.callers.get(&key).map_or(0, |caller| caller.waiting.len()) + 1;
        let before: usize = self.callers.values().map(|caller| caller.waiting.len().min(own)).sum();
        let rounds = u32::try_from(before.div_ceil(working_max.max(1))).unwrap_or(u32::MAX);
        let wait = self.service_time.saturating_mul(rounds).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
        Advice::RetryAfter { ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX) }
    }

    fn leave(&mut self, key: PublicKey) {
        let Some(caller) = self.callers.get_mut(&key) else { return };
        caller.under_way -= 1;
        if caller.waiting.len() > caller.under_way {
            // Some of those that waited have gone; who comes and goes must not fill the memory.
            caller.waiting.retain(|waiting| !waiting.is_closed());
        }
        if caller.under_way == 0 {
            if caller.is_queued {
                self.callers_next.retain(|other| *other != key);
            }
            self.callers.remove(&key);
        }
    }
}

impl CallGuard {
    /// Waits for a slot.
    ///
    /// # Errors
    /// If too many wait, and this one is not to.
    pub(super) async fn slot(&self) -> Result<CallSlot, Status> {
        let receiver = lock(&self.queue.inner).wait(self.key, self.queue.limits);
        self.queue.serve();
        // The queue keeps what it has not sent on, and this guard keeps the queue.
        receiver.await.unwrap_or_else(|_| Ok(CallSlot::default()))
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        lock(&self.queue.inner).leave(self.key);
    }
}

impl CallSlot {
    /// Is dropped without giving its slot back.
    fn forfeit(self) {
        if let Some(mut guard) = self.guard.and_then(Arc::into_inner) {
            guard.queue = None;
        }
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            let took = queue.clock.now().mono.since(self.since);
            let mut inner = lock(&queue.inner);
            inner.free_slots += 1;
            inner.service_time = (inner.service_time * 7 + took) / 8;
            drop(inner);
            queue.serve();
        }
    }
}

/// Nobody is told to try again sooner: a round trip or two.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(50);
/// Nobody is told to try again later.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// A slot is no part of what was asked: any two are equal.
impl PartialEq for CallSlot {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for CallSlot {}

impl fmt::Debug for CallSlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CallSlot")
    }
}

#[cfg(test)]
mod tests;
