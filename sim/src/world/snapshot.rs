//! Snapshots of a running machine: memory and disk, resumed later.
//!
//! A node cannot be copied, but it is a function of what it was handed. So a machine of which a snapshot is to be taken keeps
//! its inputs from the start of each life on, and the snapshot is resumed by handing them to a new node once more, on a
//! copy of the disk that this life began with, with the same randomness: the worst case, in which the resumed machine's
//! generator repeats itself.
//!
//! The monotonic clock of a resumed machine goes on where it was; its wall clock is right at once, so that it jumps. What
//! the node would do before a wall clock that is set late is not tried here.

use super::World;
use super::event::Happening;
use super::machine::NodeIncarnation;
use crate::base::{Disk, NodeIndex};
use crate::fault::FaultClass;
use hypermesh_core::api::{ApiFault, Request};
use hypermesh_core::base::{Now, PublicKey};
use hypermesh_core::node::{
    Job, JobId, JobOutcome, Node, Output, PeerStatus, PersistToken, RequestId, Traced,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is handed to a node.
pub(super) enum Input {
    Message { source: PublicKey, message: Arc<[u8]> },
    Request { id: RequestId, traced: Traced, request: Box<Request> },
    Cancelled(RequestId),
    Peer { peer: PublicKey, status: PeerStatus },
    Persisted(PersistToken),
    Job { id: JobId, outcome: Box<JobOutcome> },
    Timeout,
}

impl Input {
    /// Hands it over. Why the node does not admit a request, if so: the driver answers that.
    pub(super) fn apply(self, node: &mut Node, now: Now) -> Option<ApiFault> {
        match self {
            Self::Message { source, message } => node.handle_message(now, source, &message),
            Self::Request { id, traced, request } => match node.admit(now, id, &caller(&request), &request) {
                Ok(()) => node.handle_request(now, id, Some(traced), *request),
                Err(fault) => return Some(fault),
            },
            Self::Cancelled(id) => node.handle_cancelled(now, id),
            Self::Peer { peer, status } => node.handle_peer(now, peer, status),
            Self::Persisted(token) => node.handle_persisted(now, token),
            Self::Job { id, outcome } => node.handle_job(now, id, *outcome),
            Self::Timeout => node.handle_timeout(now),
        }
        None
    }
}

/// Whose connection a request comes over: its owner's, and one for all that ask for what is nobody's.
fn caller(request: &Request) -> PublicKey {
    request.operation().map_or(PublicKey([0; 32]), |operation| operation.body.owner)
}

/// An input as it is kept: jobs are done once more.
#[derive(Clone)]
enum RecordedInput {
    Message { source: PublicKey, message: Arc<[u8]> },
    Request { id: RequestId, traced: Traced, request: Box<Request> },
    Cancelled(RequestId),
    Peer { peer: PublicKey, status: PeerStatus },
    Persisted(PersistToken),
    Job(JobId),
    Timeout,
}

/// What one life of a node was handed, from its start on.
#[derive(Clone)]
pub(super) struct Inputs {
    /// The disk that it began with.
    disk: Disk,
    began: Now,
    life: NodeIncarnation,
    kept: Vec<(Now, RecordedInput)>,
}

impl Inputs {
    pub(super) const fn new(disk: Disk, began: Now, life: NodeIncarnation) -> Self {
        Self { disk, began, life, kept: Vec::new() }
    }

    pub(super) fn keep(&mut self, now: Now, input: &Input) {
        let kept = match input {
            Input::Message { source, message } => {
                RecordedInput::Message { source: *source, message: Arc::clone(message) }
            }
            Input::Request { id, traced, request } => {
                RecordedInput::Request { id: *id, traced: *traced, request: request.clone() }
            }
            Input::Cancelled(id) => RecordedInput::Cancelled(*id),
            Input::Peer { peer, status } => RecordedInput::Peer { peer: *peer, status: *status },
            Input::Persisted(token) => RecordedInput::Persisted(*token),
            Input::Job { id, .. } => RecordedInput::Job(*id),
            Input::Timeout => RecordedInput::Timeout,
        };
        self.kept.push((now, kept));
    }
}

/// A machine's memory and disk as they were.
pub struct MachineSnapshot {
    inputs: Inputs,
    taken: Now,
}

/// A node that is handed its inputs once more, and what it waits for.
struct Replay {
    node: Node,
    disk: Disk,
    jobs: BTreeMap<JobId, Job>,
    last: Option<PersistToken>,
}

impl Replay {
    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Persist { token, batch } => {
                    self.disk.write(token, batch);
                    self.last = Some(token);
                }
                Output::Run { id, job } => drop(self.jobs.insert(id, job)),
                // It was carried out when the node did this for the first time.
                _ => {}
            }
        }
    }

    fn hand(&mut self, now: Now, kept: RecordedInput) {
        let input = match kept {
            RecordedInput::Message { source, message } => Input::Message { source, message },
            RecordedInput::Request { id, traced, request } => Input::Request { id, traced, request },
            RecordedInput::Cancelled(id) => Input::Cancelled(id),
            RecordedInput::Peer { peer, status } => Input::Peer { peer, status },
            RecordedInput::Persisted(token) => {
                self.disk.sync(token);
                Input::Persisted(token)
            }
            RecordedInput::Job(id) => {
                let Some(job) = self.jobs.remove(&id) else { return };
                Input::Job { id, outcome: Box::new(job.run()) }
            }
            RecordedInput::Timeout => Input::Timeout,
        };
        // Who was not admitted was told so when the node did this for the first time.
        let _refused = input.apply(&mut self.node, now);
        self.drain();
    }
}

