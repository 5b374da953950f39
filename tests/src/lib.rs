//! What the whole-system tests stand on: a mesh of four nodes in this process, on real QUIC over IPv6 loopback,
//! with real stores in a temporary folder; a mesh of four [processes]; and [load] that writes down what was
//! acknowledged.

pub mod load;
pub mod processes;

pub mod foreign;
pub mod hosts;
pub mod pages;
pub mod thief;

use hypermesh::store::RedbStore;
use hypermesh_core::api::Call;
use hypermesh_core::base::{Entropy, Now, PublicKey, SecretKey, UnixMillis, decode, encode};
use hypermesh_core::hypermesh::ordering::Timeouts;
use hypermesh_core::node::{Node, NodeConfig};
use hypermesh_core::state::{Genesis, GenesisValidator};
use hypermesh_driver::{Driver, DriverConfig, Observer, ThreadWorkers};
use hypermesh_sim::world::{Participants, Validator};
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stoq::{
    CallError, CallOptions, Client, ClientConfig, Clock, CoreEntropy, Endpoint, Env, Expect, Identity, Peer,
    TransportConfig,
};
use tempfile::TempDir;

/// How long a call may take before a test fails.
pub const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// Four nodes in this process.
pub struct LocalMesh {
    /// Who takes part, with addresses on loopback.
    pub participants: Participants,
    /// Their stores.
    pub folder: TempDir,
    drivers: Vec<Driver>,
    observers: Vec<Observer>,
    /// How far the nodes' clocks are ahead of this machine's, in milliseconds.
    ahead_ms: i64,
}

/// A clock whose wall time is another than this machine's.
struct ShiftedClock {
    clock: Arc<dyn Clock>,
    ahead_ms: i64,
}

impl Clock for ShiftedClock {
    fn now(&self) -> Now {
        let Now { mono, wall } = self.clock.now();
        Now { mono, wall: shifted(wall, self.ahead_ms) }
    }
}

const fn shifted(wall: UnixMillis, ahead_ms: i64) -> UnixMillis {
    UnixMillis(wall.0.saturating_add_signed(ahead_ms))
}

impl LocalMesh {
    /// Starts four nodes on free ports, and waits until all of them can issue.
    ///
    /// # Panics
    /// If a node does not start.
    pub async fn start() -> Self {
        Self::start_observed(|_| Arc::new(|_, _| ())).await
    }

    /// Starts four nodes as [`Self::start`] does, and tells each one's observer what happens to it, from within its task.
    ///
    /// # Panics
    /// If a node does not start.
    pub async fn start_observed(observer: impl Fn(usize) -> Observer) -> Self {
        Self::start_shifted(0, observer).await
    }

    /// Starts four nodes whose clocks are so many milliseconds ahead of this machine's, which is that of clients.
    ///
    /// # Panics
    /// If a node does not start.
    pub async fn start_ahead(ahead_ms: i64) -> Self {
        Self::start_shifted(ahead_ms, |_| Arc::new(|_, _| ())).await
    }

    async fn start_shifted(ahead_ms: i64, observer: impl Fn(usize) -> Observer) -> Self {
        let mut participants = Participants::new(4);
        let mut genesis = on_loopback(&participants.genesis);
        genesis.time = shifted(genesis.time, ahead_ms);
        participants.genesis = Arc::new(genesis);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let observers = (0..4).map(observer).collect();
        let mut mesh = Self { participants, folder, drivers: Vec::new(), observers, ahead_ms };
        mesh.resume().await;
        mesh
    }

    /// Starts the nodes again, on what they kept.
    ///
    /// # Panics
    /// If a node does not start.
    pub async fn resume(&mut self) {
        let listed = self.participants.validators.iter().zip(&self.participants.genesis.validators);
        for ((validator, listed), observer) in listed.zip(&self.observers) {
            let path = self.folder.path().join(format!("{}.redb", validator.name));
            let env = self.env(&validator.member.identity);
            self.drivers.push(start(
                &self.participants.genesis,
                validator,
                listed,
                &path,
                env,
                observer.clone(),
            ));
        }
        for driver in &self.drivers {
            driver.views().wait_for(|view| view.status.ready).await.expect("a node runs until it is stopped");
        }
    }

