//! A small deterministic world: engines, an event heap, latency, crashes, partitions and liars, from a seed.

use super::super::*;
use super::chaos;
use crate::base::{Digest, Domain, Height, Mono, PublicKey, SecretKey};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub(super) const GENESIS: Digest = Digest([3; 32]);
pub(super) const VALUE_BYTES_MAX: usize = 1024;
const BLOCK: Domain = Domain::new("hypermesh v1 test block");
const TRACE: Domain = Domain::new("hypermesh v1 test trace");
const BLOCK_MARK: u8 = 0xb1;
const VALID_AT: usize = 1;
const HEARD_COUNT_MAX: usize = 40;
/// The chaotic node sends fewer than this many extra messages beside each of its own.
const CHAOS_COUNT: u64 = 30;
/// A lazy mesh makes a block this often, in microseconds.
const HEARTBEAT: u64 = 2_000_000;

/// What a run is to be like. Times are in microseconds.
#[derive(Clone, Default)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) heights: u64,
    /// (node, when it crashes in the middle of a step, when it restarts)
    pub(super) crashes: Vec<(usize, u64, u64)>,
    /// A restarted node has lost its log.
    pub(super) loses_log: bool,
    /// (from, until, the nodes on one side)
    pub(super) partition: Option<(u64, u64, Vec<usize>)>,
    /// Nodes that sign conflicting messages at random.
    pub(super) equivocators: Vec<usize>,
    /// Nodes that together tell one story to nodes with even numbers and another to the rest.
    pub(super) colluders: Vec<usize>,
    /// A node whose blocks are invalid.
    pub(super) invalid_proposer: Option<usize>,
    /// A node that, beside its part, sends others whatever it can sign, forge or find.
    pub(super) chaotic: Option<usize>,
    /// Nodes start a height only when they have a reason to.
    pub(super) lazy: bool,
    /// (node, when it first starts)
    pub(super) late: Option<(usize, u64)>,
    pub(super) time_max: u64,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) decided: BTreeMap<u64, Digest>,
    pub(super) finished: bool,
    pub(super) forks: Vec<u64>,
    pub(super) invalid_decided: Vec<u64>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) faults: Vec<EngineFault>,
    pub(super) synced: u64,
    pub(super) decided_at: BTreeMap<u64, u64>,
    pub(super) trace: Digest,
}

enum Event {
    Message { from: usize, bytes: Vec<u8> },
    Timeout(u64),
    Verdict { value_id: Digest, valid: bool },
    Block { value: Arc<[u8]>, certificate: CommitCertificate },
    Ask { from: usize, height: Height },
    Start,
    Crash,
    Restart,
}

struct Node {
    engine: Option<Engine>,
    life: u64,
    dies_after: Option<u64>,
    log: Vec<Vec<u8>>,
    blocks: BTreeMap<u64, (Arc<[u8]>, CommitCertificate)>,
    asked_at: u64,
}

pub(super) struct World {
    plan: Plan,
    keys: Vec<SecretKey>,
    nodes: Vec<Node>,
    events: BTreeMap<(u64, u64), (usize, u64, Event)>,
    order: u64,
    now: u64,
    rng: ChaCha8Rng,
    /// The other block of the colluders' story.
    others: BTreeMap<Digest, Arc<[u8]>>,
    /// What the chaotic node has received lately.
    heard: VecDeque<ConsensusMessage>,
    outcome: Outcome,
}

pub(super) fn identify(bytes: &[u8]) -> Option<Digest> {
    (bytes.first() == Some(&BLOCK_MARK) && bytes.len() > VALID_AT).then(|| BLOCK.hash(&[bytes]))
}

pub(super) fn block(height: u64, builder: u8, valid: bool, salt: u64) -> Arc<[u8]> {
    let mut bytes = Vec::from([BLOCK_MARK, u8::from(valid), builder]);
    bytes.extend(height.to_le_bytes());
    bytes.extend(salt.to_le_bytes());
    bytes.into()
}

pub(super) fn keys(count: u8) -> Vec<SecretKey> {
    let mut keys: Vec<_> = (1..=count).map(|seed| SecretKey::from_seed([seed; 32])).collect();
    keys.sort_by_key(SecretKey::public);
    keys
}

pub(super) fn validators(keys: &[SecretKey]) -> ValidatorSet {
    ValidatorSet::new(keys.iter().map(SecretKey::public)).unwrap()
}

pub(super) fn config(key: &SecretKey) -> EngineConfig {
    let milliseconds = Duration::from_millis;
    EngineConfig {
        genesis: GENESIS,
        identity: key.clone(),
        timeouts: Timeouts {
            propose: milliseconds(500),
            propose_delta: milliseconds(100),
            prevote: milliseconds(200),
            prevote_delta: milliseconds(100),
            precommit: milliseconds(200),
            precommit_delta: milliseconds(100),
            rebroadcast: milliseconds(900),
            longest: milliseconds(5000),
        },
        identify,
        value_bytes_max: VALUE_BYTES_MAX,
    }
}

