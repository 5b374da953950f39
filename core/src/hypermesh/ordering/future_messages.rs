//! Messages for the next height, buffered until it is started.
//!
//! A mesh with nothing to do starts heights late, so the first messages of a height reach nodes that have not
//! started it. They are buffered by signer, each signer within its own bounds, and only with a signature that holds,
//! so that nobody can crowd out another. What a bound drops, its sender repeats.

use super::message::{ConsensusMessage, Proposal};
use super::vote::SignedVote;
use crate::base::PublicKey;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

/// The most votes for the next height buffered of one validator. Past it, those of the lowest round go.
pub const FUTURE_VOTES_PER_VALIDATOR_MAX: usize = 16;

/// The most proposals for the next height buffered of one validator: two, which is what evidence takes.
pub const FUTURE_PROPOSALS_PER_VALIDATOR_MAX: usize = 2;

#[derive(Debug, Default)]
struct Buffered {
    votes: Vec<SignedVote>,
    proposals: Vec<Proposal>,
}

/// The messages for the next height. Whoever adds one has checked its signature.
#[derive(Debug, Default)]
pub(super) struct FutureMessages {
    by_signer: BTreeMap<PublicKey, Buffered>,
}

impl FutureMessages {
    pub(super) fn add_vote(&mut self, vote: SignedVote) {
        let votes = &mut self.by_signer.entry(vote.vote.validator).or_default().votes;
        if votes.iter().any(|buffered| buffered.vote == vote.vote) {
            return;
        }
        votes.push(vote);
        drop_lowest_past(votes, FUTURE_VOTES_PER_VALIDATOR_MAX, |vote| vote.vote.round);
    }

    pub(super) fn add_proposal(&mut self, proposal: Proposal) {
        let proposals = &mut self.by_signer.entry(proposal.signed.header.proposer).or_default().proposals;
        if proposals.iter().any(|buffered| buffered.signed.header == proposal.signed.header) {
            return;
        }
        proposals.push(proposal);
        drop_lowest_past(proposals, FUTURE_PROPOSALS_PER_VALIDATOR_MAX, |buffered| {
            buffered.signed.header.round
        });
    }

    /// How many are buffered.
    pub(super) fn count(&self) -> usize {
        self.by_signer.values().map(|buffered| buffered.votes.len() + buffered.proposals.len()).sum()
    }

    /// How many validators have signed a buffered message.
    pub(super) fn signers(&self) -> usize {
        self.by_signer.len()
    }

    pub(super) fn has_proposal(&self) -> bool {
        self.by_signer.values().any(|buffered| !buffered.proposals.is_empty())
    }

    /// All buffered messages: proposals first, then votes in order of round and kind.
    pub(super) fn take(&mut self) -> Vec<ConsensusMessage> {
        let mut proposals = Vec::new();
        let mut votes = Vec::new();
        for buffered in mem::take(&mut self.by_signer).into_values() {
            proposals.extend(buffered.proposals);
            votes.extend(buffered.votes);
        }
        proposals.sort_by_key(|proposal| proposal.signed.header.round);
        votes.sort_by_key(|vote| (vote.vote.round, vote.vote.kind));
        let proposals = proposals.into_iter().map(ConsensusMessage::Proposal);
        proposals.chain(votes.into_iter().map(ConsensusMessage::Vote)).collect()
    }
}

/// Drops the first of those with the lowest round if there are more than `count_max`.
fn drop_lowest_past<T, R: Ord>(buffered: &mut Vec<T>, count_max: usize, round: impl Fn(&T) -> R) {
    if buffered.len() <= count_max {
        return;
    }
    let lowest = buffered.iter().enumerate().min_by_key(|(_, item)| round(item)).map(|(at, _)| at);
    if let Some(lowest) = lowest {
        buffered.remove(lowest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::ValueBytes;
    use super::super::vote::{ProposalHeader, Round, SignedProposalHeader, Vote, VoteKind};
    use super::*;
    use crate::base::{Digest, Height, Signature};

    fn vote(validator: u8, round: usize) -> SignedVote {
        let vote = Vote {
            kind: VoteKind::Prevote,
            height: Height(1),
            round: Round(u32::try_from(round).unwrap()),
            value_id: None,
            validator: PublicKey([validator; 32]),
        };
        SignedVote { vote, signature: Signature([0; 64]) }
    }

    fn proposal(round: u32) -> Proposal {
        let header = ProposalHeader {
            height: Height(1),
            round: Round(round),
            valid_round: None,
            value_id: Digest::ZERO,
            proposer: PublicKey([1; 32]),
        };
        let signed = SignedProposalHeader { header, signature: Signature([0; 64]) };
        Proposal { signed, value: ValueBytes([0; 4].into()) }
    }

    #[test]
    fn each_signer_has_its_own_bound_at_it_and_one_past_it() {
        let mut future = FutureMessages::default();
        future.add_vote(vote(2, 0));
        for round in 0..=FUTURE_VOTES_PER_VALIDATOR_MAX {
            future.add_vote(vote(1, round));
            future.add_vote(vote(1, round));
        }
        assert_eq!(future.signers(), 2);
        let buffered = future.take();
        assert_eq!(buffered.len(), 1 + FUTURE_VOTES_PER_VALIDATOR_MAX);
        let has = |vote| buffered.contains(&ConsensusMessage::Vote(vote));
        assert!(has(vote(1, FUTURE_VOTES_PER_VALIDATOR_MAX)), "the newest is buffered");
        assert!(!has(vote(1, 0)) && has(vote(2, 0)));
        assert_eq!(future.signers(), 0);
    }

    #[test]
    fn proposals_are_bounded_and_come_first() {
        let mut future = FutureMessages::default();
        future.add_vote(vote(1, 0));
        assert!(!future.has_proposal());
        for round in 0..=u32::try_from(FUTURE_PROPOSALS_PER_VALIDATOR_MAX).unwrap() {
            future.add_proposal(proposal(round));
        }
        assert!(future.has_proposal());
        let buffered = future.take();
        assert_eq!(buffered.len(), 1 + FUTURE_PROPOSALS_PER_VALIDATOR_MAX);
        assert_eq!(buffered[0], ConsensusMessage::Proposal(proposal(1)));
    }
}
