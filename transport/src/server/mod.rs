//! The serving side: takes connections, hands calls and links' messages to a [`Handler`], and keeps every
//! [limit](ServerLimits).
//!
//! Flow: a connection attempt is refused if too many handshakes are under way and none gives way; after the handshake the
//! connection is registered under the caller's key; each stream that the caller opens is a call in a task of
//! its own (or a link's stream, if the caller is a validator). A call that was read waits in a queue until it is
//! its caller's turn, so that no caller is served at another's cost.

mod activity;
mod call;
mod call_queue;
mod connection;
mod handler;
mod limits;
mod link;
mod link_owners;
mod memory;
mod metrics;
mod outcomes;
mod prefix;
mod registry;
mod request;
mod slots;
mod streaming;

pub(crate) use call::{OWN_SERVICE, PING_METHOD};
pub use call_queue::CallSlot;
pub use handler::{BoxFuture, Call, Handler, LinkClass, MethodShape, MethodTraits, PeerRole};
pub use limits::{CLIENT_MESSAGE_BYTES_MAX, ServerLimits};
pub use metrics::ServerMetrics;
pub use streaming::CallStream;

use crate::endpoint::Endpoint;
use crate::lock::lock;
use call_queue::{CallQueue, CallQueueLimits};
use hypermesh_base::PublicKey;
use link_owners::LinkOwners;
use metrics::Counters;
use outcomes::Outcomes;
use registry::Registry;
use slots::SlotTable;
use std::net::SocketAddrV6;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use streaming::Streams;
use tokio::sync::{Semaphore, watch};

/// A server on an [`Endpoint`]. It runs until the endpoint closes, whether or not this handle is kept.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all connections of a server share.
struct Shared {
    endpoint: Endpoint,
    handler: Arc<dyn Handler>,
    limits: ServerLimits,
    counters: Counters,
    registry: Mutex<Registry>,
    call_queue: Arc<CallQueue>,
    /// Streaming calls under way.
    streams: Streams,
    /// What came of calls that change something.
    outcomes: Arc<Outcomes>,
    /// Which process of each validator has the link.
    link_owners: LinkOwners,
    /// The bytes of requests and responses that may yet be held, in KiB.
    memory: Arc<Semaphore>,
    /// How many calls are being served, until the caller has all of the answer.
    under_way: watch::Sender<usize>,
}

impl Server {
    /// Lets peers in from now on. An endpoint has one server; a second one would take turns with the first.
    ///
    /// Must be called from within a tokio runtime.
    #[must_use]
    pub fn start(endpoint: &Endpoint, handler: Arc<dyn Handler>, limits: ServerLimits) -> Self {
        endpoint.accept_calls(limits.calls_per_connection_max);
        let shared = Arc::new(Shared {
            endpoint: endpoint.clone(),
            handler,
            memory: Arc::new(Semaphore::new(memory::kibibytes(limits.total_bytes_max) as usize)),
            call_queue: CallQueue::new(
                CallQueueLimits {
                    working_max: limits.calls_working_max,
                    waiting_max: limits.calls_waiting_max,
                    per_caller_max: limits.calls_per_caller_max,
                },
                endpoint.env().clock.clone(),
            ),
            limits,
            counters: Counters::default(),
            registry: Mutex::default(),
            under_way: watch::Sender::new(0),
            streams: Streams::default(),
            outcomes: Outcomes::new(endpoint.env().clock.clone()),
            link_owners: LinkOwners::default(),
        });
        tokio::spawn(accept(shared.clone()));
        Self { shared }
    }

    /// Closes the connections of those whose [`PeerRole`] has changed, so that they come back under the new
    /// one. To be called when the set of validators changes.
    pub fn review(&self) {
        let Shared { registry, handler, .. } = &*self.shared;
        lock(registry).review(|key| handler.role(key));
    }

    /// Where the newest connection that the holder of this key opened comes from, as long as it stands. A node
    /// serves and dials on one port, so another node's connection shows where that one can be dialled.
    #[must_use]
    pub fn remote_of(&self, key: &PublicKey) -> Option<SocketAddrV6> {
        lock(&self.shared.registry).remote_of(*key)
    }

    /// Waits until no call is under way, and every caller has all of its answer; at most so long.
    pub async fn drained(&self, patience: Duration) {
        let mut under_way = self.shared.under_way.subscribe();
        // Late or not, nothing more can be done for those that are left.
        drop(tokio::time::timeout(patience, under_way.wait_for(|calls| *calls == 0)).await);
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> ServerMetrics {
        self.shared.metrics()
    }

    /// A way to read what is counted that does not keep the server.
    #[must_use]
    pub fn metrics_reader(&self) -> MetricsReader {
        MetricsReader(Arc::downgrade(&self.shared))
    }
}

/// Reads what a server counts, while it is there. Does not keep it.
pub struct MetricsReader(Weak<Shared>);

impl MetricsReader {
    /// What was counted so far; `None` once the server is gone.
    #[must_use]
    pub fn read(&self) -> Option<ServerMetrics> {
        Some(self.0.upgrade()?.metrics())
    }
}

impl Shared {
    fn metrics(&self) -> ServerMetrics {
        let open = lock(&self.registry).len();
        ServerMetrics {
            connections_open: open as u64,
            calls_waiting: self.call_queue.waiting() as u64,
            streams_open: self.streams.len() as u64,
            ..self.counters.snapshot()
        }
    }
}

/// Takes connection attempts until the endpoint closes.
async fn accept(shared: Arc<Shared>) {
    let (handshakes, limits) = (SlotTable::default(), &shared.limits);
    while let Some(incoming) = shared.endpoint.quinn().accept().await {
        let busy = handshakes.len() >= limits.unvalidated_handshakes_max;
        if busy && incoming.may_retry() && !incoming.remote_address_validated() {
            shared.counters.retried.fetch_add(1, Relaxed);
            // It fails only for an attempt that is a retry already, which was ruled out.
            drop(incoming.retry());
            continue;
        }
        let grace = Some(limits.handshake_grace);
        match handshakes.take(incoming.remote_address(), limits.handshakes(), grace) {
            Ok(handshake) => drop(tokio::spawn(connection::run(shared.clone(), incoming, handshake))),
            Err(_) => {
                shared.counters.refused.fetch_add(1, Relaxed);
                incoming.refuse();
            }
        }
    }
}
