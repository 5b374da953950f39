//! Every way in which a validator that runs twice can be divided from the others and from itself, for three rounds
//! (Bano et al., "Twins: BFT Systems Made Robust", 2021): four validators, five machines, two of them with one key.
//!
//! A class says who leads and, for each of the rounds 0, 1 and 2 of the first height, who reaches whom: messages of a round pass
//! between machines that are on one side in it, and others are lost. From round 3 on, and after [`HEALED_AT`], everyone
//! reaches everyone. Honest validators must never disagree, must all decide once it is healed, and may accuse nobody but
//! the twins.
//!
//! Who proposes is not chosen here, as in the paper, but fixed by the rule ([`Roster::proposer`]): so the choice is that of the
//! twins' place in the order, to lead in round 0, 1 or 2 or in none of them; when they lead, both do, with different blocks.
//! The other three follow in the order of their turns, and no two of them are alike. What is alike:
//!
//! - the twins, so that of two classes in which they have changed places there is one here;
//! - whatever would come after a round in which no side has a quorum: nobody gets out of such a round before all is healed.
//!
//! Twins do not hear each other, since nobody listens to a message that comes in its own name.
//!
//! It is the ordering alone that is tried, since a node's links rule out most of this: a peer admits one process of each key
//! (`twins` among the scenarios).

use super::super::*;
use super::world::{GENESIS, block, config, identify, keys, validators};
use crate::base::{Digest, Height, Mono, PublicKey, SecretKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

const VALIDATORS: usize = 4;
const QUORUM: usize = 3;
/// The rounds in which sides are told apart.
const ROUNDS: usize = 3;
/// The classes: the twins lead in one of three rounds or in none, and so many sides for each.
const CLASS_COUNT: usize = (ROUNDS + 1) * 11_145;
/// Which of them `cargo test` plays; `--ignored` plays all. A prime, so that every round, side and place has its turn.
const STRIDE: usize = 211;
/// When everyone reaches everyone, in microseconds: by then three rounds are over.
const HEALED_AT: u64 = 6_000_000;
/// By when everyone must have decided.
const DECIDED_BY: u64 = 60_000_000;
/// Who is behind is given a block so often.
const SYNC_EVERY: u64 = 500_000;
/// So many heights are decided: what was left of the first must not stand in the way of the second.
const HEIGHTS: usize = 2;

/// The side that each machine is on in a round. Sides are numbered in the order in which they first appear.
type Sides = Vec<u8>;

/// Which validator, in the order of keys, each machine is.
type Machines = Vec<usize>;

/// Every division of so many machines.
fn divisions(machines: usize) -> Vec<Sides> {
    let mut divisions: Vec<Sides> = vec![Vec::new()];
    for _ in 0..machines {
        let further = |sides: Sides| {
            let next = sides.iter().max().map_or(0, |last| last + 1);
            (0..=next).map(move |side| [sides.as_slice(), &[side]].concat())
        };
        divisions = divisions.into_iter().flat_map(further).collect();
    }
    divisions
}

/// Whether some side has a quorum of keys.
fn has_quorum(sides: &[u8], machines: &[usize]) -> bool {
    let keys = |side: u8| {
        let of_side = sides.iter().zip(machines).filter(move |(other, _)| **other == side);
        of_side.map(|(_, key)| *key).collect::<BTreeSet<usize>>().len()
    };
    sides.iter().any(|side| keys(*side) >= QUORUM)
}

/// The same division with the twins, the first two machines, in each other's place.
fn swapped(sides: &[u8]) -> Sides {
    let mut swapped = sides.to_vec();
    swapped.swap(0, 1);
    let mut order: Vec<u8> = Vec::new();
    for side in &swapped {
        if !order.contains(side) {
            order.push(*side);
        }
    }
    let number = |side: &u8| order.iter().position(|known| known == side).unwrap();
    swapped.iter().map(|side| u8::try_from(number(side)).unwrap()).collect()
}

/// A class: the validator that runs twice leads in round `leads`, or in none if that is [`ROUNDS`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Class {
    leads: usize,
    sides: [Sides; ROUNDS],
}

