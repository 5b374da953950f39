//! What runs on a host of the simulation: a node behind the real driver, or the client that asks the nodes.

use super::clock::{SimClock, Skew};
use super::device::Device;
use super::entropy::SeededEntropy;
use super::network::Network;
use super::options::Options;
use super::record::{Record, now};
use super::socket::SimNet;
use super::suite::SeededSuite;
use super::workers::SimWorkers;
use crate::plan::FaultClass;
use crate::world::{Disk, Place, Random, Stream, Validator};
use hypermesh_core::api::{ApiFault, Request, Response, View};
use hypermesh_core::base::{Now, PublicKey, SecretKey, UnixMillis};
use hypermesh_core::hypermesh::ordering::Timeouts;
use hypermesh_core::node::{Event, Node, NodeConfig, RequestId};
use hypermesh_core::state::Genesis;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stoq::{
    BoxFuture, Bytes, Call, CallError, CallOptions, Class, Client, ClientConfig, Driver, DriverConfig,
    Endpoint, Env, Handler, Identity, Observer, Peer, Server, ServerLimits, Standing, Status,
    TransportConfig,
};
use tokio::sync::{mpsc, watch};

/// Where the client is.
pub(super) const CLIENT_ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, 1);
/// How long the client waits for an answer, all attempts together.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What all hosts of a world have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) seed: u64,
    pub(super) options: Options,
    pub(super) genesis: Arc<Genesis>,
    pub(super) record: Record,
    pub(super) network: Network,
    /// What the true wall clock said when the world began.
    pub(super) begins: UnixMillis,
}

/// What a node takes from its surroundings, in one of its lives.
struct Surroundings<'a> {
    place: Place,
    /// From 1; it never repeats.
    life: u64,
    identity: &'a SecretKey,
    skew: Skew,
}

impl Common {
    fn stream(&self, purpose: &'static str, place: Place, life: u64) -> Stream<'static> {
        Stream { seed: self.seed, purpose, owner: place as u64, incarnation: life }
    }

    fn env(&self, surroundings: &Surroundings<'_>) -> Env {
        let Surroundings { place, life, identity, skew } = *surroundings;
        let stream = |purpose| self.stream(purpose, place, life);
        let (record, network) = (self.record.clone(), self.network.clone());
        let net = SimNet { place, record, network, last_hop: self.options.last_hop() };
        let identity = Identity::new(identity.clone());
        // Of the real surroundings, the cryptography alone is used.
        let shipped = Env::real(identity.clone()).crypto;
        Env {
            net: Arc::new(net),
            entropy: Arc::new(SeededEntropy::new(stream("stoq"))),
            clock: Arc::new(SimClock::start(skew, self.begins)),
            crypto: Arc::new(SeededSuite::new(shipped, SeededEntropy::new(stream("tls")))),
            identity,
        }
    }
}

/// A node's host: what of it outlives the node.
pub(super) struct NodeHost {
    common: Common,
    place: Place,
    pub(super) validator: Validator,
    pub(super) device: Arc<Device>,
    skew: Skew,
    lives: AtomicU64,
    /// Whether what runs here takes connections and never answers.
    silent: AtomicBool,
    /// The views that the node publishes, while it runs.
    views: Mutex<Option<watch::Receiver<Arc<View>>>>,
}

impl NodeHost {
    /// The host of a node that begins with this disk, or an empty one.
    pub(super) fn new(common: Common, place: Place, validator: Validator, disk: Option<&Disk>) -> Self {
        let ms_max = common.options.skew_ms_max;
        let added_ms = Random::new(common.stream("clock", place, 0)).below(2 * ms_max + 1);
        let mut device = Device::new(common.seed, place, &common.options);
        if let Some(disk) = disk {
            device = device.with_disk(disk);
        }
        Self {
            device: Arc::new(device),
            common,
            place,
            validator,
            skew: Skew { added_ms, ms_max },
            lives: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            views: Mutex::new(None),
        }
    }

    /// Where the node listens, by genesis.
    pub(super) fn address(&self) -> SocketAddrV6 {
        let key = self.validator.member.identity.public();
        let listed = self.common.genesis.validators.iter().find(|validator| validator.member.key == key);
        listed.expect("the cast's genesis lists its validators").address
    }

    /// The node's newest view, if it runs.
    pub(super) fn view(&self) -> Option<Arc<View>> {
        let views = self.views.lock().expect("looking does not panic");
        views.as_ref().map(|views| Arc::clone(&views.borrow()))
    }

