//! The door to the node: so many calls are worked on at once, and callers take turns.
//!
//! A caller is a key, however many connections it has. Each caller's calls wait in a line of their own, and
//! whenever there is room the door takes the next call from the next line. So a caller with a thousand calls
//! waits for itself: another's call is worked on after at most one call of each other caller.
//!
//! A call that waits holds its stream open, so a caller that asks faster than it is served is slowed by QUIC's
//! own bound on streams; past [`ServerLimits::calls_per_caller_max`](super::ServerLimits) it is refused. When as many wait
//! as may in all, the longest line gives up its last call for one of a shorter line: who asks most is told first to come
//! back. When that is, follows from how long calls were worked on lately and how many are before it.
//!
//! Keys cost nothing, so a thousand of them get a thousand turns. What bounds those is the number of
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

/// Lets calls in, in turn.
pub(super) struct Door {
    limits: DoorLimits,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

/// How many go through a door.
#[derive(Clone, Copy, Debug)]
pub(super) struct DoorLimits {
    /// Calls that are worked on at once.
    pub(super) working_max: usize,
    /// Calls that wait, of all callers.
    pub(super) waiting_max: usize,
    /// Calls under way of one caller.
    pub(super) per_caller_max: usize,
}

struct Inner {
    /// How many more calls may be worked on.
    room: usize,
    callers: BTreeMap<PublicKey, Caller>,
    /// Who has calls waiting, in the order in which they are next. Each once.
    turns: VecDeque<PublicKey>,
    /// How long calls were worked on lately: each counts for an eighth of it when it ends.
    worked: Duration,
}

/// A call that waits, and learns when it is its turn, or that it is not to wait.
type Waiting = oneshot::Sender<Result<Turn, Status>>;

/// One caller's calls.
#[derive(Default)]
struct Caller {
    /// Waiting, worked on, or waiting for an outcome.
    under_way: usize,
    waiting: VecDeque<Waiting>,
    /// Whether it stands in [`Inner::turns`].
    in_line: bool,
}

/// That a call is under way. It is counted until this is dropped.
pub(super) struct Visit {
    door: Arc<Door>,
    key: PublicKey,
}

/// A call's turn to be worked on. Whoever holds it keeps one place of the few that there are: drop it as soon
/// as the work is done or handed on, and in particular before waiting for something that takes long.
#[derive(Clone, Default)]
pub struct Turn {
    /// `None` where nobody counts.
    place: Option<Arc<Place>>,
}

struct Place {
    /// `None` once the place was given back.
    door: Option<Arc<Door>>,
    since: Mono,
}

impl Door {
    pub(super) fn new(limits: DoorLimits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let inner = Inner {
            room: limits.working_max,
            callers: BTreeMap::new(),
            turns: VecDeque::new(),
            worked: Duration::ZERO,
        };
        Arc::new(Self { limits, clock, inner: Mutex::new(inner) })
    }

    /// Counts a call, unless its caller has as many under way as it may.
    pub(super) fn enter(self: &Arc<Self>, key: PublicKey) -> Result<Visit, Status> {
        let mut inner = lock(&self.inner);
        let caller = inner.callers.entry(key).or_default();
        if caller.under_way >= self.limits.per_caller_max {
            let message = format!(
                "this key has {} calls under way, as many as one may have: wait for answers",
                caller.under_way
            );
            let advice = inner.come_back(key, self.limits.working_max);
            return Err(Status::new(StatusCode::ResourceExhausted, message).with_advice(advice));
        }
        caller.under_way += 1;
        Ok(Visit { door: self.clone(), key })
    }

    /// When a caller that is sent away does well to come back.
    pub(super) fn come_back(&self, key: PublicKey) -> Advice {
        lock(&self.inner).come_back(key, self.limits.working_max)
    }

    /// How many calls wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.inner).waiting()
    }

    /// Gives the places that there are to those whose turn it is.
    fn serve(self: &Arc<Self>) {
        // A turn is handed over with the door unlocked: dropped, it comes back through the door.
        while let Some(next) = lock(&self.inner).next() {
            let place = Place { door: Some(self.clone()), since: self.clock.now().mono };
            let turn = Turn { place: Some(Arc::new(place)) };
            if let Err(unwanted) = next.send(Ok(turn)) {
                // Given back here and not by being dropped, so that a thousand who have gone are no recursion.
                if let Ok(turn) = unwanted {
                    turn.forfeit();
                }
                lock(&self.inner).room += 1;
            }
        }
    }
}