impl Class {
    /// All classes in which the twins lead in this round.
    fn all(leads: usize) -> Vec<Self> {
        let machines = Self { leads, sides: Default::default() }.machines();
        let all = divisions(machines.len());
        let apart: Sides = (0..5).collect();
        // After a round that nobody gets out of there is nothing to tell apart.
        let after = |sides: &Sides| match has_quorum(sides, &machines) {
            true => all.clone(),
            false => vec![apart.clone()],
        };
        let mut classes = Vec::new();
        for first in &all {
            for second in after(first) {
                let thirds = if has_quorum(first, &machines) { after(&second) } else { vec![apart.clone()] };
                for third in thirds {
                    let sides = [first.clone(), second.clone(), third];
                    let other = sides.each_ref().map(|sides| swapped(sides));
                    if sides <= other {
                        classes.push(Self { leads, sides });
                    }
                }
            }
        }
        classes
    }

    fn every() -> impl Iterator<Item = Self> {
        (0..=ROUNDS).flat_map(Self::all)
    }

    /// The twins, then the others in the order of their turns at the first height.
    fn machines(&self) -> Machines {
        let of_turn = |turn: usize| (1 + turn) % VALIDATORS;
        let twins = of_turn(self.leads);
        let others = (0..VALIDATORS).map(of_turn).filter(|key| *key != twins);
        [twins, twins].into_iter().chain(others).collect()
    }

    /// Plays it; messages take their times from a seed.
    fn play(&self, seed: u64) -> Played {
        Play::new(self.machines(), &self.sides, seed).play()
    }
}

/// What came of a class.
#[derive(Debug, Default)]
struct Played {
    /// Heights at which honest validators disagree.
    forks: BTreeSet<u64>,
    /// Whether every honest validator has decided every height.
    finished: bool,
    /// Whom honest validators accuse, provably.
    accused: BTreeSet<PublicKey>,
    /// The rounds in which honest validators have decided the first height.
    rounds: BTreeSet<u32>,
    /// Whether one of them did so before all was healed.
    early: bool,
}

enum Event {
    Message { from: PublicKey, message: ConsensusMessage },
    Timeout(u64),
    Verdict(Digest),
    Start,
    Sync,
}

struct Machine {
    engine: Engine,
    key: SecretKey,
    decided: BTreeMap<u64, (Arc<[u8]>, CommitCertificate)>,
}

struct Play<'a> {
    sides: &'a [Sides],
    numbers: Machines,
    machines: Vec<Machine>,
    events: BTreeMap<(u64, u64), (usize, Event)>,
    now: u64,
    order: u64,
    random: ChaCha8Rng,
    played: Played,
}

impl<'a> Play<'a> {
    fn new(numbers: Machines, sides: &'a [Sides], seed: u64) -> Self {
        let keys = keys(VALIDATORS as u8);
        let machine = |number: &usize| Machine {
            engine: Engine::new(config(&keys[*number]), Height(1), validators(&keys).into()),
            key: keys[*number].clone(),
            decided: BTreeMap::new(),
        };
        Self {
            sides,
            machines: numbers.iter().map(machine).collect(),
            numbers,
            events: BTreeMap::new(),
            now: 0,
            order: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
            played: Played::default(),
        }
    }

    fn play(mut self) -> Played {
        for machine in 0..self.machines.len() {
            self.at(0, machine, Event::Start);
            self.at(HEALED_AT, machine, Event::Sync);
        }
        while !self.played.finished && self.now < DECIDED_BY {
            let Some(((at, _), (machine, event))) = self.events.pop_first() else { break };
            self.now = at;
            match event {
                Event::Message { from, message } => self.step(machine, Input::Message { from, message }),
                Event::Timeout(token) => self.step(machine, Input::Timeout { token }),
                Event::Verdict(value_id) => self.step(machine, Input::Verdict { value_id, valid: true }),
                Event::Start => self.start(machine),
                Event::Sync => self.sync(machine),
            }
        }
        self.played
    }

    fn start(&mut self, machine: usize) {
        let height = self.machines[machine].engine.next_height();
        let roster = Roster::from(validators(&keys(VALIDATORS as u8)));
        self.step(machine, Input::StartHeight { height, roster, wal: Vec::new() });
    }

