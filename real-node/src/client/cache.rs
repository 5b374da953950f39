//! What was looked up and may be taken for true a while longer (RFC 1035 §7.4), that something is not there among it
//! (RFC 2308).

use hypermesh_core::api::DnsAnswer;
use hypermesh_core::base::Mono;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordData, RecordType, ResolutionOutcome, TTL_SECONDS_MAX};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most answers that are remembered. When there are more, those go first that would go first anyway.
pub(super) const CACHE_COUNT_MAX: usize = 1024;

/// Answers, each until its time is over.
#[derive(Debug, Default)]
pub(super) struct Cache {
    answers: BTreeMap<(DomainName, RecordType), Remembered>,
    /// How often something was to be forgotten.
    forgotten: u64,
}

#[derive(Clone, Debug)]
struct Remembered {
    records: Vec<RecordData>,
    since: Mono,
    ttl: Duration,
}

impl Cache {
    /// The records that a name has of a type, as far as they are remembered: none, if it is remembered that there are none.
    pub(super) fn get(
        &self,
        name: &DomainName,
        record_type: RecordType,
        now: Mono,
    ) -> Option<Vec<RecordData>> {
        let remembered = self.answers.get(&(name.clone(), record_type))?;
        remembered.holds(now).then(|| remembered.records.clone())
    }

    /// Remembers an answer for as long as it says.
    pub(super) fn put(&mut self, name: DomainName, record_type: RecordType, answer: &DnsAnswer, now: Mono) {
        let Some(ttl) = time_to_live(answer) else { return };
        self.make_room(now);
        self.answers.insert((name, record_type), Remembered { records: records_of(answer), since: now, ttl });
    }

    /// How often something was forgotten so far. What was asked for before the last time is not to be remembered: it may be
    /// just what was to be forgotten.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Forgets what was said of a name and of those below it.
    pub(super) fn forget(&mut self, name: &DomainName) {
        self.forgotten = self.forgotten.wrapping_add(1);
        self.answers.retain(|(other, _), _| !other.is_within(name));
    }

    fn make_room(&mut self, now: Mono) {
        if self.answers.len() < CACHE_COUNT_MAX {
            return;
        }
        self.answers.retain(|_, remembered| remembered.holds(now));
        while self.answers.len() >= CACHE_COUNT_MAX {
            let first = self.answers.iter().min_by_key(|(_, remembered)| remembered.left(now));
            let Some(first) = first.map(|(key, _)| key.clone()) else { return };
            self.answers.remove(&first);
        }
    }
}

impl Remembered {
    fn left(&self, now: Mono) -> Duration {
        self.ttl.saturating_sub(now.since(self.since))
    }

    fn holds(&self, now: Mono) -> bool {
        self.left(now) > Duration::ZERO
    }
}

/// The records of an answer, those on the way to them among them.
pub(super) fn records_of(answer: &DnsAnswer) -> Vec<RecordData> {
    answer.answers.iter().flat_map(|answer| &answer.set.data).cloned().collect()
}

