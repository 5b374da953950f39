//! How often one part of the network is answered over UDP.
//!
//! A client's address may be forged over UDP, and whoever stands at that address gets the answer. Answers are short, and
//! this bounds their number, as BIND, Knot and NSD do (response rate limiting; Vixie and Schryver 2012): each prefix gets so
//! many a second of each [class](RateClass), with records so many for each name, and so many in all. Of those past that,
//! one in [`slip`](DnsLimits::slip) is a truncated one, no longer than its query, which sends a real client to TCP, and the
//! others are none at all.

use super::class::{RateClass, question_name};
use super::limits::{DnsLimits, Prefix};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use tokio::time::Instant;

/// Counts that are kept. Two share one where their hashes, which nobody can foresee, fall together, so the memory
/// (2 MiB) is the same whatever comes.
const BUCKETS: usize = 1 << 17;

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RateDecision {
    /// It is sent.
    Answer,
    /// It is past the rate of this class, and sent truncated, with nothing but the question.
    Truncate(RateClass),
    /// It is past the rate of this class, and not sent.
    Drop(RateClass),
}

/// The responses that each prefix has had.
pub(super) struct ResponseRate {
    limits: DnsLimits,
    hasher: RandomState,
    start: Instant,
    buckets: Vec<Bucket>,
}

/// The responses of whatever shares this.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// When all that was sent so far would have been due at the long-run rate, in microseconds from the start
    /// (the *theoretical arrival time* of the generic cell rate algorithm, ITU-T I.371).
    due_us: u64,
    /// How many were held back since the last that was sent truncated.
    held_back: u8,
}

impl ResponseRate {
    pub(super) fn new(limits: DnsLimits) -> Self {
        let buckets = vec![Bucket::default(); BUCKETS];
        Self { limits, hasher: RandomState::new(), start: Instant::now(), buckets }
    }

    /// Holds responses to other limits from now on.
    pub(super) fn set_limits(&mut self, limits: DnsLimits) {
        self.limits = limits;
    }

    /// What becomes of any response to a client at this address. To be asked before the answer is made: a flood is not
    /// worth making answers for.
    pub(super) fn decide_all(&mut self, client: IpAddr) -> RateDecision {
        let prefix = self.limits.prefix_of(client);
        prefix.map_or(RateDecision::Answer, |prefix| self.decide(prefix, RateClass::All, &[]))
    }

    /// What becomes of this response to a client at this address, by its class.
    pub(super) fn decide_class(&mut self, client: IpAddr, response: &[u8]) -> RateDecision {
        let Some(prefix) = self.limits.prefix_of(client) else { return RateDecision::Answer };
        let class = RateClass::of(response);
        // Of names that are not there one can think of as many as one likes.
        let name = if class == RateClass::Positive { question_name(response) } else { &[] };
        self.decide(prefix, class, name)
    }

    fn decide(&mut self, prefix: Prefix, class: RateClass, name: &[u8]) -> RateDecision {
        let rate = self.rate(class);
        if rate == 0 {
            return RateDecision::Answer;
        }
        let now_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let interval_us = 1_000_000 / u64::from(rate);
        let burst = u64::from(rate) * u64::from(self.limits.burst_seconds);
        let ahead_us = interval_us * burst.saturating_sub(1);
        let (slip, index) = (self.limits.slip, self.index(prefix, class, name));
        let Some(bucket) = self.buckets.get_mut(index) else { return RateDecision::Drop(class) };
        if bucket.due_us <= now_us.saturating_add(ahead_us) {
            bucket.due_us = bucket.due_us.max(now_us).saturating_add(interval_us);
            return RateDecision::Answer;
        }
        bucket.held_back = (bucket.held_back + 1).checked_rem(slip).unwrap_or(1);
        if bucket.held_back == 0 { RateDecision::Truncate(class) } else { RateDecision::Drop(class) }
    }

    const fn rate(&self, class: RateClass) -> u32 {
        match class {
            RateClass::Positive => self.limits.responses_per_second,
            RateClass::NoData => self.limits.nodata_per_second,
            RateClass::NxDomain => self.limits.nxdomains_per_second,
            RateClass::Error => self.limits.errors_per_second,
            RateClass::Referral => self.limits.referrals_per_second,
            RateClass::All => self.limits.all_per_second,
        }
    }