    /// Gives a machine the block that it waits for, if an honest one has it.
    fn sync(&mut self, machine: usize) {
        let height = self.machines[machine].decided.len() as u64 + 1;
        let mut honest = (0..self.machines.len()).filter(|other| self.is_honest(*other));
        let block = honest.find_map(|other| self.machines[other].decided.get(&height).cloned());
        if let Some((value, certificate)) = block {
            self.step(machine, Input::Synced { value, certificate });
        }
        self.at(self.now + SYNC_EVERY, machine, Event::Sync);
    }

    fn step(&mut self, machine: usize, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.machines[machine].engine.step(Mono(self.now), input) {
                inputs.extend(self.carry_out(machine, output));
            }
        }
    }

    fn carry_out(&mut self, machine: usize, output: Output) -> Option<Input> {
        match output {
            Output::Broadcast(message) => self.broadcast(machine, &message),
            Output::SetTimeout { token, at } => self.at(at.0, machine, Event::Timeout(token)),
            Output::NeedValue { height, round } => {
                // Twins build different blocks.
                let value = block(height.0, u8::try_from(machine).unwrap(), true, u64::from(round.0));
                return Some(Input::Value { height, round, value });
            }
            Output::Validate { value_id, .. } => {
                let at = self.now + 1_000 + self.below(2_000);
                self.at(at, machine, Event::Verdict(value_id));
            }
            Output::Decided { round, value, certificate } => {
                self.decided(machine, round, value, certificate);
            }
            Output::Evidence(evidence) if self.is_honest(machine) => {
                let offender = evidence.offender();
                assert_eq!(evidence.verify(&GENESIS, &validators(&keys(VALIDATORS as u8))), Ok(()));
                self.played.accused.insert(offender);
            }
            Output::Wal { .. }
            | Output::Evidence(_)
            | Output::Fault(_)
            | Output::PeerBehind { .. }
            | Output::Endorsed { .. } => {}
        }
        None
    }

    fn decided(&mut self, machine: usize, round: Round, value: Arc<[u8]>, certificate: CommitCertificate) {
        let height = certificate.height.0;
        assert_eq!(certificate.verify(&GENESIS, &validators(&keys(VALIDATORS as u8))), Ok(()));
        assert_eq!(identify(&value), Some(certificate.value_id));
        let id = certificate.value_id;
        self.machines[machine].decided.insert(height, (value, certificate));
        if self.machines[machine].decided.len() < HEIGHTS {
            self.at(self.now, machine, Event::Start);
        }
        if !self.is_honest(machine) {
            return;
        }
        if height == 1 {
            self.played.rounds.insert(round.0);
            self.played.early |= self.now < HEALED_AT;
        }
        let honest: Vec<usize> = (0..self.machines.len()).filter(|other| self.is_honest(*other)).collect();
        let decided = |other: &usize| &self.machines[*other].decided;
        let others = honest.iter().filter_map(|other| decided(other).get(&height));
        if others.into_iter().any(|(_, other)| other.value_id != id) {
            self.played.forks.insert(height);
        }
        self.played.finished = honest.iter().all(|other| decided(other).len() >= HEIGHTS);
    }

    fn broadcast(&mut self, source: usize, message: &ConsensusMessage) {
        let from = self.machines[source].key.public();
        for target in (0..self.machines.len()).filter(|target| *target != source) {
            if self.reaches(source, target, message) {
                let at = self.now + 5_000 + self.below(45_000);
                self.at(at, target, Event::Message { from, message: message.clone() });
            }
        }
    }

    fn reaches(&self, source: usize, target: usize, message: &ConsensusMessage) -> bool {
        let round = match message {
            ConsensusMessage::Proposal(proposal) => proposal.signed.header.round,
            ConsensusMessage::Vote(signed) | ConsensusMessage::RepeatedVote(signed) => signed.vote.round,
            ConsensusMessage::PolkaCertificate(certificate) => certificate.round,
            ConsensusMessage::RoundCertificate(certificate) => certificate.round,
        };
        if self.now >= HEALED_AT || message.height() != Height(1) {
            return true;
        }
        let sides = usize::try_from(round.0).ok().and_then(|round| self.sides.get(round));
        sides.is_none_or(|sides| sides[source] == sides[target])
    }

    fn at(&mut self, at: u64, machine: usize, event: Event) {
        self.order += 1;
        self.events.insert((at, self.order), (machine, event));
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    /// Whether no other machine has its key.
    fn is_honest(&self, machine: usize) -> bool {
        let number = self.numbers[machine];
        self.numbers.iter().filter(|other| **other == number).count() == 1
    }
}