impl Inner {
    /// Who is to be worked on next, if there is room and anybody waits.
    fn next(&mut self) -> Option<Waiting> {
        while self.room > 0 {
            let key = self.turns.pop_front()?;
            let Some(caller) = self.callers.get_mut(&key) else { continue };
            let next = loop {
                match caller.waiting.pop_front() {
                    Some(gone) if gone.is_closed() => {}
                    next => break next,
                }
            };
            caller.in_line = !caller.waiting.is_empty();
            if caller.in_line {
                self.turns.push_back(key);
            }
            if next.is_some() {
                self.room -= 1;
                return next;
            }
        }
        None
    }

    /// Puts a call into its caller's line. If too many wait, the last of the longest line has to go: that may be this one.
    fn wait(&mut self, key: PublicKey, limits: DoorLimits) -> oneshot::Receiver<Result<Turn, Status>> {
        let (sender, receiver) = oneshot::channel();
        if self.waiting() >= limits.waiting_max && !self.make_room(key, limits.working_max) {
            let sent_away = self.sent_away(key, limits.working_max);
            sender.send(Err(sent_away)).unwrap_or_default();
            return receiver;
        }
        let caller = self.callers.entry(key).or_default();
        caller.waiting.push_back(sender);
        if !std::mem::replace(&mut caller.in_line, true) {
            self.turns.push_back(key);
        }
        receiver
    }

    /// How many calls wait.
    fn waiting(&self) -> usize {
        self.callers.values().map(|caller| caller.waiting.len()).sum()
    }

    /// Sends away the last call of the longest line, if that is longer than this caller's is and would be.
    fn make_room(&mut self, key: PublicKey, working_max: usize) -> bool {
        let own = self.callers.get(&key).map_or(0, |caller| caller.waiting.len());
        let lengths = self.callers.iter().map(|(key, caller)| (caller.waiting.len(), *key));
        let Some((longest, greediest)) = lengths.max().filter(|(longest, _)| *longest > own + 1) else {
            return false;
        };
        let sent_away = self.sent_away(greediest, working_max);
        let Some(caller) = self.callers.get_mut(&greediest) else { return false };
        caller.waiting.retain(|waiting| !waiting.is_closed());
        if caller.waiting.len() == longest
            && let Some(last) = caller.waiting.pop_back()
        {
            // It may have gone this moment.
            last.send(Err(sent_away)).unwrap_or_default();
        }
        true
    }

    fn sent_away(&self, key: PublicKey, working_max: usize) -> Status {
        let waiting = self.waiting();
        let message = format!("{waiting} calls wait here, as many as may: come back, or ask another node");
        Status::new(StatusCode::Unavailable, message).with_advice(self.come_back(key, working_max))
    }

    /// When a call of this caller would have its turn: after those of its own line, and as many of each other line.
    fn come_back(&self, key: PublicKey, working_max: usize) -> Advice {
        let own = self.callers.get(&key).map_or(0, |caller| caller.waiting.len()) + 1;
        let before: usize = self.callers.values().map(|caller| caller.waiting.len().min(own)).sum();
        let rounds = u32::try_from(before.div_ceil(working_max.max(1))).unwrap_or(u32::MAX);
        let wait = self.worked.saturating_mul(rounds).clamp(COME_BACK_MIN, COME_BACK_MAX);
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
            if caller.in_line {
                self.turns.retain(|other| *other != key);
            }
            self.callers.remove(&key);
        }
    }
}

impl Visit {
    /// Waits for the call's turn.
    ///
    /// # Errors
    /// If too many wait, and this one is not to.
    pub(super) async fn turn(&self) -> Result<Turn, Status> {
        let receiver = lock(&self.door.inner).wait(self.key, self.door.limits);
        self.door.serve();
        // The door keeps what it has not sent on, and this visit keeps the door.
        receiver.await.unwrap_or_else(|_| Ok(Turn::default()))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        lock(&self.door.inner).leave(self.key);
    }
}

impl Turn {
    /// Is dropped without giving its place back.
    fn forfeit(self) {
        if let Some(mut place) = self.place.and_then(Arc::into_inner) {
            place.door = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(door) = self.door.take() {
            let took = door.clock.now().mono.since(self.since);
            let mut inner = lock(&door.inner);
            inner.room += 1;
            inner.worked = (inner.worked * 7 + took) / 8;
            drop(inner);
            door.serve();
        }
    }
}

/// Nobody is told to come back sooner: a round trip or two.
const COME_BACK_MIN: Duration = Duration::from_millis(50);
/// Nobody is told to come back later.
const COME_BACK_MAX: Duration = Duration::from_secs(10);

/// A turn is no part of what was asked: any two are equal.
impl PartialEq for Turn {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Turn {}

impl fmt::Debug for Turn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Turn")
    }
}

#[cfg(test)]
mod tests;
