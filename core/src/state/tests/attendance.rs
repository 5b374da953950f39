//! Who proposes next: those who have been voting first.

use super::test_util::*;
use crate::base::{Height, SecretKey};
use crate::hypermesh::ordering::Round;
use crate::state::*;
use alloc::vec::Vec;

/// Blocks whose parents' certificates hold the precommits of these alone.
fn decide(mesh: &mut Mesh, count: u64, signers: &[SecretKey]) {
    for _ in 0..count {
        let parent_commit = mesh.state.head().map(|head| mesh.precommits(head, signers));
        mesh.advance(Candidate { parent_commit, ..mesh.candidate() });
    }
}

/// Whose turn each round of the next height is, by their places among the validators.
fn turns(mesh: &Mesh) -> Vec<usize> {
    let (roster, height) = (mesh.state.roster(), mesh.state.height().next());
    let place = |round| {
        let proposer = roster.proposer(height, Round(round));
        roster.as_slice().iter().position(|key| *key == proposer).unwrap()
    };
    (0..4).map(place).collect()
}

fn absent(mesh: &Mesh) -> usize {
    mesh.state.roster().absent().len()
}

#[test]
fn a_silent_validator_is_passed_over_at_the_limit_and_comes_back_with_its_first_vote() {
    let mut mesh = Mesh::new();
    let validators = mesh.validators.clone();
    let heights = ABSENT_AFTER_TURNS * 4;
    // Nobody is plain in the first turn; in what follows the fourth is in no certificate.
    decide(&mut mesh, PLAIN_TURN_PERIOD * 4 + 4, &validators);
    decide(&mut mesh, heights, &validators[..3]);
    assert_eq!(absent(&mesh), 0, "not yet");
    decide(&mut mesh, 1, &validators[..3]);
    assert_eq!(mesh.state.roster().absent(), [validators[3].public()]);
    let order = turns(&mesh);
    assert_eq!(order[3], 3, "it proposes last, and does propose: {order:?}");
    decide(&mut mesh, 1, &validators[1..]);
    assert_eq!(absent(&mesh), 0, "one vote brings it back");
    let seen = mesh.state.attendance().last;
    assert_eq!(seen[&validators[0].public()].next(), seen[&validators[3].public()]);
}

#[test]
fn nobody_is_absent_at_first_and_in_plain_turns_and_a_quorum_never_is() {
    let mut mesh = Mesh::new();
    let validators = mesh.validators.clone();
    // Two are never in a certificate: no chain can be like this, and the rule holds all the same.
    for height in 1..=PLAIN_TURN_PERIOD * 4 + 8 {
        let plain = (height / 4).is_multiple_of(PLAIN_TURN_PERIOD);
        let early = height <= ABSENT_AFTER_TURNS * 4 + 2;
        let expected = usize::from(!plain && !early);
        assert_eq!(absent(&mesh), expected, "height {height}");
        decide_below_quorum(&mut mesh, &validators[..2]);
    }
    assert_eq!(mesh.state.height(), Height(PLAIN_TURN_PERIOD * 4 + 8));
}

/// A block as it would be if two were enough: built, not executed, because no validator would take it.
fn decide_below_quorum(mesh: &mut Mesh, signers: &[SecretKey]) {
    let parent_commit = mesh.state.head().map(|head| mesh.precommits(head, signers));
    let (block, built) = mesh.state.build(Candidate { parent_commit, ..mesh.candidate() });
    mesh.blocks.push(block);
    mesh.state = built.state;
}
