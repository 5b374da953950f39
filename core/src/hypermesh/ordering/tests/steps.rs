//! Single engines, step by step: what is refused, who is blamed, and in which order outputs come.

use super::super::*;
use super::world::{GENESIS, VALUE_BYTES_MAX, block, config, identify, keys, validators};
use crate::base::{Digest, Height, Mono, SecretKey, Signature};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

pub(super) const NOW: Mono = Mono(0);

/// At height 1 the validator with the second smallest key proposes in round 0; this engine has the smallest.
pub(super) struct Bench {
    pub(super) keys: Vec<SecretKey>,
    pub(super) engine: Engine,
}

impl Bench {
    pub(super) fn waiting() -> Self {
        let keys = keys(4);
        let engine = Engine::new(config(&keys[0]), Height(1), validators(&keys).into());
        Self { keys, engine }
    }

    pub(super) fn started() -> Self {
        let mut bench = Self::waiting();
        assert!(matches!(bench.start(1, Vec::new()).as_slice(), [Output::SetTimeout { .. }, ..]));
        bench
    }

    pub(super) fn start(&mut self, height: u64, wal: Vec<Vec<u8>>) -> Vec<Output> {
        let roster = Roster::from(validators(&self.keys));
        self.engine.step(NOW, Input::StartHeight { height: Height(height), roster, wal })
    }

    pub(super) fn message(&mut self, from: usize, message: ConsensusMessage) -> Vec<Output> {
        let from = self.keys[from].public();
        self.engine.step(NOW, Input::Message { from, message })
    }

    pub(super) fn vote(
        &self,
        from: usize,
        kind: VoteKind,
        height: u64,
        value_id: Option<Digest>,
    ) -> SignedVote {
        let validator = self.keys[from].public();
        let vote = Vote { kind, height: Height(height), round: Round(0), value_id, validator };
        vote.sign(&GENESIS, &self.keys[from])
    }

    pub(super) fn proposal(&self, from: usize, height: u64, value: &Arc<[u8]>) -> Proposal {
        let header = ProposalHeader {
            height: Height(height),
            round: Round(0),
            valid_round: None,
            value_id: identify(value).unwrap_or(Digest::ZERO),
            proposer: self.keys[from].public(),
        };
        Proposal { signed: header.sign(&GENESIS, &self.keys[from]), value: ValueBytes(value.clone()) }
    }

    /// Runs height 1 up to its decision by this validator and two others; the outputs of the last step.
    pub(super) fn decide(&mut self) -> Vec<Output> {
        let mut steps = self.run_height(1..3);
        let asked = |output: &Output| matches!(output, Output::Validate { .. });
        assert!(steps.first().is_some_and(|first| first.iter().any(asked)));
        steps.pop().unwrap()
    }

    /// Runs height 1 with the votes of these; the outputs of each step.
    pub(super) fn run_height(&mut self, voters: Range<usize>) -> Vec<Vec<Output>> {
        let value = block(1, 1, true, 0);
        let value_id = identify(&value).unwrap();
        let asked = self.message(1, ConsensusMessage::Proposal(self.proposal(1, 1, &value)));
        let judged = self.engine.step(NOW, Input::Verdict { value_id, valid: true });
        let mut steps = Vec::from([asked, judged]);
        for kind in [VoteKind::Prevote, VoteKind::Precommit] {
            for from in voters.clone() {
                let vote = ConsensusMessage::Vote(self.vote(from, kind, 1, Some(value_id)));
                steps.push(self.message(from, vote));
            }
        }
        steps
    }
}

pub(super) fn faults(outputs: &[Output]) -> Vec<EngineFault> {
    let fault = |output: &Output| match output {
        Output::Fault(fault) => Some(fault.clone()),
        _ => None,
    };
    outputs.iter().filter_map(fault).collect()
}

pub(super) fn broadcast_votes(outputs: &[Output]) -> Vec<Option<Digest>> {
    let vote = |output: &Output| match output {
        Output::Broadcast(ConsensusMessage::Vote(signed)) => Some(signed.vote.value_id),
        _ => None,
    };
    outputs.iter().filter_map(vote).collect()
}

