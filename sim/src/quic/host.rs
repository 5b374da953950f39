//! What runs on a host of the simulation: a node behind the real driver, or the client that asks the nodes.

use super::clock::{MachineClocks, SimClock};
use super::device::Device;
use super::entropy::SeededEntropy;
use super::network::Network;
use super::node_under_test::{Lying, NodeUnderTest};
use super::options::Options;
use super::record::{SharedRecord, now};
use super::socket::SimNet;
use super::suite::SeededSuite;
use super::workers::SimWorkers;
use crate::base::{Disk, NodeIndex, Participants, Random, Span, Stream, Validator};
use crate::fault::FaultClass;
use hypermesh_core::api::{ApiFault, Request, Response, View};
use hypermesh_core::base::{Digest, Marks, Now, PublicKey, SecretKey, UnixMillis};
use hypermesh_core::hypermesh::ordering::Timeouts;
use hypermesh_core::node::{Event, Node, NodeConfig, RequestId};
use hypermesh_driver::{Driver, DriverConfig, DriverFault, Observer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use stoq::{
    BoxFuture, Bytes, Call, CallError, CallOptions, Client, ClientConfig, Endpoint, Env, Handler, Identity,
    LinkClass, Peer, PeerRole, Server, ServerLimits, Status, TransportConfig,
};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// Where the client is.
pub(super) const CLIENT_ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, 1);
/// How long the client waits for an answer, all attempts together.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What all hosts of a world have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) seed: u64,
    pub(super) options: Options,
    pub(super) participants: Arc<Participants>,
    pub(super) record: SharedRecord,
    pub(super) network: Network,
    /// What the true wall clock said when the world began.
    pub(super) begins: UnixMillis,
    /// What the liars that propose two blocks have agreed on: the second of each.
    pub(super) agreed: Arc<Mutex<BTreeMap<Digest, Digest>>>,
}

/// What a node takes from its surroundings, in one of its lives.
struct HostEnv<'a> {
    place: NodeIndex,
    /// From 1; it never repeats.
    life: u64,
    identity: &'a SecretKey,
    clocks: MachineClocks,
}

impl Common {
    fn stream(&self, purpose: &'static str, place: NodeIndex, life: u64) -> Stream<'static> {
        Stream { seed: self.seed, purpose, owner: place as u64, incarnation: life }
    }

    /// What liars have agreed on.
    pub(super) fn agreed(&self) -> MutexGuard<'_, BTreeMap<Digest, Digest>> {
        self.agreed.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }

    fn env(&self, host_env: HostEnv<'_>) -> Env {
        let HostEnv { place, life, identity, clocks } = host_env;
        let stream = |purpose| self.stream(purpose, place, life);
        let (record, network) = (self.record.clone(), self.network.clone());
        let net = SimNet { place, record, network };
        let identity = Identity::new(identity.clone());
        // Of the real surroundings, the cryptography alone is used.
        let shipped = Env::real(identity.clone()).crypto;
        Env {
            net: Arc::new(net),
            entropy: Arc::new(SeededEntropy::new(stream("stoq"))),
            clock: Arc::new(SimClock::start(clocks)),
            crypto: Arc::new(SeededSuite::new(shipped, SeededEntropy::new(stream("tls")))),
            identity,
        }
    }
}

/// How a node behaves in all its lives.
#[derive(Default)]
pub(super) struct HostBehaviour {
    /// How it lies, if it does.
    pub(super) lying: Option<Lying>,
    /// The marks that it has reached.
    pub(super) marks: Marks,
    /// It crashes when so many more outputs are carried out.
    pub(super) outputs_left: Option<u64>,
    /// How much longer jobs take, if they do.
    pub(super) job_lag: Option<Span>,
}

/// How a node has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeExit {
    /// Whatever looks after it starts it again.
    Restarts,
    /// It stays down until somebody starts it.
    Stays,
    /// It does not start on its disk: it was never there.
    Refuses,
}

/// A node's host: what of it outlives the node.
pub(super) struct NodeHost {
    pub(super) common: Common,
    pub(super) place: NodeIndex,
    pub(super) validator: Validator,
    pub(super) device: Device,
    pub(super) clocks: MachineClocks,
    lives: AtomicU64,
    /// Whether what runs here takes connections and never answers.
    silent: AtomicBool,
    /// Whether the next start may wipe a damaged disk on which the node does not start.
    may_wipe: AtomicBool,
    behaviour: Mutex<HostBehaviour>,
    fallen: Mutex<Option<NodeExit>>,
    /// The views that the node publishes, while it runs.
    views: Mutex<Option<watch::Receiver<Arc<View>>>>,
}

impl NodeHost {
    /// The host of a node that begins with this disk, or an empty one.
    pub(super) fn new(common: Common, place: NodeIndex, validator: Validator, disk: Option<&Disk>) -> Self {
        let ms_max = common.options.skew_ms_max;
        let added_ms = Random::new(common.stream("clock", place, 0)).below(2 * ms_max + 1);
        let ms = |ms: u64| i64::try_from(ms).unwrap_or_default();
        Self {
            device: Device::new(common.seed, place, &common.options, disk),
            clocks: MachineClocks::new(common.begins, ms(added_ms) - ms(ms_max)),
            common,
            place,
            validator,
            lives: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            may_wipe: AtomicBool::new(false),
            behaviour: Mutex::default(),
            fallen: Mutex::default(),
            views: Mutex::new(None),
        }
    }

