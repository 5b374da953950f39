//! What a client counts: its requests, how they ended, and how long they took.

use crate::status::StatusCode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a client has counted since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientMetrics {
    /// Calls that were begun, each once however often it was tried.
    pub total_requests: u64,
    /// Calls that ended, by how. A call that its caller dropped is `cancelled`.
    pub outcomes: BTreeMap<StatusCode, u64>,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Connections that were dialled.
    pub dials: u64,
    /// Those of them whose first flight carried calls that the server took.
    pub early_accepted: u64,
    /// Those of them whose first flight carried calls that the server did not take, and that were sent again.
    pub early_refused: u64,
    /// How long the calls that ended `ok` took.
    pub latency: Latency,
}

/// How long calls took, in microseconds. Percentiles are upper bounds, at most an eighth too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many calls.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The slowest, rounded like the percentiles.
    pub max_us: u64,
}

/// The counters behind [`ClientMetrics`].
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) dials: AtomicU64,
    pub(super) early_accepted: AtomicU64,
    pub(super) early_refused: AtomicU64,
    outcomes: [AtomicU64; StatusCode::ALL.len()],
    latency: Histogram,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            dials: AtomicU64::new(0),
            early_accepted: AtomicU64::new(0),
            early_refused: AtomicU64::new(0),
            outcomes: [const { AtomicU64::new(0) }; StatusCode::ALL.len()],
            latency: Histogram([const { AtomicU64::new(0) }; BUCKETS]),
        }
    }

    pub(super) fn ended(&self, code: StatusCode, took: Duration) {
        for (counter, _) in self.outcomes.iter().zip(StatusCode::ALL).filter(|(_, listed)| *listed == code) {
            counter.fetch_add(1, Relaxed);
        }
        if code == StatusCode::Ok {
            self.latency.record(took);
        }
    }

    pub(super) fn snapshot(&self) -> ClientMetrics {
        let outcomes = StatusCode::ALL.into_iter().zip(&self.outcomes);
        ClientMetrics {
            total_requests: self.requests.load(Relaxed),
            outcomes: outcomes.map(|(code, n)| (code, n.load(Relaxed))).filter(|(_, n)| *n > 0).collect(),
            retries: self.retries.load(Relaxed),
            dials: self.dials.load(Relaxed),
            early_accepted: self.early_accepted.load(Relaxed),
            early_refused: self.early_refused.load(Relaxed),
            latency: self.latency.summary(),
        }
    }
}

/// Counts of durations in buckets whose widths grow with the duration: eight to each doubling, so that a
/// bucket's end is at most an eighth past its start.
struct Histogram([AtomicU64; BUCKETS]);

impl Histogram {
    fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.0.get(bucket(micros).min(BUCKETS - 1)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    fn summary(&self) -> Latency {
        let counts: Vec<u64> = self.0.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let count: u64 = counts.iter().sum();
        let percentile = |percent: u64| {
            let rank = (count * percent).div_ceil(100);
            let mut seen = 0;
            let reached = counts.iter().position(|n| {
                seen += n;
                seen >= rank
            });
            reached.filter(|_| count > 0).map_or(0, bucket_end)
        };
        Latency { count, p50_us: percentile(50), p99_us: percentile(99), max_us: percentile(100) }
    }
}

/// The bucket that a duration falls in.
fn bucket(micros: u64) -> usize {
    let doubling = micros.max(STEPS).ilog2() - STEPS.ilog2();
    (u64::from(doubling) * STEPS + (micros >> doubling)) as usize
}

/// The longest duration that falls in this bucket.
fn bucket_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let doubling = (bucket / STEPS).saturating_sub(1);
    ((bucket - doubling * STEPS + 1) << doubling) - 1
}

/// Buckets to a doubling.
const STEPS: u64 = 8;
/// Enough for durations of up to half an hour; longer ones fall in the last.
const BUCKETS: usize = 232;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_at_most_an_eighth_below_its_buckets_end() {
        for micros in (0..5000).chain([60_000_000, 1_000_000_000]) {
            let end = bucket_end(bucket(micros));
            assert!(micros <= end && end - micros <= micros / 8, "{micros} in a bucket that ends at {end}");
        }
        assert!(bucket(1_800_000_000) < BUCKETS);
    }

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let counters = Counters::new();
        assert_eq!(counters.snapshot(), ClientMetrics::default());
        for millis in 1..=100 {
            counters.ended(StatusCode::Ok, Duration::from_millis(millis));
        }
        counters.ended(StatusCode::NotFound, Duration::from_secs(9));
        let latency = counters.snapshot().latency;
        assert_eq!(latency.count, 100);
        for (shown, exact) in [(latency.p50_us, 50_000), (latency.p99_us, 99_000), (latency.max_us, 100_000)]
        {
            assert!((exact..=exact + exact / 8).contains(&shown), "{shown} for {exact}");
        }
        assert_eq!(counters.snapshot().outcomes[&StatusCode::NotFound], 1);
    }
}
