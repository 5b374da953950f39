//! One connection to each peer, dialled when it is first needed and again when it is lost.

use super::error::CallError;
use super::metrics::Counters;
use crate::endpoint::{Connection, DialError, Endpoint, Peer};
use crate::lock::lock;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

pub(super) struct Pool {
    peers_max: usize,
    slots: Mutex<BTreeMap<Peer, Arc<Slot>>>,
}

/// A peer's connection, if there is one.
#[derive(Default)]
struct Slot {
    live: Mutex<Option<Connection>>,
    /// Held while dialling, so that callers that come meanwhile share the outcome.
    dialling: tokio::sync::Mutex<()>,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    count: u64,
    last: Option<DialError>,
}

impl Pool {
    pub(super) const fn new(peers_max: usize) -> Self {
        Self { peers_max, slots: Mutex::new(BTreeMap::new()) }
    }

    /// A connection to this peer that is open as far as this side knows.
    pub(super) async fn connection(
        &self,
        endpoint: &Endpoint,
        peer: &Peer,
        counters: &Counters,
    ) -> Result<Connection, CallError> {
        let slot = self.slot(peer)?;
        if let Some(connection) = slot.live() {
            return Ok(connection);
        }
        let failures_before = lock(&slot.failures).count;
        let dialling = slot.dialling.lock().await;
        if let Some(connection) = slot.live() {
            return Ok(connection);
        }
        if let Some(error) = slot.failure_since(failures_before) {
            return Err(error.into());
        }
        counters.dials.fetch_add(1, Relaxed);
        let outcome = endpoint.dial(peer).await;
        match &outcome {
            Ok(connection) => *lock(&slot.live) = Some(connection.clone()),
            Err(error) => slot.failed(error.clone()),
        }
        drop(dialling);
        Ok(outcome?)
    }

    fn slot(&self, peer: &Peer) -> Result<Arc<Slot>, CallError> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(peer) {
            return Ok(slot.clone());
        }
        if slots.len() >= self.peers_max {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.live().is_some());
        }
        if slots.len() >= self.peers_max {
            return Err(CallError::TooManyPeers { peers_max: self.peers_max });
        }
        let slot = Arc::<Slot>::default();
        slots.insert(peer.clone(), slot.clone());
        Ok(slot)
    }
}

impl Slot {
    fn live(&self) -> Option<Connection> {
        let live = lock(&self.live);
        live.as_ref().filter(|connection| connection.quinn.close_reason().is_none()).cloned()
    }

    fn failed(&self, error: DialError) {
        let mut failures = lock(&self.failures);
        failures.count += 1;
        failures.last = Some(error);
    }

    /// What came of the attempt that was waited for, if it failed.
    fn failure_since(&self, count: u64) -> Option<DialError> {
        let failures = lock(&self.failures);
        failures.last.clone().filter(|_| failures.count != count)
    }
}
