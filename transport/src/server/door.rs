//! The door to the node: so many calls are worked on at once, and callers take turns.
//!
//! A caller is a key, however many connections it has. Each caller's calls wait in a line of their own, and
//! whenever there is room the door takes the next call from the next line. So a caller with a thousand calls
//! waits for itself: another's call is worked on after at most one call of each other caller.
//!
//! A call that waits holds its stream open, so a caller that asks faster than it is served is slowed by QUIC's
//! own bound on streams; past [`ServerLimits::calls_per_caller_max`](super::ServerLimits) it is refused.
//!
//! Keys cost nothing, so a thousand of them get a thousand turns. What bounds those is the number of
//! connections.

use crate::lock::lock;
use crate::status::{Status, StatusCode};
use hypermesh_core::base::PublicKey;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Lets calls in, in turn.
pub(super) struct Door {
    calls_per_caller_max: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    /// How many more calls may be worked on.
    room: usize,
    callers: BTreeMap<PublicKey, Caller>,
    /// Who has calls waiting, in the order in which they are next. Each once.
    turns: VecDeque<PublicKey>,
}

/// One caller's calls.
#[derive(Default)]
struct Caller {
    /// Waiting, worked on, or waiting for an outcome.
    under_way: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
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
}

impl Door {
    pub(super) fn new(working_max: usize, calls_per_caller_max: usize) -> Arc<Self> {
        let inner = Inner { room: working_max, callers: BTreeMap::new(), turns: VecDeque::new() };
        Arc::new(Self { calls_per_caller_max, inner: Mutex::new(inner) })
    }

    /// Counts a call, unless its caller has as many under way as it may.
    pub(super) fn enter(self: &Arc<Self>, key: PublicKey) -> Result<Visit, Status> {
        let mut inner = lock(&self.inner);
        let caller = inner.callers.entry(key).or_default();
        if caller.under_way >= self.calls_per_caller_max {
            let message = format!(
                "this key has {} calls under way, as many as one may have: wait for answers",
                caller.under_way
            );
            return Err(Status::new(StatusCode::ResourceExhausted, message));
        }
        caller.under_way += 1;
        Ok(Visit { door: self.clone(), key })
    }

    /// How many calls wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        let inner = lock(&self.inner);
        inner.callers.values().map(|caller| caller.waiting.len()).sum()
    }

    /// Gives the places that there are to those whose turn it is.
    fn serve(self: &Arc<Self>) {
        // A turn is handed over with the door unlocked: dropped, it comes back through the door.
        while let Some(next) = lock(&self.inner).next() {
            let turn = Turn { place: Some(Arc::new(Place { door: Some(self.clone()) })) };
            if let Err(unwanted) = next.send(turn) {
                // Given back here and not by being dropped, so that a thousand who have gone are no recursion.
                unwanted.forfeit();
                lock(&self.inner).room += 1;
            }
        }
    }
}

impl Inner {
    /// Who is to be worked on next, if there is room and anybody waits.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
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

