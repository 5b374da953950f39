//! What a node tells of itself in numbers: the name, type, unit and meaning of each.
//!
//! The table in docs/operations.md says the same; a test holds both against what a node prints.

/// How a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Up and down.
    Gauge,
    /// Up alone, from the process's start.
    Counter,
    /// Counts of durations by length.
    Histogram,
}

/// One kind of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Its name, without what all begin with, its unit, and what the format adds.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) help: &'static str,
}

const fn gauge(name: &'static str, unit: Option<&'static str>, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, unit, help }
}

const fn counter(name: &'static str, unit: Option<&'static str>, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, unit, help }
}

const MILLISECONDS: Option<&str> = Some("milliseconds");
const BYTES: Option<&str> = Some("bytes");

/// Every number that a node tells.
pub(super) const FAMILIES: &[Family] = &[
    gauge("height", None, "the last block"),
    gauge("block_time", Some("seconds"), "the time of the last block, since 1970"),
    gauge("block_age", MILLISECONDS, "how long ago the last block was made, by this node's clock"),
    gauge("validators", None, "how many validators there are"),
    gauge("connected", None, "how many of them this node is linked with, itself included"),
    gauge("quorum", None, "how many it takes to decide"),
    gauge("behind", None, "how many blocks the node is behind, as far as it can know"),
    gauge("voting", None, "1 if the node takes part in deciding"),
    gauge("ready", None, "1 if the node can issue"),
    gauge("certificates", None, "certificates approved"),
    gauge("names", None, "names registered"),
    gauge("log_size", None, "entries of the certificate log"),
    gauge("beacon", None, "the current beacon"),
    gauge(
        "hypermesh_round",
        None,
        "the round of the height under way; above 0, a proposer was late or wrong",
    ),
    counter("hypermesh_blocks", None, "blocks applied"),
    counter("hypermesh_operations", None, "operations in them"),
    counter("hypermesh_operations_refused", None, "operations in them that were refused"),
    counter(
        "hypermesh_batches_taken",
        None,
        "batches that were found good and wait to be ordered, own and others'",
    ),
    counter(
        "hypermesh_batches_refused",
        None,
        "batches that were not taken: bad, too early, too many of one peer",
    ),
    counter("hypermesh_proofs_valid", None, "sets of four proofs that were checked before ordering and hold"),
    counter(
        "hypermesh_proofs_failed",
        None,
        "proofs that do not hold, by `proof`: space, stake, work, time; of a batch from a peer the first that fails",
    ),
    counter(
        "hypermesh_signing_retries",
        None,
        "signatures that were tried again with other signers, since one was silent or lied",
    ),
    counter(
        "hypermesh_signatures_refused",
        None,
        "finished signatures and cosignatures of peers that do not hold, or come without their sender's word",
    ),
    counter(
        "hypermesh_signatures_dropped",
        None,
        "stored signatures that other implementations would refuse: deleted, and made again",
    ),
    gauge(
        "hypermesh_share_repair_wanted",
        None,
        "1 if the node lacks its key shares and wants them repaired",
    ),
    gauge(
        "hypermesh_share_repairs_left",
        None,
        "requests for repair of its key shares that the node can make at once; one an hour is added, up to 16",
    ),
    gauge(
        "hypermesh_share_repair_wait",
        MILLISECONDS,
        "how long, in block time, until the node may ask for repair again; 0 if nothing but helpers is waited for",
    ),
    counter("hypermesh_share_repairs_failed", None, "requests of this node for repair that came to nothing"),
    gauge(
        "hypermesh_clock_behind",
        MILLISECONDS,
        "by how much this clock is behind the median of its peers' (see below); 0 if it is ahead",
    ),
    gauge(
        "hypermesh_clock_ahead",
        MILLISECONDS,
        "by how much this clock is ahead of it, the way of a proposal to this node included; 0 if it is behind",
    ),
    gauge("hypermesh_clock_peers", None, "how many peers' clocks that rests on"),
    gauge("hypermesh_table_entries", None, "how much each table and queue of the node holds, by `table`"),
    gauge("hypermesh_table_entries_max", None, "how much it may hold, by `table`, where a number says so"),
    counter("hypermesh_stoq_calls", None, "calls that ended, by `code`"),
    counter("hypermesh_stoq_calls_sent_away", None, "those of them that were told to come back later"),
    gauge("hypermesh_stoq_calls_waiting", None, "calls that wait for their caller's turn"),
    gauge("hypermesh_stoq_streams_open", None, "streaming calls under way"),
    gauge("hypermesh_stoq_connections_open", None, "connections, links of validators included"),
    counter("hypermesh_stoq_connections_accepted", None, "connections ever taken"),
    counter("hypermesh_stoq_connections_refused", None, "attempts refused, and handshakes that failed"),
    counter("hypermesh_stoq_connections_retried", None, "attempts that had to prove their address first"),
    counter("hypermesh_stoq_link_messages", None, "messages on validators' links"),
    counter("hypermesh_stoq_violations", None, "peers cut off because they broke the protocol"),
    counter("hypermesh_syncs", None, "writes made durable, each with one sync of the disk"),
    gauge("hypermesh_sync", Some("microseconds"), "how long the last of them took"),
    gauge("hypermesh_sync_age", MILLISECONDS, "how long ago that was"),
    gauge("hypermesh_store", BYTES, "the size of store.redb"),
    gauge("hypermesh_disk_free", BYTES, "what is free on its file system for the node's user"),
    gauge("hypermesh_memory", BYTES, "the process's resident memory"),
    gauge("hypermesh_build", None, "1, with the node's version in `version`"),
    counter("trustchain_certificates", None, "certificates approved, those before the start included"),
    counter("trustchain_names", None, "names registered, those before the start included"),
    counter("trustchain_certificates_signed", None, "certificates signed with this node as coordinator"),
    Family {
        name: "trustchain_issuance",
        kind: Kind::Histogram,
        unit: MILLISECONDS,
        help: "how long issuances took that this node was asked for, from the call to the signed certificate",
    },
    counter("trustchain_revocations", None, "revocations"),
    counter("trustchain_revocation_lists", None, "revocation lists that came to be signed"),
    counter(
        "trustchain_dns_responses",
        None,
        "answers to DNS queries, by `code` and `transport`: udp, tcp, stoq",
    ),
    counter("trustchain_dns_truncated", None, "those of them that were truncated, by `transport`"),
    counter("trustchain_dns_dropped", None, "messages that deserved no answer, by `transport`"),
    counter("trustchain_dns_errors", None, "errors of sockets, and connections cut off, by `transport`"),
    counter(
        "trustchain_dns_limited",
        None,
        "queries past their prefix's rate and connections past its share, by `transport`",
    ),
    counter("trustchain_dns_connections", None, "TCP connections taken"),
    counter("caesar_fees", Some("microcaesar"), "fees paid"),
    counter("caesar_transfers", None, "transfers"),
    counter("caesar_slashed", Some("microcaesar"), "stakes lost for proved lies"),
];

impl Family {
    /// Its name with its unit, as what is counted is called.
    pub(super) fn base(&self) -> String {
        self.unit.map_or_else(|| self.name.to_owned(), |unit| format!("{}_{unit}", self.name))
    }
}
