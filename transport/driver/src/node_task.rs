//! The task that owns the node.

use super::onward::{self, HandOver};
use super::{DriverFault, Meters, Observer, StateMachine, Workers, steps};
use bytes::Bytes;
use hypermesh_core::api::{AddressRecord, ApiFault, Request, Response, View};
use hypermesh_core::base::{Mono, PublicKey, Table, WriteBatch};
use hypermesh_core::node::{
    Discontinuity, JobId, JobOutcome, Output, PeerStatus, PersistToken, RequestId, Traced,
};
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;
use stoq::{CallSlot, Client, Clock, LinkClass, Links};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::Span;

/// How many urgent inputs are handled before timers, bulk and requests have their turn.
const BURST_MAX: usize = 64;
/// How many bulk messages are handled in one turn.
const BULK_BURST_MAX: usize = 4;
/// How many requests are taken in one turn, so that clients do not wait for ever for consensus.
const REQUEST_BURST_MAX: usize = 4;
/// How many callers who gave up are told of in one turn.
const CANCELLED_BURST_MAX: usize = 256;

/// How long a node that is to stop goes on for the sake of callers that wait.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// An answer on its way to a caller.
type Respond = oneshot::Sender<Result<Response, ApiFault>>;

/// A request that no view answers.
pub(super) struct NodeRequest {
    pub(super) id: RequestId,
    /// Whose request it is, if it may be refused while others wait; `None` if it is taken in any case.
    pub(super) admits: Option<PublicKey>,
    pub(super) request: Box<Request>,
    /// What the caller calls it, and when it came; none of what is looked up for many.
    pub(super) traced: Option<Traced>,
    pub(super) respond: Respond,
    /// The call's turn at the server's door, given back when the node has taken the request.
    pub(super) slot: CallSlot,
    /// What the log lines about it stand in.
    pub(super) span: Span,
}

/// What else reaches the node.
pub(super) enum Incoming {
    /// A message over a link.
    Message { from: PublicKey, bytes: Bytes },
    /// A link was made or lost.
    Peer { peer: PublicKey, status: PeerStatus },
    /// A job has its outcome.
    Job { id: JobId, outcome: JobOutcome },
    /// Writes up to this token are durable, or failed.
    Persisted { token: PersistToken, outcome: Result<(), String> },
    /// This node is here.
    Announce { address: SocketAddrV6 },
    /// Validators are there, somebody has said.
    Moved { moved: BTreeMap<PublicKey, Vec<SocketAddrV6>> },
    /// A row of the store is damaged.
    Damage { table: Table, key: Vec<u8> },
    /// The machine slept or was resumed.
    Discontinuity { what: Discontinuity },
    /// Someone wants to know that the node is being turned.
    Probe { reached: oneshot::Sender<()> },
    /// The node is to stop.
    Stop,
}

/// What reaches the node, most urgent first.
pub(super) struct Inbox {
    /// Votes, signing, links, the disk, jobs.
    pub(super) urgent: mpsc::Receiver<Incoming>,
    /// Batches, key generation, blocks for a node that is behind.
    pub(super) bulk: mpsc::Receiver<Incoming>,
    /// Requests whose callers wait no more. No more than there are requests.
    pub(super) cancelled: mpsc::UnboundedReceiver<RequestId>,
    /// What no view answers.
    pub(super) requests: mpsc::Receiver<NodeRequest>,
}

/// The task that owns the node.
pub(super) struct NodeTask<N> {
    node: N,
    clock: Arc<dyn Clock>,
    links: Links,
    workers: Arc<dyn Workers>,
    incoming: mpsc::Sender<Incoming>,
    publish: watch::Sender<Arc<View>>,
    meters: Meters,
    observer: Observer,
    /// Asks services of other nodes, from this node's own port.
    onward: Client,
    /// Where validators are, by hand.
    moved: BTreeMap<PublicKey, Vec<SocketAddrV6>>,
    /// The announced addresses that the links know.
    located: Arc<BTreeMap<PublicKey, AddressRecord>>,
    /// How many batches were handed over.
    handed_over: usize,
    waiting: BTreeMap<RequestId, Respond>,
    /// Writes that were handed out and are not on their way to the disk yet.
    unwritten: Vec<WriteBatch>,
    last_token: PersistToken,
    writing: bool,
    /// Until when callers may still be answered, once the node is to stop.
    stop_by: Option<Instant>,
}

