//! The last signed vote and proposal of each validator, for a validator that has lost its log of votes.
//!
//! A validator whose disk was lost or rolled back would vote again where it has voted before. Its peers hold its
//! last vote and its last proposal, with its own signature, so that nobody can lie about them: it asks for them
//! before it votes for the first time after a start, and what its log does not hold it must not contradict.

use super::certificate::CommitCertificate;
use super::message::ConsensusMessage;
use super::vote::{Round, SignedProposalHeader, SignedVote};
use crate::base::{Digest, Height, PublicKey, SignatureError};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// The most statements that are held of each validator: its last vote and its last proposal.
pub const STATEMENTS_PER_VALIDATOR_MAX: usize = 2;

/// A message that a validator signed: a vote or a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SignedStatement {
    /// A vote.
    Vote(SignedVote),
    /// A proposal, without its block.
    Proposal(SignedProposalHeader),
}

impl SignedStatement {
    /// The statement that a message makes in the name of its sender, if it makes one.
    #[must_use]
    pub const fn of(message: &ConsensusMessage) -> Option<Self> {
        match message {
            ConsensusMessage::Vote(vote) | ConsensusMessage::RepeatedVote(vote) => Some(Self::Vote(*vote)),
            ConsensusMessage::Proposal(proposal) => Some(Self::Proposal(proposal.signed)),
            ConsensusMessage::PolkaCertificate(_) | ConsensusMessage::RoundCertificate(_) => None,
        }
    }

    /// Who signed it.
    #[must_use]
    pub const fn validator(&self) -> PublicKey {
        match self {
            Self::Vote(signed) => signed.vote.validator,
            Self::Proposal(signed) => signed.header.proposer,
        }
    }

    /// The height that it is about.
    #[must_use]
    pub const fn height(&self) -> Height {
        match self {
            Self::Vote(signed) => signed.vote.height,
            Self::Proposal(signed) => signed.header.height,
        }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// If it does not hold in the mesh of this genesis.
    pub fn verify(&self, genesis: &Digest) -> Result<(), SignatureError> {
        match self {
            Self::Vote(signed) => signed.verify(genesis),
            Self::Proposal(signed) => signed.verify(genesis),
        }
    }

    /// What comes later in a height is greater.
    const fn order(&self) -> (Height, Round, u8) {
        match self {
            Self::Vote(SignedVote { vote, .. }) => (vote.height, vote.round, vote.kind as u8),
            Self::Proposal(SignedProposalHeader { header, .. }) => (header.height, header.round, 0),
        }
    }
}

/// The last vote and the last proposal of each validator, as far as they are known. Whoever notes something has it
/// from the validator itself, or with a signature that was checked.
#[derive(Debug, Default)]
pub struct VoteHistory {
    votes: BTreeMap<PublicKey, SignedStatement>,
    proposals: BTreeMap<PublicKey, SignedStatement>,
}

impl VoteHistory {
    /// Notes a statement of a validator.
    pub fn note(&mut self, statement: SignedStatement) {
        let statements = match statement {
            SignedStatement::Vote(_) => &mut self.votes,
            SignedStatement::Proposal(_) => &mut self.proposals,
        };
        let last = statements.entry(statement.validator()).or_insert(statement);
        if statement.order() > last.order() {
            *last = statement;
        }
    }

    /// How many statements are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.votes.len() + self.proposals.len()
    }

    /// Notes the precommits of a certificate.
    pub fn note_commit(&mut self, certificate: &CommitCertificate) {
        certificate.votes().for_each(|vote| self.note(SignedStatement::Vote(vote)));
    }

    /// The last statements of a validator: at most [`STATEMENTS_PER_VALIDATOR_MAX`] messages.
    #[must_use]
    pub fn of(&self, validator: &PublicKey) -> Vec<SignedStatement> {
        self.votes.get(validator).into_iter().chain(self.proposals.get(validator)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::vote::{ProposalHeader, Vote, VoteKind};
    use super::*;
    use crate::base::SecretKey;

    const GENESIS: Digest = Digest([9; 32]);

    fn vote(height: u64, round: u32, kind: VoteKind) -> SignedStatement {
        let key = SecretKey::from_seed([1; 32]);
        let vote = Vote {
            kind,
            height: Height(height),
            round: Round(round),
            value_id: None,
            validator: key.public(),
        };
        SignedStatement::Vote(vote.sign(&GENESIS, &key))
    }

    fn proposal(height: u64) -> SignedStatement {
        let key = SecretKey::from_seed([1; 32]);
        let header = ProposalHeader {
            height: Height(height),
            round: Round(0),
            valid_round: None,
            value_id: Digest::ZERO,
            proposer: key.public(),
        };
        SignedStatement::Proposal(header.sign(&GENESIS, &key))
    }

    #[test]
    fn the_last_vote_and_the_last_proposal_are_kept_and_no_more() {
        let mut last = VoteHistory::default();
        let precommit = vote(3, 1, VoteKind::Precommit);
        let others =
            [vote(3, 1, VoteKind::Prevote), vote(3, 0, VoteKind::Precommit), vote(2, 9, VoteKind::Prevote)];
        last.note(others[1]);
        last.note(precommit);
        others.into_iter().for_each(|earlier| last.note(earlier));
        last.note(proposal(2));
        last.note(proposal(1));
        let validator = precommit.validator();
        assert_eq!(last.of(&validator), [precommit, proposal(2)]);
        assert_eq!(last.of(&validator).len(), STATEMENTS_PER_VALIDATOR_MAX);
        assert_eq!(last.of(&PublicKey([8; 32])), []);
        assert!(precommit.verify(&GENESIS).is_ok() && precommit.verify(&Digest::ZERO).is_err());
    }
}
