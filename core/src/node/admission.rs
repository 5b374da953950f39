//! Admission by measured delay: how long requests waited before they were worked on decides whether more are let in.
//!
//! CoDel's rule (RFC 8289) distinguishes a burst from a standing queue: a queue stands if the *least* time that anything
//! waited in it, over a whole interval, is above the target. A burst passes through in less, and is never refused. What
//! follows from a standing queue is CoDel's no more, since clients that are refused come back: while a queue stands, no
//! more requests are under way than were answered in the last interval. So they take about an interval each, the node goes
//! on working at its full rate, and who is refused learns it before anything was spent on the request: no signature is
//! checked, and the refusal states when there will be room.
//!
//! A caller is a key. Whoever has fewer requests under way than its part of what may be is let in all the same, so that a
//! caller that fills the room keeps no other out; and whoever comes back too early takes nobody's turn.
//!
//! Only what has to be ordered or signed counts. Reads are answered from the view, and what validators say to one another
//! comes over links: neither passes here.

use super::{RequestId, context::Context};
use crate::api::{ApiFault, Request};
use crate::base::{Mono, PublicKey, Size};
use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;

/// A queue in which requests wait longer than this, all of them, stands.
pub(super) const DELAY_TARGET: Duration = Duration::from_millis(500);
/// For so long it is watched, and what was answered in it is what is let in.
pub(super) const DELAY_INTERVAL: Duration = Duration::from_secs(1);
/// So many requests may be under way at any time: a batch needs some to be worth its proofs.
pub(super) const UNDER_WAY_COUNT_MIN: usize = 64;
/// The shortest retry-after.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(100);
/// The longest retry-after.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// The most callers whose retry-after is remembered. Any other caller gets a later one each time that it asks.
const RETURN_COUNT_MAX: usize = 4096;

const _: () = assert!(DELAY_TARGET.as_millis() < DELAY_INTERVAL.as_millis());

/// Where requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// For a batch, from the moment that the request had come.
    Batch,
    /// For signers to be asked.
    Signing,
}

/// Requests under way, and how long they waited.
#[derive(Default)]
pub(super) struct Admission {
    /// When the interval under way began.
    began: Mono,
    /// The least that anything waited in each queue in this interval.
    least: [Option<Duration>; 2],
    /// The same of the interval before, the longer of both: what operators see.
    delay: Duration,
    /// Which queues stand.
    standing: [bool; 2],
    under_way: BTreeMap<RequestId, AdmittedRequest>,
    /// How many of them each caller has.
    of_caller: BTreeMap<PublicKey, usize>,
    /// Requests that had to wait and were answered with what they asked for, in this interval.
    answered: u64,
    /// How many were answered in the interval before.
    rate: u64,
    /// When the next who is refused is to come back: one after the other, as fast as others are answered.
    next_return: Mono,
    /// When each of those is to come back.
    returns: BTreeMap<PublicKey, Mono>,
}

/// A request under way.
struct AdmittedRequest {
    caller: PublicKey,
    since: Mono,
}

impl Admission {
    /// Something has waited in a queue since then.
    pub(super) fn note_delay(&mut self, now: Mono, queue: Queue, since: Mono) {
        self.pass_time(now);
        let waited = now.since(since);
        let Some(least) = self.least.get_mut(queue as usize) else { return };
        *least = Some(least.map_or(waited, |least| least.min(waited)));
    }

    /// A request was let in.
    fn begin(&mut self, now: Mono, id: RequestId, caller: PublicKey) {
        self.under_way.insert(id, AdmittedRequest { caller, since: now });
        *self.of_caller.entry(caller).or_default() += 1;
    }

    /// A request was answered, with what it asked for or with a fault. What is answered in the step in which it came, and what is
    /// refused, says nothing of how many can be served.
    pub(super) fn end(&mut self, now: Mono, id: RequestId, is_served: bool) {
        self.pass_time(now);
        if self.leave(id).is_some_and(|since| is_served && now > since) {
            self.answered = self.answered.saturating_add(1);
        }
    }

    /// The caller of a request has left.
    pub(super) fn abandon(&mut self, now: Mono, id: RequestId) -> bool {
        self.pass_time(now);
        self.leave(id).is_some()
    }

