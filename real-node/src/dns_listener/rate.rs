//! How often one part of the network is answered.
//!
//! Over UDP a client's address may be forged, and whoever stands at that address gets the answer. Answers are
//! short, and this bounds their number: each prefix (/24 of IPv4, /56 of IPv6, what one customer has) gets so
//! many a second; of those past that one in [`SLIP`] is a truncated one, no longer than its query, which sends
//! a real client to TCP, and the others are none at all. (Response rate limiting, as name servers do it; Vixie
//! and Schryver 2012.) Over TCP, where addresses are real, it is connections that each prefix has so many of.
//!
//! The machine itself is not bounded: nobody else can use its loopback addresses.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use tokio::time::Instant;

/// Responses a second to one prefix, in the long run.
pub const RESPONSES_PER_SECOND_MAX: u32 = 200;
/// Responses to one prefix at once, after it has been quiet.
pub const RESPONSES_BURST_MAX: u32 = 500;
/// Of so many responses past the rate, one is sent, truncated.
pub const SLIP: u8 = 2;
/// Connections of one prefix over TCP; a further one is closed at once.
pub const CONNECTIONS_PER_PREFIX_MAX: usize = 64;

/// Counts that are kept. Prefixes share them where their hashes, which nobody can foresee, fall together, so
/// the memory (half a MiB) is the same whatever comes.
const BUCKETS: usize = 1 << 15;

/// What a listener allows each prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLimits {
    /// Responses a second over UDP, in the long run.
    pub responses_per_second_max: u32,
    /// Responses over UDP at once, after a quiet time.
    pub responses_burst_max: u32,
    /// Connections over TCP.
    pub connections_max: usize,
    /// Whether loopback addresses are held to this too.
    pub loopback: bool,
}

impl Default for PrefixLimits {
    fn default() -> Self {
        Self {
            responses_per_second_max: RESPONSES_PER_SECOND_MAX,
            responses_burst_max: RESPONSES_BURST_MAX,
            connections_max: CONNECTIONS_PER_PREFIX_MAX,
            loopback: false,
        }
    }
}

/// A part of the network: what its addresses have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Prefix {
    /// A /24.
    V4([u8; 3]),
    /// A /56.
    V6([u8; 7]),
}

impl Prefix {
    /// Where this address lies; `None` where there is no bound.
    pub(super) fn of(address: IpAddr, limits: &PrefixLimits) -> Option<Self> {
        let address = address.to_canonical();
        if address.is_loopback() && !limits.loopback {
            return None;
        }
        Some(match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        })
    }
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent.
    Answer,
    /// It is sent truncated, with nothing but the question.
    Truncate,
    /// It is not sent.
    Drop,
}

/// The responses that each prefix has had.
pub(super) struct ResponseRate {
    limits: PrefixLimits,
    hasher: RandomState,
    start: Instant,
    buckets: Vec<Bucket>,
}

/// The responses of the prefixes that share this.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// When all that was sent so far would have been due at the long-run rate, in microseconds from the start
    /// (the *theoretical arrival time* of the generic cell rate algorithm, ITU-T I.371).
    due_us: u64,
    /// How many were held back since the last that was sent truncated.
    held_back: u8,
}

impl ResponseRate {
    pub(super) fn new(limits: PrefixLimits) -> Self {
        let buckets = vec![Bucket::default(); BUCKETS];
        Self { limits, hasher: RandomState::new(), start: Instant::now(), buckets }
    }

    /// Whether a client at this address is answered now.
    pub(super) fn judge(&mut self, client: IpAddr) -> Verdict {
        let Some(prefix) = Prefix::of(client, &self.limits) else { return Verdict::Answer };
        let index = usize::try_from(self.hasher.hash_one(prefix) % BUCKETS as u64).unwrap_or_default();
        let now_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let interval_us = 1_000_000 / u64::from(self.limits.responses_per_second_max.max(1));
        let ahead_us = interval_us * u64::from(self.limits.responses_burst_max.saturating_sub(1));
        let Some(bucket) = self.buckets.get_mut(index) else { return Verdict::Drop };
        if bucket.due_us <= now_us.saturating_add(ahead_us) {
            bucket.due_us = bucket.due_us.max(now_us).saturating_add(interval_us);
            return Verdict::Answer;
        }
        bucket.held_back = (bucket.held_back + 1) % SLIP;
        if bucket.held_back == 0 { Verdict::Truncate } else { Verdict::Drop }
    }
}

/// The response with its question alone, and the sign that there is more to be had over TCP.
pub(super) fn truncated(mut response: Vec<u8>) -> Vec<u8> {
    let end = question_end(&response);
    response.truncate(end.unwrap_or(HEADER_BYTES));
    let questions = u8::from(end.is_some());
    if let Some(header) = response.first_chunk_mut::<HEADER_BYTES>() {
        header[2] |= TRUNCATION;
        header[4..].copy_from_slice(&[0, questions, 0, 0, 0, 0, 0, 0]);
    }
    response
}