    fn index(&self, prefix: Prefix, class: RateClass, name: &[u8]) -> usize {
        let mut hasher = self.hasher.build_hasher();
        (prefix, class).hash(&mut hasher);
        // The case of letters is the client's choice, and makes no other name.
        name.iter().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
        usize::try_from(hasher.finish() % BUCKETS as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits() -> DnsLimits {
        DnsLimits {
            responses_per_second: 10,
            nxdomains_per_second: 5,
            all_per_second: 40,
            burst_seconds: 2,
            ..DnsLimits::default()
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A response with this code about a name of one label: with one record, if the code is 0.
    fn response(code: u8, label: &str) -> Vec<u8> {
        let length = u8::try_from(label.len()).unwrap();
        let header = [0, 7, 0x84, code, 0, 1, 0, u8::from(code == 0), 0, 0, 0, 0];
        [&header[..], &[length], label.as_bytes(), &[0, 0, 28, 0, 1]].concat()
    }

    fn of_class(rate: &mut ResponseRate, client: &str, response: &[u8], queries: usize) -> [usize; 3] {
        counted(queries, || rate.decide_class(address(client), response))
    }

    fn counted(queries: usize, mut decide: impl FnMut() -> RateDecision) -> [usize; 3] {
        let mut counts = [0; 3];
        for _ in 0..queries {
            counts[match decide() {
                RateDecision::Answer => 0,
                RateDecision::Truncate(_) => 1,
                RateDecision::Drop(_) => 2,
            }] += 1;
        }
        counts
    }

    #[tokio::test(start_paused = true)]
    async fn a_prefix_has_its_burst_and_then_its_rate_and_every_second_one_past_it_is_truncated() {
        let mut rate = ResponseRate::new(limits());
        let (client, neighbour, web) = ("2001:db8:0:1::1", "2001:db8:0:ff:ffff::9", response(0, "web"));
        assert_eq!(of_class(&mut rate, client, &web, 20), [20, 0, 0]);
        assert_eq!(of_class(&mut rate, neighbour, &web, 10), [0, 5, 5]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(of_class(&mut rate, client, &web, 12), [10, 1, 1]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(of_class(&mut rate, client, &web, 21)[0], 20);
    }

    #[tokio::test(start_paused = true)]
    async fn names_have_their_own_rates_and_names_that_are_not_there_have_one_together() {
        let mut rate = ResponseRate::new(limits());
        let client = "192.0.2.7";
        assert_eq!(of_class(&mut rate, client, &response(0, "web"), 21)[0], 20);
        assert_eq!(of_class(&mut rate, client, &response(0, "api"), 21)[0], 20);
        assert_eq!(of_class(&mut rate, client, &response(0, "WeB"), 4)[0], 0, "case makes no other name");
        let absent = (0..11).map(|number| response(3, &format!("absent-{number}")));
        let answered = absent.filter(|absent| of_class(&mut rate, client, absent, 1)[0] == 1).count();
        assert_eq!(answered, 10);
        assert_eq!(
            rate.decide_class(address(client), &response(3, "x")),
            RateDecision::Truncate(RateClass::NxDomain)
        );
        assert_eq!(of_class(&mut rate, client, &response(5, "web"), 1), [1, 0, 0], "errors have their own");
    }

    #[tokio::test(start_paused = true)]
    async fn all_classes_together_have_a_rate() {
        let mut rate = ResponseRate::new(limits());
        let client = address("192.0.2.7");
        assert_eq!(counted(82, || rate.decide_all(client)), [80, 1, 1]);
        assert_eq!(rate.decide_all(client), RateDecision::Drop(RateClass::All));
    }

    #[tokio::test(start_paused = true)]
    async fn slip_and_zero_mean_what_bind_means() {
        for (slip, expected) in [(0, [0, 0, 6]), (1, [0, 6, 0]), (3, [0, 2, 4])] {
            let mut rate = ResponseRate::new(DnsLimits { slip, ..limits() });
            assert_eq!(of_class(&mut rate, "192.0.2.7", &response(0, "web"), 20), [20, 0, 0]);
            assert_eq!(of_class(&mut rate, "192.0.2.7", &response(0, "web"), 6), expected, "slip {slip}");
        }
        let none = DnsLimits { responses_per_second: 0, all_per_second: 0, ..limits() };
        let mut rate = ResponseRate::new(none);
        assert_eq!(of_class(&mut rate, "192.0.2.7", &response(0, "web"), 1000)[0], 1000);
        assert_eq!(counted(1000, || rate.decide_all(address("192.0.2.7")))[0], 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_exempt_is_not_limited_from_when_the_limits_say_so() {
        let mut rate = ResponseRate::new(limits());
        let (resolver, neighbour, web) = ("192.0.2.53", "192.0.2.54", response(0, "web"));
        assert_eq!(of_class(&mut rate, resolver, &web, 21)[0], 20);
        rate.set_limits(DnsLimits { exempt: vec![resolver.parse().unwrap()], ..limits() });
        assert_eq!(of_class(&mut rate, resolver, &web, 1000), [1000, 0, 0]);
        assert_eq!(counted(1000, || rate.decide_all(address(resolver))), [1000, 0, 0]);
        assert_eq!(of_class(&mut rate, neighbour, &web, 1)[0], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn other_prefixes_do_not_feel_it_and_the_machine_itself_has_no_limit() {
        let mut rate = ResponseRate::new(limits());
        let web = response(0, "web");
        of_class(&mut rate, "192.0.2.7", &web, 1000);
        // Two prefixes may share a bucket, once in 131,072 times; three hundred do not all.
        let others = (0..=255).map(|third| format!("198.51.{third}.1"));
        let free = others.filter(|other| of_class(&mut rate, other, &web, 1)[0] == 1).count();
        assert!(free >= 250, "{free}");
        for local in ["::1", "127.0.0.9"] {
            assert_eq!(of_class(&mut rate, local, &web, 1000), [1000, 0, 0]);
            assert_eq!(counted(1000, || rate.decide_all(address(local))), [1000, 0, 0]);
        }
    }
}