impl World {
    /// Runs a plan with four validators.
    pub(super) fn run(plan: Plan) -> Outcome {
        let keys = keys(4);
        let node = || Node {
            engine: None,
            life: 0,
            dies_after: None,
            log: Vec::new(),
            blocks: BTreeMap::new(),
            asked_at: 0,
        };
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
            nodes: keys.iter().map(|_| node()).collect(),
            keys,
            events: BTreeMap::new(),
            order: 0,
            now: 0,
            others: BTreeMap::new(),
            heard: VecDeque::new(),
            outcome: Outcome::default(),
            plan,
        };
        world.begin();
        while !world.outcome.finished && world.turn() {}
        world.outcome
    }

    fn begin(&mut self) {
        for (node, crash, restart) in self.plan.crashes.clone() {
            self.at(crash, node, Event::Crash);
            self.at(restart, node, Event::Restart);
        }
        for node in 0..self.nodes.len() {
            let start = self.plan.late.filter(|(late, _)| *late == node).map_or(0, |(_, at)| at);
            self.at(start, node, Event::Restart);
        }
    }

    /// Carries out the next event; false when there is none or time is up.
    fn turn(&mut self) -> bool {
        let Some(((at, _), (node, life, event))) = self.events.pop_first() else { return false };
        self.now = at;
        if at > self.plan.time_max {
            return false;
        }
        self.trace(node, &event);
        let of_this_life = life == self.nodes[node].life;
        match event {
            Event::Message { from, bytes } => {
                let message = ConsensusMessage::decode(&bytes, VALUE_BYTES_MAX).expect("what engines send");
                if self.plan.chaotic == Some(node) {
                    self.heard.push_front(message.clone());
                    self.heard.truncate(HEARD_COUNT_MAX);
                }
                let from = self.keys[from].public();
                self.step(node, Input::Message { from, message });
                self.look_ahead(node);
            }
            Event::Timeout(token) if of_this_life => self.step(node, Input::Timeout { token }),
            Event::Verdict { value_id, valid } if of_this_life => {
                self.step(node, Input::Verdict { value_id, valid });
            }
            Event::Start if of_this_life => self.start(node),
            Event::Timeout(_) | Event::Verdict { .. } | Event::Start => (),
            Event::Block { value, certificate } => {
                let wanted = self.nodes[node]
                    .engine
                    .as_ref()
                    .is_some_and(|engine| engine.is_running() && engine.height() == certificate.height);
                if wanted {
                    self.outcome.synced += 1;
                    self.step(node, Input::Synced { value, certificate });
                }
            }
            Event::Ask { from, height } => self.serve(node, from, height),
            Event::Crash => self.nodes[node].dies_after = Some(self.below(8)),
            Event::Restart => self.restart(node),
        }
        true
    }

    fn restart(&mut self, node: usize) {
        self.nodes[node].dies_after = None;
        if self.nodes[node].engine.is_some() {
            return;
        }
        if self.plan.loses_log {
            self.nodes[node].log.clear();
        }
        let height = Height(self.nodes[node].blocks.len() as u64 + 1);
        let engine = Engine::new(config(&self.keys[node]), height, validators(&self.keys).into());
        self.nodes[node].engine = Some(engine);
        self.start(node);
    }

    fn start(&mut self, node: usize) {
        let roster = Roster::from(validators(&self.keys));
        let wal = self.nodes[node].log.clone();
        let Some(engine) = &self.nodes[node].engine else { return };
        if !engine.is_running() {
            let height = engine.next_height();
            self.step(node, Input::StartHeight { height, roster, wal });
        }
    }

    fn step(&mut self, node: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Mono(self.now);
            let Some(engine) = self.nodes[node].engine.as_mut() else { return };
            for output in engine.step(now, input) {
                if let Some(left) = self.nodes[node].dies_after {
                    if left == 0 {
                        self.nodes[node].engine = None;
                        self.nodes[node].life += 1;
                        self.nodes[node].dies_after = None;
                        return;
                    }
                    self.nodes[node].dies_after = Some(left - 1);
                }
                inputs.extend(self.carry_out(node, output));
            }
            self.start_if_there_is_reason(node);
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) -> Option<Input> {
        match output {
            Output::Wal { entry } => self.nodes[node].log.push(entry),
            Output::Broadcast(message) => self.broadcast(node, &message),
            Output::SetTimeout { token, at } => self.at(at.0, node, Event::Timeout(token)),
            Output::NeedValue { height, round } => {
                let invalid = self.plan.invalid_proposer == Some(node);
                let salt = self.rng.next_u64();
                let builder = u8::try_from(node).unwrap();
                let value = block(height.0, builder, !invalid, salt);
                let other = block(height.0, builder, true, !salt);
                self.others.insert(identify(&value).unwrap(), other);
                return Some(Input::Value { height, round, value });
            }
            Output::Validate { value_id, value, .. } => {
                let valid = value.get(VALID_AT) == Some(&1);
                let delay = 1_000 + self.below(2_000);
                self.at(self.now + delay, node, Event::Verdict { value_id, valid });
            }
            Output::PeerBehind { peer, height } => {
                let peer = self.number(&peer);
                self.serve(node, peer, height);
            }
            Output::Decided { value, certificate, .. } => self.decided(node, value, certificate),
            Output::Evidence(evidence) if !self.lies(node) => self.outcome.evidence.push(evidence),
            Output::Fault(fault) if !self.lies(node) => self.outcome.faults.push(fault),
            Output::Evidence(_) | Output::Fault(_) | Output::Endorsed { .. } => (),
        }
        None
    }

    fn decided(&mut self, node: usize, value: Arc<[u8]>, certificate: CommitCertificate) {
        let height = certificate.height.0;
        self.nodes[node].log.clear();
        self.nodes[node].blocks.insert(height, (value.clone(), certificate.clone()));
        if !self.plan.lazy {
            self.at(self.now, node, Event::Start);
        } else {
            self.at(self.now + HEARTBEAT, node, Event::Start);
        }
        if self.plan.lazy && (height + 1) % 4 == node as u64 {
            // The next proposer is the one that has something to propose, after a while.
            let pause = 50_000 + self.below(100_000);
            self.at(self.now + pause, node, Event::Start);
        }
        if self.lies(node) {
            return;
        }
        assert_eq!(identify(&value), Some(certificate.value_id));
        assert_eq!(certificate.verify(&GENESIS, &validators(&self.keys)), Ok(()));
        if value.get(VALID_AT) != Some(&1) {
            self.outcome.invalid_decided.push(height);
        }
        let first = *self.outcome.decided.entry(height).or_insert(certificate.value_id);
        if first != certificate.value_id {
            self.outcome.forks.push(height);
        }
        self.outcome.decided_at.entry(height).or_insert(self.now);
        let honest = (0..self.nodes.len()).filter(|node| !self.lies(*node));
        let lowest = honest.map(|node| self.nodes[node].blocks.len() as u64).min();
        self.outcome.finished = lowest >= Some(self.plan.heights);
    }

    /// A lazy node starts a height when f+1 validators, or a proposal, show that the mesh has begun it.
    fn start_if_there_is_reason(&mut self, node: usize) {
        let reason = self.nodes[node].engine.as_ref().is_some_and(|engine| {
            let faults = engine.validators().tolerated_faults();
            !engine.is_running() && (engine.future_message_signers() > faults || engine.has_future_proposal())
        });
        if reason {
            self.at(self.now, node, Event::Start);
        }
    }

    /// Asks for the block of the height under way if others are well ahead.
    fn look_ahead(&mut self, node: usize) {
        let now = self.now;
        let Some(engine) = &self.nodes[node].engine else { return };
        let Some((peer, seen)) = engine.highest_seen() else { return };
        let lags = seen.0 > engine.next_height().0;
        if !lags || now < self.nodes[node].asked_at + 100_000 {
            return;
        }
        let height = if engine.is_running() { engine.height() } else { engine.next_height() };
        self.nodes[node].asked_at = now;
        self.start(node);
        let peer = self.number(&peer);
        self.send(node, peer, Event::Ask { from: node, height });
    }

    fn serve(&mut self, node: usize, peer: usize, height: Height) {
        if let Some((value, certificate)) = self.nodes[node].blocks.get(&height.0).cloned() {
            self.send(node, peer, Event::Block { value, certificate });
        }
    }

    fn broadcast(&mut self, node: usize, message: &ConsensusMessage) {
        if self.plan.chaotic == Some(node) {
            self.send_chaos(node);
        }
        for target in (0..self.nodes.len()).filter(|target| *target != node) {
            let other = self.other_story(node, message);
            let one = Event::Message { from: node, bytes: message.encode() };
            let other = other.map(|other| Event::Message { from: node, bytes: other.encode() });
            match other {
                None => self.send(node, target, one),
                Some(other) if self.plan.colluders.contains(&node) => {
                    let even = target % 2 == 0 || self.plan.colluders.contains(&target);
                    self.send(node, target, if even { one } else { other });
                }
                Some(other) => match self.below(3) {
                    0 => self.send(node, target, one),
                    1 => self.send(node, target, other),
                    _ => {
                        self.send(node, target, one);
                        self.send(node, target, other);
                    }
                },
            }
        }
    }

    fn send_chaos(&mut self, node: usize) {
        let top = self.outcome.decided.len() as u64 + 1;
        for _ in 0..self.below(CHAOS_COUNT) {
            let target = usize::try_from(self.below(4)).unwrap();
            let heard = self.heard.make_contiguous();
            let message = chaos::message(&mut self.rng, &self.keys[node], heard, top);
            if let Some(message) = message.filter(|_| target != node) {
                self.send(node, target, Event::Message { from: node, bytes: message.encode() });
            }
            let height = 1 + self.below(top);
            if let Some((value, certificate)) = self.nodes[node].blocks.get(&height).cloned() {
                let (value, certificate) = chaos::block(&mut self.rng, value, certificate, top);
                self.send(node, target, Event::Block { value, certificate });
            }
        }
    }

    /// What a liar says in place of, or beside, this message.
    fn other_story(&self, node: usize, message: &ConsensusMessage) -> Option<ConsensusMessage> {
        let colludes = self.plan.colluders.contains(&node);
        if !colludes && !self.plan.equivocators.contains(&node) {
            return None;
        }
        let key = &self.keys[node];
        match message {
            ConsensusMessage::Vote(signed) | ConsensusMessage::RepeatedVote(signed) => {
                let value_id = match signed.vote.value_id {
                    Some(id) if colludes => {
                        Some(self.others.get(&id).map_or(id, |other| identify(other).unwrap()))
                    }
                    Some(_) => None,
                    None if colludes => None,
                    None => Some(Digest([7; 32])),
                };
                Some(ConsensusMessage::Vote(Vote { value_id, ..signed.vote }.sign(&GENESIS, key)))
            }
            ConsensusMessage::Proposal(proposal) => {
                let other = self.others.get(&proposal.signed.header.value_id)?.clone();
                let header = ProposalHeader { value_id: identify(&other).unwrap(), ..proposal.signed.header };
                let signed = header.sign(&GENESIS, key);
                Some(ConsensusMessage::Proposal(Proposal { signed, value: ValueBytes(other) }))
            }
            _ => None,
        }
    }

    fn send(&mut self, source: usize, target: usize, event: Event) {
        if let Some((from, until, side)) = &self.plan.partition {
            let apart = side.contains(&source) != side.contains(&target);
            if apart && (*from..*until).contains(&self.now) {
                return;
            }
        }
        let latency = 5_000 + self.below(45_000);
        self.at(self.now + latency, target, event);
    }

    fn at(&mut self, at: u64, node: usize, event: Event) {
        self.order += 1;
        self.events.insert((at, self.order), (node, self.nodes[node].life, event));
    }

    fn lies(&self, node: usize) -> bool {
        self.plan.equivocators.contains(&node)
            || self.plan.colluders.contains(&node)
            || self.plan.chaotic == Some(node)
    }

    fn number(&self, key: &PublicKey) -> usize {
        self.keys.iter().position(|known| known.public() == *key).unwrap()
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn trace(&mut self, node: usize, event: &Event) {
        let what = match event {
            Event::Message { from, bytes } => [&[0, u8::try_from(*from).unwrap()][..], bytes].concat(),
            Event::Timeout(token) => [&[1][..], &token.to_le_bytes()].concat(),
            Event::Verdict { value_id, .. } => [&[2][..], &value_id.0].concat(),
            Event::Block { certificate, .. } => [&[3][..], &crate::base::encode(certificate)].concat(),
            Event::Ask { height, .. } => [&[4][..], &height.0.to_le_bytes()].concat(),
            Event::Start => Vec::from([5]),
            Event::Crash => Vec::from([6]),
            Event::Restart => Vec::from([7]),
        };
        let (now, node) = (self.now.to_le_bytes(), (node as u64).to_le_bytes());
        self.outcome.trace = TRACE.hash(&[&self.outcome.trace.0, &now, &node, &what]);
    }
}

impl Outcome {
    /// Who is accused, each once. Every piece of evidence must hold.
    pub(super) fn accused(&self) -> BTreeSet<PublicKey> {
        let set = validators(&keys(4));
        for evidence in &self.evidence {
            assert_eq!(evidence.verify(&GENESIS, &set), Ok(()));
        }
        self.evidence.iter().map(Evidence::offender).collect()
    }

    /// Nothing went wrong that four honest validators could not help.
    pub(super) fn assert_sound(&self) {
        assert!(self.finished, "stopped at {:?}", self.decided.last_key_value());
        assert_eq!((self.forks.as_slice(), self.invalid_decided.as_slice()), (&[][..], &[][..]));
    }
}