#[test]
fn a_block_without_a_verdict_is_never_voted_for() {
    let mut bench = Bench::started();
    let value = block(1, 1, true, 0);
    let outputs = bench.message(1, ConsensusMessage::Proposal(bench.proposal(1, 1, &value)));
    assert_eq!(broadcast_votes(&outputs), []);
    assert!(outputs.iter().any(|output| matches!(output, Output::Validate { .. })));
    let again = bench.message(1, ConsensusMessage::Proposal(bench.proposal(1, 1, &value)));
    assert_eq!(again, [], "it is asked about once");
    for from in 1..4 {
        let prevote = bench.vote(from, VoteKind::Prevote, 1, identify(&value));
        assert_eq!(broadcast_votes(&bench.message(from, ConsensusMessage::Vote(prevote))), []);
    }
    let outputs = bench.engine.step(NOW, Input::Verdict { value_id: identify(&value).unwrap(), valid: true });
    assert_eq!(broadcast_votes(&outputs), [identify(&value); 2], "prevote and precommit");
}

#[test]
fn an_invalid_block_is_answered_with_nil() {
    let mut bench = Bench::started();
    let value = block(1, 1, false, 0);
    drop(bench.message(1, ConsensusMessage::Proposal(bench.proposal(1, 1, &value))));
    let outputs =
        bench.engine.step(NOW, Input::Verdict { value_id: identify(&value).unwrap(), valid: false });
    assert_eq!(broadcast_votes(&outputs), [None]);
}

#[test]
fn the_host_hears_when_a_waiting_block_is_endorsed() {
    let mut bench = Bench::started();
    let value = block(1, 1, true, 0);
    let value_id = identify(&value).unwrap();
    drop(bench.message(1, ConsensusMessage::Proposal(bench.proposal(1, 1, &value))));
    let endorsed = Output::Endorsed { height: Height(1), value_id };
    let first = bench.vote(1, VoteKind::Prevote, 1, Some(value_id));
    assert!(!bench.message(1, ConsensusMessage::Vote(first)).contains(&endorsed), "one may lie");
    let second = bench.vote(2, VoteKind::Prevote, 1, Some(value_id));
    assert!(bench.message(2, ConsensusMessage::Vote(second)).contains(&endorsed));
    let third = bench.vote(3, VoteKind::Prevote, 1, Some(value_id));
    assert!(!bench.message(3, ConsensusMessage::Vote(third)).contains(&endorsed), "it is said once");
}

#[test]
fn log_entries_come_before_messages_and_the_decision_comes_last() {
    let mut bench = Bench::started();
    let outputs = bench.decide();
    let rank = |output: &Output| match output {
        Output::Wal { .. } => 0,
        Output::Broadcast(_) => 1,
        Output::Decided { .. } => 3,
        _ => 2,
    };
    assert!(outputs.is_sorted_by_key(rank), "{outputs:?}");
    let Some(Output::Decided { certificate, value, round }) = outputs.last() else { panic!("{outputs:?}") };
    assert_eq!((*round, identify(value)), (Round(0), Some(certificate.value_id)));
    assert_eq!(certificate.verify(&GENESIS, bench.engine.validators()), Ok(()));
    assert!(!bench.engine.is_running());
}

#[test]
fn a_proposal_leaves_before_its_proposers_vote_and_a_certificate_of_known_votes_costs_no_check() {
    let keys = keys(4);
    let mut engine = Engine::new(config(&keys[1]), Height(1), validators(&keys).into());
    let start = Input::StartHeight { height: Height(1), roster: validators(&keys).into(), wal: Vec::new() };
    let outputs = engine.step(NOW, start);
    assert!(outputs.contains(&Output::NeedValue { height: Height(1), round: Round(0) }));
    let value = Input::Value { height: Height(1), round: Round(0), value: block(1, 1, true, 0) };
    let outputs = engine.step(NOW, value.clone());
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Broadcast(message) => Some(matches!(message, ConsensusMessage::Proposal(_))),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [true, false]);
    assert_eq!(engine.step(NOW, value), [], "a block is taken once");

    let mut bench = Bench { keys, engine };
    let value_id = identify(&block(1, 1, true, 0));
    let mut decided = false;
    for kind in [VoteKind::Prevote, VoteKind::Precommit] {
        for from in [0, 2] {
            let vote = ConsensusMessage::Vote(bench.vote(from, kind, 1, value_id));
            let outputs = bench.message(from, vote);
            decided |= outputs.iter().any(|output| matches!(output, Output::Decided { .. }));
        }
    }
    assert!(decided);
    assert_eq!(bench.engine.signature_checks(), 4, "the votes of others, once each");
}

