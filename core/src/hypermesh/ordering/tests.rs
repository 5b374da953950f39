//! The ordering engine as a whole: four validators under faults, from seeds.

mod chaos;
mod codec;
mod foreign_decisions;
mod steps;
mod twins;
mod world;

use super::EngineFault;
use crate::base::PublicKey;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use world::{Plan, World, keys};

const SECOND: u64 = 1_000_000;

fn plan(seed: u64, heights: u64) -> Plan {
    Plan { seed, heights, time_max: 300 * SECOND, ..Plan::default() }
}

/// Every node crashes in the middle of a step, several times, at times that the seed spreads.
fn crashes(seed: u64, rounds: u64) -> Vec<(usize, u64, u64)> {
    let mut crashes = Vec::new();
    for node in 0..4_u64 {
        for round in 0..rounds {
            let spread = (seed * 7919 + node * 13_007 + round * 31_337) % 900_000;
            let crash = 300_000 + round * 1_500_000 + spread;
            let down = 100_000 + (seed * 104_729 + round * 7 + node * 991) % 400_000;
            crashes.push((usize::try_from(node).unwrap(), crash, crash + down));
        }
    }
    crashes
}

fn public(node: usize) -> PublicKey {
    keys(4)[node].public()
}

#[test]
fn four_validators_decide_fifty_heights_alike_and_one_seed_gives_one_trace() {
    let outcome = World::run(plan(1, 50));
    outcome.assert_sound();
    assert!(outcome.decided.len() >= 50);
    assert_eq!((outcome.evidence.as_slice(), outcome.faults.as_slice()), (&[][..], &[][..]));
    assert_eq!(World::run(plan(1, 50)).trace, outcome.trace);
    assert_ne!(World::run(plan(2, 50)).trace, outcome.trace);
}

#[test]
fn heights_started_late_are_decided_too() {
    let outcome = World::run(Plan { lazy: true, ..plan(3, 50) });
    outcome.assert_sound();
    assert_eq!((outcome.evidence.as_slice(), outcome.faults.as_slice()), (&[][..], &[][..]));
}

#[test]
fn crashes_in_the_middle_of_steps_lead_to_no_fork_and_no_equivocation() {
    for seed in 0..12 {
        let outcome = World::run(Plan { crashes: crashes(seed, 3), ..plan(seed, 30) });
        outcome.assert_sound();
        assert_eq!(outcome.accused(), BTreeSet::new(), "seed {seed}");
        assert_eq!(outcome.faults, [], "seed {seed}");
    }
}

#[test]
fn losing_the_log_is_seen_as_equivocation_on_some_seeds() {
    let fires = |seed: &u64| {
        let crashes = crashes(*seed, 2);
        let outcome = World::run(Plan { crashes, loses_log: true, time_max: 30 * SECOND, ..plan(*seed, 20) });
        !outcome.accused().is_empty() || !outcome.forks.is_empty()
    };
    assert!((0..60).any(|seed| fires(&seed)), "the checker never fired");
}

#[test]
fn two_colluders_of_four_fork_and_one_alone_does_not() {
    let two = World::run(Plan { colluders: [2, 3].into(), time_max: 60 * SECOND, ..plan(5, 20) });
    assert!(!two.forks.is_empty(), "the checker never fired");
    for seed in 0..2 {
        World::run(Plan { colluders: [3].into(), ..plan(seed, 20) }).assert_sound();
    }
}

#[test]
fn an_equivocator_is_named_and_nobody_else_is() {
    for seed in 0..3 {
        let outcome = World::run(Plan { equivocators: [3].into(), ..plan(seed, 20) });
        outcome.assert_sound();
        assert_eq!(outcome.accused(), BTreeSet::from([public(3)]), "seed {seed}");
    }
}

#[test]
fn invalid_blocks_are_never_decided_and_the_chain_goes_on() {
    let outcome = World::run(Plan { invalid_proposer: Some(1), ..plan(7, 30) });
    outcome.assert_sound();
    assert_eq!(outcome.accused(), BTreeSet::new(), "an invalid block is no equivocation");
}

#[test]
fn a_mesh_cut_in_half_stalls_without_a_fork_and_goes_on_when_whole() {
    let (cut, whole) = (SECOND, 20 * SECOND);
    let outcome = World::run(Plan { partition: Some((cut, whole, [0, 1].into())), ..plan(8, 60) });
    outcome.assert_sound();
    let meanwhile = outcome.decided_at.values().filter(|at| (cut + SECOND..whole).contains(*at)).count();
    assert_eq!(meanwhile, 0, "no half has a quorum");
    let next = outcome.decided_at.values().find(|at| **at >= whole).unwrap();
    assert!(next - whole < 15 * SECOND, "it took {next} to go on");
}

#[test]
fn a_validator_cut_off_or_late_catches_up_from_blocks_that_others_decided() {
    let late = World::run(Plan { late: Some((2, 5 * SECOND)), ..plan(9, 60) });
    late.assert_sound();
    assert!(late.synced > 10, "{} blocks synced", late.synced);
    let cut = World::run(Plan { partition: Some((SECOND, 8 * SECOND, [0].into())), ..plan(10, 60) });
    cut.assert_sound();
    assert!(cut.synced > 10, "{} blocks synced", cut.synced);
    let blamed = |fault: &EngineFault| fault.peer().is_some();
    assert!(!late.faults.iter().chain(&cut.faults).any(blamed), "nobody is blamed for being ahead");
}

#[test]
fn a_storm_of_forged_replayed_and_absurd_messages_harms_nobody() {
    let mut blamed = BTreeSet::new();
    for seed in 0..4 {
        let outcome = World::run(Plan { chaotic: Some(3), ..plan(seed, 20) });
        outcome.assert_sound();
        assert!(outcome.accused().is_subset(&BTreeSet::from([public(3)])), "seed {seed}");
        let inner = |fault: &&EngineFault| matches!(fault, EngineFault::Core { .. });
        assert_eq!(outcome.faults.iter().find(inner), None, "seed {seed}");
        blamed.extend(outcome.faults.iter().filter_map(EngineFault::peer));
    }
    assert_eq!(blamed, BTreeSet::from([public(3)]));
}

#[test]
fn crashes_a_partition_and_an_equivocator_at_once_lead_to_no_fork() {
    for seed in 0..4 {
        let partition = Some((2 * SECOND, 6 * SECOND, [usize::try_from(seed).unwrap()].into()));
        let outcome = World::run(Plan {
            crashes: crashes(seed, 2),
            partition,
            equivocators: [3].into(),
            lazy: seed % 2 == 1,
            ..plan(seed, 20)
        });
        outcome.assert_sound();
        assert!(outcome.accused().is_subset(&BTreeSet::from([public(3)])), "seed {seed}");
    }
}
