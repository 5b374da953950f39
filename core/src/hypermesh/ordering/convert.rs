//! Between our wire forms and the types of Malachite's core.
//!
//! Ours have no nil round where none is meant, sorted certificates, and a block apart from its header.

use super::certificate::{CommitCertificate, CommitSignature};
use super::context::{CoreHeight, CoreProposal, CoreValidator, CoreVote, MeshContext, Value};
use super::message::{
    PolkaCertificate, PolkaSignature, Proposal, RoundCertificate, RoundCertificateKind, RoundVote, ValueBytes,
};
use super::vote::{ProposalHeader, Round, SignedProposalHeader, SignedVote, Vote, VoteKind};
use alloc::vec::Vec;
use malachite_consensus::PeerId;
use malachite_types as mt;
use malachite_types::{NilOrVal, SignedMessage, VoteType};

pub(super) type CoreSignedVote = mt::SignedVote<MeshContext>;
pub(super) type CoreSignedProposal = mt::SignedProposal<MeshContext>;

/// The round of a vote or a proposal, which is never nil.
pub(super) fn round(round: mt::Round) -> Round {
    Round(round.as_u32().unwrap_or(0))
}

pub(super) fn core_round(round: Round) -> mt::Round {
    mt::Round::new(round.0)
}

/// The core wants the name of the peer that served a block; the host knows it, and the engine need not.
pub(super) fn nobody() -> PeerId {
    const IDENTITY_OF_NOTHING: [u8; 2] = [0, 0];
    PeerId::from_bytes(&IDENTITY_OF_NOTHING).expect("the identity multihash of no bytes is a peer id")
}

impl From<VoteType> for VoteKind {
    fn from(kind: VoteType) -> Self {
        match kind {
            VoteType::Prevote => Self::Prevote,
            VoteType::Precommit => Self::Precommit,
        }
    }
}

impl From<VoteKind> for VoteType {
    fn from(kind: VoteKind) -> Self {
        match kind {
            VoteKind::Prevote => Self::Prevote,
            VoteKind::Precommit => Self::Precommit,
        }
    }
}

impl From<&CoreVote> for Vote {
    fn from(vote: &CoreVote) -> Self {
        Self {
            kind: vote.kind.into(),
            height: vote.height,
            round: round(vote.round),
            value_id: id(&vote.value_id),
            validator: vote.validator.0,
        }
    }
}

impl From<&CoreSignedVote> for SignedVote {
    fn from(signed: &CoreSignedVote) -> Self {
        Self { vote: (&signed.message).into(), signature: signed.signature }
    }
}

impl From<&SignedVote> for CoreSignedVote {
    fn from(signed: &SignedVote) -> Self {
        let vote = CoreVote {
            kind: signed.vote.kind.into(),
            height: signed.vote.height,
            round: core_round(signed.vote.round),
            value_id: core_id(signed.vote.value_id),
            validator: CoreValidator(signed.vote.validator),
        };
        SignedMessage::new(vote, signed.signature)
    }
}

impl From<&CoreProposal> for ProposalHeader {
    fn from(proposal: &CoreProposal) -> Self {
        Self {
            height: proposal.height,
            round: round(proposal.round),
            valid_round: proposal.valid_round.as_u32().map(Round),
            value_id: proposal.value.id,
            proposer: proposal.proposer.0,
        }
    }
}

impl From<&CoreSignedProposal> for SignedProposalHeader {
    fn from(signed: &CoreSignedProposal) -> Self {
        Self { header: (&signed.message).into(), signature: signed.signature }
    }
}

impl From<&CoreSignedProposal> for Proposal {
    fn from(signed: &CoreSignedProposal) -> Self {
        Self { signed: signed.into(), value: ValueBytes(signed.message.value.bytes.clone()) }
    }
}

impl From<Proposal> for CoreSignedProposal {
    fn from(proposal: Proposal) -> Self {
        let SignedProposalHeader { header, signature } = proposal.signed;
        let message = CoreProposal {
            height: header.height,
            round: core_round(header.round),
            value: Value { id: header.value_id, bytes: proposal.value.0 },
            valid_round: mt::Round::from(header.valid_round.map(|round| round.0)),
            proposer: CoreValidator(header.proposer),
        };
        SignedMessage::new(message, signature)
    }
}