    /// Takes out a request. Since when it was under way.
    fn leave(&mut self, id: RequestId) -> Option<Mono> {
        let AdmittedRequest { caller, since } = self.under_way.remove(&id)?;
        if let Some(count) = self.of_caller.get_mut(&caller) {
            *count -= 1;
            if *count == 0 {
                self.of_caller.remove(&caller);
            }
        }
        Some(since)
    }

    /// Whether one more of a caller's may be let in that is to wait in these queues; if not, after which time it will be.
    fn check(&mut self, now: Mono, caller: &PublicKey, queues: &[Queue]) -> Result<(), Duration> {
        self.pass_time(now);
        let stands = queues.iter().any(|queue| self.standing.get(*queue as usize) == Some(&true));
        let max = self.under_way_max();
        if !stands || self.under_way.len() < max || self.has_less_than_its_part(caller, max) {
            return Ok(());
        }
        if let Some(retry_at) = self.returns.get(caller).filter(|retry_at| **retry_at > now) {
            return Err(retry_at.since(now).max(RETRY_AFTER_MIN));
        }
        let pace = DELAY_INTERVAL / u32::try_from(max).unwrap_or(u32::MAX);
        let next = self.next_return.max(now.after(RETRY_AFTER_MIN)).after(pace);
        self.next_return = next.min(now.after(RETRY_AFTER_MAX));
        if self.returns.len() < RETURN_COUNT_MAX || self.returns.contains_key(caller) {
            self.returns.insert(*caller, self.next_return);
        }
        Err(self.next_return.since(now))
    }

    /// Of what may be under way, each caller that has something there has an equal part, and so has one that is about to.
    fn has_less_than_its_part(&self, caller: &PublicKey, max: usize) -> bool {
        let own = self.of_caller.get(caller).copied();
        let callers = self.of_caller.len() + usize::from(own.is_none());
        own.unwrap_or_default() < max.checked_div(callers).unwrap_or(max)
    }

    /// How long requests wait at least, in the last interval in which any of them left its queue; nothing if none is under way.
    pub(super) fn delay(&self) -> Duration {
        if self.under_way.is_empty() { Duration::ZERO } else { self.delay }
    }

    pub(super) fn sizes(&self) -> [Size; 2] {
        [
            Size::unstated("requests under way", self.under_way.len()),
            Size::limited("callers with a retry-after", self.returns.len(), RETURN_COUNT_MAX),
        ]
    }

    fn under_way_max(&self) -> usize {
        usize::try_from(self.rate).unwrap_or(usize::MAX).max(UNDER_WAY_COUNT_MIN)
    }

    /// Looks back at the interval, if it is over.
    fn pass_time(&mut self, now: Mono) {
        let passed = now.since(self.began);
        if passed < DELAY_INTERVAL {
            return;
        }
        let least = core::mem::take(&mut self.least);
        // Where nothing has left a queue, nothing is new, unless nobody waits at all.
        let somebody_waits = !self.under_way.is_empty();
        for (standing, least) in self.standing.iter_mut().zip(least) {
            *standing = least.map_or(*standing, |least| least > DELAY_TARGET) && somebody_waits;
        }
        self.delay = least.into_iter().flatten().max().unwrap_or(self.delay);
        self.returns.retain(|_, retry_at| *retry_at > now);
        let answered = u128::from(core::mem::take(&mut self.answered)) * DELAY_INTERVAL.as_micros();
        self.rate = u64::try_from(answered / passed.as_micros().max(1)).unwrap_or(u64::MAX);
        self.began = now;
    }
}

impl Context {
    /// Whether a request of this caller's is taken now.
    ///
    /// # Errors
    /// If requests wait here for too long: with the time after which there will be room.
    pub(super) fn admit(
        &mut self,
        now: crate::base::Now,
        id: RequestId,
        caller: &PublicKey,
        request: &Request,
    ) -> Result<(), ApiFault> {
        let queues = queues(request);
        if queues.is_empty() {
            return Ok(());
        }
        match self.admission.check(now.mono, caller, queues) {
            Ok(()) => {
                self.admission.begin(now.mono, id, *caller);
                self.count("hypermesh", "requests_admitted_total", 1);
                Ok(())
            }
            Err(retry_after) => {
                crate::base::reached!(self.marks, "a request is refused because others wait too long");
                self.count("hypermesh", "requests_refused_total", 1);
                let delay = self.admission.delay().as_millis();
                let message = format!(
                    "this node has more to do than it can: requests wait {delay} ms for their turn. Come back after \
                     {} ms, or ask another node",
                    retry_after.as_millis()
                );
                Err(ApiFault::unavailable(message).retry_after(retry_after))
            }
        }
    }
}