/// How long an answer may be remembered: as long as the shortest of its sets, or as the zone's start says of what is not
/// there (RFC 2308 §5). Of a name that is not the mesh's, nothing is.
fn time_to_live(answer: &DnsAnswer) -> Option<Duration> {
    let seconds = match answer.outcome {
        ResolutionOutcome::Found => answer.answers.iter().map(|found| found.set.ttl_seconds).min()?,
        ResolutionOutcome::NoData | ResolutionOutcome::NoSuchName => {
            let start = answer.authority.as_ref()?;
            let negative = start.set.data.iter().find_map(|data| match data {
                RecordData::Soa(soa) => Some(soa.negative_ttl_seconds),
                _ => None,
            });
            negative?.min(start.set.ttl_seconds)
        }
        _ => return None,
    };
    // A node that says otherwise does not keep anybody waiting for longer.
    Some(Duration::from_secs(seconds.min(TTL_SECONDS_MAX).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Height, UnixMillis};
    use hypermesh_core::trustchain::dns::{NamedRecordSet, RecordSet, Soa};

    const ZONE: &str = "demo.hypermesh";

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    fn named(text: &str, ttl_seconds: u32, data: RecordData) -> NamedRecordSet {
        NamedRecordSet { name: name(text), set: RecordSet::new(ttl_seconds, vec![data]).unwrap() }
    }

    fn answer(
        outcome: ResolutionOutcome,
        answers: Vec<NamedRecordSet>,
        authority: Option<NamedRecordSet>,
    ) -> DnsAnswer {
        let (height, time) = (Height(3), UnixMillis(5));
        DnsAnswer { outcome, answers, authority, height, time, age_ms: 0, stale: false }
    }

    fn address() -> RecordData {
        RecordData::Aaaa("2001:db8::7".parse().unwrap())
    }

    fn start(ttl_seconds: u32, negative_ttl_seconds: u32) -> NamedRecordSet {
        let soa = Soa {
            primary: name("node-1.demo.hypermesh"),
            responsible: name("hostmaster.demo.hypermesh"),
            serial: 3,
            refresh_seconds: 1,
            retry_seconds: 1,
            expire_seconds: 1,
            negative_ttl_seconds,
        };
        named(ZONE, ttl_seconds, RecordData::Soa(soa))
    }

    fn at(milliseconds: u64) -> Mono {
        Mono(milliseconds * 1000)
    }

    /// The first moments, in milliseconds since it was told, at which an answer counts no more.
    fn lasts(answer: &DnsAnswer) -> Option<u64> {
        let mut cache = Cache::default();
        cache.put(name("web.demo.hypermesh"), RecordType::Aaaa, answer, at(1000));
        let get = |ms: u64| cache.get(&name("web.demo.hypermesh"), RecordType::Aaaa, at(1000 + ms));
        get(0)?;
        let gone = (0..100).map(|seconds| seconds * 1000).find(|ms| get(*ms).is_none())?;
        assert!(get(gone - 1).is_some(), "it counts until then");
        Some(gone)
    }

    #[test]
    fn records_are_remembered_until_their_time_to_live_is_over_and_no_moment_longer() {
        let found =
            |ttl| answer(ResolutionOutcome::Found, vec![named("web.demo.hypermesh", ttl, address())], None);
        assert_eq!(lasts(&found(1)), Some(1000));
        assert_eq!(lasts(&found(10)), Some(10_000));
        let alias = named("web.demo.hypermesh", 3, RecordData::Cname(name("a.demo.hypermesh")));
        let chain =
            answer(ResolutionOutcome::Found, vec![alias, named("a.demo.hypermesh", 9, address())], None);
        assert_eq!(lasts(&chain), Some(3000), "as long as the shortest on the way");
    }

    #[test]
    fn that_there_is_nothing_is_remembered_as_long_as_the_zone_says_and_nothing_of_other_zones() {
        for outcome in [ResolutionOutcome::NoData, ResolutionOutcome::NoSuchName] {
            assert_eq!(lasts(&answer(outcome, vec![], Some(start(60, 7)))), Some(7000));
            assert_eq!(lasts(&answer(outcome, vec![], Some(start(5, 7)))), Some(5000), "RFC 2308 §5");
            assert_eq!(lasts(&answer(outcome, vec![], None)), None);
        }
        assert_eq!(lasts(&answer(ResolutionOutcome::NotAuthoritative, vec![], Some(start(60, 7)))), None);
    }

    #[test]
    fn the_cache_is_full_at_its_limit_and_forgets_first_what_ends_first() {
        let mut cache = Cache::default();
        let nth = |number: usize| name(&format!("n{number}.demo.hypermesh"));
        let found =
            |ttl| answer(ResolutionOutcome::Found, vec![named("web.demo.hypermesh", ttl, address())], None);
        for number in 0..CACHE_COUNT_MAX {
            let ttl = if number == 5 { 2 } else { 60 };
            cache.put(nth(number), RecordType::Aaaa, &found(ttl), at(0));
        }
        assert_eq!(cache.answers.len(), CACHE_COUNT_MAX);
        assert!(cache.get(&nth(5), RecordType::Aaaa, at(0)).is_some());
        cache.put(nth(CACHE_COUNT_MAX), RecordType::Aaaa, &found(60), at(0));
        assert_eq!(cache.answers.len(), CACHE_COUNT_MAX);
        assert!(cache.get(&nth(5), RecordType::Aaaa, at(0)).is_none());
        // What has run out goes before what has not.
        cache.put(nth(CACHE_COUNT_MAX + 1), RecordType::Aaaa, &found(60), at(60_000));
        assert_eq!(cache.answers.len(), 1);
    }

    #[test]
    fn a_name_is_forgotten_with_those_below_it() {
        let mut cache = Cache::default();
        let found = answer(ResolutionOutcome::Found, vec![named("web.demo.hypermesh", 60, address())], None);
        for text in ["web.demo.hypermesh", "_stoq._udp.web.demo.hypermesh", "xweb.demo.hypermesh"] {
            cache.put(name(text), RecordType::Aaaa, &found, at(0));
        }
        cache.forget(&name("web.demo.hypermesh"));
        let left: Vec<_> = cache.answers.keys().map(|(name, _)| name.to_string()).collect();
        assert_eq!(left, ["xweb.demo.hypermesh"]);
    }
}