impl<N: StateMachine> NodeTask<N> {
    #[expect(clippy::too_many_arguments, reason = "each is another thing, and there is one caller")]
    pub(super) fn new(
        node: N,
        clock: Arc<dyn Clock>,
        links: Links,
        workers: Arc<dyn Workers>,
        incoming: mpsc::Sender<Incoming>,
        publish: watch::Sender<Arc<View>>,
        meters: Meters,
        observer: Observer,
        onward: Client,
        moved: BTreeMap<PublicKey, Vec<SocketAddrV6>>,
    ) -> Self {
        let task = Self {
            node,
            clock,
            links,
            workers,
            incoming,
            publish,
            meters,
            observer,
            onward,
            moved,
            located: Arc::default(),
            handed_over: 0,
            waiting: BTreeMap::new(),
            unwritten: Vec::new(),
            last_token: PersistToken::default(),
            writing: false,
            stop_by: None,
        };
        task.locate();
        task
    }

    /// Tells the links where the validators may be.
    fn locate(&self) {
        for (key, addresses) in super::addresses(&self.node.view(), &self.moved) {
            self.links.set_addresses(&key, addresses);
        }
    }

    /// Turns the node until it is to stop and all is durable, or the store fails.
    ///
    /// Each turn takes what is urgent, then lets timers fire (slices of signing are timers), then takes some of what is bulk
    /// and some requests. So consensus waits for none of the others, and nothing waits for ever.
    pub(super) async fn run(mut self, mut inbox: Inbox) -> Result<(), DriverFault> {
        loop {
            self.carry_out();
            if self.may_stop() {
                return Ok(());
            }
            if self.handle_burst(&mut inbox)? {
                // Other tasks of this thread have their turn, too.
                tokio::task::yield_now().await;
                continue;
            }
            let wake =
                self.node.poll_timeout().map(|at| self.instant(at)).into_iter().chain(self.stop_by).min();
            tokio::select! {
                biased;
                Some(incoming) = inbox.urgent.recv() => self.take(incoming)?,
                Some(incoming) = inbox.bulk.recv() => self.take(incoming)?,
                Some(id) = inbox.cancelled.recv() => self.cancel(id),
                Some(request) = inbox.requests.recv() => self.ask(request),
                () = sleep_until(wake), if wake.is_some() => self.node.handle_timeout(self.clock.now()),
            }
        }
    }

