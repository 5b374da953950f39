//! Share repair, as the chain orders them.

use super::test_util::*;
use crate::base::{PublicKey, SecretKey, UnixMillis};
use crate::hypermesh::committee::{Committee, RepairCommitments, RepairHelper, RepairSession};
use crate::state::*;
use alloc::vec;
use alloc::vec::Vec;

fn others(mesh: &Mesh, asker: usize) -> Vec<PublicKey> {
    let keys = mesh.validators.iter().map(SecretKey::public);
    keys.enumerate().filter(|(place, _)| *place != asker).map(|(_, key)| key).collect()
}

fn ask(mesh: &Mesh, asker: usize, number: u32) -> SystemOperation {
    let attempt = mesh.state.committee().unwrap().attempt;
    let action = RepairAction::Ask { attempt, number, helpers: others(mesh, asker) };
    mesh.say(&mesh.validators[asker], SystemAction::Repair(action))
}

fn end(mesh: &Mesh, by: usize, asker: usize, outcome: RepairOutcome) -> SystemOperation {
    let open = mesh.state.share_repairs().open.unwrap();
    let validator = mesh.validators[asker].public();
    let action = RepairAction::End { validator, number: open.number, outcome };
    mesh.say(&mesh.validators[by], SystemAction::Repair(action))
}

fn given_up(accused: &[PublicKey], reason_bytes: usize) -> RepairOutcome {
    RepairOutcome::GivenUp { accused: accused.to_vec(), reason: "x".repeat(reason_bytes) }
}

fn commitments(mesh: &Mesh, helper: usize) -> RepairCommitments {
    let keys = mesh.state.committee().unwrap().keys;
    let open = mesh.state.share_repairs().open.unwrap();
    let session = RepairSession::new(keys.clone(), open.validator, open.number, open.helpers).unwrap();
    let me = mesh.validators[helper].public();
    let committee = Committee::new(keys).unwrap();
    let entropy = &mut Seeded::new(helper as u64);
    let part = RepairHelper::begin(session, &committee, me, &mesh.shares[&me], entropy).unwrap();
    part.commitments().clone()
}

fn commit(mesh: &Mesh, by: usize, commitments: RepairCommitments) -> SystemOperation {
    let OpenShareRepair { validator, number, .. } = mesh.state.share_repairs().open.unwrap();
    let action = RepairAction::Commit { validator, number, commitments };
    mesh.say(&mesh.validators[by], SystemAction::Repair(action))
}

fn budget(mesh: &Mesh, asker: usize) -> RepairBudget {
    mesh.state.share_repairs().budget(&mesh.validators[asker].public())
}

fn left(mesh: &Mesh, asker: usize) -> u32 {
    budget(mesh, asker).left_at(mesh.state.time())
}

/// Whether the request could be in a block of this time.
fn taken(mesh: &Mesh, time: UnixMillis, word: SystemOperation) -> bool {
    let candidate = Candidate { time, system: vec![word], ..mesh.candidate() };
    mesh.state.build(candidate).0.body.system.len() == 1
}

/// Waits until a validator may ask, and asks.
fn ask_in_time(mesh: &mut Mesh, asker: usize) {
    let at = budget(mesh, asker).next_at(mesh.state.time());
    let time = at.max(mesh.state.time().plus(1));
    let word = ask(mesh, asker, budget(mesh, asker).next);
    mesh.advance(Candidate { time, system: vec![word], ..mesh.candidate() });
    assert_eq!(mesh.state.share_repairs().open.unwrap().validator, mesh.validators[asker].public());
}

fn give_up(mesh: &mut Mesh, by: usize, asker: usize, accused: &[PublicKey]) {
    let word = end(mesh, by, asker, given_up(accused, 1));
    mesh.advance_system(vec![word]);
}

fn commit_all(mesh: &mut Mesh, helpers: [usize; 3]) {
    let words = helpers.map(|helper| commit(mesh, helper, commitments(mesh, helper)));
    mesh.advance_system(words.into());
    assert!(mesh.state.share_repairs().open.unwrap().is_committed());
}