    fn wait(&mut self, key: PublicKey) -> oneshot::Receiver<Turn> {
        let (sender, receiver) = oneshot::channel();
        let caller = self.callers.entry(key).or_default();
        caller.waiting.push_back(sender);
        if !std::mem::replace(&mut caller.in_line, true) {
            self.turns.push_back(key);
        }
        receiver
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
    pub(super) async fn turn(&self) -> Turn {
        let receiver = lock(&self.door.inner).wait(self.key);
        self.door.serve();
        // The door keeps what it has not sent on, and this visit keeps the door.
        receiver.await.unwrap_or_default()
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
            lock(&door.inner).room += 1;
            door.serve();
        }
    }
}

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
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    type Waiting<'a> = Pin<Box<dyn Future<Output = Turn> + 'a>>;

    fn key(seed: u8) -> PublicKey {
        PublicKey([seed; 32])
    }

    fn poll(waiting: &mut Waiting<'_>) -> Option<Turn> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    fn waiting(visit: &Visit) -> Waiting<'_> {
        let mut waiting: Waiting<'_> = Box::pin(visit.turn());
        assert!(poll(&mut waiting).is_none());
        waiting
    }

    #[test]
    fn a_caller_with_a_thousand_calls_delays_another_by_one() {
        let door = Door::new(1, 1000);
        let flood: Vec<_> = (0..1000).map(|_| door.enter(key(1)).unwrap()).collect();
        let single = door.enter(key(2)).unwrap();
        let mut working = poll(&mut (Box::pin(flood[0].turn()) as Waiting<'_>));
        let mut flooding: Vec<_> = flood[1..].iter().map(waiting).collect();
        let mut other = waiting(&single);
        // The flood came first and takes the first turn; the other comes next, not 999 later.
        drop(working.take());
        working = poll(&mut flooding[0]);
        assert!(working.is_some() && poll(&mut other).is_none());
        drop(working.take());
        working = poll(&mut other);
        assert!(working.is_some() && flooding[1..].iter_mut().all(|flood| poll(flood).is_none()));
        drop(working);
        assert!(poll(&mut flooding[1]).is_some());
    }

    #[test]
    fn every_caller_gets_as_many_turns_as_any_other_however_much_it_asks() {
        let door = Door::new(4, 1000);
        let visits: Vec<_> = (1..=10_u8)
            .flat_map(|caller| {
                let calls = if caller == 1 { 500 } else { 20 };
                std::iter::repeat_with(move || caller).take(calls)
            })
            .map(|caller| (caller, door.enter(key(caller)).unwrap()))
            .collect();
        let hold: Vec<_> = (0..4).map(|_| door.enter(key(0)).unwrap()).collect();
        let held: Vec<_> =
            hold.iter().map(|visit| poll(&mut (Box::pin(visit.turn()) as Waiting<'_>))).collect();
        let mut calls: Vec<_> =
            visits.iter().map(|(caller, visit)| (*caller, Some(waiting(visit)))).collect();
        drop(held);
        let mut served = [0; 11];
        while served.iter().sum::<usize>() < 200 {
            let mut turns = Vec::new();
            for (caller, call) in &mut calls {
                if let Some(turn) = call.as_mut().and_then(poll) {
                    *call = None;
                    served[usize::from(*caller)] += 1;
                    turns.push(turn);
                }
            }
            assert_eq!(turns.len(), 4);
        }
        assert!(served[1..].iter().all(|turns| (19..=21).contains(turns)), "{served:?}");
    }

    #[test]
    fn calls_of_a_caller_hold_at_the_limit_and_not_one_past_it() {
        let door = Door::new(1, 3);
        let mut visits: Vec<_> = (0..3).map(|_| door.enter(key(1)).unwrap()).collect();
        let Err(refused) = door.enter(key(1)) else { panic!("one past the limit") };
        assert_eq!(refused.code(), StatusCode::ResourceExhausted);
        assert!(refused.message().contains("3 calls under way"));
        assert!(door.enter(key(2)).is_ok());
        drop(visits.pop());
        assert!(door.enter(key(1)).is_ok());
    }

    #[test]
    fn who_comes_and_goes_leaves_nothing_behind() {
        let door = Door::new(1, 10);
        let blocker = door.enter(key(1)).unwrap();
        let turn = poll(&mut (Box::pin(blocker.turn()) as Waiting<'_>));
        assert!(turn.is_some());
        for _ in 0..10_000 {
            let visit = door.enter(key(2)).unwrap();
            drop(waiting(&visit));
            drop(visit);
        }
        let patient = door.enter(key(2)).unwrap();
        for _ in 0..10_000 {
            let visit = door.enter(key(2)).unwrap();
            drop(waiting(&visit));
        }
        let inner = lock(&door.inner);
        let left = inner.callers.values().map(|caller| caller.waiting.len()).sum::<usize>();
        assert!((inner.callers.len(), inner.turns.len()) <= (2, 1) && left <= 10, "{left}");
        drop(inner);
        drop((turn, patient, blocker));
        let inner = lock(&door.inner);
        assert_eq!((inner.room, inner.callers.len()), (1, 0));
    }

    #[test]
    fn a_turn_that_its_waiter_did_not_live_to_see_goes_to_the_next() {
        let door = Door::new(1, 100);
        let visits: Vec<_> = (0..50).map(|caller| door.enter(key(caller)).unwrap()).collect();
        let turn = poll(&mut (Box::pin(visits[0].turn()) as Waiting<'_>));
        let mut lines: Vec<_> = visits[1..].iter().map(waiting).collect();
        let mut last = lines.pop().unwrap();
        drop(lines);
        drop(turn);
        let turn = poll(&mut last);
        assert!(turn.is_some());
        assert_eq!(lock(&door.inner).room, 0);
        drop(turn);
        assert_eq!(lock(&door.inner).room, 1);
    }
}