    /// Takes what is there, most urgent first. `false` if there was nothing.
    fn handle_burst(&mut self, inbox: &mut Inbox) -> Result<bool, DriverFault> {
        let mut taken = 0;
        while taken < BURST_MAX
            && let Ok(incoming) = inbox.urgent.try_recv()
        {
            self.take(incoming)?;
            taken += 1;
        }
        let now = self.clock.now();
        if self.node.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.node.handle_timeout(now);
            self.collect();
            taken += 1;
        }
        for _ in 0..BULK_BURST_MAX {
            let Ok(incoming) = inbox.bulk.try_recv() else { break };
            self.take(incoming)?;
            taken += 1;
        }
        for _ in 0..CANCELLED_BURST_MAX {
            let Ok(id) = inbox.cancelled.try_recv() else { break };
            self.cancel(id);
            taken += 1;
        }
        for _ in 0..REQUEST_BURST_MAX {
            let Ok(request) = inbox.requests.try_recv() else { break };
            self.ask(request);
            taken += 1;
        }
        Ok(taken > 0)
    }

    /// Whether all is durable, and everyone answered who was worth waiting for.
    fn may_stop(&self) -> bool {
        let Some(stop_by) = self.stop_by else { return false };
        !self.writing && (self.waiting.is_empty() || Instant::now() >= stop_by)
    }

    fn take(&mut self, incoming: Incoming) -> Result<(), DriverFault> {
        let now = self.clock.now();
        match incoming {
            Incoming::Message { from, bytes } => self.node.handle_message(now, from, &bytes),
            Incoming::Peer { peer, status } => self.node.handle_peer(now, peer, status),
            Incoming::Job { id, outcome } => self.node.handle_job(now, id, outcome),
            Incoming::Discontinuity { what } => self.node.handle_discontinuity(now, what),
            Incoming::Persisted { token, outcome } => {
                self.writing = false;
                outcome.map_err(|reason| DriverFault::Store { reason })?;
                self.node.handle_persisted(now, token);
            }
            Incoming::Announce { address } => self.node.announce_address(now, address),
            Incoming::Moved { moved } => {
                self.moved = moved;
                self.locate();
            }
            Incoming::Damage { table, key } => self.node.handle_damage(now, table, &key),
            Incoming::Probe { reached } => {
                // Whoever asked may have given up.
                let _gone = reached.send(());
            }
            Incoming::Stop => self.stop_by = Some(Instant::now() + STOP_GRACE),
        }
        self.collect();
        Ok(())
    }

    fn ask(&mut self, NodeRequest { id, admits, request, traced, respond, slot, span }: NodeRequest) {
        if self.stop_by.is_some() {
            // A caller that has gone away does not mind.
            let _gone = respond.send(Err(stopping()));
            return;
        }
        if respond.is_closed() {
            // The caller went away while the request waited here.
            return;
        }
        let _entered = span.entered();
        let now = self.clock.now();
        if let Some(caller) = admits
            && let Err(fault) = self.node.admit(now, id, &caller, &request)
        {
            let _gone = respond.send(Err(fault));
            return;
        }
        self.waiting.insert(id, respond);
        self.node.handle_request(now, id, traced, *request);
        // What it waits for from here on is no work.
        drop(slot);
        // What this causes at once is told as its doing.
        self.collect();
    }

    /// Notifies the node that a caller disconnected, if it was not answered.
    fn cancel(&mut self, id: RequestId) {
        if self.waiting.remove(&id).is_some() {
            self.node.handle_cancelled(self.clock.now(), id);
            self.collect();
        }
    }

    /// Carries out what the node wants, publishes its view, and begins to write.
    fn carry_out(&mut self) {
        self.collect();
        let view = self.node.view();
        self.publish.send_if_modified(|published| {
            let newer = !Arc::ptr_eq(published, &view);
            *published = view;
            newer
        });
        let announced = Arc::clone(&self.node.view().addresses);
        if !Arc::ptr_eq(&announced, &self.located) {
            self.located = announced;
            self.locate();
        }
        self.meters.take(self.clock.now(), &self.node);
        self.begin_writing();
    }

    fn collect(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Persist { token, batch } => {
                    self.unwritten.push(batch);
                    self.last_token = token;
                }
                Output::Send { to, class, message } => self.send(&to, class, message),
                Output::Respond { id, response } => {
                    if let Some(respond) = self.waiting.remove(&id) {
                        // A caller that has gone away does not mind.
                        let _gone = respond.send(response);
                    }
                }
                Output::Run { id, job } => {
                    let running = self.workers.run(job);
                    let incoming = self.incoming.clone();
                    tokio::spawn(async move {
                        let outcome = running.await;
                        incoming.send(Incoming::Job { id, outcome }).await
                    });
                }
                Output::Event(event) => (self.observer)(&event, self.clock.now()),
                Output::Step { trace, step } => steps::log(trace, &step),
                Output::HandOver { batch, trace, deadline } => {
                    let left = deadline.since(self.clock.now().mono);
                    let servers =
                        onward::servers(&self.node.view(), &self.links, "hypermesh", self.handed_over);
                    self.handed_over = self.handed_over.wrapping_add(1);
                    let handing = HandOver { batch, trace, left }.carry_out(self.onward.clone(), servers);
                    tokio::spawn(handing);
                }
            }
        }
    }

    fn send(&self, to: &PublicKey, class: hypermesh_core::node::MessageClass, message: Arc<[u8]>) {
        let class = match class {
            hypermesh_core::node::MessageClass::Consensus => LinkClass::Consensus,
            hypermesh_core::node::MessageClass::Bulk => LinkClass::Bulk,
        };
        if let Err(fault) = self.links.send(to, class, Bytes::from_owner(message)) {
            tracing::debug!(%to, %fault, "message not sent");
        }
    }

    /// All that was handed out while the disk was busy goes there at once, with one sync.
    fn begin_writing(&mut self) {
        if self.writing || self.unwritten.is_empty() {
            return;
        }
        self.writing = true;
        let token = self.last_token;
        let writing = self.workers.commit(std::mem::take(&mut self.unwritten));
        let incoming = self.incoming.clone();
        tokio::spawn(async move {
            let outcome = writing.await;
            incoming.send(Incoming::Persisted { token, outcome }).await
        });
    }

    /// When a point on the node's clock is, on tokio's.
    fn instant(&self, at: Mono) -> Instant {
        Instant::now() + at.since(self.clock.now().mono)
    }
}

/// What a caller is told that comes too late.
pub(super) fn stopping() -> ApiFault {
    ApiFault::unavailable("the node is stopping: retry with another node")
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => tokio::time::sleep(Duration::MAX).await,
    }
}
