//! Links between validators: messages that need no answer, sent at once or when the peer is there again.
//!
//! A link is a connection that this node dials and keeps, with one stream for each [`LinkClass`]; the peer keeps
//! its own in the other direction. [`Links::send`] never waits. Messages of a class arrive in order; those
//! that QUIC had taken when a connection was lost are lost, those that still waited are sent over the next
//! one, none arrives twice. What must not be lost, the node asks for again ([`LinkStatus`] tells it when).
//!
//! A peer may have several addresses ([`Links::set_addresses`]), which are dialled one after the other. One that
//! answers at none of them is also dialled where its own connection to this node comes from ([`Links::set_locator`]): so
//! a peer whose address changed is found without anybody's doing. Addresses are hints; who answers must hold the
//! peer's key.

mod log;
mod queue;
mod worker;

pub use queue::QueueLimits;

use crate::backoff::BackoffConfig;
use crate::endpoint::{Endpoint, ProcessId};
use crate::frame::{FrameError, FrameKind, MESSAGE_BYTES_MAX};
use crate::lock::lock;
use crate::server::LinkClass;
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use hypermesh_base::{PublicKey, decode};
use queue::Queue;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::task::JoinHandle;
use worker::Link;

/// Whether a peer can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStatus {
    /// The link stands: what is sent from now on goes out at once.
    Connected,
    /// The link is lost, and with it what was on its way.
    Lost,
    /// The peer refused the link: another process with this endpoint's key has one there, and still answers.
    /// Told after [`LinkStatus::Lost`]. The peer may lie.
    Refused,
}

/// What is told when a link comes up or goes down. Called from the link's task; must not wait.
pub type OnStatus = Arc<dyn Fn(PublicKey, LinkStatus) + Send + Sync>;

/// Where a peer was seen, if it was.
pub type PeerLocator = Arc<dyn Fn(&PublicKey) -> Option<SocketAddrV6> + Send + Sync>;

/// How links behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// The waits between attempts to reach a peer.
    pub redial: BackoffConfig,
    /// What may wait for a peer on the consensus stream.
    pub consensus: QueueLimits,
    /// What may wait for a peer on the bulk stream.
    pub bulk: QueueLimits,
    /// The most bytes of a message; no more than the peers' servers allow.
    pub message_bytes_max: usize,
}

impl Default for LinkConfig {
    fn default() -> Self {
        let queue = QueueLimits { messages_max: 4096, bytes_max: 4 * MESSAGE_BYTES_MAX };
        Self {
            redial: BackoffConfig { first: Duration::from_millis(20), longest: Duration::from_secs(1) },
            consensus: queue,
            bulk: queue,
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no link to this key: it is not among the peers.
    #[error("no link to {key}: it is not among the peers")]
    UnknownPeer {
        /// Whom it was for.
        key: PublicKey,
    },
    /// No peer would take a message of this size.
    #[error("a message of {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
}

/// What a link has counted since it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkMetrics {
    /// Whether the link stands.
    pub connected: bool,
    /// Attempts to reach the peer.
    pub dials: u64,
    /// Messages that QUIC has taken.
    pub sent: u64,
    /// Messages of the consensus class that were dropped because too much waited.
    pub consensus_dropped: u64,
    /// Messages of the bulk class that were dropped because too much waited.
    pub bulk_dropped: u64,
    /// Bytes that wait.
    pub waiting_bytes: usize,
}

/// The links to a node's peers. They end when the last clone is dropped.
#[derive(Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    config: LinkConfig,
    on_status: OnStatus,
    locator: Arc<OnceLock<PeerLocator>>,
    peers: Mutex<BTreeMap<PublicKey, Running>>,
}