#[test]
fn whoever_sends_what_is_wrong_is_named() {
    let mut bench = Bench::started();
    let peer = bench.keys[2].public();
    let stranger = SecretKey::from_seed([99; 32]);
    let value = block(1, 1, true, 0);

    let vote = bench.vote(2, VoteKind::Prevote, 1, None);
    let message = ConsensusMessage::Vote(vote);
    let outputs = bench.engine.step(NOW, Input::Message { from: stranger.public(), message });
    assert_eq!(faults(&outputs), [EngineFault::UnknownSender { peer: stranger.public() }]);

    let forged = SignedVote { signature: Signature([0; 64]), ..vote };
    let fault = EngineFault::BadSignature { peer, validator: peer };
    assert_eq!(faults(&bench.message(2, ConsensusMessage::Vote(forged))), [fault]);

    let foreign = Vote { validator: stranger.public(), ..vote.vote }.sign(&GENESIS, &stranger);
    let fault = EngineFault::UnknownValidator { peer, validator: stranger.public() };
    assert_eq!(faults(&bench.message(2, ConsensusMessage::Vote(foreign))), [fault]);

    let out_of_turn = bench.proposal(2, 1, &value);
    let fault = EngineFault::NotProposer { peer, validator: peer, height: Height(1) };
    assert_eq!(faults(&bench.message(2, ConsensusMessage::Proposal(out_of_turn))), [fault]);

    let mut swapped = bench.proposal(1, 1, &value);
    swapped.value = ValueBytes(block(1, 1, true, 9));
    let fault = EngineFault::MalformedValue { peer, height: Height(1) };
    assert_eq!(faults(&bench.message(2, ConsensusMessage::Proposal(swapped))).first(), Some(&fault));
    let malformed = bench.proposal(1, 1, &Arc::from([0_u8; 8]));
    assert_eq!(faults(&bench.message(2, ConsensusMessage::Proposal(malformed))), [fault]);

    let polka = PolkaCertificate {
        height: Height(1),
        round: Round(0),
        value_id: Digest([1; 32]),
        signatures: Vec::new(),
    };
    let fault = CertificateFault::NoQuorum { signatures: 0, needed: 3 };
    let expected = EngineFault::BadCertificate { peer, fault };
    assert_eq!(faults(&bench.message(2, ConsensusMessage::PolkaCertificate(polka))), [expected]);

    let prevotes = RoundCertificate {
        height: Height(1),
        round: Round(1),
        kind: RoundCertificateKind::Precommit,
        votes: [RoundVote {
            kind: VoteKind::Prevote,
            value_id: None,
            validator: peer,
            signature: vote.signature,
        }]
        .into(),
    };
    let fault = CertificateFault::WrongVoteKind { validator: peer };
    let expected = EngineFault::BadCertificate { peer, fault };
    assert_eq!(faults(&bench.message(2, ConsensusMessage::RoundCertificate(prevotes))), [expected]);
}

#[test]
fn a_block_at_the_size_limit_is_taken_and_one_past_it_is_not() {
    let sized = |bytes: usize| {
        let mut value = block(1, 1, true, 0).to_vec();
        value.resize(bytes, 0);
        Arc::<[u8]>::from(value)
    };
    let mut bench = Bench::started();
    let long = bench.proposal(1, 1, &sized(VALUE_BYTES_MAX + 1));
    let fault = EngineFault::ValueTooLong { peer: bench.keys[1].public(), bytes: VALUE_BYTES_MAX + 1 };
    assert_eq!(faults(&bench.message(1, ConsensusMessage::Proposal(long))), [fault]);
    let fits = bench.proposal(1, 1, &sized(VALUE_BYTES_MAX));
    let outputs = bench.message(1, ConsensusMessage::Proposal(fits));
    assert!(outputs.iter().any(|output| matches!(output, Output::Validate { .. })));
}

