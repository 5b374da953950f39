//! What only the process that runs a node can count: its disk, its memory, its DNS listener, its version.

use crate::dns_listener::{DnsCounters, DnsTally, Eviction, RateClass, ResponseKind};
use crate::memory;
use crate::scrub::ScrubCounters;
use hypermesh_core::api::Counters;
use hypermesh_core::base::WriteBatch;
use hypermesh_driver::Storage;
use rustix::fs::statvfs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What the process counts.
pub struct Vitals {
    store: PathBuf,
    syncs: Arc<Mutex<Syncs>>,
    dns: Mutex<Arc<DnsCounters>>,
    scrub: Arc<ScrubCounters>,
    start: OnceLock<Start>,
}

/// How the node started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// How long it took.
    pub took: Duration,
    /// Whether the store had not been closed.
    pub crashed: bool,
}

/// Writes that were made durable.
#[derive(Default)]
struct Syncs {
    count: u64,
    last: Option<Sync>,
}

#[derive(Clone, Copy)]
struct Sync {
    ended: Instant,
    took_us: u64,
}

/// A store whose writes are timed.
pub struct TimedStorage<S> {
    storage: S,
    syncs: Arc<Mutex<Syncs>>,
}

impl Vitals {
    /// Of a node whose store is this file.
    #[must_use]
    pub fn new(store: PathBuf) -> Self {
        Self {
            store,
            syncs: Arc::default(),
            dns: Mutex::default(),
            scrub: Arc::default(),
            start: OnceLock::new(),
        }
    }

    /// The store, timed from here on.
    pub fn timed<S: Storage>(&self, storage: S) -> TimedStorage<S> {
        TimedStorage { storage, syncs: Arc::clone(&self.syncs) }
    }

    /// What the scrub counts.
    #[must_use]
    pub fn scrub(&self) -> Arc<ScrubCounters> {
        Arc::clone(&self.scrub)
    }

    /// Notes how the node started. Only the first call counts.
    pub fn set_start(&self, start: Start) {
        let _first = self.start.set(start);
    }

    /// Reads another DNS listener's counters from here on: there is one listener at a time.
    pub fn watch_dns(&self, counters: Arc<DnsCounters>) {
        *self.dns.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    /// What there is to add to a service's numbers.
    #[must_use]
    pub fn counters(&self, service: &str) -> Counters {
        match service {
            "hypermesh" => self.process(),
            "trustchain" => dns(&self.dns.lock().unwrap_or_else(PoisonError::into_inner)),
            _ => Counters::new(),
        }
    }

    fn process(&self) -> Counters {
        let mut counters = self.scrub.counters();
        let mut add =
            |name: &str, number: Option<u64>| counters.extend(number.map(|number| (name.to_owned(), number)));
        let Syncs { count, last } = *self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        add("syncs_total", Some(count));
        add("sync_microseconds", Some(last.map_or(0, |last| last.took_us)));
        let age = last.map_or(0, |last| last.ended.elapsed().as_millis());
        add("sync_age_milliseconds", u64::try_from(age).ok());
        add("store_bytes", std::fs::metadata(&self.store).map(|about| about.len()).ok());
        add(
            "disk_free_bytes",
            statvfs(&self.store).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)).ok(),
        );
        add("memory_bytes", resident_bytes());
        add("memory_limit_bytes", memory::limit_bytes());
        let start = self.start.get();
        add("start_milliseconds", start.and_then(|start| u64::try_from(start.took.as_millis()).ok()));
        add("start_after_crash", start.map(|start| start.crashed.into()));
        add(concat!("build{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), Some(1));
        counters
    }
}

impl<S: Storage> Storage for TimedStorage<S> {
    fn commit(&mut self, batches: Vec<WriteBatch>) -> Result<(), String> {
        let begun = Instant::now();
        self.storage.commit(batches)?;
        let ended = Instant::now();
        let took_us = u64::try_from((ended - begun).as_micros()).unwrap_or(u64::MAX);
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        *syncs = Syncs { count: syncs.count.saturating_add(1), last: Some(Sync { ended, took_us }) };
        Ok(())
    }
}

fn dns(counters: &DnsCounters) -> Counters {
    let mut numbers = Counters::new();
    let of_transport = |transport: &str, tally: &DnsTally| {
        let responses = ResponseKind::ALL.map(|kind| {
            let code = kind.name();
            (
                format!("dns_responses_total{{code=\"{code}\",transport=\"{transport}\"}}"),
                tally.responses(kind),
            )
        });
        let others =
            [("truncated", tally.truncated()), ("dropped", tally.dropped()), ("errors", tally.errors())];
        let others = others.map(|(name, n)| (format!("dns_{name}_total{{transport=\"{transport}\"}}"), n));
        responses.into_iter().chain(others).collect::<Vec<_>>()
    };
    numbers.extend(of_transport("udp", &counters.udp));
    numbers.extend(of_transport("tcp", &counters.tcp));
    let limited = RateClass::ALL
        .map(|class| (format!("dns_limited_total{{class=\"{}\"}}", class.name()), counters.limited(class)));
    let evicted = Eviction::ALL.map(|reason| {
        (format!("dns_evicted_total{{limit=\"{}\"}}", reason.name()), counters.evicted(reason))
    });
    numbers.extend(limited.into_iter().chain(evicted));
    numbers.insert("dns_connections_total".into(), counters.connections());
    numbers
}

/// This process's resident memory, where the kernel tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Disk(Result<(), String>);

    impl Storage for Disk {
        fn commit(&mut self, _batches: Vec<WriteBatch>) -> Result<(), String> {
            self.0.clone()
        }
    }

    #[test]
    fn writes_that_became_durable_are_counted_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let vitals = Vitals::new(folder.path().to_owned());
        vitals.timed(Disk(Ok(()))).commit(Vec::new()).unwrap();
        assert!(vitals.timed(Disk(Err("full".into()))).commit(Vec::new()).is_err());
        let counters = vitals.counters("hypermesh");
        assert_eq!(counters["syncs_total"], 1);
        for name in ["store_bytes", "disk_free_bytes", "memory_bytes", "memory_limit_bytes"] {
            assert!(counters[name] > 0, "{name}");
        }
    }
}