    /// Where the node listens, by genesis.
    pub(super) fn address(&self) -> SocketAddrV6 {
        let key = self.validator.member.identity.public();
        let listed =
            self.common.participants.genesis.validators.iter().find(|validator| validator.member.key == key);
        listed.expect("the participants' genesis lists its validators").address
    }

    /// The node's newest view, if it runs.
    pub(super) fn view(&self) -> Option<Arc<View>> {
        let views = self.views.lock().expect("looking does not panic");
        views.as_ref().map(|views| Arc::clone(&views.borrow()))
    }

    /// Forgets the views of a life that has ended, and what was to happen in it.
    pub(super) fn end(&self) {
        *self.views.lock().expect("looking does not panic") = None;
        self.behaviour().outputs_left = None;
        self.take_fall();
    }

    /// Says what runs here from the next start on: the node, or something in its name that never answers.
    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Relaxed);
    }

    /// Says whether a damaged disk may be wiped at the next start.
    pub(super) fn set_may_wipe(&self, may_wipe: bool) {
        self.may_wipe.store(may_wipe, Relaxed);
    }

    /// Which life of the host's this is, or was the last.
    pub(super) fn life(&self) -> u64 {
        self.lives.load(Relaxed)
    }

    /// How the node behaves.
    pub(super) fn behaviour(&self) -> MutexGuard<'_, HostBehaviour> {
        self.behaviour.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }

    /// The stream of what this node does that no honest one does.
    pub(super) fn lies(&self) -> Random {
        Random::new(self.common.stream("lie", self.place, 0))
    }

    /// The node has ended by itself: the world does the rest.
    pub(super) fn fall(&self, fall: NodeExit, class: FaultClass) {
        let mut fallen = self.fallen.lock().expect("looking does not panic");
        if fallen.is_none() {
            *fallen = Some(fall);
            self.common.record.hit(class);
        }
    }

    /// How the node has ended by itself since this was asked last.
    pub(super) fn take_fall(&self) -> Option<NodeExit> {
        self.fallen.lock().expect("looking does not panic").take()
    }

    /// A write has failed: the node is about to end.
    pub(super) fn write_failed(&self, class: FaultClass) {
        if class == FaultClass::TornWrite {
            if self.device.is_damaged() {
                self.excuse_disk();
            }
            self.fall(NodeExit::Stays, class);
        } else {
            self.fall(NodeExit::Restarts, class);
        }
    }

    /// Allows the node to complain of its disk, and to abstain, from now on.
    pub(super) fn excuse_disk(&self) {
        self.device.set_damaged(true);
        self.common.record.check(|checks| {
            checks.excuse_store(self.place);
            checks.excuse_durability(self.place);
            checks.excuse_abstention(self.place);
            Ok(())
        });
    }

    /// Puts an empty disk in place of the node's. Its key and its plot are what its operator can make again.
    pub(super) fn wipe(&self) {
        self.device.replace(Disk::default());
        self.device.set_damaged(false);
        self.common.record.hit(FaultClass::WipedDisk);
        self.common.record.check(|checks| {
            checks.excuse_abstention(self.place);
            Ok(())
        });
    }

    /// Runs the node until its host crashes.
    pub(super) async fn run(self: Arc<Self>) -> turmoil::Result {
        if self.silent.load(Relaxed) {
            return self.be_silent().await;
        }
        let (life, env) = self.begin_life();
        let Some(node) = self.open(life, &env)? else {
            return std::future::pending().await;
        };
        let mut driver = self.start(life, env, node)?;
        *self.views.lock().expect("looking does not panic") = Some(driver.views());
        match driver.stopped().await {
            // The process ends as its disk has failed; the world is about to see it.
            Err(DriverFault::Store { .. }) => std::future::pending().await,
            ended => Ok(ended?),
        }
    }

    /// Opens the node on its disk; on an empty one, if its own is damaged and may be wiped. `None` if the disk does not
    /// let it start, and there is a reason for that.
    fn open(&self, life: u64, env: &Env) -> Result<Option<Node>, String> {
        let open = || {
            let config = NodeConfig {
                genesis: self.common.participants.genesis.clone(),
                identity: self.validator.member.identity.clone(),
                plot: self.validator.member.plot.clone(),
                reveals: self.validator.reveals.clone(),
                entropy: Box::new(Random::new(self.common.stream("node", self.place, life))),
                reader: Box::new(self.device.disk()),
                timeouts: Timeouts::default(),
            };
            Node::open(env.clock.now(), config)
        };
        let fault = match open() {
            Ok(node) => return Ok(Some(node)),
            Err(fault) => fault,
        };
        let answers = self.device.disk().answers_reads();
        if answers && self.device.is_damaged() && self.may_wipe.load(Relaxed) {
            self.wipe();
            return open().map(Some).map_err(|fault| fault.to_string());
        }
        if answers && !self.device.is_damaged() {
            return Err(fault.to_string());
        }
        *self.fallen.lock().expect("looking does not panic") = Some(NodeExit::Refuses);
        Ok(None)
    }

    /// Takes connections, calls and messages in the node's name, and never answers.
    async fn be_silent(&self) -> turmoil::Result {
        let (_, env) = self.begin_life();
        let endpoint = Endpoint::bind(env, self.listen(), TransportConfig::default())?;
        let validators =
            self.common.participants.genesis.validators.iter().map(|listed| listed.member.key).collect();
        let handler = Silence { record: self.common.record.clone(), validators };
        let _server = Server::start(&endpoint, Arc::new(handler), ServerLimits::default());
        std::future::pending().await
    }

    /// The next life of this host, and what it takes from its surroundings.
    fn begin_life(&self) -> (u64, Env) {
        let life = self.lives.fetch_add(1, Relaxed) + 1;
        let (place, identity) = (self.place, &self.validator.member.identity);
        (life, self.common.env(HostEnv { place, life, identity, clocks: self.clocks.clone() }))
    }

    fn listen(&self) -> SocketAddrV6 {
        SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, self.address().port(), 0, 0)
    }

    fn start(self: &Arc<Self>, life: u64, env: Env, node: Node) -> Result<Driver, String> {
        let (common, place) = (&self.common, self.place);
        let node = NodeUnderTest::new(node, Arc::clone(self), life, env.clock.now());
        let workers = Arc::new(SimWorkers::new(Arc::clone(self), common.stream("job", place, life)));
        let record = common.record.clone();
        let observer: Observer = Arc::new(move |event: &Event, _: Now| record.event(now(), place, event));
        let config =
            DriverConfig { env, listen: self.listen(), moved: BTreeMap::new(), node, workers, observer };
        Driver::start(config).map_err(|error| error.to_string())
    }
}