#[test]
fn messages_for_the_next_height_wait_for_it_and_count_by_signer() {
    let mut bench = Bench::started();
    drop(bench.decide());
    assert_eq!(bench.engine.next_height(), Height(2));
    let vote = bench.vote(1, VoteKind::Prevote, 2, None);
    for _ in 0..3 {
        assert_eq!(bench.message(1, ConsensusMessage::Vote(vote)), []);
        assert_eq!(bench.message(3, ConsensusMessage::RepeatedVote(vote)), [], "relayed");
    }
    assert_eq!((bench.engine.future_message_signers(), bench.engine.has_future_proposal()), (1, false));
    let forged = SignedVote { signature: Signature([0; 64]), ..bench.vote(3, VoteKind::Prevote, 2, None) };
    assert_eq!(faults(&bench.message(3, ConsensusMessage::Vote(forged))).len(), 1);
    let proposal = bench.proposal(2, 2, &block(2, 2, true, 0));
    assert_eq!(bench.message(2, ConsensusMessage::Proposal(proposal)), []);
    assert_eq!((bench.engine.future_message_signers(), bench.engine.has_future_proposal()), (2, true));
    assert_eq!(bench.engine.sizes()[0].held, 2, "a vote and a proposal");
    assert_eq!(bench.engine.highest_seen().map(|(_, height)| height), Some(Height(2)));

    let checks = bench.engine.signature_checks();
    let outputs = bench.start(2, Vec::new());
    assert!(outputs.iter().any(|output| matches!(output, Output::Validate { height: Height(2), .. })));
    assert_eq!(bench.engine.signature_checks(), checks, "what was kept was verified when it came");
    assert_eq!((bench.engine.future_message_signers(), bench.engine.highest_seen()), (0, None));
}

#[test]
fn validators_of_the_next_height_are_heard_once_they_are_announced() {
    let mut bench = Bench::started();
    drop(bench.decide());
    let new = SecretKey::from_seed([50; 32]);
    let next = ValidatorSet::new([bench.keys[0].public(), new.public()]).unwrap();
    let vote = Vote { validator: new.public(), ..bench.vote(1, VoteKind::Prevote, 2, None).vote };
    let message = ConsensusMessage::Vote(vote.sign(&GENESIS, &new));
    let input = Input::Message { from: new.public(), message };
    assert_eq!(bench.engine.step(NOW, input.clone()), [], "unknown, but perhaps with reason: not blamed");
    assert_eq!(bench.engine.future_message_signers(), 0);
    bench.engine.expect_roster(next.into());
    assert_eq!(bench.engine.step(NOW, input), []);
    assert_eq!(bench.engine.future_message_signers(), 1);
}

#[test]
fn a_peer_that_repeats_votes_of_a_decided_height_is_behind_and_one_that_is_merely_late_is_not() {
    let mut bench = Bench::started();
    drop(bench.decide());
    let vote = bench.vote(3, VoteKind::Precommit, 1, None);
    assert_eq!(bench.message(3, ConsensusMessage::Vote(vote)), [], "late");
    let behind = Output::PeerBehind { peer: bench.keys[3].public(), height: Height(1) };
    let prevote = bench.vote(3, VoteKind::Prevote, 1, None);
    assert_eq!(bench.message(3, ConsensusMessage::RepeatedVote(prevote)).first(), Some(&behind));
    assert_eq!(bench.message(3, ConsensusMessage::RepeatedVote(vote)), [], "not twice at once");
    drop(bench.start(2, Vec::new()));
    assert_eq!(bench.message(3, ConsensusMessage::RepeatedVote(vote)), [behind]);
}

