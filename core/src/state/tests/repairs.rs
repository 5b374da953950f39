//! Repairs of key shares, as the chain orders them.

use super::kit::*;
use crate::base::{PublicKey, SecretKey};
use crate::hypermesh::committee::{Committee, RepairCommitments, RepairHelper, RepairSession};
use crate::state::*;
use alloc::string::ToString;
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
    let open = mesh.state.repairs().open.unwrap();
    let validator = mesh.validators[asker].public();
    let action = RepairAction::End { validator, number: open.number, outcome };
    mesh.say(&mesh.validators[by], SystemAction::Repair(action))
}

fn given_up(accused: &[PublicKey], reason_bytes: usize) -> RepairOutcome {
    RepairOutcome::GivenUp { accused: accused.to_vec(), reason: "x".repeat(reason_bytes) }
}

fn commitments(mesh: &Mesh, helper: usize) -> RepairCommitments {
    let keys = mesh.state.committee().unwrap().keys;
    let open = mesh.state.repairs().open.unwrap();
    let session = RepairSession::new(keys.clone(), open.validator, open.number, open.helpers).unwrap();
    let me = mesh.validators[helper].public();
    let committee = Committee::new(keys).unwrap();
    let entropy = &mut Seeded::new(helper as u64);
    let part = RepairHelper::begin(session, &committee, me, &mesh.shares[&me], entropy).unwrap();
    part.commitments().clone()
}

fn commit(mesh: &Mesh, by: usize, commitments: RepairCommitments) -> SystemOperation {
    let OpenRepair { validator, number, .. } = mesh.state.repairs().open.unwrap();
    let action = RepairAction::Commit { validator, number, commitments };
    mesh.say(&mesh.validators[by], SystemAction::Repair(action))
}

#[test]
fn a_validator_asks_in_turn_and_so_often_and_not_once_more() {
    let mut mesh = Mesh::active();
    assert!(!mesh.state.accepts(&ask(&mesh, 0, 1)), "it has not asked before");
    for number in 0..REPAIR_COUNT_MAX {
        mesh.advance_system(vec![ask(&mesh, 0, number)]);
        assert!(!mesh.state.accepts(&ask(&mesh, 0, number)), "no request twice");
    }
    assert!(!mesh.state.accepts(&ask(&mesh, 0, REPAIR_COUNT_MAX)));
    mesh.pass(REPAIR_MS_MAX + 1);
    assert!(mesh.state.accepts(&ask(&mesh, 1, 0)), "others may still ask");
}

#[test]
fn a_repair_gives_way_to_anothers_after_its_time_and_not_at_it() {
    let mut mesh = Mesh::active();
    mesh.advance_system(vec![ask(&mesh, 0, 0)]);
    mesh.pass(REPAIR_MS_MAX);
    assert!(!mesh.state.accepts(&ask(&mesh, 1, 0)));
    assert!(mesh.state.accepts(&ask(&mesh, 0, 1)), "its own validator may ask anew at any time");
    mesh.pass(1);
    assert!(mesh.state.accepts(&ask(&mesh, 1, 0)));
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
    assert!(mesh.state.repairs().open.unwrap().is_committed());
    assert!(!mesh.state.accepts(&end(&mesh, 1, 0, RepairOutcome::Repaired)), "only the asker knows");
    mesh.advance_system(vec![end(&mesh, 0, 0, RepairOutcome::Repaired)]);
    assert_eq!(mesh.state.repairs().open, None);
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
    assert_eq!(mesh.state.repairs().open, None);
    let reason = mesh.state.repairs().asked.get(&mesh.validators[0].public()).map(ToString::to_string);
    assert_eq!(reason.as_deref(), Some("1"), "how often was asked is not forgotten");
}
