//! One connection to each peer, dialled when it is first needed and again when it is lost. What a peer gave to resume its
//! sessions with is kept beside it, so that calls which may can go out with the first flight.

use super::Inner;
use super::error::CallError;
use crate::close::Close;
use crate::endpoint::{Connection, DialError, EarlyConnection, Endpoint, Peer, Resumption};
use crate::lock::lock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedMutexGuard, watch};

pub(super) struct Pool {
    peers_max: usize,
    slots: Mutex<BTreeMap<Peer, Arc<Slot>>>,
}

/// What became of a connection's first flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyData {
    /// It carried no calls: there was no session to resume, or nothing that may go out so early.
    None,
    /// It carried calls, and the server took them: no round trip went into setting the connection up.
    Accepted,
    /// It carried calls, and the server did not take them. They were sent again.
    Refused,
}

/// A connection that stands, and how it came about.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) early: EarlyData,
}

/// A peer's connection, if there is one.
struct Slot {
    resumption: Resumption,
    live: Mutex<Option<Live>>,
    /// A connection whose handshake is not over.
    early: Mutex<Option<Early>>,
    /// Held while dialling, so that callers that come meanwhile share the outcome.
    dialling: Arc<tokio::sync::Mutex<()>>,
    failures: Mutex<Failures>,
}

/// A connection that can be used before its handshake is over.
#[derive(Clone)]
pub(super) struct Early {
    pub(super) quinn: quinn::Connection,
    /// Whether what was sent so far was taken, once that is known.
    outcome: watch::Receiver<Option<Result<bool, DialError>>>,
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
    pub(super) async fn connection(&self, client: &Inner, peer: &Peer) -> Result<Live, CallError> {
        let slot = self.slot(&client.endpoint, peer)?;
        if let Some(live) = slot.live() {
            return Ok(live);
        }
        let failures_before = lock(&slot.failures).count;
        let dialling = slot.dialling.lock().await;
        if let Some(live) = slot.live() {
            return Ok(live);
        }
        if let Some(error) = slot.failure_since(failures_before) {
            return Err(error.into());
        }
        client.counters.dials.fetch_add(1, Relaxed);
        let outcome = client.endpoint.dial_again(peer, &slot.resumption).await;
        let outcome = outcome.map(|connection| Live { connection, early: EarlyData::None });
        match &outcome {
            Ok(live) => *lock(&slot.live) = Some(live.clone()),
            Err(error) => slot.failed(error.clone()),
        }
        drop(dialling);
        Ok(outcome?)
    }

    /// A connection to this peer whose first flight may carry a call: one that is being made so, or a new one, if there is
    /// none yet and a session to resume.
    pub(super) fn early(&self, client: &Arc<Inner>, peer: &Peer) -> Result<Option<Early>, CallError> {
        let slot = self.slot(&client.endpoint, peer)?;
        if slot.live().is_some() {
            return Ok(None);
        }
        let mut current = lock(&slot.early);
        if let Some(early) = current.as_ref() {
            return Ok(Some(early.clone()));
        }
        let Ok(dialling) = slot.dialling.clone().try_lock_owned() else { return Ok(None) };
        // Whoever was dialling may have ended in between.
        if slot.live().is_some() {
            return Ok(None);
        }
        let Some(connection) = client.endpoint.dial_early(peer, &slot.resumption) else { return Ok(None) };
        client.counters.dials.fetch_add(1, Relaxed);
        let (tell, outcome) = watch::channel(None);
        let early = Early { quinn: connection.quinn.clone(), outcome };
        *current = Some(early.clone());
        drop(current);
        let completing = Completing { client: client.clone(), slot, peer: peer.clone(), tell, dialling };
        tokio::spawn(completing.run(connection));
        Ok(Some(early))
    }

    /// Closes the connection with this peer, if there is one. Its sessions can still be resumed.
    pub(super) fn disconnect(&self, peer: &Peer) {
        let slot = lock(&self.slots).get(peer).cloned();
        if let Some(live) = slot.and_then(|slot| lock(&slot.live).take()) {
            Close::Done.connection(&live.connection.quinn, "nothing more is asked for now");
        }
    }

    /// Whether there is a session with this peer that can be resumed.
    #[cfg(test)]
    pub(super) fn may_resume(&self, peer: &Peer) -> bool {
        lock(&self.slots).get(peer).is_some_and(|slot| !slot.resumption.tickets.is_empty())
    }

    fn slot(&self, endpoint: &Endpoint, peer: &Peer) -> Result<Arc<Slot>, CallError> {
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
        let slot = Arc::new(Slot::new(endpoint.resumption(peer)));
        slots.insert(peer.clone(), slot.clone());
        Ok(slot)
    }
}

impl Slot {
    fn new(resumption: Resumption) -> Self {
        Self {
            resumption,
            live: Mutex::default(),
            early: Mutex::default(),
            dialling: Arc::default(),
            failures: Mutex::default(),
        }
    }

    fn live(&self) -> Option<Live> {
        let live = lock(&self.live);
        live.as_ref().filter(|live| live.connection.quinn.close_reason().is_none()).cloned()
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

impl Early {
    /// Whether what was sent in the first flight was taken.
    pub(super) async fn outcome(&mut self) -> Result<bool, CallError> {
        match self.outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => Ok(outcome.clone()?),
            // The task that completes the handshake always tells, unless the runtime ends.
            _ => Err(CallError::Lost { reason: "the client ends".into() }),
        }
    }
}

/// What sees an early connection's handshake through.
struct Completing {
    client: Arc<Inner>,
    slot: Arc<Slot>,
    peer: Peer,
    tell: watch::Sender<Option<Result<bool, DialError>>>,
    dialling: OwnedMutexGuard<()>,
}

impl Completing {
    async fn run(self, connection: EarlyConnection) {
        let Self { client, slot, peer, tell, dialling } = self;
        let outcome = client.endpoint.complete(&peer, connection).await.map(|(connection, accepted)| {
            let early = if accepted { EarlyData::Accepted } else { EarlyData::Refused };
            let counters = &client.counters;
            let counter = if accepted { &counters.early_accepted } else { &counters.early_refused };
            counter.fetch_add(1, Relaxed);
            *lock(&slot.live) = Some(Live { connection, early });
            accepted
        });
        if let Err(error) = &outcome {
            slot.failed(error.clone());
        }
        *lock(&slot.early) = None;
        drop(dialling);
        tell.send_replace(Some(outcome));
    }
}