#[test]
fn a_validator_asks_in_turn_and_not_while_its_own_request_is_open() {
    let mut mesh = Mesh::active();
    assert!(!mesh.state.accepts(&ask(&mesh, 0, 1)), "it has not asked before");
    mesh.advance_system(vec![ask(&mesh, 0, 0)]);
    assert!(!mesh.state.accepts(&ask(&mesh, 0, 0)), "no request twice");
    mesh.pass(REPAIR_MS_MAX + 1);
    assert!(!mesh.state.accepts(&ask(&mesh, 0, 1)), "it ends the one before first");
    assert!(mesh.state.accepts(&ask(&mesh, 1, 0)), "others may ask");
}

#[test]
fn who_gives_up_its_own_requests_spends_its_budget_to_the_last_and_no_more() {
    let mut mesh = Mesh::active();
    for spent in 0..REPAIR_BUDGET_MAX {
        assert_eq!(left(&mesh, 0), REPAIR_BUDGET_MAX - spent);
        ask_in_time(&mut mesh, 0);
        give_up(&mut mesh, 0, 0, &[]);
    }
    assert_eq!(left(&mesh, 0), 0);
    mesh.pass(REPAIR_MS_PAUSE_MAX);
    assert!(!mesh.state.accepts(&ask(&mesh, 0, REPAIR_BUDGET_MAX)));
    assert!(mesh.state.accepts(&ask(&mesh, 1, 0)), "others may still ask");
}

#[test]
fn a_budget_refills_by_block_time_one_at_a_time_up_to_its_most() {
    let mut mesh = Mesh::active();
    for _ in 0..REPAIR_BUDGET_MAX {
        ask_in_time(&mut mesh, 0);
        give_up(&mut mesh, 0, 0, &[]);
    }
    let refilled = budget(&mesh, 0).next_at(mesh.state.time());
    let word = ask(&mesh, 0, REPAIR_BUDGET_MAX);
    assert!(!taken(&mesh, refilled.minus(1), word.clone()), "a millisecond too early");
    assert!(taken(&mesh, refilled, word));
    mesh.pass(refilled.since(mesh.state.time()));
    assert_eq!(left(&mesh, 0), 1);
    mesh.pass(REPAIR_MS_REFILL * 3 - 1);
    assert_eq!(left(&mesh, 0), 3);
    mesh.pass(1);
    assert_eq!(left(&mesh, 0), 4);
    mesh.pass(REPAIR_MS_REFILL * 1000);
    assert_eq!(left(&mesh, 0), REPAIR_BUDGET_MAX);
}

#[test]
fn a_helper_that_gives_up_or_lies_costs_the_asker_nothing_but_a_pause_with_a_most() {
    let mut mesh = Mesh::active();
    let accused = others(&mesh, 0)[0];
    let mut pauses = vec![];
    for number in 0..3 * REPAIR_BUDGET_MAX {
        ask_in_time(&mut mesh, 0);
        // By a helper, or by the asker that caught one.
        match number % 2 {
            0 => give_up(&mut mesh, 1, 0, &[]),
            _ => give_up(&mut mesh, 0, 0, &[accused]),
        }
        assert_eq!(left(&mesh, 0), REPAIR_BUDGET_MAX, "request {number}");
        pauses.push(budget(&mesh, 0).not_before.since(mesh.state.time()));
    }
    assert_eq!(pauses[..3], [2 * REPAIR_MS_PAUSE_MIN, 4 * REPAIR_MS_PAUSE_MIN, 8 * REPAIR_MS_PAUSE_MIN]);
    assert!(pauses.is_sorted());
    assert_eq!(pauses.last(), Some(&REPAIR_MS_PAUSE_MAX));
    let (at, word) = (budget(&mesh, 0).not_before, ask(&mesh, 0, budget(&mesh, 0).next));
    assert!(!taken(&mesh, at.minus(1), word.clone()));
    assert!(taken(&mesh, at, word));
    // One that succeeds takes the pause back to the least.
    ask_in_time(&mut mesh, 0);
    commit_all(&mut mesh, [1, 2, 3]);
    mesh.advance_system(vec![end(&mesh, 0, 0, RepairOutcome::Repaired)]);
    assert_eq!(budget(&mesh, 0).not_before, mesh.state.time().plus(REPAIR_MS_PAUSE_MIN));
    assert_eq!(left(&mesh, 0), REPAIR_BUDGET_MAX - 1);
}

