//! How long signers take to answer, and after which time a session is tried again with others.
//!
//! Measured as TCP measures round trips (RFC 6298): a smoothed mean and a smoothed deviation for each signer. A share
//! bears the name of its session, so also one that comes after a retry is a true sample.
//!
//! A signer that is slow on purpose must not make this node patient. The time-out is therefore that of as many signers as a
//! signature takes, the fastest ones: no more than f signers lie, so it is never above what the slowest honest signer
//! accounts for.

use crate::base::{PublicKey, Size};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// The time-out while nothing was measured.
pub(super) const TIMEOUT_FIRST: Duration = Duration::from_millis(300);
/// No time-out is shorter: a block that the signer has not applied yet, a write, or a turn of its task is no silence.
pub(super) const TIMEOUT_MIN: Duration = Duration::from_millis(200);
/// No time-out is longer, backed off or not.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(10);
/// After so many retries the time-out grows no more by backing off.
const BACKOFF_DOUBLINGS_MAX: u32 = 6;

const _: () = assert!(TIMEOUT_MIN.as_millis() <= TIMEOUT_FIRST.as_millis());
const _: () = assert!(TIMEOUT_FIRST.as_millis() <= TIMEOUT_MAX.as_millis());

/// What was measured, by signer.
#[derive(Default)]
pub(super) struct AnswerTimes(BTreeMap<PublicKey, AnswerTime>);

#[derive(Clone, Copy)]
struct AnswerTime {
    mean_us: u64,
    deviation_us: u64,
}

impl AnswerTimes {
    /// A signer's share came so long after it was asked for.
    pub(super) fn note(&mut self, signer: PublicKey, took: Duration) {
        let sample_us = u64::try_from(took.min(TIMEOUT_MAX).as_micros()).unwrap_or(u64::MAX);
        let first = AnswerTime { mean_us: sample_us, deviation_us: sample_us / 2 };
        self.0.entry(signer).and_modify(|time| time.note(sample_us)).or_insert(first);
    }

    /// After which time a session is tried again, where it takes so many signers beside this node.
    pub(super) fn timeout(&self, others: usize) -> Duration {
        let mut timeouts: Vec<Duration> = self.0.values().map(AnswerTime::timeout).collect();
        timeouts.sort_unstable();
        let timeout = others.checked_sub(1).and_then(|last| timeouts.get(last).copied());
        timeout.unwrap_or(TIMEOUT_FIRST)
    }

    pub(super) fn size(&self, validators: usize) -> Size {
        Size::limited("signers whose answers were timed", self.0.len(), validators)
    }
}

impl AnswerTime {
    fn note(&mut self, sample_us: u64) {
        let off_us = self.mean_us.abs_diff(sample_us);
        self.deviation_us = (3 * self.deviation_us + off_us) / 4;
        self.mean_us = (7 * self.mean_us + sample_us) / 8;
    }

    fn timeout(&self) -> Duration {
        Duration::from_micros(self.mean_us + 4 * self.deviation_us).clamp(TIMEOUT_MIN, TIMEOUT_MAX)
    }
}

/// The time-out after so many retries: twice as long each time, up to the longest, and never quite what others wait.
/// `jitter` is any number, drawn anew each time.
pub(super) fn backed_off(timeout: Duration, retries: u32, jitter: u16) -> Duration {
    let doubled = timeout.saturating_mul(1 << retries.min(BACKOFF_DOUBLINGS_MAX)).min(TIMEOUT_MAX);
    // From three quarters of it to the whole.
    doubled - doubled / 4 * u32::from(jitter) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn key(number: u8) -> PublicKey {
        PublicKey([number; 32])
    }

    fn settled(times: &mut AnswerTimes, signer: u8, took_ms: u64) {
        (0..64).for_each(|_| times.note(key(signer), Duration::from_millis(took_ms)));
    }

    #[test]
    fn the_time_out_follows_what_is_measured_within_its_bounds() {
        let mut times = AnswerTimes::default();
        assert_eq!(times.timeout(2), TIMEOUT_FIRST, "nothing is known yet");
        settled(&mut times, 1, 1);
        assert_eq!(times.timeout(2), TIMEOUT_FIRST, "one signer alone makes no signature");
        settled(&mut times, 2, 1);
        assert_eq!(times.timeout(2), TIMEOUT_MIN);
        settled(&mut times, 1, 2_000);
        settled(&mut times, 2, 2_000);
        let timeout = times.timeout(2);
        assert!(
            (Duration::from_millis(2_000)..Duration::from_millis(2_100)).contains(&timeout),
            "{timeout:?}"
        );
        settled(&mut times, 1, 60_000);
        settled(&mut times, 2, 60_000);
        assert_eq!(times.timeout(2), TIMEOUT_MAX);
        settled(&mut times, 1, 1);
        settled(&mut times, 2, 1);
        assert_eq!(times.timeout(2), TIMEOUT_MIN, "it comes down again");
    }

    #[test]
    fn one_signer_that_is_slow_on_purpose_makes_nobody_wait() {
        let mut times = AnswerTimes::default();
        settled(&mut times, 1, 5);
        settled(&mut times, 2, 5);
        settled(&mut times, 3, 9_000);
        assert_eq!(times.timeout(2), TIMEOUT_MIN);
    }

    #[test]
    fn retries_back_off_to_the_longest_time_out_and_not_past_it() {
        let base = TIMEOUT_MIN;
        assert_eq!(backed_off(base, 0, 0), base);
        assert_eq!(backed_off(base, 0, u16::MAX), base - base / 4);
        assert_eq!(backed_off(base, 3, 0), base * 8);
        assert_eq!(backed_off(base, u32::MAX, 0), TIMEOUT_MAX);
        assert!(
            backed_off(TIMEOUT_MAX, u32::MAX, u16::MAX) >= TIMEOUT_MAX / 4 * 3 - Duration::from_micros(1)
        );
    }
}
