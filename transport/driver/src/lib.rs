//! The driver: turns a [`Node`] on STOQ.
//!
//! One task owns the node. What reaches it waits in queues of their own urgency: votes, signing, the disk and jobs;
//! bulk messages; requests, which the node admits or refuses, and word of callers who have left. What it wants
//! done goes out to the links, the store and the workers. Reads never reach it: they are answered from the
//! view that it publishes, by the task of the call itself.
//!
//! What comes to the server's [`Handler`](stoq::Handler) goes into those queues: a call becomes `handle_request`, and waits
//! for the `Respond` with its id; a message becomes `handle_message`; the links' [`LinkStatus`] becomes `handle_peer`. A
//! `Send` of the node's becomes [`Links::send`].
#![forbid(unsafe_code)]

mod audit;
mod lookups;
mod meters;
mod node_task;
mod onward;
mod service;
mod state_machine;
mod steps;
mod workers;

pub use meters::{ExtraCounters, Meters};
pub use state_machine::StateMachine;
pub use workers::{Storage, ThreadWorkers, Workers};

use hypermesh_core::api::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, View};
use hypermesh_core::base::{Now, PublicKey, Table};
use hypermesh_core::node::{Discontinuity, Event, Node};
use node_task::{Inbox, Incoming, NodeTask};
use service::{NodeChannels, NodeService};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;
use stoq::{
    BindError, CLIENT_MESSAGE_BYTES_MAX, Client, ClientConfig, Endpoint, Env, LinkConfig, LinkStatus, Links,
    MESSAGE_BYTES_MAX, Server, ServerLimits, ServerMetrics, TransportConfig,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// How many urgent inputs wait for the node. Past it, links slow down.
const QUEUE_MAX: usize = 4096;
/// How many bulk messages wait for the node. Past it, links slow down.
const BULK_QUEUE_MAX: usize = 256;
/// How many requests wait for the node. The server works on fewer at once.
const REQUEST_QUEUE_MAX: usize = 64;
/// Connections of one key: many short commands may run under one owner's key at once.
const CONNECTIONS_PER_KEY_MAX: usize = 512;

/// How long the last answers have to leave.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Who is told what happens.
pub type Observer = Arc<dyn Fn(&Event, Now) + Send + Sync>;

const _: () =
    assert!(CLIENT_MESSAGE_BYTES_MAX >= REQUEST_BYTES_MAX && CLIENT_MESSAGE_BYTES_MAX >= RESPONSE_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX >= hypermesh_core::node::MESSAGE_BYTES_MAX);

/// What a driver is made of.
pub struct DriverConfig<N = Node> {
    /// The surroundings; its identity is the node's.
    pub env: Env,
    /// Where to listen.
    pub listen: SocketAddrV6,
    /// Where validators are that are not where genesis says. A hint: who answers must hold the key.
    pub moved: BTreeMap<PublicKey, Vec<SocketAddrV6>>,
    /// The node, opened.
    pub node: N,
    /// What runs jobs and makes writes durable.
    pub workers: Arc<dyn Workers>,
    /// Who is told what happens.
    pub observer: Observer,
}

/// Why a node stopped by itself. Nothing that waited for the disk has left it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverFault {
    /// Its store could not be written.
    #[error("{reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
    /// Its task panicked: a bug.
    #[error("the node's task ended: {reason}; this is a bug. Committed data is on disk")]
    Task {
        /// The panic.
        reason: String,
    },
}

/// A node that is turned.
pub struct Driver {
    endpoint: Endpoint,
    server: Server,
    views: watch::Receiver<Arc<View>>,
    meters: Meters,
    task: JoinHandle<Result<(), DriverFault>>,
    stop: mpsc::Sender<Incoming>,
}

