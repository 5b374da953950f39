//! How long to wait, and which waits are under way.
//!
//! The core's timeouts name a round but no height, so each gets a token that is never used again: one that
//! was cancelled, or that belongs to a height gone by, means nothing when it fires.

use super::context::MeshContext;
use crate::base::Mono;
use alloc::collections::BTreeMap;
use core::time::Duration;
use malachite_types::{LinearTimeouts, Timeout};

/// How long a validator waits in each step of a round, and how much longer with each further round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a proposal, before prevoting nil.
    pub propose: Duration,
    /// What each round adds to `propose`.
    pub propose_delta: Duration,
    /// For more prevotes, once a quorum voted but for different values, before precommitting nil.
    pub prevote: Duration,
    /// What each round adds to `prevote`.
    pub prevote_delta: Duration,
    /// For more precommits, once a quorum voted but for different values, before the next round.
    pub precommit: Duration,
    /// What each round adds to `precommit`.
    pub precommit_delta: Duration,
    /// Before repeating one's votes; grows by the sum of the three deltas.
    pub rebroadcast: Duration,
    /// No wait is longer than this.
    pub longest: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            propose: Duration::from_millis(1000),
            propose_delta: Duration::from_millis(500),
            prevote: Duration::from_millis(500),
            prevote_delta: Duration::from_millis(250),
            precommit: Duration::from_millis(500),
            precommit_delta: Duration::from_millis(250),
            rebroadcast: Duration::from_millis(1500),
            longest: Duration::from_secs(15),
        }
    }
}

impl malachite_types::Timeouts<MeshContext> for Timeouts {
    fn duration_for(&self, timeout: Timeout) -> Duration {
        self.duration(timeout)
    }
}

impl Timeouts {
    pub(super) fn duration(&self, timeout: Timeout) -> Duration {
        let linear = LinearTimeouts {
            propose: self.propose,
            propose_delta: self.propose_delta,
            prevote: self.prevote,
            prevote_delta: self.prevote_delta,
            precommit: self.precommit,
            precommit_delta: self.precommit_delta,
            rebroadcast: self.rebroadcast,
            max_timeout: self.longest,
        };
        linear.duration_for(timeout)
    }
}

/// The timeouts under way, by token.
#[derive(Debug, Default)]
pub(super) struct Timers {
    live: BTreeMap<u64, Timeout>,
    last_token: u64,
}

impl Timers {
    /// Starts a timeout, in place of one of the same kind and round; the token and when it fires.
    pub(super) fn set(&mut self, timeout: Timeout, now: Mono, timeouts: &Timeouts) -> (u64, Mono) {
        self.cancel(timeout);
        self.last_token += 1;
        self.live.insert(self.last_token, timeout);
        (self.last_token, now.after(timeouts.duration(timeout)))
    }

    /// The timeout that fired, if it is still under way.
    pub(super) fn fire(&mut self, token: u64) -> Option<Timeout> {
        self.live.remove(&token)
    }

    pub(super) fn cancel(&mut self, timeout: Timeout) {
        self.live.retain(|_, live| *live != timeout);
    }

    pub(super) fn cancel_all(&mut self) {
        self.live.clear();
    }

    pub(super) fn is_live(&self, token: u64) -> bool {
        self.live.contains_key(&token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use malachite_types::Round;

    #[test]
    fn a_timeout_that_was_cancelled_or_set_again_does_not_fire() {
        let mut timers = Timers::default();
        let propose = Timeout::propose(Round::new(0));
        let (first, at) = timers.set(propose, Mono(5), &Timeouts::default());
        assert_eq!(at, Mono(1_000_005));
        let (second, _) = timers.set(propose, Mono(6), &Timeouts::default());
        assert_eq!((timers.fire(first), timers.fire(second)), (None, Some(propose)));
        assert_eq!(timers.fire(second), None, "it fires once");
        let (third, _) = timers.set(propose, Mono(7), &Timeouts::default());
        timers.cancel(propose);
        assert_eq!(timers.fire(third), None);
    }

    #[test]
    fn later_rounds_wait_longer_up_to_the_longest() {
        let timeouts = Timeouts::default();
        let wait = |round| timeouts.duration(Timeout::propose(Round::new(round)));
        assert_eq!(wait(1), Duration::from_millis(1500));
        assert_eq!(wait(u32::MAX), timeouts.longest);
    }
}