struct Running {
    link: Arc<Link>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Links {
    /// Starts a link to each of these peers, this endpoint's own key excepted.
    ///
    /// Must be called from within a tokio runtime.
    #[must_use]
    pub fn start(
        endpoint: &Endpoint,
        peers: BTreeMap<PublicKey, SocketAddrV6>,
        config: LinkConfig,
        on_status: OnStatus,
    ) -> Self {
        let inner = Inner {
            endpoint: endpoint.clone(),
            config,
            on_status,
            locator: Arc::default(),
            peers: Mutex::default(),
        };
        let links = Self { inner: Arc::new(inner) };
        links.set_peers(peers);
        links
    }

    /// Says where to look for a peer that does not answer at its address. What was said first, holds.
    pub fn set_locator(&self, locator: PeerLocator) {
        drop(self.inner.locator.set(locator));
    }

    /// Changes who the peers are. Links to those that stay at their address are not touched; those to others
    /// end without a [`LinkStatus::Lost`], and what waited for them is gone.
    pub fn set_peers(&self, peers: BTreeMap<PublicKey, SocketAddrV6>) {
        let mut running = lock(&self.inner.peers);
        running.retain(|key, running| {
            peers.get(key).is_some_and(|addr| lock(&running.link.addresses).first() == Some(addr))
        });
        for (key, addr) in peers {
            if key != self.inner.endpoint.key() {
                running.entry(key).or_insert_with(|| self.run(key, addr));
            }
        }
    }

    /// Changes where a peer is dialled: at one address after the other, as long as it answers at none. A link that
    /// stands is not touched. An empty list changes nothing, and more than [`ADDRESS_COUNT_MAX`] are cut.
    pub fn set_addresses(&self, key: &PublicKey, mut addresses: Vec<SocketAddrV6>) {
        addresses.truncate(ADDRESS_COUNT_MAX);
        if let Some(running) = lock(&self.inner.peers).get(key).filter(|_| !addresses.is_empty()) {
            *lock(&running.link.addresses) = addresses;
        }
    }

    /// Where the link to a peer stands at the moment, if it does.
    #[must_use]
    pub fn reached_at(&self, key: &PublicKey) -> Option<SocketAddrV6> {
        let peers = lock(&self.inner.peers);
        let link = &peers.get(key)?.link;
        let reached = *lock(&link.reached);
        reached.filter(|_| link.connected.load(Relaxed))
    }

    /// Sends a message, now or as soon as the peer is there. Never waits: when too much waits already, the
    /// oldest of the class is dropped and counted.
    ///
    /// # Errors
    /// If there is no such peer or the message is too long for any.
    pub fn send(&self, to: &PublicKey, class: LinkClass, message: impl Into<Bytes>) -> Result<(), LinkError> {
        let message = message.into();
        let (bytes, bytes_max) = (message.len(), self.inner.config.message_bytes_max);
        if bytes > bytes_max {
            return Err(LinkError::TooLong { bytes, bytes_max });
        }
        let peers = lock(&self.inner.peers);
        let running = peers.get(to).ok_or(LinkError::UnknownPeer { key: *to })?;
        running.link.queue(class).push(message);
        Ok(())
    }

    /// What was counted so far, by peer.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<PublicKey, LinkMetrics> {
        let peers = lock(&self.inner.peers);
        peers.iter().map(|(key, running)| (*key, running.link.metrics())).collect()
    }

    fn run(&self, key: PublicKey, addr: SocketAddrV6) -> Running {
        let Inner { endpoint, config, on_status, locator, .. } = &*self.inner;
        let link = Arc::new(Link {
            key,
            addresses: Mutex::new(vec![addr]),
            reached: Mutex::default(),
            consensus: Queue::new(config.consensus),
            bulk: Queue::new(config.bulk),
            connected: AtomicBool::new(false),
            dials: AtomicU64::new(0),
        });
        let task = worker::LinkTask {
            endpoint: endpoint.clone(),
            link: link.clone(),
            config: config.clone(),
            on_status: on_status.clone(),
            locator: locator.clone(),
        };
        let task = tokio::spawn(task.run());
        Running { link, task }
    }
}

impl Link {
    fn metrics(&self) -> LinkMetrics {
        LinkMetrics {
            connected: self.connected.load(Relaxed),
            dials: self.dials.load(Relaxed),
            sent: self.consensus.sent() + self.bulk.sent(),
            consensus_dropped: self.consensus.dropped(),
            bulk_dropped: self.bulk.dropped(),
            waiting_bytes: self.consensus.waiting_bytes() + self.bulk.waiting_bytes(),
        }
    }
}

/// What a link's stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct LinkHeader {
    /// Which messages come on the stream.
    pub(crate) class: LinkClass,
    /// Which life of the sender's it is.
    pub(crate) process: ProcessId,
}

impl LinkHeader {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        decode(bytes, LINK_BYTES_MAX).map_err(|error| FrameError::Content { kind: FrameKind::Link, error })
    }
}

/// The most addresses at which a peer is dialled, beside the one that its own connection comes from: four of a host that
/// somebody names, one that the peer announces, and that of genesis.
pub const ADDRESS_COUNT_MAX: usize = 6;

/// The most bytes of a link's header.
pub(crate) const LINK_BYTES_MAX: usize = 32;
