//! An event heap over nodes. No async, no ticks: time jumps from one event to the next.
//!
//! A [`World`] drives [`Node`]s exactly as their contract says: hand in what
//! happened, poll until there is nothing more, carry out each output in order. It supplies what the core
//! leaves to its driver: links, a disk that loses what was not durable ([`Disk`]), clocks that
//! are wrong, threads that are slow, and randomness, all out of one seed.
//!
//! What is not tried here: the encoding on the wire, QUIC, real files. That is for whole-system tests.

mod cast;
mod chain;
mod disk;
mod event;
mod lie;
mod machine;
mod network;
mod operations;
mod options;
mod random;
mod trace;

#[cfg(test)]
mod tests;

pub use cast::{Cast, Member, NETWORK, Validator, WORLD_BEGINS, ZONE, name};
pub use chain::forged_block;
pub use disk::Disk;
pub use lie::{Lie, serve_block};
pub use network::{Link, NetworkOptions, Place};
pub(crate) use operations::OPERATION_MS_LIFE;
pub use operations::{Owner, certificate_request};
pub use options::{Options, Start};
pub use random::{Random, Span, Stream};
#[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
pub(crate) use trace::{Entry, describe};
pub use trace::{Taken, Trace};

use crate::check::{Checks, Violation, check_sizes_when_quiet};
use crate::plan::{Coverage, FaultClass};
use event::{Happening, Heap};
use hypermesh_core::api::{ApiFault, Request, Response, View, read};
use hypermesh_core::base::{Mono, PublicKey, SecretKey, Table, UnixMillis};
use hypermesh_core::node::{Class, Event, Node, PeerStatus, RequestId};
use machine::{Incarnation, Machine};
use network::{Network, Sent};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Why a run did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunFault {
    /// A promise was broken.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// What was waited for did not happen.
    #[error("{what} did not happen within {within:?}: {state}")]
    Stalled {
        /// What was waited for.
        what: String,
        /// For how long.
        within: Duration,
        /// How the nodes are.
        state: String,
    },
    /// A node could not start again.
    #[error("node-{number} does not start: {reason}")]
    Open {
        /// Which, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// What happened is not what was to happen.
    #[error("{0}")]
    Unexpected(String),
}

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When it came.
    pub at: Mono,
    /// What it was.
    pub response: Result<Response, ApiFault>,
}

/// Nodes, and the world around them.
pub struct World {
    seed: u64,
    options: Options,
    cast: Cast,
    /// What the true wall clock said when the world began.
    begins: UnixMillis,
    now: Mono,
    heap: Heap,
    machines: Vec<Machine>,
    places: BTreeMap<PublicKey, Place>,
    network: Network,
    trace: Trace,
    events: Vec<(Mono, Place, Event)>,
    checks: Checks,
    requests: u64,
    answers: BTreeMap<RequestId, Answer>,
    violation: Option<Violation>,
    coverage: Coverage,
}

impl World {
    /// A world out of a seed, in which every node has just been started.
    #[must_use]
    pub fn new(seed: u64, options: Options) -> Self {
        let cast = Cast::new(options.nodes);
        let disks = match options.start {
            Start::Empty => Vec::new(),
            Start::Ready => ready_disks(options.nodes),
        };
        // Whoever inherits a disk lives after those who wrote it.
        let begins = WORLD_BEGINS.plus(if disks.is_empty() { 1_000 } else { 60_000 });
        let mut machines: Vec<Machine> = (0..)
            .zip(cast.validators.clone())
            .map(|(place, validator)| Machine::new(seed, place, validator, &options, begins))
            .collect();
        for (machine, disk) in machines.iter_mut().zip(&disks) {
            machine.inherit(disk);
        }
        let mut world = Self {
            seed,
            options,
            begins,
            now: Mono(0),
            heap: Heap::default(),
            places: cast.keys().zip(0..).collect(),
            network: Network::new(seed, options.network, machines.len()),
            machines,
            trace: Trace::new(options.keep_lines),
            events: Vec::new(),
            checks: Checks::new(&cast.genesis),
            requests: 0,
            answers: BTreeMap::new(),
            violation: None,
            coverage: Coverage::default(),
            cast,
        };
        if world.options.skew_ms_max > 0 {
            world.hit(FaultClass::Skew);
        }
        for place in 0..world.machines.len() {
            world.start(place).expect("a node starts on an empty disk, and on one that it left in order");
        }
        world
    }

    // --- what scenarios do ---

    /// Sends a request to a node, which gets it at once. If it is down, nothing comes back.
    pub fn request(&mut self, place: Place, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.heap.push(self.now, Happening::Request { place, id, request: Box::new(request) });
        id
    }