    /// Forgets the views of a life that has ended.
    pub(super) fn end(&self) {
        *self.views.lock().expect("looking does not panic") = None;
    }

    /// Says what runs here from the next start on: the node, or something in its name that never answers.
    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Relaxed);
    }

    /// Runs the node until its host crashes.
    pub(super) async fn run(self: Arc<Self>) -> turmoil::Result {
        if self.silent.load(Relaxed) {
            return self.be_silent().await;
        }
        let mut driver = self.start()?;
        *self.views.lock().expect("looking does not panic") = Some(driver.views());
        Ok(driver.stopped().await?)
    }

    /// Takes connections, calls and messages in the node's name, and never answers.
    async fn be_silent(&self) -> turmoil::Result {
        let (_, env) = self.begin_life();
        let endpoint = Endpoint::bind(env, self.listen(), TransportConfig::default())?;
        let validators = self.common.genesis.validators.iter().map(|listed| listed.member.key).collect();
        let handler = Silence { record: self.common.record.clone(), validators };
        let _server = Server::start(&endpoint, Arc::new(handler), ServerLimits::default());
        std::future::pending().await
    }

    /// The next life of this host, and what it takes from its surroundings.
    fn begin_life(&self) -> (u64, Env) {
        let life = self.lives.fetch_add(1, Relaxed) + 1;
        let (place, identity) = (self.place, &self.validator.member.identity);
        (life, self.common.env(&Surroundings { place, life, identity, skew: self.skew }))
    }

    fn listen(&self) -> SocketAddrV6 {
        SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, self.address().port(), 0, 0)
    }

    fn start(&self) -> Result<Driver, String> {
        let Self { common, place, validator, device, .. } = self;
        let place = *place;
        let (life, env) = self.begin_life();
        let identity = &validator.member.identity;
        let config = NodeConfig {
            genesis: common.genesis.clone(),
            identity: identity.clone(),
            plot: validator.member.plot.clone(),
            reveals: validator.reveals.clone(),
            entropy: Box::new(Random::new(common.stream("node", place, life))),
            reader: Box::new(device.disk.clone()),
            timeouts: Timeouts::default(),
        };
        let node = Node::open(env.clock.now(), config).map_err(|fault| fault.to_string())?;
        let jobs = common.stream("job", place, life);
        let workers = Arc::new(SimWorkers::new(device.clone(), common.options.job, jobs));
        let record = common.record.clone();
        let observer: Observer = Arc::new(move |event: &Event, _: Now| record.event(now(), place, event));
        let config =
            DriverConfig { env, listen: self.listen(), moved: BTreeMap::new(), node, workers, observer };
        Driver::start(config).map_err(|error| error.to_string())
    }
}

/// Something that takes what comes and never answers.
struct Silence {
    record: Record,
    validators: BTreeSet<PublicKey>,
}

impl Handler for Silence {
    fn call(&self, _call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        self.record.hit(FaultClass::SilentPeer);
        Box::pin(std::future::pending())
    }

    fn standing(&self, key: &PublicKey) -> Standing {
        if self.validators.contains(key) { Standing::Validator } else { Standing::Client }
    }

    fn message(&self, _from: PublicKey, _class: Class, _bytes: Bytes) -> BoxFuture<'_, ()> {
        self.record.hit(FaultClass::SilentPeer);
        Box::pin(std::future::ready(()))
    }
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
    pub(super) place: Place,
    pub(super) identity: SecretKey,
    pub(super) questions: mpsc::UnboundedReceiver<Question>,
}

impl ClientHost {
    /// Asks until the world ends.
    pub(super) async fn run(mut self) -> turmoil::Result {
        let Self { common, place, identity, .. } = &self;
        let (place, record) = (*place, common.record.clone());
        let skew = Skew { added_ms: 0, ms_max: 0 };
        let env = common.env(&Surroundings { place, life: 1, identity, skew });
        let anywhere = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let endpoint = Endpoint::bind(env, anywhere, TransportConfig::default())?;
        let client = Client::new(&endpoint, ClientConfig::default());
        while let Some(question) = self.questions.recv().await {
            let (client, record) = (client.clone(), record.clone());
            drop(tokio::spawn(async move {
                let response = ask(&client, &question).await;
                record.answer(now(), place, question.id, response);
                record.lock().client = client.metrics();
            }));
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
