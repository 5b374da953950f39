//! Block time against this node's clock: which time a proposal gets, when a proposal is judged, and what is reported
//! while block time is ahead of the clock.
//!
//! Block time never goes back. If the clocks of more than f validators were ahead for a moment, block time stays ahead
//! until real time catches up. A proposer can then do no better than the smallest step after the parent's time, and a
//! validator judges such a step at once: waiting for its clock would stop the mesh for as long as block time is ahead.
//!
//! How far this lets a liar go: the first honest validator that prevotes for a block saw either a time of at most its
//! clock plus [`BLOCK_MS_AHEAD_MAX`], or the parent's time plus [`BLOCK_MS_STEP`]. So block time exceeds the fastest
//! honest clock by at most the tolerance, and where it does exceed that, each further block adds one step. A block takes
//! longer to decide than the millisecond that it adds, so the excess only shrinks.

use crate::base::{Digest, Mono, UnixMillis, reached};
use crate::node::context::{AHEAD_MS_REPORTED, BLOCK_MS_AHEAD_MAX};
use crate::node::ordering::Ordering;
use crate::node::ordering::proposal::Proposed;
use crate::node::timers::Timer;
use crate::node::{Event, context::Context};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// The smallest distance between a block's time and its parent's, and the only one that is judged without regard to this
/// node's clock.
pub(in crate::node) const BLOCK_MS_STEP: u64 = 1;
/// While that lasts it is reported again after this long, and at once if it has more than doubled.
const AHEAD_REPORTED_AGAIN_AFTER: Duration = Duration::from_secs(60);

const _: () = assert!(BLOCK_MS_STEP < BLOCK_MS_AHEAD_MAX && BLOCK_MS_AHEAD_MAX < AHEAD_MS_REPORTED);

/// The time of a block that is proposed now.
pub(in crate::node) fn proposal_time(wall: UnixMillis, parent: UnixMillis) -> UnixMillis {
    wall.max(parent.plus(BLOCK_MS_STEP))
}

/// How many milliseconds a fresh proposal has to wait until it may be judged; zero if it is judged at once.
fn verdict_ms_wait(block: UnixMillis, wall: UnixMillis, parent: UnixMillis) -> u64 {
    if block <= parent.plus(BLOCK_MS_STEP) { 0 } else { block.since(wall.plus(BLOCK_MS_AHEAD_MAX)) }
}

/// Proposals from the future.
#[derive(Default)]
pub(in crate::node) struct Deferred(BTreeMap<Digest, DeferredProposal>);

/// A proposal, the time of its block, and when it is looked at again.
#[derive(Clone)]
pub(in crate::node) struct DeferredProposal {
    pub(in crate::node) proposed: Proposed,
    pub(in crate::node) time: UnixMillis,
    pub(in crate::node) due: Mono,
}

impl Deferred {
    pub(in crate::node) fn insert(&mut self, value_id: Digest, proposal: DeferredProposal) {
        self.0.insert(value_id, proposal);
    }

    pub(in crate::node) fn remove(&mut self, value_id: &Digest) -> Option<Proposed> {
        self.0.remove(value_id).map(|deferred| deferred.proposed)
    }

    /// When the first of them is due.
    pub(in crate::node) fn next_due(&self) -> Option<Mono> {
        self.0.values().map(|deferred| deferred.due).min()
    }

    /// Takes out those that are due. The others go on waiting, whatever waits beside them.
    pub(in crate::node) fn take_due(&mut self, now: Mono) -> Vec<(Digest, DeferredProposal)> {
        self.0.extract_if(.., |_, deferred| deferred.due <= now).collect()
    }

    pub(in crate::node) fn clear(&mut self) {
        self.0.clear();
    }

    pub(in crate::node) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What was reported last of block time that is ahead of this node's clock: when, and by how much in milliseconds.
#[derive(Default)]
pub(in crate::node) struct AheadReport(Option<(Mono, u64)>);

impl AheadReport {
    /// What is to be reported when block time is ahead by so much.
    fn update(&mut self, now: Mono, ahead_ms: u64) -> Option<Event> {
        let is_ahead = ahead_ms > AHEAD_MS_REPORTED;
        match self.0 {
            Some((at, reported_ms))
                if is_ahead && ahead_ms / 2 <= reported_ms && now.since(at) < AHEAD_REPORTED_AGAIN_AFTER =>
            {
                None
            }
            _ if is_ahead => {
                self.0 = Some((now, ahead_ms));
                Some(Event::BlockTimeAhead { ahead_ms })
            }
            Some(_) => {
                self.0 = None;
                Some(Event::BlockTimeCaughtUp)
            }
            None => None,
        }
    }
}

impl Ordering {
    /// Reports block time that is ahead of this node's clock; called with each block.
    pub(in crate::node) fn report_block_time(&mut self, cx: &mut Context) {
        let ahead_ms = cx.block_ms_ahead();
        if let Some(event) = self.ahead_report.update(cx.now.mono, ahead_ms) {
            reached!(cx.marks, "block time is ahead of a node's clock, or no longer");
            cx.outbox.event(event);
        }
    }

    /// Puts off the verdict on a proposal of a block that is from the future. Whether it is.
    pub(in crate::node) fn defer_verdict(
        &mut self,
        cx: &mut Context,
        value_id: Digest,
        proposed: &Proposed,
        time: UnixMillis,
    ) -> bool {
        let ms_wait = verdict_ms_wait(time, cx.wall(), cx.state.time());
        if ms_wait == 0 {
            return false;
        }
        reached!(cx.marks, "a verdict is put off");
        let due = cx.now.mono.after(Duration::from_millis(ms_wait));
        let proposed = proposed.clone();
        self.deferred.insert(value_id, DeferredProposal { proposed, time, due });
        self.set_verdict_timer(cx);
        true
    }