impl From<&mt::CommitCertificate<MeshContext>> for CommitCertificate {
    fn from(core: &mt::CommitCertificate<MeshContext>) -> Self {
        let mut signatures: Vec<_> = core
            .commit_signatures
            .iter()
            .map(|signed| CommitSignature { validator: signed.address.0, signature: signed.signature })
            .collect();
        signatures.sort_unstable_by_key(|signed| signed.validator);
        Self { height: core.height.0, round: round(core.round), value_id: core.value_id, signatures }
    }
}

impl From<&CommitCertificate> for mt::ExtendedCommitCertificate<MeshContext> {
    fn from(ours: &CommitCertificate) -> Self {
        let signature = |signed: &CommitSignature| {
            mt::ExtendedCommitSignature::new(CoreValidator(signed.validator), signed.signature, None)
        };
        Self {
            height: CoreHeight(ours.height),
            round: core_round(ours.round),
            value_id: ours.value_id,
            commit_signatures: ours.signatures.iter().map(signature).collect(),
        }
    }
}

impl From<&mt::PolkaCertificate<MeshContext>> for PolkaCertificate {
    fn from(core: &mt::PolkaCertificate<MeshContext>) -> Self {
        let mut signatures: Vec<_> = core
            .polka_signatures
            .iter()
            .map(|signed| PolkaSignature { validator: signed.address.0, signature: signed.signature })
            .collect();
        signatures.sort_unstable_by_key(|signed| signed.validator);
        Self { height: core.height.0, round: round(core.round), value_id: core.value_id, signatures }
    }
}

impl From<&PolkaCertificate> for mt::PolkaCertificate<MeshContext> {
    fn from(ours: &PolkaCertificate) -> Self {
        let signature = |signed: &PolkaSignature| {
            mt::PolkaSignature::new(CoreValidator(signed.validator), signed.signature)
        };
        Self {
            height: CoreHeight(ours.height),
            round: core_round(ours.round),
            value_id: ours.value_id,
            polka_signatures: ours.signatures.iter().map(signature).collect(),
        }
    }
}

impl From<&mt::RoundCertificate<MeshContext>> for RoundCertificate {
    fn from(core: &mt::RoundCertificate<MeshContext>) -> Self {
        let mut votes: Vec<_> = core
            .round_signatures
            .iter()
            .map(|signed| RoundVote {
                kind: signed.vote_type.into(),
                value_id: id(&signed.value_id),
                validator: signed.address.0,
                signature: signed.signature,
            })
            .collect();
        votes.sort_unstable_by_key(|vote| vote.validator);
        let kind = match core.cert_type {
            mt::RoundCertificateType::Skip => RoundCertificateKind::Skip,
            mt::RoundCertificateType::Precommit => RoundCertificateKind::Precommit,
        };
        Self { height: core.height.0, round: round(core.round), kind, votes }
    }
}

impl From<&RoundCertificate> for mt::RoundCertificate<MeshContext> {
    fn from(ours: &RoundCertificate) -> Self {
        let vote = |vote: &RoundVote| {
            mt::RoundSignature::new(
                vote.kind.into(),
                core_id(vote.value_id),
                CoreValidator(vote.validator),
                vote.signature,
            )
        };
        let cert_type = match ours.kind {
            RoundCertificateKind::Skip => mt::RoundCertificateType::Skip,
            RoundCertificateKind::Precommit => mt::RoundCertificateType::Precommit,
        };
        Self {
            height: CoreHeight(ours.height),
            round: core_round(ours.round),
            cert_type,
            round_signatures: ours.votes.iter().map(vote).collect(),
        }
    }
}

fn id(value: &NilOrVal<crate::base::Digest>) -> Option<crate::base::Digest> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(*id),
    }
}

fn core_id(value: Option<crate::base::Digest>) -> NilOrVal<crate::base::Digest> {
    value.map_or(NilOrVal::Nil, NilOrVal::Val)
}