impl Driver {
    /// Binds the address and begins to turn the node.
    ///
    /// Must be called from within a tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn start<N: StateMachine>(config: DriverConfig<N>) -> Result<Self, BindError> {
        let DriverConfig { env, listen, moved, node, workers, observer } = config;
        let endpoint = Endpoint::bind(env.clone(), listen, TransportConfig::default())?;
        let (incoming, queue) = mpsc::channel(QUEUE_MAX);
        let (bulk, bulk_queue) = mpsc::channel(BULK_QUEUE_MAX);
        let (ask, requests) = mpsc::channel(REQUEST_QUEUE_MAX);
        let (cancel, cancelled) = mpsc::unbounded_channel();
        let (publish, views) = watch::channel(node.view());
        let peers = addresses(&node.view(), &moved);
        let peers: BTreeMap<PublicKey, SocketAddrV6> =
            peers.into_iter().filter_map(|(key, addresses)| Some((key, *addresses.first()?))).collect();
        let validators: BTreeSet<PublicKey> = peers.keys().copied().collect();
        let meters = Meters::default();
        let channels = NodeChannels { urgent: incoming.clone(), bulk, requests: ask, cancelled: cancel };
        let service =
            NodeService::new(channels, views.clone(), env.clock.clone(), validators, meters.clone());
        let limits =
            ServerLimits { connections_per_key_max: CONNECTIONS_PER_KEY_MAX, ..ServerLimits::default() };
        let server = Server::start(&endpoint, Arc::new(service), limits);
        meters.read_server(server.metrics_reader());
        let onward = Client::new(&endpoint, ClientConfig::default());
        let links = Links::start(&endpoint, peers, LinkConfig::default(), status_hook(incoming.clone()));
        let seen = server.clone();
        links.set_locator(Arc::new(move |key| seen.remote_of(key)));
        let task = NodeTask::new(
            node,
            env.clock,
            links,
            workers,
            incoming.clone(),
            publish,
            meters.clone(),
            observer,
            onward,
            moved,
        );
        let inbox = Inbox { urgent: queue, bulk: bulk_queue, cancelled, requests };
        let task = tokio::spawn(task.run(inbox));
        Ok(Self { endpoint, server, views, meters, task, stop: incoming })
    }

    /// The newest view of the node's state.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    /// Every view as it is published.
    #[must_use]
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// Where the node listens.
    ///
    /// # Errors
    /// If the socket does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddrV6> {
        self.endpoint.local_addr()
    }

    /// The endpoint, for a client that shares the node's port.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Where to report that the machine slept or was resumed.
    #[must_use]
    pub fn continuity(&self) -> ContinuityReports {
        ContinuityReports { incoming: self.stop.clone() }
    }

    /// A way to find out whether the node is being turned.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        Liveness { incoming: self.stop.clone() }
    }

    /// Tells the node where it is itself. If the others may not know that, it announces it to them.
    pub async fn announce_address(&self, address: SocketAddrV6) {
        // A node that is stopping takes nothing more.
        let _closed = self.stop.send(Incoming::Announce { address }).await;
    }

    /// A way to tell the node where validators are, as far as somebody has said so by hand.
    #[must_use]
    pub fn moved_peers(&self) -> MovedPeers {
        MovedPeers { incoming: self.stop.clone() }
    }

    /// A way to tell the node of damaged rows in its store.
    #[must_use]
    pub fn damage_reports(&self) -> DamageReports {
        DamageReports { incoming: self.stop.clone() }
    }

    /// The numbers that the node's services tell.
    #[must_use]
    pub const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Adds to the numbers that the node's services tell what only whoever runs it knows. Only the first call counts.
    pub fn extend_meters(&self, extra: ExtraCounters) {
        self.meters.extend(extra);
    }

    /// What the server counted so far.
    #[must_use]
    pub fn server_metrics(&self) -> ServerMetrics {
        self.server.metrics()
    }

    /// Waits until the node stops by itself: when its store fails.
    ///
    /// # Errors
    /// With what failed.
    pub async fn stopped(&mut self) -> Result<(), DriverFault> {
        (&mut self.task).await.unwrap_or_else(|panic| Err(DriverFault::Task { reason: panic.to_string() }))
    }

    /// Stops turning, once everything that was handed out is durable and those who wait are answered, for whom it
    /// goes on a few seconds at most.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn stop(self) -> Result<(), DriverFault> {
        // A full queue is no reason to wait for: the task is then about to take from it.
        let _closed = self.stop.send(Incoming::Stop).await;
        let ended = self.task.await;
        let outcome = ended.unwrap_or_else(|panic| Err(DriverFault::Task { reason: panic.to_string() }));
        // What was answered last is on its way: closing now would take it back.
        self.server.drained(DRAIN_TIMEOUT).await;
        self.endpoint.close().await;
        outcome
    }
}

