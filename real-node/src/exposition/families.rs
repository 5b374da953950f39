//! What a node tells of itself in numbers: the name, type, unit and meaning of each.
//!
//! The table in docs/operations.md says the same; a test holds both against what a node prints.

use super::encode::{MetricKind, PREFIX};

/// The unit that a number is counted in. It is exposed in the base unit, as Prometheus wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A plain number.
    None,
    Milliseconds,
    Microseconds,
    Bytes,
    MicroCaesar,
}

/// One kind of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Its name, without what all begin with, its unit, and what counters end with.
    pub(super) name: &'static str,
    pub(super) kind: MetricKind,
    pub(super) unit: Unit,
    pub(super) help: &'static str,
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Family {
    Family { name, kind: MetricKind::Gauge, unit, help }
}

const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Family {
    Family { name, kind: MetricKind::Counter, unit, help }
}

/// Every number that a node tells.
pub(super) const FAMILIES: &[Family] = &[
    gauge("height", Unit::None, "the last block"),
    gauge("block_time", Unit::Milliseconds, "the time of the last block, in seconds since 1970"),
    gauge("block_age", Unit::Milliseconds, "the age of the last block, by this node's clock"),
    gauge("validators", Unit::None, "the number of validators"),
    gauge("connected", Unit::None, "the number of validators that this node is linked with, itself included"),
    gauge("quorum", Unit::None, "the number of validators that a decision requires"),
    gauge("behind", Unit::None, "the number of blocks that the node knows to be missing"),
    gauge("voting", Unit::None, "1 if the node takes part in deciding the next height"),
    gauge("standstill", Unit::None, "1 if no block is decided, or none can be"),
    gauge("ready", Unit::None, "1 if the node is ready"),
    gauge("not_ready", Unit::None, "1 for each readiness condition that does not hold, by `reason`"),
    gauge("certificates", Unit::None, "certificates approved"),
    gauge("names", Unit::None, "names registered"),
    gauge("log_size", Unit::None, "entries of the certificate log"),
    gauge("beacon", Unit::None, "the current beacon"),
    gauge(
        "hypermesh_round",
        Unit::None,
        "the round of the current height; above 0 if a proposer was late or faulty",
    ),
    counter("hypermesh_blocks", Unit::None, "blocks applied"),
    counter("hypermesh_operations", Unit::None, "operations in them"),
    counter("hypermesh_operations_refused", Unit::None, "operations in them that were refused"),
    counter(
        "hypermesh_operations_omitted",
        Unit::None,
        "operations that proposers left out of batches in blocks: unpaid, or no room",
    ),
    counter(
        "hypermesh_operations_unpaid",
        Unit::None,
        "operations of this node's clients that it refused after it accepted them: expired, out of funds, \
        or above their fee limit",
    ),
    counter(
        "hypermesh_batches_taken",
        Unit::None,
        "verified batches that wait to be ordered, own and others'",
    ),
    counter(
        "hypermesh_batches_refused",
        Unit::None,
        "batches that were refused: invalid, too early, or too many of one peer",
    ),
    counter("hypermesh_proofs_valid", Unit::None, "valid four-proof sets, checked before ordering"),
    counter(
        "hypermesh_proofs_failed",
        Unit::None,
        "invalid proofs, by `proof`: space, stake, work, time; for a peer's batch only its first invalid \
        proof",
    ),
    counter(
        "hypermesh_signing_retries",
        Unit::None,
        "signatures that were retried with other signers, because one was silent or sent an invalid share",
    ),
    gauge(
        "hypermesh_signing_timeout",
        Unit::Milliseconds,
        "the time after which a silent signer is replaced, from measured response times; each retry \
        doubles it",
    ),
    counter(
        "hypermesh_batches_resent",
        Unit::None,
        "own batches that were sent again because no block contained them in time",
    ),
    gauge(
        "hypermesh_queue_delay",
        Unit::Milliseconds,
        "the shortest queue delay of requests in the last second with any request; above 0.5, some are \
        refused",
    ),
    counter("hypermesh_requests_admitted", Unit::None, "requests that were accepted for ordering or signing"),
    counter(
        "hypermesh_requests_refused",
        Unit::None,
        "requests that were refused with a retry time, because of the queue delay",
    ),
    counter(
        "hypermesh_requests_abandoned",
        Unit::None,
        "requests that were accepted for ordering or signing, and whose callers disconnected before the \
        response",
    ),
    counter(
        "hypermesh_signatures_refused",
        Unit::None,
        "invalid finished signatures and cosignatures from peers, and those without their sender's signed \
        claim",
    ),
    counter(
        "hypermesh_signatures_dropped",
        Unit::None,
        "stored signatures that other implementations refuse: deleted and signed again",
    ),
    gauge("hypermesh_share_repair_wanted", Unit::None, "1 if the node lacks its key shares and needs repair"),
    gauge(
        "hypermesh_share_repairs_left",
        Unit::None,
        "share repairs that the node can request now; one is added each hour, up to 16",
    ),
    gauge(
        "hypermesh_share_repair_wait",
        Unit::Milliseconds,
        "time, in block time, until the node may request repair again; 0 if it waits only for helpers",
    ),
    counter("hypermesh_share_repairs_failed", Unit::None, "this node's repair requests that failed"),
    gauge(
        "hypermesh_clock_behind",
        Unit::Milliseconds,
        "how far this clock is behind the median of its peers' clocks (see below); 0 if it is ahead",
    ),
    gauge(
        "hypermesh_clock_ahead",
        Unit::Milliseconds,
        "how far this clock is ahead of it, including the delay of a proposal to this node; 0 if it is \
        behind",
    ),
    gauge(
        "hypermesh_block_time_ahead",
        Unit::Milliseconds,
        "how far the last block's time is ahead of this clock; 0 if it is not",
    ),
    counter(
        "hypermesh_discontinuities",
        Unit::None,
        "clock jumps, suspends and resumes of this machine: each destroys the signing nonces",
    ),
    gauge("hypermesh_clock_peers", Unit::None, "the number of peers' clocks in the median"),
    gauge("hypermesh_table_entries", Unit::None, "entries in each table and queue of the node, by `table`"),
    gauge(
        "hypermesh_table_entries_max",
        Unit::None,
        "the limit on these entries, by `table`, where a number limits them",
    ),
    counter("hypermesh_stoq_calls", Unit::None, "calls that ended, by `code`"),
    counter("hypermesh_stoq_calls_sent_away", Unit::None, "calls that were refused with a retry time"),
    gauge("hypermesh_stoq_calls_waiting", Unit::None, "calls that wait for a call slot"),
    gauge("hypermesh_stoq_streams_open", Unit::None, "streaming calls in progress"),
    gauge("hypermesh_stoq_connections_open", Unit::None, "connections, links of validators included"),
    counter("hypermesh_stoq_connections_accepted", Unit::None, "connections ever taken"),
    counter(
        "hypermesh_stoq_connections_refused",
        Unit::None,
        "refused connection attempts and failed \
        handshakes",
    ),
    counter(
        "hypermesh_stoq_connections_retried",
        Unit::None,
        "connection attempts that had to prove their address first",
    ),
    counter("hypermesh_stoq_link_messages", Unit::None, "messages on validators' links"),
    counter("hypermesh_stoq_violations", Unit::None, "peers disconnected because they violated the protocol"),
    counter("hypermesh_syncs", Unit::None, "durable writes, each with one sync of the disk"),
    gauge("hypermesh_sync", Unit::Microseconds, "duration of the last sync"),
    gauge("hypermesh_sync_age", Unit::Milliseconds, "time since the last sync"),
    gauge("hypermesh_store", Unit::Bytes, "the size of store.redb"),
    gauge("hypermesh_disk_free", Unit::Bytes, "free space on its file system for the node's user"),
    gauge("hypermesh_memory", Unit::Bytes, "the process's resident memory"),
    gauge(
        "hypermesh_memory_limit",
        Unit::Bytes,
        "the lowest memory limit of the process: control group, ulimit or the machine",
    ),
    gauge(
        "hypermesh_key_shares_held",
        Unit::None,
        "1 if this node holds its share of the committee's key, on disk, by `key`",
    ),
    gauge("hypermesh_reveals_left", Unit::None, "reveals that this node has left; each beacon uses one"),
    counter("hypermesh_rows_repaired", Unit::None, "corrupted rows of the store that were replaced"),
    counter("hypermesh_scrub_bytes", Unit::None, "bytes that the scrub of the store has read"),
    counter("hypermesh_scrub_rows", Unit::None, "rows that the scrub has read"),
    counter("hypermesh_scrub_rows_corrupted", Unit::None, "rows that the scrub found corrupted or missing"),
    counter("hypermesh_scrub_passes", Unit::None, "complete passes of the scrub over the store"),
    gauge(
        "hypermesh_scrub_pass",
        Unit::Bytes,
        "bytes of the store that the current pass has read; 0 between passes",
    ),
    gauge(
        "hypermesh_start",
        Unit::Milliseconds,
        "duration of the start, from the start of the process until the node runs",
    ),
    gauge(
        "hypermesh_start_after_crash",
        Unit::None,
        "1 if the store was not closed cleanly before this \
        start",
    ),
    gauge("hypermesh_build", Unit::None, "1, with the node's version in `version`"),
    counter("trustchain_certificates", Unit::None, "certificates approved, including those before the start"),
    counter("trustchain_names", Unit::None, "names registered, including those before the start"),
    counter(
        "trustchain_certificates_signed",
        Unit::None,
        "certificates signed with this node as coordinator",
    ),
    Family {
        name: "trustchain_issuance",
        kind: MetricKind::Histogram,
        unit: Unit::Milliseconds,
        help: "duration of issuances that this node was called for, from the call to the signed certificate",
    },
    counter("trustchain_revocations", Unit::None, "revocations"),
    gauge(
        "trustchain_root_not_after",
        Unit::Milliseconds,
        "the end of the root certificate, in seconds \
        since 1970",
    ),
    gauge(
        "trustchain_issuing_not_after",
        Unit::Milliseconds,
        "the end of the newest signed issuing certificate, in seconds since 1970",
    ),
    gauge("trustchain_revocation_list_entries", Unit::None, "certificates in the revocation list"),
    gauge(
        "trustchain_revocation_list_entries_max",
        Unit::None,
        "the limit on these entries; when it is reached, no certificate can be revoked",
    ),
    gauge(
        "trustchain_revocation_list_this_update",
        Unit::Milliseconds,
        "thisUpdate of the signed revocation list of this node, in seconds since 1970",
    ),
    gauge(
        "trustchain_revocation_list_next_update",
        Unit::Milliseconds,
        "nextUpdate of that list, in seconds since 1970",
    ),
    counter("trustchain_revocation_lists", Unit::None, "revocation lists signed"),
    counter(
        "trustchain_dns_responses",
        Unit::None,
        "answers to DNS queries, by `code` and `transport`: udp, tcp, stoq",
    ),
    counter("trustchain_dns_truncated", Unit::None, "truncated answers to DNS queries, by `transport`"),
    counter(
        "trustchain_dns_dropped",
        Unit::None,
        "DNS messages that were dropped without a response, by \
        `transport`",
    ),
    counter("trustchain_dns_errors", Unit::None, "socket errors and aborted connections, by `transport`"),
    counter(
        "trustchain_dns_limited",
        Unit::None,
        "queries over UDP above their prefix's rate, by `class`: positive, nodata, nxdomain, error, \
        referral, all",
    ),
    counter("trustchain_dns_connections", Unit::None, "TCP connections taken"),
    counter(
        "trustchain_dns_evicted",
        Unit::None,
        "TCP connections closed to make room for others, by `limit`: prefix, all, descriptors",
    ),
    gauge("caesar_node_balance", Unit::MicroCaesar, "the balance of the node's own account"),
    gauge("caesar_node_stake", Unit::MicroCaesar, "the node's stake"),
    gauge("caesar_stake_minimum", Unit::MicroCaesar, "the minimum stake for submitting batches"),
    counter("caesar_fees", Unit::MicroCaesar, "fees paid"),
    counter("caesar_transfers", Unit::None, "transfers"),
    counter("caesar_slashed", Unit::MicroCaesar, "stakes slashed for proved offences"),
];

impl Family {
    /// What its numbers are called where they are counted, in the unit that they are counted in.
    pub(super) fn counted(&self) -> String {
        let unit = match self.unit {
            Unit::None => "",
            Unit::Milliseconds => "_milliseconds",
            Unit::Microseconds => "_microseconds",
            Unit::Bytes => "_bytes",
            Unit::MicroCaesar => "_microcaesar",
        };
        format!("{}{unit}{}", self.name, self.ending())
    }

    /// What it is called where it is exposed, in base units.
    pub(super) fn exposed(&self) -> String {
        let unit = match self.unit {
            Unit::None => "",
            Unit::Milliseconds | Unit::Microseconds => "_seconds",
            Unit::Bytes => "_bytes",
            Unit::MicroCaesar => "_microcaesar",
        };
        format!("{PREFIX}{}{unit}{}", self.name, self.ending())
    }

    const fn ending(&self) -> &'static str {
        if matches!(self.kind, MetricKind::Counter) { "_total" } else { "" }
    }
}
