//! What validators sign: votes, and the headers of proposals.
//!
//! A signature is over a digest that binds the genesis, so that no signature of one mesh counts in another,
//! and over value ids, never over blocks, so that evidence and certificates stay small.

use crate::base::{Digest, Domain, Height, PublicKey, SecretKey, Signature, SignatureError};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use serde::{Deserialize, Serialize};

const VOTE: Domain = Domain::new("hypermesh v1 ordering vote");
const PROPOSAL: Domain = Domain::new("hypermesh v1 ordering proposal");

/// An attempt at deciding a height, from 0. Each round has its own proposer.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Round(pub u32);

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// The two votes of a round.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum VoteKind {
    /// "I would accept this value."
    Prevote,
    /// "I have seen more than two thirds prevote for this value, and am locked on it."
    Precommit,
}

/// A validator's vote for a value, or for none, in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The height voted in.
    pub height: Height,
    /// The round voted in.
    pub round: Round,
    /// The value voted for; `None` is a vote for nil.
    pub value_id: Option<Digest>,
    /// Who votes.
    pub validator: PublicKey,
}

/// A vote with its validator's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SignedVote {
    /// The vote.
    pub vote: Vote,
    /// Over [`Vote::digest`], by `vote.validator`.
    pub signature: Signature,
}

/// A proposal without the block itself: what its proposer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ProposalHeader {
    /// The height proposed for.
    pub height: Height,
    /// The round proposed in.
    pub round: Round,
    /// If the value was proposed before and more than two thirds prevoted for it, the round in which they did.
    pub valid_round: Option<Round>,
    /// The id of the value proposed.
    pub value_id: Digest,
    /// Who proposes.
    pub proposer: PublicKey,
}

/// A proposal's header with its proposer's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SignedProposalHeader {
    /// The header.
    pub header: ProposalHeader,
    /// Over [`ProposalHeader::digest`], by `header.proposer`.
    pub signature: Signature,
}

impl Vote {
    /// What the validator signs. The signer is bound by the key, so the digest does not repeat it.
    #[must_use]
    pub fn digest(&self, genesis: &Digest) -> Digest {
        VOTE.hash_of(&(genesis, self.kind, self.height, self.round, self.value_id))
    }

    /// The vote, signed. Nothing is checked here: the engine signs through its own guard against equivocation.
    #[must_use]
    pub fn sign(self, genesis: &Digest, key: &SecretKey) -> SignedVote {
        SignedVote { vote: self, signature: key.sign(&self.digest(genesis)) }
    }
}

impl SignedVote {
    /// Checks the signature; not whether the signer is a validator.
    ///
    /// # Errors
    /// If it does not hold in the mesh of this genesis.
    pub fn verify(&self, genesis: &Digest) -> Result<(), SignatureError> {
        self.vote.validator.verify(&self.vote.digest(genesis), &self.signature)
    }
}

impl ProposalHeader {
    /// What the proposer signs.
    #[must_use]
    pub fn digest(&self, genesis: &Digest) -> Digest {
        PROPOSAL.hash_of(&(genesis, self.height, self.round, self.valid_round, self.value_id))
    }

    /// The header, signed. Nothing is checked here: the engine signs through its own guard.
    #[must_use]
    pub fn sign(self, genesis: &Digest, key: &SecretKey) -> SignedProposalHeader {
        SignedProposalHeader { header: self, signature: key.sign(&self.digest(genesis)) }
    }
}

impl SignedProposalHeader {
    /// Checks the signature; not whether it was the signer's turn to propose.
    ///
    /// # Errors
    /// If it does not hold in the mesh of this genesis.
    pub fn verify(&self, genesis: &Digest) -> Result<(), SignatureError> {
        self.header.proposer.verify(&self.header.digest(genesis), &self.signature)
    }
}
