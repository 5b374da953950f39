//! What a server counts.

use crate::status::StatusCode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a server has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerMetrics {
    /// Connections that are open.
    pub connections_open: u64,
    /// Connections that were ever taken.
    pub connections_accepted: u64,
    /// Connection attempts that were refused, and handshakes that failed.
    pub connections_refused: u64,
    /// Connection attempts that were told to prove their address first.
    pub connections_retried: u64,
    /// Calls that were sent away with the advice to come back later, among those of `calls`.
    pub calls_sent_away: u64,
    /// Calls that wait for their caller's turn.
    pub calls_waiting: u64,
    /// Streaming calls under way.
    pub streams_open: u64,
    /// Calls by how they ended.
    pub calls: BTreeMap<StatusCode, u64>,
    /// Messages that came on validators' links.
    pub link_messages: u64,
    /// Times that a peer broke the protocol and was cut off.
    pub violations: u64,
}

/// The counters behind [`ServerMetrics`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) link_messages: AtomicU64,
    pub(super) violations: AtomicU64,
    pub(super) sent_away: AtomicU64,
    calls: [AtomicU64; StatusCode::ALL.len()],
}

impl Counters {
    pub(super) fn call(&self, code: StatusCode) {
        for (counter, _) in self.calls.iter().zip(StatusCode::ALL).filter(|(_, listed)| *listed == code) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// What is counted here; what is looked up elsewhere is zero.
    pub(super) fn snapshot(&self) -> ServerMetrics {
        let calls = StatusCode::ALL.into_iter().zip(&self.calls);
        ServerMetrics {
            connections_open: 0,
            calls_sent_away: self.sent_away.load(Relaxed),
            calls_waiting: 0,
            streams_open: 0,
            connections_accepted: self.accepted.load(Relaxed),
            connections_refused: self.refused.load(Relaxed),
            connections_retried: self.retried.load(Relaxed),
            calls: calls.map(|(code, count)| (code, count.load(Relaxed))).filter(|(_, n)| *n > 0).collect(),
            link_messages: self.link_messages.load(Relaxed),
            violations: self.violations.load(Relaxed),
        }
    }
}