/// Where the one question of a response of ours ends; it is the first name, so nothing in it is compressed.
fn question_end(response: &[u8]) -> Option<usize> {
    if response.get(4..6) != Some(&[0, 1]) {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        match usize::from(*response.get(at)?) {
            0 => break,
            length @ 1..64 => at += 1 + length,
            _ => return None,
        }
    }
    let end = at + 1 + 4;
    (end <= response.len()).then_some(end)
}

/// The connections that each prefix has.
#[derive(Default)]
pub(super) struct ConnectionCounts {
    open: HashMap<Prefix, usize>,
}

impl ConnectionCounts {
    /// Counts a connection from this address; `None` if its prefix has as many as it may.
    pub(super) fn admit(&mut self, client: IpAddr, limits: &PrefixLimits) -> Option<Admitted> {
        let Some(prefix) = Prefix::of(client, limits) else { return Some(Admitted(None)) };
        let count = self.open.entry(prefix).or_default();
        if *count >= limits.connections_max {
            return None;
        }
        *count += 1;
        Some(Admitted(Some(prefix)))
    }

    /// Counts a connection no more.
    pub(super) fn release(&mut self, Admitted(prefix): Admitted) {
        let Some(prefix) = prefix else { return };
        if let Some(count) = self.open.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&prefix);
            }
        }
    }
}

/// A connection that was counted.
#[derive(Debug)]
pub(super) struct Admitted(Option<Prefix>);

/// Bytes of a message's header.
const HEADER_BYTES: usize = 12;
/// The bit TC in the header's third byte.
const TRUNCATION: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const LIMITS: PrefixLimits = PrefixLimits {
        responses_per_second_max: 10,
        responses_burst_max: 20,
        connections_max: 3,
        loopback: false,
    };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn answered(rate: &mut ResponseRate, client: IpAddr, queries: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for _ in 0..queries {
            counts[rate.judge(client) as usize] += 1;
        }
        counts
    }

    #[tokio::test(start_paused = true)]
    async fn a_prefix_has_its_burst_and_then_its_rate_and_every_second_one_past_it_is_truncated() {
        let mut rate = ResponseRate::new(LIMITS);
        let (client, neighbour) = (address("2001:db8:0:1::1"), address("2001:db8:0:ff:ffff::9"));
        assert_eq!(answered(&mut rate, client, 20), [20, 0, 0]);
        assert_eq!(answered(&mut rate, neighbour, 10), [0, 5, 5]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(answered(&mut rate, client, 12), [10, 1, 1]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(answered(&mut rate, client, 21)[0], 20);
    }

    #[tokio::test(start_paused = true)]
    async fn other_prefixes_do_not_feel_it_and_the_machine_itself_has_no_bound() {
        let mut rate = ResponseRate::new(LIMITS);
        answered(&mut rate, address("192.0.2.7"), 1000);
        assert_ne!(rate.judge(address("::ffff:192.0.2.200")), Verdict::Answer);
        // Two prefixes may share a bucket, once in 32,768 times; three hundred do not all.
        let others = (0..=255).map(|third| address(&format!("198.51.{third}.1")));
        let free = others.filter(|other| rate.judge(*other) == Verdict::Answer).count();
        assert!(free >= 250, "{free}");
        assert_eq!(answered(&mut rate, address("::1"), 1000), [1000, 0, 0]);
        assert_eq!(answered(&mut rate, address("127.0.0.9"), 1000), [1000, 0, 0]);
    }

    #[test]
    fn connections_of_a_prefix_hold_at_the_limit_and_not_one_past_it() {
        let mut counts = ConnectionCounts::default();
        let mut admitted: Vec<_> = (0..3)
            .map(|host| counts.admit(address(&format!("2001:db8::{host}")), &LIMITS).unwrap())
            .collect();
        assert!(counts.admit(address("2001:db8::4"), &LIMITS).is_none());
        assert!(counts.admit(address("2001:db9::4"), &LIMITS).is_some());
        assert!((0..9).all(|_| counts.admit(address("::1"), &LIMITS).is_some()));
        counts.release(admitted.pop().unwrap());
        assert!(counts.admit(address("2001:db8::4"), &LIMITS).is_some());
    }

    #[test]
    fn what_nobody_uses_any_more_is_forgotten() {
        let mut counts = ConnectionCounts::default();
        for prefix in 0..1000 {
            let admitted = counts.admit(address(&format!("2001:db8:{prefix:x}::1")), &LIMITS).unwrap();
            counts.release(admitted);
        }
        assert!(counts.open.is_empty());
    }

    proptest! {
        #[test]
        fn truncating_never_panics_and_never_makes_longer(response in proptest::collection::vec(any::<u8>(), 0..80)) {
            let length = response.len();
            prop_assert!(truncated(response).len() <= length);
        }
    }
}
