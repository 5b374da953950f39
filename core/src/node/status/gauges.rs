//! What an operator asks of a node, in numbers, beyond what it counts: its round, how full its tables are, how its clock
//! stands to those of its peers.
//!
//! A name may bear labels, as in Prometheus: `table_entries{table="timers"}`.

use crate::api::Counters;
use crate::base::Height;
use crate::hypermesh::ordering::Round;
use crate::hypermesh::proof::ProofKind;
use crate::node::keys::share_repair::SHARE_REPAIRS_FAILED;
use crate::node::{Node, context::Context};
use crate::state::Inadmissible;
use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;

/// What is counted from the start, so that nothing that is counted seldom is missing until then.
pub(in crate::node) const COUNTED: &[(&str, &[&str])] = &[
    (
        "trustchain",
        &[
            "certificates_total",
            "names_total",
            "certificates_signed_total",
            "revocation_lists_total",
            "revocations_total",
            "issuance_milliseconds_sum",
            "issuance_milliseconds_count",
        ],
    ),
    (
        "hypermesh",
        &[
            "blocks_total",
            "operations_total",
            "operations_refused_total",
            "operations_omitted_total",
            "operations_unpaid_total",
            "batches_taken_total",
            "batches_refused_total",
            "signing_retries_total",
            "signatures_refused_total",
            "signatures_dropped_total",
            SHARE_REPAIRS_FAILED,
            "rows_repaired_total",
            "discontinuities_total",
            "batches_resent_total",
            "requests_admitted_total",
            "requests_refused_total",
            "requests_abandoned_total",
            PROOFS_VALID,
            SPACE_FAILED,
            STAKE_FAILED,
            WORK_FAILED,
            TIME_FAILED,
        ],
    ),
    ("caesar", &["fees_microcaesar_total", "transfers_total", "slashed_microcaesar_total"]),
];

const PROOFS_VALID: &str = "proofs_valid_total";
const SPACE_FAILED: &str = "proofs_failed_total{proof=\"space\"}";
const STAKE_FAILED: &str = "proofs_failed_total{proof=\"stake\"}";
const WORK_FAILED: &str = "proofs_failed_total{proof=\"work\"}";
const TIME_FAILED: &str = "proofs_failed_total{proof=\"time\"}";

/// How long issuances took, in milliseconds: the ends of the histogram's buckets, and what each is called.
const ISSUANCE_BUCKETS: [(u64, &str); 11] = [
    (50, "issuance_milliseconds_bucket{le=\"50\"}"),
    (100, "issuance_milliseconds_bucket{le=\"100\"}"),
    (200, "issuance_milliseconds_bucket{le=\"200\"}"),
    (300, "issuance_milliseconds_bucket{le=\"300\"}"),
    (500, "issuance_milliseconds_bucket{le=\"500\"}"),
    (750, "issuance_milliseconds_bucket{le=\"750\"}"),
    (1000, "issuance_milliseconds_bucket{le=\"1000\"}"),
    (2000, "issuance_milliseconds_bucket{le=\"2000\"}"),
    (5000, "issuance_milliseconds_bucket{le=\"5000\"}"),
    (10_000, "issuance_milliseconds_bucket{le=\"10000\"}"),
    (30_000, "issuance_milliseconds_bucket{le=\"30000\"}"),
];

impl Context {
    /// Counts from zero what is counted.
    pub(in crate::node) fn begin_counting(&mut self) {
        for (service, names) in COUNTED {
            names.iter().for_each(|name| self.count(service, name, 0));
        }
        ISSUANCE_BUCKETS.iter().for_each(|(_, name)| self.count("trustchain", name, 0));
    }

    /// The four proofs of a batch were looked at.
    pub(in crate::node) fn count_proofs(&mut self, outcome: Result<(), &Inadmissible>) {
        match outcome {
            Ok(()) => self.count("hypermesh", PROOFS_VALID, 1),
            Err(Inadmissible::Proofs(rejection)) => {
                for failed in &rejection.failed {
                    let name = match failed.proof {
                        ProofKind::Space => SPACE_FAILED,
                        ProofKind::Stake => STAKE_FAILED,
                        ProofKind::Work => WORK_FAILED,
                        ProofKind::Time => TIME_FAILED,
                    };
                    self.count("hypermesh", name, 1);
                }
            }
            // Nothing was looked at: the member, its number or the beacon were wrong.
            Err(_) => {}
        }
    }

    /// A call for a new certificate was answered with it.
    pub(in crate::node) fn count_issuance(&mut self, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.count("trustchain", "issuance_milliseconds_count", 1);
        self.count("trustchain", "issuance_milliseconds_sum", took_ms);
        for (end, name) in ISSUANCE_BUCKETS {
            if took_ms <= end {
                self.count("trustchain", name, 1);
            }
        }
    }
}

impl Node {
    /// The numbers of each service, as they stand now: what was counted, and what goes up and down.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<&'static str, Counters> {
        let mut numbers = self.cx.counters.clone();
        numbers.entry("hypermesh").or_default().extend(self.gauges());
        for (service, gauges) in self.expiry_gauges() {
            numbers.entry(service).or_default().extend(gauges);
        }
        numbers
    }

    /// The height whose votes this node counts as they come, and the round from which on it holds all that it has counted:
    /// whoever contradicts itself in them is found out at once.
    #[must_use]
    pub fn counts_votes_of(&self) -> Option<(Height, Round)> {
        self.ordering.engine.running().filter(|_| !self.cx.is_stopped())
    }

    fn gauges(&self) -> Counters {
        let mut gauges = Counters::new();
        let round = self.counts_votes_of().map_or(0, |(_, round)| round.0);
        gauges.insert("round".into(), round.into());
        let offset = self.ordering.clocks.median().unwrap_or_default();
        gauges.insert("clock_ahead_milliseconds".into(), offset.min(0).unsigned_abs());
        gauges.insert("clock_behind_milliseconds".into(), offset.max(0).unsigned_abs());
        let delay_ms = u64::try_from(self.cx.admission.delay().as_millis()).unwrap_or(u64::MAX);
        gauges.insert("queue_delay_milliseconds".into(), delay_ms);
        let timeout_ms =
            u64::try_from(self.signing.session_timeout(&self.cx).as_millis()).unwrap_or(u64::MAX);
        gauges.insert("signing_timeout_milliseconds".into(), timeout_ms);
        gauges.insert("clock_peers".into(), self.ordering.clocks_known() as u64);
        self.share_repair.share_repair_gauges(&self.cx, &mut gauges);
        gauges.insert("block_time_ahead_milliseconds".into(), self.cx.block_ms_ahead());
        for size in self.sizes() {
            let table = size.table;
            gauges.insert(format!("table_entries{{table=\"{table}\"}}"), size.held as u64);
            if let Some(held_max) = size.held_max {
                gauges.insert(format!("table_entries_max{{table=\"{table}\"}}"), held_max as u64);
            }
        }
        gauges
    }
}