    /// The surroundings of a node.
    fn env(&self, identity: &SecretKey) -> Env {
        let env = Env::real(Identity::new(identity.clone()));
        let clock = ShiftedClock { clock: Arc::clone(&env.clock), ahead_ms: self.ahead_ms };
        Env { clock: Arc::new(clock), ..env }
    }

    /// Stops every node.
    ///
    /// # Panics
    /// If a node's store failed.
    pub async fn stop(&mut self) {
        for driver in self.drivers.drain(..) {
            driver.stop().await.expect("a node stops with all it has on disk");
        }
    }

    /// A node.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn node(&self, number: usize) -> &Driver {
        &self.drivers[number]
    }

    /// Where a node is, and who it must prove to be.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn peer(&self, number: usize) -> Peer {
        let listed = &self.participants.genesis.validators[number];
        Peer { addr: listed.address, expect: Expect::Key(listed.member.key) }
    }
}

/// Starts a second process with a validator's key, on a port and with an empty store of its own.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn start_twin(mesh: &LocalMesh, number: usize, observer: Observer) -> Driver {
    let validator = &mesh.participants.validators[number];
    let mut listed = mesh.participants.genesis.validators[number].clone();
    listed.address.set_port(0);
    let path = mesh.folder.path().join("twin.redb");
    start(
        &mesh.participants.genesis,
        validator,
        &listed,
        &path,
        mesh.env(&validator.member.identity),
        observer,
    )
}

/// A client with a socket of its own.
///
/// # Panics
/// If no socket can be had.
#[must_use]
pub fn client(key: SecretKey) -> Client {
    let any = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
    let endpoint = Endpoint::bind(Env::real(Identity::new(key)), any, TransportConfig::default());
    Client::new(&endpoint.expect("a socket can be bound on loopback"), ClientConfig::default())
}

/// Makes a typed call.
///
/// # Errors
/// If it fails.
///
/// # Panics
/// If the answer is malformed, which a correct node never sends.
pub async fn call<C: Call>(client: &Client, peer: &Peer, request: &C) -> Result<C::Response, CallError> {
    let options = CallOptions::repeatable(CALL_DEADLINE);
    let method = request.method();
    let body = client.call(peer, method.service, method.name, encode(request), options).await?;
    Ok(decode(&body, hypermesh_core::api::RESPONSE_BYTES_MAX)
        .expect("a node answers in the canonical encoding"))
}

/// This machine's wall clock.
///
/// # Panics
/// If it shows a time before 1970.
#[must_use]
pub fn wall() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(u64::try_from(since.expect("it is after 1970").as_millis()).expect("milliseconds fit 64 bits"))
}

fn start(
    genesis: &Arc<Genesis>,
    validator: &Validator,
    listed: &GenesisValidator,
    path: &Path,
    env: Env,
    observer: Observer,
) -> Driver {
    let identity = validator.member.identity.clone();
    let store = RedbStore::open(path).expect("the store opens");
    let entropy: Box<dyn Entropy> = Box::new(CoreEntropy(env.entropy.clone()));
    let config = NodeConfig {
        genesis: genesis.clone(),
        identity,
        plot: validator.member.plot.clone(),
        reveals: validator.reveals.clone(),
        entropy,
        reader: Box::new(store.reader()),
        timeouts: Timeouts::default(),
    };
    let node = Node::open(env.clock.now(), config).expect("the node opens");
    let workers = Arc::new(ThreadWorkers::new(Box::new(store)));
    let (listen, moved) = (listed.address, BTreeMap::new());
    let config = DriverConfig { env, listen, moved, node, workers, observer };
    Driver::start(config).expect("the node's port is free")
}

/// The genesis with each validator at a free port of loopback, and a time of now.
fn on_loopback(genesis: &Genesis) -> Genesis {
    let mut genesis = genesis.clone();
    genesis.time = wall();
    // All sockets are held until all ports are known, so that no two are the same.
    let sockets: Vec<UdpSocket> = genesis
        .validators
        .iter_mut()
        .map(|validator| {
            let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("loopback has a free port");
            let port = socket.local_addr().expect("a bound socket has an address").port();
            validator.address = SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
            socket
        })
        .collect();
    drop(sockets);
    genesis
}

/// The keys of the validators, in order.
#[must_use]
pub fn validator_keys(genesis: &Genesis) -> Vec<PublicKey> {
    genesis.validators.iter().map(|validator| validator.member.key).collect()
}
