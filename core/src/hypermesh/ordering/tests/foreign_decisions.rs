//! What a validator learns of itself after a start, and heights that it did not decide itself.

use super::super::foreign_decisions::SHOWN_STATEMENTS_MAX;
use super::super::*;
use super::steps::{Bench, NOW, broadcast_votes, faults};
use super::world::{block, validators};
use crate::base::{Digest, Height};
use alloc::vec::Vec;

fn entries(outputs: &[Output]) -> Vec<Vec<u8>> {
    let entry = |output: &Output| match output {
        Output::Wal { entry } => Some(entry.clone()),
        _ => None,
    };
    outputs.iter().filter_map(entry).collect()
}

fn show(bench: &mut Bench, statement: SignedStatement) -> Vec<Output> {
    bench.engine.step(NOW, Input::Own(statement))
}

/// The log, and the vote that it led to, of a validator that has voted at height 1.
fn voted() -> (Vec<Vec<u8>>, SignedVote) {
    let mut bench = Bench::started();
    let steps = bench.run_height(1..1);
    let outputs: Vec<Output> = steps.into_iter().flatten().collect();
    let vote = outputs.iter().find_map(|output| match output {
        Output::Broadcast(ConsensusMessage::Vote(vote)) => Some(*vote),
        _ => None,
    });
    (entries(&outputs), vote.expect("a valid block is voted for"))
}

#[test]
fn what_is_shown_and_stands_in_the_log_is_no_reason_to_abstain() {
    let (wal, vote) = voted();
    let mut bench = Bench::waiting();
    assert_eq!(show(&mut bench, SignedStatement::Vote(vote)), []);
    assert_eq!(faults(&bench.start(1, wal)), []);
    assert!(!bench.engine.abstains());
    assert_eq!(show(&mut bench, SignedStatement::Vote(vote)), [], "nor when it is shown late");
}

#[test]
fn a_vote_or_proposal_that_the_log_does_not_hold_keeps_a_validator_from_signing() {
    let (wal, vote) = voted();
    let bench = Bench::waiting();
    let proposal = bench.proposal(0, 1, &block(1, 0, true, 0)).signed;
    for statement in [SignedStatement::Vote(vote), SignedStatement::Proposal(proposal)] {
        // Some of the log is there: the proposal, not the vote that it led to.
        let mut bench = Bench::waiting();
        drop(show(&mut bench, statement));
        let outputs = bench.start(1, wal[..1].to_vec());
        assert_eq!(faults(&outputs), [EngineFault::OwnMessageUnknown { height: Height(1) }]);
        assert_eq!(broadcast_votes(&outputs), []);

        let mut bench = Bench::waiting();
        assert_eq!(show(&mut bench, statement), [], "it cannot tell before it has read its log");
        let outputs = bench.start(1, Vec::new());
        assert_eq!(faults(&outputs), [EngineFault::OwnMessageUnknown { height: Height(1) }]);
        assert_eq!(broadcast_votes(&outputs), []);
        let steps = bench.run_height(1..4);
        assert!(!steps.iter().flatten().any(|output| matches!(output, Output::Broadcast(_))));
        assert!(matches!(steps.last().unwrap().last(), Some(Output::Decided { .. })), "it follows");
        drop(bench.start(2, Vec::new()));
        assert!(!bench.engine.abstains(), "past it, it votes again");
    }
}

#[test]
fn one_message_that_is_shown_over_and_over_takes_no_room_of_others() {
    let (wal, vote) = voted();
    let mut bench = Bench::waiting();
    (0..=SHOWN_STATEMENTS_MAX).for_each(|_| assert_eq!(show(&mut bench, SignedStatement::Vote(vote)), []));
    let unknown = bench.vote(0, VoteKind::Precommit, 1, Some(Digest([9; 32])));
    drop(show(&mut bench, SignedStatement::Vote(unknown)));
    let outputs = bench.start(1, wal);
    assert_eq!(faults(&outputs), [EngineFault::OwnMessageUnknown { height: Height(1) }]);
    assert!(bench.engine.abstains());
}

