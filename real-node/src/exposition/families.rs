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
    gauge("block_time", Unit::Milliseconds, "the time of the last block, since 1970"),
    gauge("block_age", Unit::Milliseconds, "how long ago the last block was made, by this node's clock"),
    gauge("validators", Unit::None, "how many validators there are"),
    gauge("connected", Unit::None, "how many of them this node is linked with, itself included"),
    gauge("quorum", Unit::None, "how many it takes to decide"),
    gauge("behind", Unit::None, "how many blocks the node is behind, as far as it can know"),
    gauge("voting", Unit::None, "1 if the node takes part in deciding the next height"),
    gauge("standstill", Unit::None, "1 if nothing is decided, or can be"),
    gauge("ready", Unit::None, "1 if the node can do its whole work"),
    gauge("not_ready", Unit::None, "1 for each condition of readiness that does not hold, by `reason`"),
    gauge("certificates", Unit::None, "certificates approved"),
    gauge("names", Unit::None, "names registered"),
    gauge("log_size", Unit::None, "entries of the certificate log"),
    gauge("beacon", Unit::None, "the current beacon"),
    gauge(
        "hypermesh_round",
        Unit::None,
        "the round of the height under way; above 0, a proposer was late or wrong",
    ),
    counter("hypermesh_blocks", Unit::None, "blocks applied"),
    counter("hypermesh_operations", Unit::None, "operations in them"),
    counter("hypermesh_operations_refused", Unit::None, "operations in them that were refused"),
    counter(
        "hypermesh_operations_omitted",
        Unit::None,
        "operations that proposers left out of batches in them: not paid for, or no room",
    ),
    counter(
        "hypermesh_operations_unpaid",
        Unit::None,
        "operations of this node's clients that it refused after it took them: expired, out of funds, or dearer than their limit",
    ),
    counter(
        "hypermesh_batches_taken",
        Unit::None,
        "batches that were found good and wait to be ordered, own and others'",
    ),
    counter(
        "hypermesh_batches_refused",
        Unit::None,
        "batches that were not taken: bad, too early, too many of one peer",
    ),
    counter(
        "hypermesh_proofs_valid",
        Unit::None,
        "sets of four proofs that were checked before ordering and hold",
    ),
    counter(
        "hypermesh_proofs_failed",
        Unit::None,
        "proofs that do not hold, by `proof`: space, stake, work, time; of a batch from a peer the first that fails",
    ),
    counter(
        "hypermesh_signing_retries",
        Unit::None,
        "signatures that were tried again with other signers, since one was silent or lied",
    ),
    gauge(
        "hypermesh_signing_timeout",
        Unit::Milliseconds,
        "after which time a silent signer is passed over, by the answer times measured; backed off with each retry",
    ),
    counter(
        "hypermesh_batches_resent",
        Unit::None,
        "own batches that were sent again, since they were in no block in time",
    ),
    gauge(
        "hypermesh_queue_delay",
        Unit::Milliseconds,
        "how long requests wait at least, in the last second in which any had its turn; above 0.5, some are refused",
    ),
    counter("hypermesh_requests_admitted", Unit::None, "requests that were taken to be ordered or signed"),
    counter(
        "hypermesh_requests_refused",
        Unit::None,
        "requests that were told to come back later, because others waited too long",
    ),
    counter(
        "hypermesh_requests_abandoned",
        Unit::None,
        "requests that were taken to be ordered or signed, and whose callers left before the answer",
    ),
    counter(
        "hypermesh_signatures_refused",
        Unit::None,
        "finished signatures and cosignatures of peers that do not hold, or come without their sender's word",
    ),
    counter(
        "hypermesh_signatures_dropped",
        Unit::None,
        "stored signatures that other implementations would refuse: deleted, and made again",
    ),
    gauge(
        "hypermesh_share_repair_wanted",
        Unit::None,
        "1 if the node lacks its key shares and wants them repaired",
    ),
    gauge(
        "hypermesh_share_repairs_left",
        Unit::None,
        "requests for repair of its key shares that the node can make at once; one an hour is added, up to 16",
    ),
    gauge(
        "hypermesh_share_repair_wait",
        Unit::Milliseconds,
        "how long, in block time, until the node may ask for repair again; 0 if nothing but helpers is waited for",
    ),
    counter(
        "hypermesh_share_repairs_failed",
        Unit::None,
        "requests of this node for repair that came to nothing",
    ),
    gauge(
        "hypermesh_clock_behind",
        Unit::Milliseconds,
        "by how much this clock is behind the median of its peers' (see below); 0 if it is ahead",
    ),
    gauge(
        "hypermesh_clock_ahead",
        Unit::Milliseconds,
        "by how much this clock is ahead of it, the way of a proposal to this node included; 0 if it is behind",
    ),
    gauge(
        "hypermesh_block_time_ahead",
        Unit::Milliseconds,
        "by how much the last block's time is ahead of this clock; 0 if it is not",
    ),
    counter(
        "hypermesh_discontinuities",
        Unit::None,
        "times that this machine's clock jumped, or it slept or was resumed: each destroys the signing nonces",
    ),
    gauge("hypermesh_clock_peers", Unit::None, "how many peers' clocks that rests on"),
    gauge(
        "hypermesh_table_entries",
        Unit::None,
        "how much each table and queue of the node holds, by `table`",
    ),
    gauge(
        "hypermesh_table_entries_max",
        Unit::None,
        "how much it may hold, by `table`, where a number says so",
    ),
    counter("hypermesh_stoq_calls", Unit::None, "calls that ended, by `code`"),
    counter("hypermesh_stoq_calls_sent_away", Unit::None, "those of them that were told to come back later"),
    gauge("hypermesh_stoq_calls_waiting", Unit::None, "calls that wait for their caller's turn"),
    gauge("hypermesh_stoq_streams_open", Unit::None, "streaming calls under way"),
    gauge("hypermesh_stoq_connections_open", Unit::None, "connections, links of validators included"),
    counter("hypermesh_stoq_connections_accepted", Unit::None, "connections ever taken"),
    counter("hypermesh_stoq_connections_refused", Unit::None, "attempts refused, and handshakes that failed"),
    counter(
        "hypermesh_stoq_connections_retried",
        Unit::None,
        "attempts that had to prove their address first",
    ),
    counter("hypermesh_stoq_link_messages", Unit::None, "messages on validators' links"),
    counter("hypermesh_stoq_violations", Unit::None, "peers cut off because they broke the protocol"),
    counter("hypermesh_syncs", Unit::None, "writes made durable, each with one sync of the disk"),
    gauge("hypermesh_sync", Unit::Microseconds, "how long the last of them took"),
    gauge("hypermesh_sync_age", Unit::Milliseconds, "how long ago that was"),
    gauge("hypermesh_store", Unit::Bytes, "the size of store.redb"),
    gauge("hypermesh_disk_free", Unit::Bytes, "what is free on its file system for the node's user"),
    gauge("hypermesh_memory", Unit::Bytes, "the process's resident memory"),
    gauge(
        "hypermesh_memory_limit",
        Unit::Bytes,
        "the least that limits the process: control group, ulimit or the machine",
    ),
    gauge(
        "hypermesh_key_shares_held",
        Unit::None,
        "1 if this node holds its share of the committee's key, on disk, by `key`",
    ),
    gauge(
        "hypermesh_reveals_left",
        Unit::None,
        "contributions to the beacon that this node has left, one a beacon",
    ),
    counter("hypermesh_rows_repaired", Unit::None, "damaged rows of the store that were written anew"),
    counter("hypermesh_scrub_bytes", Unit::None, "bytes that the scrub of the store has read"),
    counter("hypermesh_scrub_rows", Unit::None, "rows that it has read"),
    counter("hypermesh_scrub_rows_corrupted", Unit::None, "rows that it found damaged or missing"),
    counter("hypermesh_scrub_passes", Unit::None, "times that it came to the end of the store"),
    gauge(
        "hypermesh_scrub_pass",
        Unit::Bytes,
        "how much of the store the pass under way has read; 0 between passes",
    ),
    gauge(
        "hypermesh_start",
        Unit::Milliseconds,
        "how long the start took, from the process's begin to its running",
    ),
    gauge("hypermesh_start_after_crash", Unit::None, "1 if the store had not been closed before this start"),
    gauge("hypermesh_build", Unit::None, "1, with the node's version in `version`"),
    counter("trustchain_certificates", Unit::None, "certificates approved, those before the start included"),
    counter("trustchain_names", Unit::None, "names registered, those before the start included"),
    counter(
        "trustchain_certificates_signed",
        Unit::None,
        "certificates signed with this node as coordinator",
    ),
    Family {
        name: "trustchain_issuance",
        kind: MetricKind::Histogram,
        unit: Unit::Milliseconds,
        help: "how long issuances took that this node was asked for, from the call to the signed certificate",
    },
    counter("trustchain_revocations", Unit::None, "revocations"),
    gauge("trustchain_root_not_after", Unit::Milliseconds, "the end of the root certificate, since 1970"),
    gauge(
        "trustchain_issuing_not_after",
        Unit::Milliseconds,
        "the end of the newest issuing certificate that is signed, since 1970",
    ),
    gauge("trustchain_revocation_list_entries", Unit::None, "certificates in the revocation list"),
    gauge(
        "trustchain_revocation_list_entries_max",
        Unit::None,
        "how many it may hold; past it nothing can be revoked",
    ),
    gauge(
        "trustchain_revocation_list_this_update",
        Unit::Milliseconds,
        "when the signed list that this node shows was fixed, since 1970",
    ),
    gauge(
        "trustchain_revocation_list_next_update",
        Unit::Milliseconds,
        "until when that list holds, since 1970",
    ),
    counter("trustchain_revocation_lists", Unit::None, "revocation lists that came to be signed"),
    counter(
        "trustchain_dns_responses",
        Unit::None,
        "answers to DNS queries, by `code` and `transport`: udp, tcp, stoq",
    ),
    counter("trustchain_dns_truncated", Unit::None, "those of them that were truncated, by `transport`"),
    counter("trustchain_dns_dropped", Unit::None, "messages that deserved no answer, by `transport`"),
    counter(
        "trustchain_dns_errors",
        Unit::None,
        "errors of sockets, and connections cut off, by `transport`",
    ),
    counter(
        "trustchain_dns_limited",
        Unit::None,
        "queries over UDP past their prefix's rate, by `class`: positive, nodata, nxdomain, error, referral, all",
    ),
    counter("trustchain_dns_connections", Unit::None, "TCP connections taken"),
    counter(
        "trustchain_dns_evicted",
        Unit::None,
        "TCP connections closed to make room for others, by `limit`: prefix, all, descriptors",
    ),
    gauge("caesar_node_balance", Unit::MicroCaesar, "what the node's own account holds"),
    gauge("caesar_node_stake", Unit::MicroCaesar, "what the node has at stake"),
    gauge("caesar_stake_minimum", Unit::MicroCaesar, "what it must have at stake to submit anything"),
    counter("caesar_fees", Unit::MicroCaesar, "fees paid"),
    counter("caesar_transfers", Unit::None, "transfers"),
    counter("caesar_slashed", Unit::MicroCaesar, "stakes lost for proved lies"),
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
