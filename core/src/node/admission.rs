//! Admission by measured delay: how long requests waited before they were worked on decides whether more are let in.
//!
//! The rule of CoDel (RFC 8289) for telling a burst from a standing queue: a queue stands if the *least* time that anything
//! waited in it, over a whole interval, is above the target. A burst passes through in less, and is never refused. What
//! follows from a standing queue is CoDel's no more, since clients that are refused come back: while a queue stands, no
//! more requests are under way than were answered in the last interval. So they take about an interval each, the node goes
//! on working at its full rate, and who is refused learns it before anything was spent on the request: no signature is
//! checked, and it is told when there will be room.
//!
//! Only what has to be ordered or signed counts. Reads are answered from the view, and what validators say to one another
//! comes over links: neither passes here. Requests that validators make for their own clients are let in always.

use super::{Node, RequestId};
use crate::api::{ApiFault, Request};
use crate::base::{Mono, Size};
use alloc::collections::BTreeSet;
use alloc::format;
use core::time::Duration;

/// A queue in which requests wait longer than this, all of them, stands.
pub(super) const DELAY_TARGET: Duration = Duration::from_millis(500);
/// For so long it is watched, and what was answered in it is what is let in.
pub(super) const DELAY_INTERVAL: Duration = Duration::from_secs(1);
/// So many requests may be under way at any time: a batch needs some to be worth its proofs.
pub(super) const UNDER_WAY_COUNT_MIN: usize = 64;
/// Nobody is told to come back sooner.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(100);
/// Nobody is told to come back later.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

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
    standing: bool,
    under_way: BTreeSet<RequestId>,
    answered: u64,
    /// How many were answered in the interval before.
    rate: u64,
    /// When the next who is refused is to come back: one after the other, as fast as others are answered.
    next_return: Mono,
}

impl Admission {
    /// Something has waited in a queue since then.
    pub(super) fn note_delay(&mut self, now: Mono, queue: Queue, since: Mono) {
        self.pass_time(now);
        let waited = now.since(since);
        let [batch, signing] = &mut self.least;
        let least = match queue {
            Queue::Batch => batch,
            Queue::Signing => signing,
        };
        *least = Some(least.map_or(waited, |least| least.min(waited)));
    }

    /// A request was let in.
    pub(super) fn begin(&mut self, id: RequestId) {
        self.under_way.insert(id);
    }

    /// A request was answered.
    pub(super) fn end(&mut self, now: Mono, id: RequestId) {
        self.pass_time(now);
        if self.under_way.remove(&id) {
            self.answered = self.answered.saturating_add(1);
        }
    }

    /// A request's caller waits no more.
    pub(super) fn abandon(&mut self, id: RequestId) -> bool {
        self.under_way.remove(&id)
    }

    /// Whether one more may be let in; if not, after which time it will be.
    pub(super) fn check(&mut self, now: Mono) -> Result<(), Duration> {
        self.pass_time(now);
        if !self.standing || self.under_way.len() < self.under_way_max() {
            return Ok(());
        }
        let pace = DELAY_INTERVAL / u32::try_from(self.under_way_max()).unwrap_or(u32::MAX);
        let next = self.next_return.max(now.after(RETRY_AFTER_MIN)).after(pace);
        self.next_return = next.min(now.after(RETRY_AFTER_MAX));
        Err(self.next_return.since(now))
    }

    /// How long requests wait at least, in the interval before this one.
    pub(super) const fn delay(&self) -> Duration {
        self.delay
    }

    pub(super) fn size(&self) -> Size {
        Size::unstated("requests under way", self.under_way.len())
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
        let delay = least.into_iter().flatten().max();
        // Where nothing has left a queue, nothing is new, unless nobody waits at all.
        self.standing =
            delay.map_or(self.standing, |delay| delay > DELAY_TARGET) && !self.under_way.is_empty();
        self.delay = delay.unwrap_or_default();
        let answered = u128::from(core::mem::take(&mut self.answered)) * DELAY_INTERVAL.as_micros();
        self.rate = u64::try_from(answered / passed.as_micros().max(1)).unwrap_or(u64::MAX);
        self.began = now;
    }
}