/// Plays every so-manyth class from one on, and says what was seen in all of them.
fn hold(classes: impl Iterator<Item = Class>, stride: usize) -> (usize, Played) {
    let (mut count, mut seen) = (0, Played::default());
    for (number, class) in classes.enumerate().step_by(stride) {
        let played = class.play(number as u64);
        assert!(played.forks.is_empty(), "class {number}: honest validators disagree: {class:?}");
        assert!(played.finished, "class {number}: no decision after healing: {class:?}");
        let twins = keys(VALIDATORS as u8)[class.machines()[0]].public();
        assert!(played.accused.iter().all(|accused| *accused == twins), "class {number}: {class:?}");
        count += 1;
        seen.accused.extend(played.accused);
        seen.rounds.extend(played.rounds);
        seen.early |= played.early;
    }
    (count, seen)
}

#[test]
fn there_are_so_many_classes_of_twins_and_no_two_are_alike() {
    assert_eq!(divisions(5).len(), 52, "the fifth Bell number");
    let machines = [0, 0, 1, 2, 3];
    assert_eq!(divisions(5).iter().filter(|sides| has_quorum(sides, &machines)).count(), 20);
    assert_eq!(Class::every().count(), CLASS_COUNT);
    let first: Vec<Class> = Class::all(0);
    let of: BTreeSet<_> = first.iter().map(|class| &class.sides).collect();
    assert_eq!(of.len(), first.len());
    let swaps = |class: &&Class| {
        let other = class.sides.each_ref().map(|sides| swapped(sides));
        other != class.sides && of.contains(&other)
    };
    assert_eq!(first.iter().find(swaps), None);
}

#[test]
fn whichever_way_twins_are_divided_the_honest_agree_and_decide_once_healed() {
    let (count, seen) = hold(Class::every(), STRIDE);
    assert_eq!(count, CLASS_COUNT.div_ceil(STRIDE));
    // The classes are about something: twins are caught, and heights decided in every round, and before healing.
    assert!(seen.accused.len() >= ROUNDS, "twins that lead are found out: {:?}", seen.accused);
    assert!((0..=3).all(|round| seen.rounds.contains(&round)), "{:?}", seen.rounds);
    assert!(seen.early);
}

#[test]
fn two_validators_of_four_that_run_twice_make_the_honest_disagree_and_that_is_seen() {
    // The first two lead in rounds 0 and 1; each of the others is alone with one of each pair.
    let machines = vec![1, 1, 2, 2, 3, 0];
    let sides = vec![0, 1, 0, 1, 0, 1];
    let played = Play::new(machines, &[sides.clone(), sides.clone(), sides], 1).play();
    assert_eq!(played.forks.first(), Some(&1));
}

#[test]
#[ignore = "it takes minutes: run it in a release build"]
fn every_class_of_twins_holds_that_lead_in_round_0() {
    assert_eq!(hold(Class::all(0).into_iter(), 1).0, CLASS_COUNT / 4);
}

#[test]
#[ignore = "it takes minutes: run it in a release build"]
fn every_class_of_twins_holds_that_lead_in_round_1() {
    assert_eq!(hold(Class::all(1).into_iter(), 1).0, CLASS_COUNT / 4);
}

#[test]
#[ignore = "it takes minutes: run it in a release build"]
fn every_class_of_twins_holds_that_lead_in_round_2() {
    assert_eq!(hold(Class::all(2).into_iter(), 1).0, CLASS_COUNT / 4);
}

#[test]
#[ignore = "it takes minutes: run it in a release build"]
fn every_class_of_twins_holds_that_lead_in_none_of_the_rounds() {
    assert_eq!(hold(Class::all(ROUNDS).into_iter(), 1).0, CLASS_COUNT / 4);
}