    /// Stops a node without warning. What was not durable is lost, and so is what was under way to it.
    pub fn crash(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        if machine.node.is_none() {
            return;
        }
        let lost = machine.crash();
        self.coverage.hit(FaultClass::Crash);
        if lost > 0 {
            self.coverage.hit(FaultClass::LostWrites);
        }
        self.note(place, "crash", &(lost as u64).to_le_bytes());
        self.trace.say(self.now, place, &|| format!("crashes and loses {lost} writes"));
        for other in self.others(place) {
            self.break_link(place, other);
        }
    }

    /// Wipes the disk of a node that is down. Its key and its plot are what its operator can make again.
    pub fn wipe(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk = Disk::default();
        self.coverage.hit(FaultClass::WipedDisk);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "loses its disk".to_string());
    }

    /// Wipes the disk of a node that is down, but for its key shares: those its operator has put back from a backup.
    pub fn wipe_all_but_shares(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk = machine.disk.only(Table::Shares);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "loses its disk and gets its key shares back".to_string());
    }

    /// Adds a machine, stopped, with the key and a copy of the disk of another: two that should never run at once.
    pub fn add_twin(&mut self, place: Place) -> Option<Place> {
        let twin = self.machines.len();
        let machine = self.machines.get(place)?;
        let mut copy = Machine::new(self.seed, twin, machine.validator.clone(), &self.options, self.begins);
        copy.inherit(&machine.disk);
        self.machines.push(copy);
        self.network.add();
        Some(twin)
    }

    /// A world out of the same seed that differs in nothing but the number of nodes.
    #[must_use]
    pub fn with_nodes(&self, nodes: usize) -> Self {
        Self::new(self.seed, Options { nodes, ..self.options })
    }

    /// Starts a node that is down.
    ///
    /// # Errors
    /// If it finds its disk unusable.
    pub fn start(&mut self, place: Place) -> Result<(), RunFault> {
        let (seed, at, genesis) = (self.seed, self.now, Arc::clone(&self.cast.genesis));
        let Some(machine) = self.machines.get_mut(place) else { return Ok(()) };
        if machine.node.is_some() {
            return Ok(());
        }
        machine
            .start(seed, place, at, genesis)
            .map_err(|fault| RunFault::Open { number: place + 1, reason: fault.to_string() })?;
        self.checks.on_start(place);
        if machine.incarnation > Incarnation(1) {
            self.coverage.hit(FaultClass::Restart);
        }
        self.note(place, "start", &[]);
        self.trace.say(at, place, &|| "starts".to_string());
        self.drain(place);
        for other in self.others(place) {
            self.arrange_link(place, other);
        }
        Ok(())
    }

    /// Divides the nodes: only those on one side are linked. One side for each node, by its place.
    pub fn partition(&mut self, sides: &[u8]) {
        if sides.iter().any(|side| Some(side) != sides.first()) {
            self.coverage.hit(FaultClass::Partition);
        }
        self.network.set_sides(sides.to_vec());
        self.trace.say(self.now, 0, &|| format!("the network divides: {sides:?}"));
        for place in 0..self.machines.len() {
            for other in self.others(place).filter(|other| *other > place) {
                if self.network.allows(Link { source: place, target: other }) {
                    self.arrange_link(place, other);
                } else {
                    self.break_link(place, other);
                }
            }
        }
    }

    /// Makes one direction of a link anew, as when a connection that its sender dialled dies and is dialled again:
    /// what was under way in it is lost and the sender is told; the receiver notices nothing.
    pub fn flap(&mut self, link: Link) {
        if self.network.is_up(link) {
            self.coverage.hit(FaultClass::Flap);
            self.network.set_up(link, false);
            self.network.set_up(link, true);
            self.tell_link(link.source, link.target, PeerStatus::Connected);
        }
    }

    /// Ends a partition.
    pub fn heal(&mut self) {
        self.partition(&vec![0; self.machines.len()]);
    }

    /// Sets a node's wall clock so much ahead of the true one.
    pub fn set_clock(&mut self, place: Place, ahead: Duration) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        self.coverage.hit(FaultClass::JumpForward);
        machine.set_clock(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX));
        self.trace.say(self.now, place, &|| format!("has a clock that is {ahead:?} ahead"));
    }

    /// Makes a node lie from now on. The checks no longer hold it for honest.
    pub fn corrupt(&mut self, place: Place, lie: Lie) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.lie = Some(lie);
        self.checks.corrupt(machine.validator.member.identity.public());
        self.trace.say(self.now, place, &|| format!("lies from now on: {lie:?}"));
    }

    /// Delivers a message to a node as if another, which it is linked with, had sent it.
    pub fn inject(&mut self, source: Place, target: Place, message: Vec<u8>) {
        let link = Link { source, target };
        if let Sent::Arrives(arrival, epoch) = self.network.send(self.now, link, Class::Bulk) {
            self.heap.push(arrival, Happening::Message { link, epoch, message: message.into() });
        }
    }

    /// Lets a node's disk say from now on that a write is durable before it is. A planted fault: checks must fire.
    pub fn make_disk_hasty(&mut self, place: Place) {
        if let Some(machine) = self.machines.get_mut(place) {
            machine.hasty_disk = true;
        }
    }

    /// A node's disk.
    #[must_use]
    pub fn disk(&self, place: Place) -> Option<&Disk> {
        self.machines.get(place).map(|machine| &machine.disk)
    }

    /// Gives a node that is down a copy of another disk, an older one of its own. It may abstain from now on.
    pub fn replace_disk(&mut self, place: Place, disk: &Disk) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk = disk.copy();
        self.coverage.hit(FaultClass::OldDisk);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "has another disk".to_string());
    }

    /// Lets the chain grow by so many blocks on the disks of these nodes, a quorum, as if they had decided them meanwhile, and
    /// as much time pass. They are in step, and all nodes are down.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn grow(&mut self, places: &[Place], count: u64) -> Result<(), RunFault> {
        let disks = places.iter().filter_map(|place| self.machines.get(*place)).map(|machine| &machine.disk);
        let mut grown = None;
        for disk in disks {
            let writes = grown.get_or_insert_with(|| chain::grow(&self.cast, places, disk, count));
            chain::put(disk, writes);
        }
        self.trace.say(self.now, 0, &|| format!("the chain grows by {count} blocks at {places:?}"));
        self.run_for(Duration::from_millis(count.saturating_mul(chain::BLOCK_MS)))
    }

    /// Loses the log of votes of a node that is down. It may abstain from now on.
    pub fn lose_log(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk.lose(Table::Wal);
        self.coverage.hit(FaultClass::LostLog);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "has lost its log of votes".to_string());
    }

    /// Lets a row of a node's disk rot. It may complain of its store from now on. Says whether there is such a row.
    pub fn rot(&mut self, place: Place, table: Table, key: &[u8]) -> bool {
        let Some(machine) = self.machines.get_mut(place) else { return false };
        self.checks.excuse_store(place);
        if table == Table::Wal {
            self.checks.excuse_abstention(place);
        }
        self.trace.say(self.now, place, &|| format!("has a damaged row in table {}", table.name()));
        let rots = machine.disk.rot(table, key);
        if rots {
            self.coverage.hit(FaultClass::BitRot);
        }
        rots
    }

    /// Puts a line of its own among what happened, if that is kept.
    pub fn say(&mut self, what: &str) {
        self.trace.say(self.now, 0, &|| format!("(scenario) {what}"));
    }

    /// Allows a node to abstain from now on.
    pub fn excuse_abstention(&mut self, place: Place) {
        self.checks.excuse_abstention(place);
    }

    /// Allows a node to find that a quorum decided what it must not.
    pub fn excuse_broken(&mut self, place: Place) {
        self.checks.excuse_broken(place);
    }

    /// Makes a node tell the truth from now on. The checks still do not hold it for honest.
    pub fn reform(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.lie = None;
        self.trace.say(self.now, place, &|| "tells the truth from now on".to_string());
    }

    /// Loses so many messages of a thousand from now on.
    pub const fn lose(&mut self, per_mille: u64) {
        self.network.set_loss(per_mille);
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
        let end = self.now.after(within);
        while !is_so(self) {
            if !self.step(end)? {
                return Err(RunFault::Stalled { what: what.to_string(), within, state: self.describe() });
            }
        }
        Ok(())
    }

    /// Runs for a while.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn run_for(&mut self, duration: Duration) -> Result<(), RunFault> {
        let end = self.now.after(duration);
        while self.step(end)? {}
        self.now = end;
        Ok(())
    }

    /// Lets the next thing happen, unless that is after `end`.
    fn step(&mut self, end: Mono) -> Result<bool, RunFault> {
        if let Some(violation) = self.violation.clone() {
            return Err(violation.into());
        }
        let Some((at, happening)) = self.heap.pop(end) else { return Ok(false) };
        self.now = at;
        self.happen(happening);
        match self.violation.clone() {
            Some(violation) => Err(violation.into()),
            None => Ok(true),
        }
    }

    // --- what there is to see ---

    /// The time, since the world began.
    #[must_use]
    pub const fn now(&self) -> Mono {
        self.now
    }

    /// What the true wall clock says.
    #[must_use]
    pub const fn wall(&self) -> UnixMillis {
        self.begins.plus(self.now.0 / 1000)
    }

    /// Who takes part.
    #[must_use]
    pub const fn cast(&self) -> &Cast {
        &self.cast
    }

    /// Someone who asks now.
    #[must_use]
    pub fn owner(&self, key: &SecretKey) -> Owner {
        Owner {
            key: key.clone(),
            genesis: self.cast.genesis_hash(),
            time: self.wall(),
            life_ms: OPERATION_MS_LIFE,
        }
    }

    /// A node's view, if it runs.
    #[must_use]
    pub fn view(&self, place: Place) -> Option<Arc<View>> {
        self.machines.get(place)?.node.as_ref().map(Node::view)
    }

    /// The views of all nodes that run.
    pub fn views(&self) -> impl Iterator<Item = Arc<View>> {
        self.machines.iter().filter_map(|machine| machine.node.as_ref()).map(Node::view)
    }

    /// The answer to a request, if it has come.
    #[must_use]
    pub fn answer(&self, id: RequestId) -> Option<&Answer> {
        self.answers.get(&id)
    }

    /// What the nodes told, in order.
    #[must_use]
    pub fn events(&self) -> &[(Mono, Place, Event)] {
        &self.events
    }

    /// Which classes of faults have taken effect.
    #[must_use]
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Counts an effect of a class of faults.
    pub fn hit(&mut self, class: FaultClass) {
        self.coverage.hit(class);
    }

    /// What happened.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Whether every node runs and can issue.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.views().count() == self.machines.len() && self.views().all(|view| view.status.ready)
    }

    /// Which rare branches of the protocol the nodes have taken, and how often: see [`MARKS`](hypermesh_core::base::MARKS).
    #[must_use]
    pub fn marks(&self) -> BTreeMap<&'static str, u64> {
        let mut sum = BTreeMap::new();
        for (mark, count) in
            self.machines.iter().flat_map(|machine| machine.marks().reached().collect::<Vec<_>>())
        {
            *sum.entry(mark).or_default() += u64::from(count);
        }
        sum
    }

    /// Demands that a node which lies provably is found out by the end.
    pub fn expect_evidence(&mut self, place: Place) {
        if let Some(machine) = self.machines.get(place) {
            self.checks.expect_evidence(machine.validator.member.identity.public());
        }
    }

    /// What watches over the promises.
    #[must_use]
    pub const fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Allows that more than f lie: see [`Checks::allow_unsafe`].
    pub const fn allow_unsafe(&mut self) {
        self.checks.allow_unsafe();
    }

    /// Checks what can only be checked at the end.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn finish(&self) -> Result<(), RunFault> {
        let views: Vec<Arc<View>> = self.views().collect();
        self.checks.finish(&views)?;
        for (place, machine) in self.machines.iter().enumerate() {
            let sizes = machine.node.as_ref().map(Node::sizes).unwrap_or_default();
            check_sizes_when_quiet(place, &sizes)?;
        }
        Ok(())
    }

    /// How the nodes are, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let one = |(place, machine): (usize, &Machine)| match &machine.node {
            Some(node) => {
                let status = node.view().status.clone();
                format!(
                    "node-{} at height {} ({} behind, voting: {}), {} linked, {}{}",
                    place + 1,
                    status.height,
                    status.behind,
                    status.voting,
                    status.connected,
                    status.committee,
                    if status.ready { ", ready" } else { "" }
                )
            }
            None => format!("node-{} is down", place + 1),
        };
        self.machines
            .iter()
            .enumerate()
            .map(|(place, machine)| one((place, machine)))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// The disks of a calm mesh that has just generated its keys, made once for each number of nodes.
fn ready_disks(nodes: usize) -> Vec<Disk> {
    static MADE: OnceLock<Mutex<BTreeMap<usize, Vec<Disk>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().expect("a calm mesh generates its keys");
    let disks = made.entry(nodes).or_insert_with(|| {
        let mut world = World::new(0, Options { nodes, start: Start::Empty, ..Options::default() });
        let patience = Duration::from_secs(60);
        world
            .run_until("all nodes ready", patience, World::is_ready)
            .expect("a calm mesh generates its keys");
        world.run_for(Duration::from_millis(500)).expect("a calm mesh keeps its promises");
        world.machines.iter().map(|machine| machine.disk.copy()).collect()
    });
    disks.iter().map(Disk::copy).collect()
}