impl Node {
    /// Says whether a request of a client's is taken now. To be asked before [`Node::handle_request`], and before anything
    /// is spent on the request; not for requests of validators.
    ///
    /// # Errors
    /// If requests wait here for too long: with the time after which there will be room.
    pub fn admit(&mut self, now: crate::base::Now, request: &Request) -> Result<(), ApiFault> {
        if !is_subject(request) {
            return Ok(());
        }
        match self.admission.check(now.mono) {
            Ok(()) => {
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

/// Whether a request has to be ordered or signed.
pub(super) fn is_subject(request: &Request) -> bool {
    let signed = matches!(request, Request::GetCertificate(_) | Request::LogCheckpoint(_));
    signed || request.method().writes || matches!(request, Request::ValidateBatch(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_US: u64 = 1_000_000;

    /// An interval in which everybody waits so long, and so many are answered. When it ends.
    fn interval(admission: &mut Admission, number: u64, waited: Duration, answered: u64) -> Mono {
        let end = Mono((number + 9) * INTERVAL_US);
        let late = Mono(end.0 - 1);
        for id in 0..answered {
            let id = RequestId(number << 32 | id);
            admission.begin(id);
            admission.note_delay(late, Queue::Batch, before(late, waited));
            admission.end(late, id);
        }
        end
    }

    fn before(now: Mono, waited: Duration) -> Mono {
        Mono(now.0 - u64::try_from(waited.as_micros()).unwrap())
    }

    fn fill(admission: &mut Admission, count: usize) {
        (0..count as u64).for_each(|id| admission.begin(RequestId(id)));
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
        assert_eq!(admission.check(Mono(9 * INTERVAL_US)), Ok(()), "a burst is no standing queue");
        let end = interval(&mut admission, 1, late, 300);
        // One that passed at the target: the queue does not stand.
        let now = Mono(end.0 - 1);
        admission.note_delay(now, Queue::Batch, before(now, DELAY_TARGET));
        assert_eq!(admission.check(end), Ok(()));
        let end = interval(&mut admission, 2, late, 300);
        assert!(admission.check(end).is_err(), "5,000 are under way");
        admission.under_way.clear();
        fill(&mut admission, 299);
        assert_eq!(admission.check(end), Ok(()));
        fill(&mut admission, 300);
        assert!(admission.check(end).is_err());
        let end = interval(&mut admission, 3, DELAY_TARGET, 300);
        assert_eq!(admission.check(end), Ok(()), "at the target it is none any more");
    }

    #[test]
    fn who_is_refused_comes_back_one_after_the_other_within_bounds() {
        let mut admission = admission();
        fill(&mut admission, 1_000);
        let end = interval(&mut admission, 1, DELAY_TARGET * 2, 100);
        let waits: alloc::vec::Vec<Duration> =
            (0..2_000).map(|_| admission.check(end).unwrap_err()).collect();
        assert_eq!(waits[0], RETRY_AFTER_MIN + DELAY_INTERVAL / 100);
        assert_eq!(waits[100] - waits[0], DELAY_INTERVAL);
        assert_eq!(*waits.last().unwrap(), RETRY_AFTER_MAX);
    }

    #[test]
    fn some_are_let_in_whatever_was_answered() {
        let mut admission = admission();
        fill(&mut admission, UNDER_WAY_COUNT_MIN - 1);
        let end = interval(&mut admission, 1, DELAY_TARGET * 9, 1);
        assert_eq!(admission.check(end), Ok(()));
        fill(&mut admission, UNDER_WAY_COUNT_MIN);
        assert!(admission.check(end).is_err());
        assert!(admission.abandon(RequestId(0)) && !admission.abandon(RequestId(0)));
        assert_eq!(admission.check(end), Ok(()), "who has gone is not under way");
    }

    #[test]
    fn a_node_that_is_left_alone_lets_everybody_in_again() {
        let mut admission = admission();
        fill(&mut admission, 1_000);
        let end = interval(&mut admission, 1, DELAY_TARGET * 2, 10);
        assert!(admission.check(end).is_err());
        admission.under_way.clear();
        let later = Mono(end.0 + INTERVAL_US);
        assert_eq!(admission.check(later), Ok(()));
        fill(&mut admission, 1_000);
        assert_eq!(admission.check(later), Ok(()));
    }
}