#[test]
fn a_repair_gives_way_to_anothers_after_its_time_and_not_at_it() {
    let mut mesh = Mesh::active();
    mesh.advance_system(vec![ask(&mesh, 0, 0)]);
    mesh.pass(REPAIR_MS_MAX);
    assert!(!mesh.state.accepts(&ask(&mesh, 1, 0)));
    mesh.pass(1);
    mesh.advance_system(vec![ask(&mesh, 1, 0)]);
    assert_eq!(left(&mesh, 0), REPAIR_BUDGET_MAX, "its helpers had not committed");
    commit_all(&mut mesh, [0, 2, 3]);
    mesh.pass(REPAIR_MS_MAX + 1);
    ask_in_time(&mut mesh, 2);
    assert_eq!(left(&mesh, 1), REPAIR_BUDGET_MAX - 1, "it could have ended it");
}

#[test]
fn whoever_asks_without_end_leaves_room_for_another_between_two_requests() {
    let mut mesh = Mesh::active();
    for _ in 0..REPAIR_BUDGET_MAX {
        ask_in_time(&mut mesh, 0);
        give_up(&mut mesh, 0, 0, &[]);
        assert!(!mesh.state.accepts(&ask(&mesh, 0, budget(&mesh, 0).next)));
        assert!(mesh.state.accepts(&ask(&mesh, 1, 0)));
    }
}

#[test]
fn helpers_commit_once_each_and_only_to_what_adds_up() {
    let mut mesh = Mesh::active();
    mesh.advance_system(vec![ask(&mesh, 0, 0)]);
    let (one, two) = (commitments(&mesh, 1), commitments(&mesh, 2));
    assert!(!mesh.state.accepts(&commit(&mesh, 0, one.clone())), "the asker is no helper");
    assert!(
        !mesh.state.accepts(&commit(&mesh, 1, two.clone())),
        "another's commitments do not add up for it"
    );
    assert!(!mesh.state.accepts(&end(&mesh, 0, 0, RepairOutcome::Repaired)), "nobody has helped yet");
    mesh.advance_system(vec![commit(&mesh, 1, one.clone())]);
    assert!(!mesh.state.accepts(&commit(&mesh, 1, one)));
    let last = commitments(&mesh, 3);
    mesh.advance_system(vec![commit(&mesh, 2, two), commit(&mesh, 3, last)]);
    assert!(mesh.state.share_repairs().open.unwrap().is_committed());
    assert!(!mesh.state.accepts(&end(&mesh, 1, 0, RepairOutcome::Repaired)), "only the asker knows");
    mesh.advance_system(vec![end(&mesh, 0, 0, RepairOutcome::Repaired)]);
    assert_eq!(mesh.state.share_repairs().open, None);
}

#[test]
fn a_repair_is_given_up_by_those_in_it_with_a_bounded_reason() {
    let mut mesh = Mesh::active();
    mesh.advance_system(vec![ask(&mesh, 0, 0)]);
    let helpers = others(&mesh, 0);
    let reversed: Vec<PublicKey> = helpers.iter().rev().copied().collect();
    let refused = [
        given_up(&helpers, ABORT_REASON_BYTES_MAX + 1),
        given_up(&reversed, 1),
        given_up(&[mesh.validators[0].public()], 1),
    ];
    for outcome in refused {
        assert!(!mesh.state.accepts(&end(&mesh, 1, 0, outcome)));
    }
    assert!(mesh.state.accepts(&end(&mesh, 0, 0, given_up(&[], 1))));
    mesh.advance_system(vec![end(&mesh, 1, 0, given_up(&helpers, ABORT_REASON_BYTES_MAX))]);
    assert_eq!(mesh.state.share_repairs().open, None);
    assert_eq!(budget(&mesh, 0).next, 1, "how often was asked is not forgotten");
}