/// Takes reports that the machine slept or was resumed, which the node cannot see by itself.
#[derive(Clone)]
pub struct ContinuityReports {
    incoming: mpsc::Sender<Incoming>,
}

impl ContinuityReports {
    /// Hands a report to the node, before whatever comes later.
    pub async fn report(&self, what: Discontinuity) {
        // A node that has stopped signs nothing more.
        let _stopped = self.incoming.send(Incoming::Discontinuity { what }).await;
    }
}

/// Tells a node where validators are, as far as somebody has said so by hand. Outlives the driver.
#[derive(Clone)]
pub struct MovedPeers {
    incoming: mpsc::Sender<Incoming>,
}

impl MovedPeers {
    /// Changes where they are. Links that stand are not touched.
    pub async fn set(&self, moved: BTreeMap<PublicKey, Vec<SocketAddrV6>>) {
        // A node that is stopping dials nobody any more.
        let _closed = self.incoming.send(Incoming::Moved { moved }).await;
    }
}

/// Tells whether a node is being turned: whether its task takes what comes to it. Outlives the driver.
#[derive(Clone)]
pub struct Liveness {
    incoming: mpsc::Sender<Incoming>,
}

impl Liveness {
    /// Waits until the node's task has come round. It takes as long as that takes: for ever, if the task is
    /// stuck. `false` if there is no task any more.
    pub async fn probe(&self) -> bool {
        let (reached, answer) = oneshot::channel();
        self.incoming.send(Incoming::Probe { reached }).await.is_ok() && answer.await.is_ok()
    }
}

/// Tells a node of damaged rows in its store. Outlives the driver.
#[derive(Clone)]
pub struct DamageReports {
    incoming: mpsc::Sender<Incoming>,
}

impl DamageReports {
    /// Tells the node of a damaged row, which it repairs if it can. `false` if the node has stopped.
    pub async fn report(&self, table: Table, key: Vec<u8>) -> bool {
        self.incoming.send(Incoming::Damage { table, key }).await.is_ok()
    }
}

/// Where the validators may be: where somebody has said by hand, where they have announced, where genesis says.
fn addresses(
    view: &View,
    moved: &BTreeMap<PublicKey, Vec<SocketAddrV6>>,
) -> BTreeMap<PublicKey, Vec<SocketAddrV6>> {
    let validators = view.state.genesis_document().validators.iter();
    let addresses = validators.map(|validator| {
        let key = validator.member.key;
        let by_hand = moved.get(&key).into_iter().flatten().copied();
        let announced = view.addresses.get(&key).map(|record| record.address);
        let mut addresses = Vec::new();
        for address in by_hand.chain(announced).chain([validator.address]) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        (key, addresses)
    });
    addresses.collect()
}

fn status_hook(incoming: mpsc::Sender<Incoming>) -> stoq::OnStatus {
    Arc::new(move |peer, status| {
        let status = match status {
            LinkStatus::Connected => hypermesh_core::node::PeerStatus::Connected,
            LinkStatus::Lost => hypermesh_core::node::PeerStatus::Lost,
            LinkStatus::Refused => hypermesh_core::node::PeerStatus::Refused,
        };
        let incoming = incoming.clone();
        // The hook must not wait, and a change of status must not be lost.
        if let Err(mpsc::error::TrySendError::Full(message)) =
            incoming.try_send(Incoming::Peer { peer, status })
        {
            tokio::spawn(async move { incoming.send(message).await });
        }
    })
}