/// Something that takes what comes and never answers.
struct Silence {
    record: SharedRecord,
    validators: BTreeSet<PublicKey>,
}

impl Handler for Silence {
    fn call(&self, _call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        self.record.hit(FaultClass::SilentPeer);
        Box::pin(std::future::pending())
    }

    fn role(&self, key: &PublicKey) -> PeerRole {
        if self.validators.contains(key) { PeerRole::Validator } else { PeerRole::Client }
    }

    fn message(&self, _from: PublicKey, _class: LinkClass, _bytes: Bytes) -> BoxFuture<'_, ()> {
        self.record.hit(FaultClass::SilentPeer);
        Box::pin(std::future::ready(()))
    }
}

/// What the client is to do.
pub(super) enum ClientTask {
    /// To ask.
    Ask(Box<Question>),
    /// To stop waiting for an answer.
    GiveUp(RequestId),
}

/// Something to ask a node.
pub(super) struct Question {
    pub(super) id: RequestId,
    pub(super) peer: Peer,
    pub(super) request: Request,
}

/// The host of the client, which asks what it is told to.
pub(super) struct ClientHost {
    pub(super) common: Common,
    /// Behind the nodes.
    pub(super) place: NodeIndex,
    pub(super) identity: SecretKey,
    pub(super) tasks: mpsc::UnboundedReceiver<ClientTask>,
}

impl ClientHost {
    /// Asks until the world ends.
    pub(super) async fn run(mut self) -> turmoil::Result {
        let Self { common, place, identity, .. } = &self;
        let (place, record) = (*place, common.record.clone());
        let clocks = MachineClocks::new(common.begins, 0);
        let env = common.env(HostEnv { place, life: 1, identity, clocks });
        let anywhere = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let endpoint = Endpoint::bind(env, anywhere, TransportConfig::default())?;
        let client = Client::new(&endpoint, ClientConfig::default());
        let mut asking = BTreeMap::new();
        while let Some(task) = self.tasks.recv().await {
            let question = match task {
                ClientTask::Ask(question) => question,
                ClientTask::GiveUp(id) => {
                    if let Some(given_up) = asking.remove(&id) {
                        AbortHandle::abort(&given_up);
                    }
                    continue;
                }
            };
            let (client, record, id) = (client.clone(), record.clone(), question.id);
            let task = tokio::spawn(async move {
                let response = ask(&client, &question).await;
                record.answer(now(), place, question.id, response);
                record.lock().client = client.metrics();
            });
            asking.insert(id, task.abort_handle());
        }
        Ok(())
    }
}

async fn ask(client: &Client, question: &Question) -> Result<Response, CallError> {
    let method = question.request.method();
    let options = CallOptions::repeatable(ANSWER_WITHIN);
    let body = question.request.encode();
    let bytes = client.call(&question.peer, method.service, method.name, body, options).await?;
    let broken = |fault: ApiFault| CallError::Protocol { reason: fault.to_string() };
    Response::decode(method.service, method.name, &bytes).map_err(broken)
}