#[test]
fn so_many_messages_are_kept_and_one_more_makes_a_validator_abstain() {
    let mut bench = Bench::waiting();
    for number in 0..=SHOWN_STATEMENTS_MAX {
        assert_eq!(bench.engine.abstains_through(), None, "{number} are kept");
        let mut value = [0; 32];
        value[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let vote = bench.vote(0, VoteKind::Prevote, 1, Some(Digest(value)));
        drop(show(&mut bench, SignedStatement::Vote(vote)));
    }
    assert_eq!(bench.engine.abstains_through(), Some(Height(1)));
}

#[test]
fn what_is_shown_of_heights_gone_by_and_of_others_does_not_matter() {
    let mut bench = Bench::waiting();
    drop(
        bench.engine.step(NOW, Input::Advance { height: Height(5), roster: validators(&bench.keys).into() }),
    );
    let (past, another) =
        (bench.vote(0, VoteKind::Precommit, 4, None), bench.vote(1, VoteKind::Prevote, 9, None));
    assert_eq!(show(&mut bench, SignedStatement::Vote(past)), []);
    assert_eq!(show(&mut bench, SignedStatement::Vote(another)), []);
    drop(bench.start(5, Vec::new()));
    assert!(!bench.engine.abstains());
    let mut forged = bench.vote(0, VoteKind::Prevote, 6, None);
    forged.vote.value_id = Some(Digest([1; 32]));
    drop(show(&mut bench, SignedStatement::Vote(forged)));
    assert!(!bench.engine.abstains(), "a signature that does not hold shows nothing");
}

#[test]
fn an_abstention_outlives_the_log_that_it_was_found_in() {
    let mut bench = Bench::waiting();
    let far = bench.vote(0, VoteKind::Precommit, 7, None);
    drop(show(&mut bench, SignedStatement::Vote(far)));
    assert_eq!(bench.engine.abstains_through(), Some(Height(7)));
    let entry = bench.engine.abstention_entry(Height(3)).expect("height 3 is not past it");
    assert_eq!(bench.engine.abstention_entry(Height(8)), None);
    // Blocks have come, the log was dropped but for this, and the node starts again.
    let mut again = Bench::waiting();
    drop(
        again.engine.step(NOW, Input::Advance { height: Height(6), roster: validators(&bench.keys).into() }),
    );
    drop(again.start(6, [entry].into()));
    assert_eq!(again.engine.abstains_through(), Some(Height(7)));
}

#[test]
fn an_engine_that_is_told_of_blocks_waits_for_the_height_after_them() {
    let mut bench = Bench::started();
    let far = ConsensusMessage::Vote(bench.vote(3, VoteKind::Prevote, 9, None));
    drop(bench.message(3, far));
    drop(
        bench.engine.step(NOW, Input::Advance { height: Height(5), roster: validators(&bench.keys).into() }),
    );
    assert_eq!(bench.engine.highest_seen().map(|(_, height)| height), Some(Height(9)), "it is still ahead");
    assert_eq!((bench.engine.height(), bench.engine.next_height()), (Height(5), Height(5)));
    assert!(!bench.engine.is_running());
    let vote = ConsensusMessage::Vote(bench.vote(2, VoteKind::Prevote, 5, None));
    drop(bench.message(2, vote));
    assert_eq!(bench.engine.future_message_signers(), 1, "it is kept for the start");
    let late = ConsensusMessage::RepeatedVote(bench.vote(2, VoteKind::Prevote, 3, None));
    let behind = Output::PeerBehind { peer: bench.keys[2].public(), height: Height(3) };
    assert_eq!(bench.message(2, late), [behind]);
    let back = Input::Advance { height: Height(4), roster: validators(&bench.keys).into() };
    assert_eq!(bench.engine.step(NOW, back), []);
    assert_eq!(bench.engine.height(), Height(5), "it never goes back");
    assert_eq!(faults(&bench.start(5, Vec::new())), []);
    assert!(bench.engine.is_running());
}

#[test]
fn precommits_that_come_after_the_decision_make_the_certificate_fuller() {
    let mut bench = Bench::started();
    let steps = bench.run_height(1..3);
    let Some(Output::Decided { certificate, .. }) = steps.last().unwrap().last() else { panic!("decided") };
    assert_eq!(bench.engine.fuller_certificate(certificate), None);
    let late = bench.vote(3, VoteKind::Precommit, 1, Some(certificate.value_id));
    drop(bench.message(3, ConsensusMessage::Vote(late)));
    let fuller = bench.engine.fuller_certificate(certificate).expect("there is one more");
    assert_eq!(fuller.signatures.len(), certificate.signatures.len() + 1);
    assert_eq!(fuller.verify(&super::world::GENESIS, bench.engine.validators()), Ok(()));
}
