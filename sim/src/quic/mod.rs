//! Nodes on the real QUIC and TLS, over a simulated network.
//!
//! Each node runs behind the driver that ships, on a host of its own: quinn's and rustls' code, streams, links,
//! calls with deadlines, connections that are lost and made again. Only what [`stoq::Env`] holds is the
//! simulator's: the network, the clocks, the randomness; and the disk and threads behind it. All of it follows
//! from the seed, so the same seed gives the same datagrams, to the byte, in every process and build.
//!
//! The nodes lie, and their disks and clocks fail, by the code of [`world`](crate::world), and all that they take and
//! say is checked as there. What is not tried here is what `cargo scenario faults` lists for that world alone, and as many
//! seeds: time advances in ticks of one to ten milliseconds, on every host, whether anything happens or not.

mod clock;
mod control;
mod device;
mod entropy;
mod host;
mod network;
mod node_under_test;
mod options;
mod path;
mod record;
mod socket;
mod suite;
pub mod transports;
mod workers;

#[cfg(test)]
mod tests;

pub use options::Options;
pub(crate) use path::LinkFaults;
pub use record::Answer;

use crate::base::{NodeIndex, Participants, Validator};
use crate::fault::{Coverage, FaultClass};
use crate::world::{Owner, RunFault, Start, Taken, begins, bundle_in, ready_disks};
use clock::wall;
use host::{CLIENT_ADDRESS, ClientHost, ClientTask, Common, NodeHost};
use hypermesh_core::api::View;
use hypermesh_core::base::{Digest, Mono, PublicKey, SecretKey, UnixMillis};
use hypermesh_core::node::{Event, RequestId};
use hypermesh_core::trust::TrustBundle;
use network::Network;
use path::Paths;
use record::SharedRecord;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use stoq::ClientMetrics;
use tokio::sync::mpsc;
use turmoil::{IpVersion, Sim};

/// Bursts of a busy validator fit in.
const UDP_DATAGRAMS_MAX: usize = 4096;
/// No run is as long.
const SIMULATED_MAX: Duration = Duration::from_secs(1_000_000);

/// Nodes on QUIC, a client that asks them, and the world around them.
pub struct QuicWorld {
    sim: Sim<'static>,
    participants: Arc<Participants>,
    hosts: Vec<Arc<NodeHost>>,
    /// Which nodes are not down.
    running: Vec<bool>,
    record: SharedRecord,
    network: Network,
    begins: UnixMillis,
    tasks: mpsc::UnboundedSender<ClientTask>,
    requests: u64,
    /// When nodes that ended by themselves are started again, and which life of theirs that was.
    restarts: BTreeMap<(Mono, NodeIndex), u64>,
}

impl QuicWorld {
    /// A world out of a seed, in which every node has just been started.
    #[must_use]
    pub fn new(seed: u64, options: Options) -> Self {
        let participants = Arc::new(Participants::new(options.nodes));
        let record = SharedRecord::new(&participants, options.keep_lines);
        let disks = match options.start {
            Start::Empty => Vec::new(),
            Start::Ready => ready_disks(options.nodes),
        };
        let addresses =
            participants.genesis.validators.iter().map(|listed| (listed.member.key, ip(listed.address)));
        let addresses: BTreeMap<PublicKey, IpAddr> = addresses.collect();
        let mut places: BTreeMap<IpAddr, NodeIndex> = participants
            .keys()
            .zip(0..)
            .filter_map(|(key, place)| Some((*addresses.get(&key)?, place)))
            .collect();
        places.insert(CLIENT_ADDRESS.into(), participants.validators.len());
        let network = Network::new(Paths::new(seed, options.latency), places);
        let begins = begins(options.start);
        let common = Common {
            seed,
            options,
            participants: participants.clone(),
            record: record.clone(),
            network: network.clone(),
            begins,
            agreed: Arc::default(),
        };
        let mut sim = simulation(seed, &options, begins);
        let host = |(place, validator): (NodeIndex, &Validator)| {
            Arc::new(NodeHost::new(common.clone(), place, validator.clone(), disks.get(place)))
        };
        let hosts: Vec<Arc<NodeHost>> = participants.validators.iter().enumerate().map(host).collect();
        for host in &hosts {
            let running = host.clone();
            sim.host(ip(host.address()), move || running.clone().run());
        }
        let (tasks, received) = mpsc::unbounded_channel();
        let identity = participants.client.clone();
        let client = ClientHost { common, place: hosts.len(), identity, tasks: received };
        sim.client(CLIENT_ADDRESS, client.run());
        let running = vec![true; hosts.len()];
        if options.skew_ms_max > 0 {
            record.hit(FaultClass::Skew);
        }
        let restarts = BTreeMap::new();
        Self { sim, participants, hosts, running, record, network, begins, tasks, requests: 0, restarts }
    }

    // --- running ---

    /// Runs until something is so, and for `within` at most.
    ///
    /// # Errors
    /// If that does not come about, or a promise is broken on the way.
    pub fn run_until(
        &mut self,
        what: &str,
        within: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<(), RunFault> {
        let end = self.now().after(within);
        while !is_so(self) {
            if self.now() >= end {
                return Err(RunFault::Stalled { what: what.to_string(), within, state: self.describe() });
            }
            self.step()?;
        }
        Ok(())
    }

    /// Runs for a while.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn run_for(&mut self, duration: Duration) -> Result<(), RunFault> {
        let end = self.now().after(duration);
        while self.now() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Lets a tick pass.
    fn step(&mut self) -> Result<(), RunFault> {
        self.sim.step().map_err(|error| RunFault::Unexpected(format!("a node ended: {error}")))?;
        self.look_after();
        match self.record.lock().violation.clone() {
            Some(violation) => Err(violation.into()),
            None => Ok(()),
        }
    }

    // --- what there is to see ---

    /// The time, since the world began.
    #[must_use]
    pub fn now(&self) -> Mono {
        Mono(0).after(self.sim.elapsed())
    }

    /// What the true wall clock says.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        wall(self.begins, self.now())
    }