/// In which queues a request has to wait.
fn queues(request: &Request) -> &'static [Queue] {
    match request {
        Request::GetCertificate(_) | Request::LogCheckpoint(_) => &[Queue::Signing],
        Request::IssueCertificate(_) => &[Queue::Batch, Queue::Signing],
        Request::ValidateBatch(_) => &[Queue::Batch],
        other if other.method().writes => &[Queue::Batch],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_US: u64 = 1_000_000;

    const CALLER: PublicKey = PublicKey([1; 32]);
    const OTHER: PublicKey = PublicKey([2; 32]);
    const BOTH: &[Queue] = &[Queue::Batch, Queue::Signing];

    /// An interval in which everybody waits so long, and so many are answered. When it ends.
    fn interval(admission: &mut Admission, number: u64, waited: Duration, answered: u64) -> Mono {
        let end = Mono((number + 9) * INTERVAL_US);
        let late = Mono(end.0 - 1);
        for id in 0..answered {
            let id = RequestId(number << 32 | id);
            admission.begin(before(late, waited), id, CALLER);
            admission.note_delay(late, Queue::Batch, before(late, waited));
            admission.end(late, id, true);
        }
        end
    }

    fn before(now: Mono, waited: Duration) -> Mono {
        Mono(now.0 - u64::try_from(waited.as_micros()).unwrap())
    }

    fn fill(admission: &mut Admission, count: usize) {
        (0..count as u64).for_each(|id| admission.begin(Mono(0), RequestId(id), CALLER));
    }

    fn empty(admission: &mut Admission) {
        admission.under_way.clear();
        admission.of_caller.clear();
    }

    fn check(admission: &mut Admission, now: Mono) -> Result<(), Duration> {
        admission.check(now, &CALLER, BOTH)
    }

    /// An admission whose first interval begins where the first of [`interval`] does.
    fn admission() -> Admission {
        Admission { began: Mono(9 * INTERVAL_US), ..Admission::default() }
    }

    #[test]
    fn a_burst_is_let_in_and_a_standing_queue_is_held_at_what_is_answered() {
        let mut admission = admission();
        let late = DELAY_TARGET + Duration::from_micros(1);
        fill(&mut admission, 5_000);
        assert_eq!(check(&mut admission, Mono(9 * INTERVAL_US)), Ok(()), "a burst is no standing queue");
        let end = interval(&mut admission, 1, late, 300);
        // One that passed at the target: the queue does not stand.
        let now = Mono(end.0 - 1);
        admission.note_delay(now, Queue::Batch, before(now, DELAY_TARGET));
        assert_eq!(check(&mut admission, end), Ok(()));
        let end = interval(&mut admission, 2, late, 300);
        assert!(check(&mut admission, end).is_err(), "5,000 are under way");
        assert_eq!(admission.check(end, &CALLER, &[Queue::Signing]), Ok(()), "that queue does not stand");
        empty(&mut admission);
        fill(&mut admission, 299);
        assert_eq!(check(&mut admission, end), Ok(()));
        fill(&mut admission, 300);
        assert!(check(&mut admission, end).is_err());
        let end = interval(&mut admission, 3, DELAY_TARGET, 300);
        assert_eq!(check(&mut admission, end), Ok(()), "at the target it is none any more");
    }

    #[test]
    fn a_caller_that_fills_the_room_keeps_no_other_out_of_its_part() {
        let mut admission = admission();
        fill(&mut admission, 1_000);
        let end = interval(&mut admission, 1, DELAY_TARGET * 2, 300);
        assert!(check(&mut admission, end).is_err());
        for id in 0..150 {
            assert_eq!(admission.check(end, &OTHER, BOTH), Ok(()), "{id}");
            admission.begin(end, RequestId(10_000 + id), OTHER);
        }
        assert!(admission.check(end, &OTHER, BOTH).is_err(), "half of the 300, of two callers");
    }

    #[test]
    fn what_is_answered_at_once_or_refused_makes_no_room() {
        let mut admission = admission();
        fill(&mut admission, 1_000);
        let end = interval(&mut admission, 1, DELAY_TARGET * 2, 1);
        let late = Mono(end.0 - 1);
        for id in 0..900 {
            admission.begin(late, RequestId(1 << 40 | id), OTHER);
            admission.end(late, RequestId(1 << 40 | id), true);
            admission.end(late, RequestId(id), false);
        }
        assert!(check(&mut admission, end).is_err());
        assert_eq!(admission.under_way_max(), UNDER_WAY_COUNT_MIN);
    }

    #[test]
    fn who_is_refused_comes_back_one_after_the_other_within_bounds_and_whoever_comes_early_takes_no_turn() {
        let mut admission = admission();
        fill(&mut admission, 1_000);
        let end = interval(&mut admission, 1, DELAY_TARGET * 2, 100);
        (0..1_000_u64).for_each(|number| {
            let mut caller = PublicKey([9; 32]);
            caller.0[..8].copy_from_slice(&number.to_be_bytes());
            (0..100).for_each(|id| admission.begin(end, RequestId(1 << 50 | number << 8 | id), caller));
        });
        let refused = |admission: &mut Admission, number: u64| {
            let mut caller = PublicKey([9; 32]);
            caller.0[..8].copy_from_slice(&number.to_be_bytes());
            admission.check(end, &caller, BOTH).unwrap_err()
        };
        let waits: alloc::vec::Vec<Duration> =
            (0..100).map(|number| refused(&mut admission, number)).collect();
        assert_eq!(waits[0], RETRY_AFTER_MIN + DELAY_INTERVAL / 100);
        assert_eq!(waits[99] - waits[0], DELAY_INTERVAL / 100 * 99);
        (0..640).for_each(|_| assert_eq!(refused(&mut admission, 3), waits[3]));
        assert_eq!(refused(&mut admission, 100), waits[99] + DELAY_INTERVAL / 100);
        let last = (101..1_000).map(|number| refused(&mut admission, number)).last();
        assert_eq!(last, Some(RETRY_AFTER_MAX));
        assert_eq!(admission.returns.len(), 1_000);
        let later = end.after(RETRY_AFTER_MAX);
        assert!(admission.check(later, &CALLER, BOTH).is_err());
        assert_eq!(admission.returns.len(), 1, "who was to be back by now is not remembered");
    }

    #[test]
    fn callers_that_are_to_come_back_are_remembered_up_to_the_limit() {
        let mut admission = admission();
        fill(&mut admission, 10_000);
        let end = interval(&mut admission, 1, DELAY_TARGET * 2, 1);
        let caller = |number: u64| {
            let mut caller = PublicKey([9; 32]);
            caller.0[..8].copy_from_slice(&number.to_be_bytes());
            caller
        };
        // So many callers that none has a part.
        (0..=RETURN_COUNT_MAX as u64)
            .for_each(|id| admission.begin(end, RequestId(1 << 50 | id), caller(id)));
        for number in 0..=RETURN_COUNT_MAX as u64 {
            assert!(admission.check(end, &caller(number), BOTH).is_err());
        }
        assert_eq!(admission.returns.len(), RETURN_COUNT_MAX);
    }

    #[test]
    fn some_are_let_in_whatever_was_answered() {
        let mut admission = admission();
        fill(&mut admission, UNDER_WAY_COUNT_MIN - 1);
        let end = interval(&mut admission, 1, DELAY_TARGET * 9, 1);
        assert_eq!(check(&mut admission, end), Ok(()));
        admission.begin(end, RequestId(70), CALLER);
        assert!(check(&mut admission, end).is_err());
        assert!(admission.abandon(end, RequestId(0)) && !admission.abandon(end, RequestId(0)));
        assert_eq!(check(&mut admission, end), Ok(()), "who has gone is not under way");
    }

    #[test]
    fn a_node_that_is_left_alone_lets_everybody_in_again_and_reports_no_delay() {
        let mut admission = admission();
        fill(&mut admission, 1_000);
        let end = interval(&mut admission, 1, DELAY_TARGET * 2, 10);
        assert!(check(&mut admission, end).is_err());
        assert_eq!(admission.delay(), DELAY_TARGET * 2);
        let later = Mono(end.0 + INTERVAL_US);
        assert!(check(&mut admission, later).is_err(), "nothing left a queue, and all wait");
        assert_eq!(admission.delay(), DELAY_TARGET * 2);
        empty(&mut admission);
        assert_eq!(admission.delay(), Duration::ZERO);
        let later = Mono(later.0 + INTERVAL_US);
        assert_eq!(check(&mut admission, later), Ok(()));
        fill(&mut admission, 1_000);
        assert_eq!(check(&mut admission, later), Ok(()));
    }
}