#[test]
fn conflicting_votes_convict_even_after_the_decision() {
    let mut bench = Bench::started();
    drop(bench.decide());
    let conflicting = bench.vote(2, VoteKind::Precommit, 1, None);
    let outputs = bench.message(2, ConsensusMessage::Vote(conflicting));
    let [Output::Evidence(evidence)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(evidence.offender(), bench.keys[2].public());
    assert_eq!(evidence.verify(&GENESIS, bench.engine.validators()), Ok(()));
    assert_eq!(bench.message(2, ConsensusMessage::Vote(conflicting)), [], "it is reported once");
}

#[test]
fn a_synced_block_needs_its_certificate_its_bytes_and_a_verdict() {
    let mut source = Bench::started();
    let outputs = source.decide();
    let Some(Output::Decided { certificate, value, .. }) = outputs.last() else { panic!("{outputs:?}") };
    let synced = |certificate: &CommitCertificate, value: &Arc<[u8]>| Input::Synced {
        value: value.clone(),
        certificate: certificate.clone(),
    };
    let mut bench = Bench::started();
    let height = Height(1);

    let mut short = certificate.clone();
    short.signatures.pop();
    let fault = CertificateFault::NoQuorum { signatures: 2, needed: 3 };
    let outputs = bench.engine.step(NOW, synced(&short, value));
    assert_eq!(faults(&outputs), [EngineFault::SyncedBadCertificate { height, fault }]);
    let outputs = bench.engine.step(NOW, synced(certificate, &block(1, 1, true, 5)));
    assert_eq!(faults(&outputs), [EngineFault::SyncedOtherValue { height }]);
    let other = CommitCertificate { height: Height(2), ..certificate.clone() };
    let outputs = bench.engine.step(NOW, synced(&other, value));
    assert_eq!(faults(&outputs), [EngineFault::SyncedOtherHeight { height: Height(2) }]);

    let outputs = bench.engine.step(NOW, synced(certificate, value));
    let value_id = certificate.value_id;
    assert!(outputs.contains(&Output::Endorsed { height, value_id }));
    assert!(outputs.iter().any(|output| matches!(output, Output::Validate { .. })));
    let outputs = bench.engine.step(NOW, Input::Verdict { value_id, valid: false });
    assert_eq!(faults(&outputs), [EngineFault::DecidedValueRefused { height, value_id }]);
    let outputs = bench.engine.step(NOW, synced(certificate, value));
    assert!(outputs.iter().any(|output| matches!(output, Output::Validate { .. })), "asked once more");
    let outputs = bench.engine.step(NOW, Input::Verdict { value_id, valid: true });
    assert_eq!(
        outputs.last(),
        Some(&Output::Decided { round: Round(0), value: value.clone(), certificate: certificate.clone() })
    );
}

#[test]
fn a_height_is_started_in_order() {
    let mut bench = Bench::started();
    let fault = EngineFault::StartedOutOfOrder { height: Height(1) };
    assert_eq!(faults(&bench.start(1, Vec::new())).first(), Some(&fault), "it is under way");
    drop(bench.decide());
    assert_eq!(faults(&bench.start(1, Vec::new())), [fault], "it is decided");
    assert_eq!(faults(&bench.start(5, Vec::new())), [], "blocks may have come another way");
}

#[test]
fn a_built_block_is_proposed_again_after_a_crash_and_never_another() {
    let keys = keys(4);
    let proposer = |wal: Vec<Vec<u8>>| {
        let mut engine = Engine::new(config(&keys[1]), Height(1), validators(&keys).into());
        let start = Input::StartHeight { height: Height(1), roster: validators(&keys).into(), wal };
        let outputs = engine.step(NOW, start);
        (engine, outputs)
    };
    let (mut engine, _) = proposer(Vec::new());
    let value = Input::Value { height: Height(1), round: Round(0), value: block(1, 1, true, 0) };
    let before = engine.step(NOW, value);
    let entry = |output: &Output| match output {
        Output::Wal { entry } => Some(entry.clone()),
        _ => None,
    };
    let entries: Vec<_> = before.iter().filter_map(entry).collect();
    let sent = |outputs: &[Output]| -> Vec<ConsensusMessage> {
        let message = |output: &Output| match output {
            Output::Broadcast(message) => Some(message.clone()),
            _ => None,
        };
        outputs.iter().filter_map(message).collect()
    };
    assert_eq!(entries.len(), 3, "the block, the proposal, the prevote");
    for durable in 1..=entries.len() {
        let (_, after) = proposer(entries[..durable].to_vec());
        assert_eq!(sent(&after), sent(&before), "{durable} entries durable");
        let rest = after.iter().filter(|output| matches!(output, Output::Wal { .. })).count();
        assert!(rest >= entries.len() - durable, "what is signed anew is logged first");
        assert!(!after.iter().any(|output| matches!(output, Output::NeedValue { .. })));
    }
    let (_, after) = proposer(Vec::new());
    assert!(after.contains(&Output::NeedValue { height: Height(1), round: Round(0) }));
}

#[test]
fn a_validator_whose_log_is_damaged_abstains_for_the_height_and_still_follows() {
    let mut bench = Bench::waiting();
    let outputs = bench.start(1, [[1, 2, 3].to_vec()].into());
    assert_eq!(faults(&outputs), [EngineFault::WalDamaged { height: Height(1), index: 0 }]);
    assert!(bench.engine.abstains());
    let steps = bench.run_height(1..4);
    assert!(!steps.iter().flatten().any(|output| matches!(output, Output::Broadcast(_))));
    assert!(matches!(steps.last().unwrap().last(), Some(Output::Decided { .. })));
    drop(bench.start(2, Vec::new()));
    assert!(!bench.engine.abstains(), "past it, it votes again");
}

#[test]
fn a_validator_that_meets_a_vote_it_does_not_know_it_cast_abstains_until_it_is_past_it() {
    let mut bench = Bench::started();
    let lost = bench.vote(0, VoteKind::Prevote, 1, Some(Digest([8; 32])));
    let outputs = bench.message(1, ConsensusMessage::Vote(lost));
    assert_eq!(faults(&outputs), [EngineFault::OwnMessageUnknown { height: Height(1) }]);
    let entry = |output: &Output| match output {
        Output::Wal { entry } => Some(entry.clone()),
        _ => None,
    };
    let wal: Vec<_> = outputs.iter().filter_map(entry).collect();
    let mut restarted = Bench::waiting();
    drop(restarted.start(1, wal));
    assert!(restarted.engine.abstains(), "a restart does not forget it");
    let value = block(1, 1, true, 0);
    drop(bench.message(1, ConsensusMessage::Proposal(bench.proposal(1, 1, &value))));
    let outputs = bench.engine.step(NOW, Input::Verdict { value_id: identify(&value).unwrap(), valid: true });
    assert_eq!(broadcast_votes(&outputs), []);

    let far = bench.vote(0, VoteKind::Prevote, 9, None);
    drop(bench.message(1, ConsensusMessage::Vote(far)));
    drop(bench.start(8, Vec::new()));
    assert!(bench.engine.abstains());
    drop(bench.start(10, Vec::new()));
    assert!(!bench.engine.abstains());
}

#[test]
fn a_validator_that_has_not_seen_its_log_yet_draws_no_conclusion_from_its_own_votes() {
    let mut bench = Bench::waiting();
    let own = bench.vote(0, VoteKind::Prevote, 1, None);
    assert_eq!(bench.message(1, ConsensusMessage::RepeatedVote(own)), []);
    assert!(!bench.engine.abstains());
    assert_eq!(bench.engine.future_message_signers(), 0, "its own messages are no reason to start");
}

#[test]
fn a_follower_decides_and_never_votes() {
    let keys = keys(4);
    let follower = SecretKey::from_seed([60; 32]);
    let engine = Engine::new(config(&follower), Height(1), validators(&keys).into());
    let mut bench = Bench { keys, engine };
    drop(bench.start(1, Vec::new()));
    let steps = bench.run_height(1..4);
    assert!(matches!(steps.last().unwrap().last(), Some(Output::Decided { .. })));
    assert!(!steps.iter().flatten().any(|output| matches!(output, Output::Broadcast(_))));
}