impl World {
    /// Lets a machine keep what snapshots of it need. Its node is started anew for that.
    pub fn keep_inputs(&mut self, place: NodeIndex) {
        self.crash(place);
        if let Some(machine) = self.machines.get_mut(place) {
            machine.keeps_inputs = true;
        }
        self.start(place).expect("a node starts on the disk that it has just left");
    }

    /// A snapshot of a machine that keeps its inputs and runs.
    #[must_use]
    pub fn snapshot(&self, place: NodeIndex) -> Option<MachineSnapshot> {
        let machine = self.machines.get(place).filter(|machine| machine.node.is_some())?;
        Some(MachineSnapshot { inputs: machine.inputs.clone()?, taken: machine.now(self.now) })
    }

    /// Resumes a snapshot of a machine, in place of what the machine has become since.
    pub fn resume_snapshot(&mut self, place: NodeIndex, snapshot: &MachineSnapshot) {
        self.crash(place);
        let (seed, at, genesis) = (self.seed, self.now, Arc::clone(&self.participants.genesis));
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Inputs { disk, began, life, kept } = snapshot.inputs.clone();
        let disk = disk.copy();
        let node = machine.open(seed, place, life, (began, genesis), &disk);
        let node = node.expect("it did when it did this for the first time");
        let mut replay = Replay { node, disk, jobs: BTreeMap::new(), last: None };
        replay.drain();
        kept.into_iter().for_each(|(now, kept)| replay.hand(now, kept));
        let Replay { node, disk, jobs, last } = replay;
        machine.resume(at, snapshot.taken, node, disk);
        let life = machine.incarnation;
        for (id, job) in jobs {
            self.heap.push(at, Happening::Job { place, life, id, outcome: Box::new(job.run()) });
        }
        if let Some(token) = last {
            self.heap.push(at, Happening::Persisted { place, life, token });
        }
        self.checks.on_start(place);
        self.checks.excuse_abstention(place);
        self.coverage.hit(FaultClass::ResumedSnapshot);
        self.note(place, "resume", &[]);
        self.trace.say(at, place, &|| "is resumed from a snapshot".to_string());
        for other in self.others(place) {
            self.tell_peer_now(place, other, PeerStatus::Lost);
            self.arrange_link(place, other);
        }
        self.arrange_alarm(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Options;
    use hypermesh_core::base::Mono;
    use hypermesh_core::node::Event;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn ready(seed: u64) -> World {
        let mut world = World::new(seed, Options::default());
        world.keep_inputs(1);
        world.run_until("all nodes ready", 20 * SECOND, World::is_ready).unwrap();
        world
    }

    /// Has a certificate issued by a node.
    fn issue(world: &mut World, place: NodeIndex, nonce: u64) {
        let owner = world.owner(&world.participants().client);
        let id = world.request(place, owner.issue(nonce, &["web.demo.hypermesh"]));
        world.run_until("a certificate", 20 * SECOND, |world| world.answer(id).is_some()).unwrap();
        assert!(world.answer(id).unwrap().response.is_ok(), "{:?}", world.answer(id));
    }

    fn tells(world: &World, place: NodeIndex, since: Mono) -> usize {
        let told = |(at, teller, event): &&(Mono, NodeIndex, Event)| {
            *teller == place && *at >= since && matches!(event, Event::Discontinuity { .. })
        };
        world.events().iter().filter(told).count()
    }

    #[test]
    fn a_resumed_snapshot_spends_no_nonce_twice_and_contradicts_no_vote() {
        for seed in 0..4 {
            let mut world = ready(seed);
            (0..3).for_each(|nonce| issue(&mut world, 0, nonce));
            // In the middle of a height, or between two.
            world.run_for(Duration::from_millis(37 * seed)).unwrap();
            let snapshot = world.snapshot(1).unwrap();
            // So many that nonces are spent which were made after the snapshot.
            for nonce in 10..50 {
                issue(&mut world, usize::try_from(nonce % 4).unwrap(), nonce);
            }
            world.run_for(2 * SECOND).unwrap();
            let resumed = world.now();
            world.resume_snapshot(1, &snapshot);
            for nonce in 60..100 {
                issue(&mut world, usize::try_from(nonce % 4).unwrap(), nonce);
            }
            assert_eq!(tells(&world, 1, resumed), 1, "seed {seed}");
            world.run_until("all nodes ready again", 20 * SECOND, World::is_ready).unwrap();
            world.finish().unwrap();
            // The checks excuse contradictions of a node whose memory was set back; here nobody is silent, so there is none.
            let contradicts = |event: &Event| matches!(event, Event::Equivocation(_) | Event::Slashed { .. });
            assert!(!world.events().iter().any(|(_, _, event)| contradicts(event)), "seed {seed}");
        }
    }

    #[test]
    fn a_node_whose_clock_jumps_votes_for_nothing_until_it_knows_what_it_voted_for() {
        let mut world = ready(3);
        // Nobody answers it: it must stay silent for as long.
        world.partition(&[0, 1, 0, 0]);
        world.jump(1, 10_000);
        world.run_for(3 * SECOND).unwrap();
        let voting = |world: &World| world.view(1).unwrap().status.voting.clone();
        assert!(voting(&world).starts_with("waits until 2 more validators say"), "{}", voting(&world));
        assert_eq!(world.views().next().unwrap().status.voting, "yes");
        world.heal();
        world.run_until("it votes", 20 * SECOND, |world| voting(world) == "yes").unwrap();
        issue(&mut world, 1, 1);
        world.finish().unwrap();
    }

    #[test]
    fn a_clock_that_jumps_to_and_fro_costs_its_node_its_votes_and_the_mesh_nothing() {
        let mut world = ready(4);
        let began = world.now();
        for turn in 0..40 {
            world.jump(1, if turn % 2 == 0 { 3_000 } else { 0 });
            issue(&mut world, 2, turn);
            world.run_for(Duration::from_millis(250)).unwrap();
        }
        let asked = tells(&world, 1, began) as u64;
        let seconds = world.now().since(began).as_secs();
        assert!(asked >= 2 && asked <= seconds / 5 + 1, "asked {asked} times in {seconds} s");
        world.jump(1, 0);
        world.run_until("all nodes ready again", 20 * SECOND, World::is_ready).unwrap();
        issue(&mut world, 1, 99);
        world.finish().unwrap();
    }

    #[test]
    fn when_all_clocks_jump_at_once_all_answer_one_another() {
        let mut world = ready(5);
        let jumped = world.now();
        (0..4).for_each(|place| world.jump(place, 3_600_000));
        let ahead = world.wall().plus(3_000_000);
        let is_ahead = |world: &World| world.views().all(|view| view.state.time() > ahead);
        world.run_until("block time ahead", 10 * SECOND, is_ahead).unwrap();
        issue(&mut world, 1, 1);
        assert!(world.now().since(jumped) < 10 * SECOND, "{:?}", world.now().since(jumped));
        for place in 0..4 {
            assert_eq!(tells(&world, place, jumped), 1);
        }
        world.finish().unwrap();
    }
}
