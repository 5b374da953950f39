//! What is to happen at which time. One timer of a kind at a time, but for the ordering's, which have tokens.

use crate::base::Mono;
use alloc::collections::{BTreeMap, BTreeSet};

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A timeout of the ordering.
    Engine(u64),
    /// A mesh with nothing to do makes a block.
    Heartbeat,
    /// A block from the future may be judged.
    Verdict,
    /// A batch was not included: send it again.
    Submission,
    /// Signers were silent: ask others.
    Signing,
    /// There is more to sign.
    Work,
    /// A key generation makes no progress: send again, or give it up.
    Generation,
    /// A repair of key shares makes no progress: send again, or ask others.
    ShareRepair,
    /// A peer did not send blocks that were asked for, or one that was passed over may be asked again.
    Sync,
    /// Blocks that have come are waiting to be applied.
    Apply,
    /// A peer that has had its share of blocks may have more.
    Serve,
    /// Peers have not said what this node voted for: ask again.
    Recall,
    /// A quorum has been missing for too long.
    Quorum,
    /// A damaged row was not sent: ask another.
    RowRepair,
    /// No block has come for too long.
    Stall,
}

/// Timers by the time at which they fire.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Mono, Timer)>,
    by_timer: BTreeMap<Timer, Mono>,
}

impl Timers {
    /// Sets a timer, in place of one of its kind.
    pub(super) fn set(&mut self, timer: Timer, at: Mono) {
        self.cancel(timer);
        self.by_time.insert((at, timer));
        self.by_timer.insert(timer, at);
    }

    /// Sets a timer unless it runs already.
    pub(super) fn start(&mut self, timer: Timer, at: Mono) {
        if !self.by_timer.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    /// Sets a timer unless it fires earlier already.
    pub(super) fn bring_forward(&mut self, timer: Timer, at: Mono) {
        if self.by_timer.get(&timer).is_none_or(|before| at < *before) {
            self.set(timer, at);
        }
    }

    /// Whether a timer runs.
    pub(super) fn runs(&self, timer: Timer) -> bool {
        self.by_timer.contains_key(&timer)
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// Cancels all timeouts of the ordering: they are of a height that is over.
    pub(super) fn cancel_engine(&mut self) {
        let tokens = |timer: &Timer| matches!(timer, Timer::Engine(_));
        let stale: alloc::vec::Vec<Timer> = self.by_timer.keys().copied().filter(tokens).collect();
        stale.into_iter().for_each(|timer| self.cancel(timer));
    }

    pub(super) fn pop(&mut self, now: Mono) -> Option<Timer> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }

    /// How many run.
    pub(super) fn count(&self) -> usize {
        self.by_timer.len()
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
