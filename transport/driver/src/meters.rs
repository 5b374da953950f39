//! The numbers that a node's services tell: what the node counts, what its server counts, and what whoever runs it adds.

use super::StateMachine;
use hypermesh_core::api::{Counters, DnsAnswer, Response, View};
use hypermesh_core::base::Now;
use hypermesh_core::trustchain::dns::ResolutionOutcome;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use stoq::MetricsReader;

/// How often the node's own numbers are taken, at most: while nothing happens to it, nothing of them changes.
const TAKE_PERIOD: Duration = Duration::from_secs(1);

/// What whoever runs a node adds to the numbers of one of its services.
pub type ExtraCounters = Arc<dyn Fn(&str) -> Counters + Send + Sync>;

/// The numbers of a node, by service. Clones tell the same.
#[derive(Clone, Default)]
pub struct Meters(Arc<Inner>);

#[derive(Default)]
struct Inner {
    taken: Mutex<Taken>,
    server: OnceLock<MetricsReader>,
    extra: OnceLock<ExtraCounters>,
    dns: [AtomicU64; DNS_CODES.len()],
}

#[derive(Default)]
struct Taken {
    at: Option<Now>,
    numbers: BTreeMap<&'static str, Counters>,
}

impl Meters {
    /// A service's numbers, by name; a name may bear labels, as in Prometheus.
    #[must_use]
    pub fn counters(&self, view: &View, service: &str) -> Counters {
        let mut counters = view.counters.get(service).cloned().unwrap_or_default();
        if let Some(numbers) =
            self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).numbers.get(service)
        {
            counters.extend(numbers.clone());
        }
        match service {
            "hypermesh" => self.add_server(&mut counters),
            "trustchain" => self.add_dns(&mut counters),
            _ => {}
        }
        if let Some(extra) = self.0.extra.get() {
            counters.extend(extra(service));
        }
        counters
    }

    /// Adds what whoever runs the node knows. Once.
    pub(super) fn extend(&self, extra: ExtraCounters) {
        // A second one would contradict the first.
        drop(self.0.extra.set(extra));
    }

    pub(super) fn read_server(&self, reader: MetricsReader) {
        drop(self.0.server.set(reader));
    }

    /// Takes the node's own numbers, unless that was done a moment ago.
    pub(super) fn take<N: StateMachine>(&self, now: Now, node: &N) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.at.is_none_or(|at| now.mono.since(at.mono) >= TAKE_PERIOD) {
            taken.at = Some(now);
            taken.numbers = node.numbers();
        }
    }

    /// Completes the answer of a service that was asked for its numbers, and counts what it answers of names.
    pub(super) fn complete(&self, view: &View, response: &mut Response) {
        let (service, metrics) = match response {
            Response::TrustchainMetrics(metrics) => ("trustchain", metrics),
            Response::HypermeshMetrics(metrics) => ("hypermesh", metrics),
            Response::CaesarMetrics(metrics) => ("caesar", metrics),
            Response::ResolveDns(answer) => return self.count_dns(answer),
            _ => return,
        };
        metrics.counters = self.counters(view, service);
    }

    fn count_dns(&self, answer: &DnsAnswer) {
        let place = match answer.outcome {
            ResolutionOutcome::Found | ResolutionOutcome::NoData => 0,
            ResolutionOutcome::NoSuchName => 1,
            _ => 2,
        };
        if let Some(counter) = self.0.dns.get(place) {
            counter.fetch_add(1, Relaxed);
        }
    }

    fn add_dns(&self, counters: &mut Counters) {
        for (code, counter) in DNS_CODES.iter().zip(&self.0.dns) {
            let name = format!("dns_responses_total{{code=\"{code}\",transport=\"stoq\"}}");
            counters.insert(name, counter.load(Relaxed));
        }
    }

    fn add_server(&self, counters: &mut Counters) {
        let Some(metrics) = self.0.server.get().and_then(MetricsReader::read) else { return };
        for code in stoq::StatusCode::ALL {
            let count = metrics.calls.get(&code).copied().unwrap_or_default();
            counters.insert(format!("stoq_calls_total{{code=\"{}\"}}", code.name()), count);
        }
        let named = [
            ("stoq_calls_sent_away_total", metrics.calls_sent_away),
            ("stoq_calls_waiting", metrics.calls_waiting),
            ("stoq_streams_open", metrics.streams_open),
            ("stoq_connections_open", metrics.connections_open),
            ("stoq_connections_accepted_total", metrics.connections_accepted),
            ("stoq_connections_refused_total", metrics.connections_refused),
            ("stoq_connections_retried_total", metrics.connections_retried),
            ("stoq_link_messages_total", metrics.link_messages),
            ("stoq_violations_total", metrics.violations),
        ];
        counters.extend(named.map(|(name, number)| (name.to_owned(), number)));
    }
}

/// The response codes that stand for the outcomes of a question.
const DNS_CODES: [&str; 3] = ["NOERROR", "NXDOMAIN", "REFUSED"];