    /// Takes out the proposals that may be judged by now.
    pub(in crate::node) fn take_due_verdicts(&mut self, cx: &mut Context) -> Vec<(Digest, Proposed)> {
        let mut due = Vec::new();
        for (value_id, DeferredProposal { proposed, time, .. }) in self.deferred.take_due(cx.now.mono) {
            // The two clocks differ: what the one has waited for, the other may still be short of.
            if !self.defer_verdict(cx, value_id, &proposed, time) {
                due.push((value_id, proposed));
            }
        }
        self.set_verdict_timer(cx);
        due
    }

    fn set_verdict_timer(&mut self, cx: &mut Context) {
        match self.deferred.next_due() {
            Some(due) => cx.timers.set(Timer::Verdict, due),
            None => cx.timers.cancel(Timer::Verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PublicKey;

    const WALL: UnixMillis = UnixMillis(1_800_000_000_000);
    const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

    #[test]
    fn the_clock_bounds_a_block_at_the_tolerance_and_not_one_past_it() {
        let parent = WALL.minus(10_000);
        assert_eq!(verdict_ms_wait(WALL.plus(BLOCK_MS_AHEAD_MAX), WALL, parent), 0);
        assert_eq!(verdict_ms_wait(WALL.plus(BLOCK_MS_AHEAD_MAX + 1), WALL, parent), 1);
        assert_eq!(verdict_ms_wait(WALL.plus(YEAR_MS), WALL, parent), YEAR_MS - BLOCK_MS_AHEAD_MAX);
    }

    #[test]
    fn a_step_after_a_parent_that_is_ahead_is_judged_at_once_and_one_past_it_is_not() {
        for ahead_ms in [BLOCK_MS_AHEAD_MAX, 600_000, YEAR_MS] {
            let parent = WALL.plus(ahead_ms);
            assert_eq!(verdict_ms_wait(parent.plus(BLOCK_MS_STEP), WALL, parent), 0);
            let past = verdict_ms_wait(parent.plus(BLOCK_MS_STEP + 1), WALL, parent);
            assert_eq!(past, ahead_ms + BLOCK_MS_STEP + 1 - BLOCK_MS_AHEAD_MAX);
            assert_eq!(
                verdict_ms_wait(proposal_time(WALL, parent), WALL, parent),
                0,
                "as honest ones propose"
            );
        }
        assert_eq!(proposal_time(WALL, WALL.minus(2)), WALL);
    }

    #[test]
    fn liars_push_time_to_the_tolerance_and_no_further_and_an_excess_shrinks() {
        // Every block is a liar's, as late as it may be; the fastest honest clock is `wall`.
        for (block_ms, excess_ms) in [(1, 0), (20, 0), (20, 600_000), (1_000, 600_000), (10_000, YEAR_MS)] {
            let mut wall = WALL;
            let mut parent = wall.plus(BLOCK_MS_AHEAD_MAX + excess_ms);
            let mut excess = excess_ms;
            for _ in 0..2_000 {
                wall = wall.plus(block_ms);
                let latest = wall.plus(BLOCK_MS_AHEAD_MAX).max(parent.plus(BLOCK_MS_STEP));
                assert_eq!(verdict_ms_wait(latest, wall, parent), 0);
                assert_eq!(verdict_ms_wait(latest.plus(1), wall, parent), latest.plus(1).since(wall) - 500);
                let now = latest.since(wall.plus(BLOCK_MS_AHEAD_MAX));
                assert_eq!(now, (excess + BLOCK_MS_STEP).saturating_sub(block_ms), "it never grows");
                (parent, excess) = (latest, now);
            }
        }
    }

    fn due_at(due: u64) -> DeferredProposal {
        let proposed = Proposed { proposer: PublicKey([1; 32]), value: [].into() };
        DeferredProposal { proposed, time: WALL, due: Mono(due) }
    }

    #[test]
    fn each_deferred_block_waits_for_its_own_time() {
        let (near, far) = (Digest([1; 32]), Digest([2; 32]));
        for order in [[(near, 10), (far, 1_000)], [(far, 1_000), (near, 10)]] {
            let mut deferred = Deferred::default();
            order.into_iter().for_each(|(id, due)| deferred.insert(id, due_at(due)));
            assert_eq!(deferred.next_due(), Some(Mono(10)));
            assert!(deferred.take_due(Mono(9)).is_empty());
            let due: Vec<Digest> = deferred.take_due(Mono(10)).into_iter().map(|(id, _)| id).collect();
            assert_eq!(due, [near], "the far one is not judged with it");
            assert_eq!((deferred.len(), deferred.next_due()), (1, Some(Mono(1_000))));
        }
    }

    #[test]
    fn time_that_is_ahead_is_reported_past_the_limit_again_after_a_while_and_when_it_is_over() {
        let mut report = AheadReport::default();
        let second = |seconds: u64| Mono(seconds * 1_000_000);
        assert_eq!(report.update(second(0), AHEAD_MS_REPORTED), None);
        let event = |ahead_ms| Some(Event::BlockTimeAhead { ahead_ms });
        assert_eq!(report.update(second(1), AHEAD_MS_REPORTED + 1), event(AHEAD_MS_REPORTED + 1));
        assert_eq!(report.update(second(60), 2_003), None, "twice as much is not more");
        assert_eq!(report.update(second(60), 2_004), event(2_004));
        assert_eq!(report.update(second(119), 1_500), None);
        assert_eq!(report.update(second(120), 1_500), event(1_500));
        assert_eq!(report.update(second(121), AHEAD_MS_REPORTED), Some(Event::BlockTimeCaughtUp));
        assert_eq!(report.update(second(122), 0), None);
    }
}
