//! What validators send one another, in its wire form.
//!
//! Decoding bounds every size and accepts canonical encodings only. It checks no signature and no meaning:
//! that is the engine's work, which knows the validators.

use super::certificate::CommitSignature;
use super::validators::VALIDATORS_MAX;
use super::vote::{Round, SignedProposalHeader, SignedVote, Vote, VoteKind};
use crate::base::{DecodeError, Digest, Height, PublicKey, Signature, decode, encode};
use alloc::sync::Arc;
use alloc::vec::Vec;
use borsh::io::{Read, Result as IoResult, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;

/// The most bytes of a message beyond those of the block in it: what [`VALIDATORS_MAX`] signatures take.
pub const MESSAGE_EXTRA_BYTES_MAX: usize = 64 * 1024;

const ROUND_VOTE_BYTES_MAX: usize = 1 + 33 + 32 + 64;
const _: () = assert!(VALIDATORS_MAX * ROUND_VOTE_BYTES_MAX + 1024 <= MESSAGE_EXTRA_BYTES_MAX);

/// A block's bytes. Cloning is cheap, and printing shows the length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct ValueBytes(pub Arc<[u8]>);

/// A proposal with the whole block in it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// What the proposer signed.
    pub signed: SignedProposalHeader,
    /// The block whose id the header names.
    pub value: ValueBytes,
}

/// One validator's part in a [`PolkaCertificate`]: its signature over a prevote.
pub type PolkaSignature = CommitSignature;

/// The prevotes of a quorum for one value in a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PolkaCertificate {
    /// The height voted in.
    pub height: Height,
    /// The round voted in.
    pub round: Round,
    /// The value prevoted for.
    pub value_id: Digest,
    /// The signatures, sorted by validator.
    pub signatures: Vec<PolkaSignature>,
}

/// What a [`RoundCertificate`] justifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum RoundCertificateKind {
    /// Entering the round voted in: more than one third are there already.
    Skip,
    /// Leaving the round voted in: more than two thirds have precommitted, for whatever value.
    Precommit,
}

/// One validator's part in a [`RoundCertificate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundVote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The value voted for; `None` is a vote for nil.
    pub value_id: Option<Digest>,
    /// Who voted.
    pub validator: PublicKey,
    /// Over the vote's digest.
    pub signature: Signature,
}

/// The votes that justify a change of round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundCertificate {
    /// The height voted in.
    pub height: Height,
    /// The round voted in.
    pub round: Round,
    /// What it justifies.
    pub kind: RoundCertificateKind,
    /// The votes, sorted by validator.
    pub votes: Vec<RoundVote>,
}

/// A message between validators.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ConsensusMessage {
    /// A proposer proposes a block.
    Proposal(Proposal),
    /// A validator votes.
    Vote(SignedVote),
    /// A validator repeats its vote, because the height goes on without a decision.
    RepeatedVote(SignedVote),
    /// A validator shows why it precommitted, or why it proposes a value again.
    PolkaCertificate(PolkaCertificate),
    /// A validator shows why it entered a round.
    RoundCertificate(RoundCertificate),
}

impl ConsensusMessage {
    /// The message with these bytes, in which a block may have `value_bytes_max` bytes.
    ///
    /// # Errors
    /// If it is too long or not the canonical encoding of a message.
    pub fn decode(bytes: &[u8], value_bytes_max: usize) -> Result<Self, DecodeError> {
        let message: Self = decode(bytes, value_bytes_max.saturating_add(MESSAGE_EXTRA_BYTES_MAX))?;
        let value_bytes = match &message {
            Self::Proposal(proposal) => proposal.value.0.len(),
            _ => 0,
        };
        if value_bytes > value_bytes_max {
            return Err(DecodeError::TooLong { bytes: value_bytes, bytes_max: value_bytes_max });
        }
        match message.signatures() > VALIDATORS_MAX {
            true => Err(DecodeError::Malformed),
            false => Ok(message),
        }
    }

    /// The message's canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The height that the message is about.
    #[must_use]
    pub const fn height(&self) -> Height {
        match self {
            Self::Proposal(proposal) => proposal.signed.header.height,
            Self::Vote(vote) | Self::RepeatedVote(vote) => vote.vote.height,
            Self::PolkaCertificate(certificate) => certificate.height,
            Self::RoundCertificate(certificate) => certificate.height,
        }
    }

    /// Whether only someone who has not seen this height decided sends this.
    pub(super) const fn shows_waiting(&self) -> bool {
        matches!(self, Self::RepeatedVote(_) | Self::RoundCertificate(_))
    }

    fn signatures(&self) -> usize {
        match self {
            Self::Proposal(_) | Self::Vote(_) | Self::RepeatedVote(_) => 1,
            Self::PolkaCertificate(certificate) => certificate.signatures.len(),
            Self::RoundCertificate(certificate) => certificate.votes.len(),
        }
    }
}

impl PolkaCertificate {
    /// The prevotes that the certificate is made of.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        self.signatures.iter().map(|signed| SignedVote {
            vote: Vote {
                kind: VoteKind::Prevote,
                height: self.height,
                round: self.round,
                value_id: Some(self.value_id),
                validator: signed.validator,
            },
            signature: signed.signature,
        })
    }
}

impl RoundCertificate {
    /// The votes that the certificate is made of.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        self.votes.iter().map(|signed| SignedVote {
            vote: Vote {
                kind: signed.kind,
                height: self.height,
                round: self.round,
                value_id: signed.value_id,
                validator: signed.validator,
            },
            signature: signed.signature,
        })
    }
}

impl fmt::Debug for ValueBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl BorshSerialize for ValueBytes {
    fn serialize<W: Write>(&self, writer: &mut W) -> IoResult<()> {
        self.0.as_ref().serialize(writer)
    }
}

impl BorshDeserialize for ValueBytes {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        Vec::<u8>::deserialize_reader(reader).map(|bytes| Self(bytes.into()))
    }
}
