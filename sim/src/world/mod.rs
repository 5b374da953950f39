//! An event heap over nodes. No async, no ticks: time jumps from one event to the next.
//!
//! A [`World`] drives [`Node`]s exactly as their contract says: hand in what
//! happened, poll until there is nothing more, carry out each output in order. It supplies what the core
//! leaves to its driver: links, a disk that loses what was not durable ([`Disk`]), clocks that
//! are wrong, threads that are slow, and randomness, all out of one seed.
//!
//! What is not tried here: the encoding on the wire, QUIC, real files. That is for whole-system tests.

mod byzantine;
mod chain;
mod clock;
mod conditions;
mod control;
mod event;
mod hardware;
mod link;
mod machine;
mod network;
mod operations;
mod options;
mod output;
mod records;
mod snapshot;
mod trace;

#[cfg(test)]
mod tests;

pub use crate::base::{
    Disk, Link, Member, NETWORK, NodeIndex, Participants, Random, Span, Stream, Validator, WORLD_BEGINS,
    ZONE, name,
};
pub use crate::fault::Lie;
pub(crate) use byzantine::StolenKeys;
pub use byzantine::serve_block;
pub use chain::forged_block;
pub use conditions::{Bursts, Conditions, Damage, Narrow, Reorders, Spikes};
pub use hardware::BadWrites;
pub use network::NetworkOptions;
pub(crate) use operations::OPERATION_MS_LIFE;
pub use operations::{Owner, RequestedNames, announcement, certificate_request, certificate_request_for};
pub use options::{Options, Start};
pub use records::{AnswerRecord, EventIndex, EventRecord, Fate, MessageRecord, Recorded, RequestRecord};
pub use snapshot::MachineSnapshot;
pub use trace::{Taken, Trace};
#[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
pub(crate) use {
    byzantine::{Liar, LiarContext, Tampering, another},
    clock::Clock,
    trace::{TapeEntry, describe},
};

use crate::check::{Checks, Violation, check_calm, check_sizes_when_quiet};
use crate::fault::{Coverage, FaultClass};
use event::Heap;
use hypermesh_core::api::{ApiFault, Request, Response, TrustBundleRequest, View, read};
use hypermesh_core::base::{Digest, Mono, PublicKey, SecretKey, Size, UnixMillis};
use hypermesh_core::node::{Event, Node, RequestId};
use hypermesh_core::trust::TrustBundle;
use machine::Machine;
use network::Network;
use std::collections::{BTreeMap, BTreeSet};
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
    participants: Participants,
    /// What the true wall clock said when the world began.
    begins: UnixMillis,
    now: Mono,
    heap: Heap,
    machines: Vec<Machine>,
    places: BTreeMap<PublicKey, NodeIndex>,
    network: Network,
    trace: Trace,
    events: Vec<(Mono, NodeIndex, Event)>,
    checks: Checks,
    requests: u64,
    answers: BTreeMap<RequestId, Answer>,
    /// Requests whose callers have left.
    cancelled: BTreeSet<RequestId>,
    violation: Option<Violation>,
    coverage: Coverage,
    /// What the liars that propose two blocks have agreed on: the second of each.
    agreed: BTreeMap<Digest, Digest>,
    /// What a liar that finishes signatures has of the committee's keys.
    stolen_keys: StolenKeys,
}

impl World {
    /// A world out of a seed, in which every node has just been started.
    #[must_use]
    pub fn new(seed: u64, options: Options) -> Self {
        let participants = Participants::new(options.nodes);
        let disks = match options.start {
            Start::Empty => Vec::new(),
            Start::Ready => ready_disks(options.nodes),
        };
        let begins = begins(options.start);
        let mut machines: Vec<Machine> = (0..)
            .zip(participants.validators.clone())
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
            places: participants.keys().zip(0..).collect(),
            network: Network::new(seed, options.network, machines.len()),
            machines,
            trace: Trace::new(options.keep_lines),
            events: Vec::new(),
            checks: Checks::new(&participants),
            requests: 0,
            answers: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            violation: None,
            coverage: Coverage::default(),
            agreed: BTreeMap::new(),
            stolen_keys: StolenKeys::default(),
            participants,
        };
        if world.options.skew_ms_max > 0 {
            world.hit(FaultClass::Skew);
        }
        for place in 0..world.machines.len() {
            world.start(place).expect("a node starts on an empty disk, and on one that it left in order");
        }
        world
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
            Some(violation) => {
                self.trace.judge(at);
                Err(violation.into())
            }
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
    pub const fn participants(&self) -> &Participants {
        &self.participants
    }

    /// What time a client goes by: its own clock, which is right, or the mesh's proved time if that is ahead of it.
    #[must_use]
    pub fn client_time(&self) -> UnixMillis {
        self.views().map(|view| view.state.time()).fold(self.wall(), UnixMillis::max)
    }

    /// Someone who asks now.
    #[must_use]
    pub fn owner(&self, key: &SecretKey) -> Owner {
        Owner::new(key.clone(), self.participants.genesis_hash(), self.client_time())
    }

    /// A node's view, if it runs.
    #[must_use]
    pub fn view(&self, place: NodeIndex) -> Option<Arc<View>> {
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
    pub fn events(&self) -> &[(Mono, NodeIndex, Event)] {
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

    /// The trust bundle, as an honest node that runs has it.
    #[must_use]
    pub fn trust_bundle(&self) -> Option<TrustBundle> {
        let honest = (0..self.machines.len()).filter(|place| !self.is_liar(*place));
        bundle_in(honest.filter_map(|place| self.view(place)), self.wall())
    }

    /// Whether a node lies.
    #[must_use]
    pub fn is_liar(&self, place: NodeIndex) -> bool {
        self.machines.get(place).is_some_and(|machine| machine.lie.is_some())
    }

    /// Whether nothing keeps messages between two nodes from getting through, either way.
    #[must_use]
    pub fn is_linked(&self, one: NodeIndex, other: NodeIndex) -> bool {
        let allows = |source, target| self.network.allows(Link { source, target });
        allows(one, other) && allows(other, one)
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
    pub fn expect_evidence(&mut self, place: NodeIndex) {
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

    /// Checks that a node does nothing for clients who have left. To be asked [`CALM_WITHIN`](crate::check::CALM_WITHIN)
    /// after the last of them has.
    ///
    /// # Errors
    /// If it does.
    pub fn check_calm(&self, place: NodeIndex) -> Result<(), RunFault> {
        Ok(check_calm(place, &self.sizes(place))?)
    }

    /// How full a node's tables are.
    #[must_use]
    pub fn sizes(&self, place: NodeIndex) -> Vec<Size> {
        let node = self.machines.get(place).and_then(|machine| machine.node.as_ref());
        node.map(Node::sizes).unwrap_or_default()
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

/// The trust bundle that the first of these views gives which has one.
pub(crate) fn bundle_in(mut views: impl Iterator<Item = Arc<View>>, wall: UnixMillis) -> Option<TrustBundle> {
    views.find_map(|view| match read(&view, &Request::TrustBundle(TrustBundleRequest {}), wall) {
        Some(Ok(Response::TrustBundle(bundle))) => Some(bundle),
        _ => None,
    })
}

/// What the true wall clock says when a world begins: whoever inherits a disk lives after those who wrote it.
pub(crate) fn begins(start: Start) -> UnixMillis {
    WORLD_BEGINS.plus(match start {
        Start::Empty => 1_000,
        Start::Ready => 60_000,
    })
}

/// The disks of a calm mesh that has just generated its keys, made once for each number of nodes.
pub(crate) fn ready_disks(nodes: usize) -> Vec<Disk> {
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