    /// Who takes part.
    #[must_use]
    pub fn participants(&self) -> &Participants {
        &self.participants
    }

    /// Someone who asks now.
    #[must_use]
    pub fn owner(&self, key: &SecretKey) -> Owner {
        let (genesis, time) = (self.participants.genesis_hash(), self.client_time());
        Owner::new(key.clone(), genesis, time)
    }

    /// What time a client goes by: its own clock, which is right, or the mesh's proved time if that is ahead of it.
    #[must_use]
    pub fn client_time(&self) -> UnixMillis {
        self.views().map(|view| view.state.time()).fold(self.wall(), UnixMillis::max)
    }

    /// A node's view, if it runs.
    #[must_use]
    pub fn view(&self, place: NodeIndex) -> Option<Arc<View>> {
        self.hosts.get(place)?.view()
    }

    /// The views of all nodes that run.
    pub fn views(&self) -> impl Iterator<Item = Arc<View>> {
        self.hosts.iter().filter_map(|host| host.view())
    }

    /// The answer to a request, if it has come.
    #[must_use]
    pub fn answer(&self, id: RequestId) -> Option<Answer> {
        self.record.lock().answers.get(&id).cloned()
    }

    /// What the nodes told, in order.
    #[must_use]
    pub fn events(&self) -> Vec<(Mono, NodeIndex, Event)> {
        self.record.lock().events.clone()
    }

    /// The hash of every datagram and event so far.
    #[must_use]
    pub fn trace(&self) -> Digest {
        self.record.lock().trace.hash()
    }

    /// How many things happened: what the hash is over.
    #[must_use]
    pub fn happenings(&self) -> u64 {
        self.record.lock().trace.count()
    }

    /// What happened, a line each, if that was asked for.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.record.lock().trace.lines().to_vec()
    }

    /// What happened, in a form that can be drawn, if what happens is kept: what nodes tell, and when they were down.
    #[must_use]
    pub fn records(&self) -> Vec<crate::world::EventRecord> {
        self.record.lock().trace.records().to_vec()
    }

    /// What the client has counted, up to the last answer: connections dialled, calls tried again.
    #[must_use]
    pub fn client(&self) -> ClientMetrics {
        self.record.lock().client.clone()
    }

    /// Which classes of faults have taken effect.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.record.lock().coverage.clone()
    }

    /// What happened, in the form of a tape, if what happens is kept.
    #[must_use]
    pub fn tape(&self) -> Vec<Taken> {
        self.record.lock().trace.tape().to_vec()
    }

    /// Which marks of the protocol the nodes have reached, and how often.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<&'static str, u64> {
        let mut sum = BTreeMap::new();
        for host in &self.hosts {
            for (mark, count) in host.behaviour().marks.reached() {
                *sum.entry(mark).or_default() += u64::from(count);
            }
        }
        sum
    }

    /// The trust bundle, as an honest node that runs has it.
    #[must_use]
    pub fn trust_bundle(&self) -> Option<TrustBundle> {
        let honest = (0..self.hosts.len()).filter(|place| !self.is_liar(*place));
        bundle_in(honest.filter_map(|place| self.view(place)), self.wall())
    }

    /// Whether a node lies.
    #[must_use]
    pub fn is_liar(&self, place: NodeIndex) -> bool {
        self.hosts.get(place).is_some_and(|host| host.behaviour().lying.is_some())
    }

    /// How many datagrams were sent.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.record.lock().datagrams
    }

    /// Whether every node that is not down can issue.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let mut running = self.hosts.iter().zip(&self.running).filter(|(_, running)| **running);
        running.all(|(host, _)| host.view().is_some_and(|view| view.status.ready))
    }

    /// Checks what can only be checked at the end.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn finish(&self) -> Result<(), RunFault> {
        let views: Vec<Arc<View>> = self.views().collect();
        Ok(self.record.finish(&views)?)
    }

    /// How the nodes are, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let one = |(number, host): (usize, &Arc<NodeHost>)| match host.view() {
            Some(view) => {
                let status = &view.status;
                let ready = if status.ready { ", ready" } else { "" };
                let (height, connected) = (status.height, status.connected);
                format!("node-{number} at height {height}, {connected} linked, {}{ready}", status.committee)
            }
            None => format!("node-{number} is down"),
        };
        (1..).zip(&self.hosts).map(one).collect::<Vec<_>>().join("; ")
    }
}

fn simulation(seed: u64, options: &Options, begins: UnixMillis) -> Sim<'static> {
    turmoil::Builder::new()
        .rng_seed(seed)
        .ip_version(IpVersion::V6)
        .epoch(UNIX_EPOCH + Duration::from_millis(begins.0))
        .simulation_duration(SIMULATED_MAX)
        .tick_duration(options.tick())
        .min_message_latency(options.tick())
        .max_message_latency(options.tick())
        .udp_capacity(UDP_DATAGRAMS_MAX)
        .build()
}

const fn ip(address: SocketAddrV6) -> IpAddr {
    IpAddr::V6(*address.ip())
}
