//! What a message between validators is called, for whoever watches them go by.
//!
//! Nothing is verified here: a label says what a message claims to be.

use super::message::Message;
use crate::base::Height;
use crate::hypermesh::ordering::{ConsensusMessage, Round, VoteKind};

/// What a message claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLabel {
    /// Its kind: a word, the same for all messages of the kind.
    pub name: &'static str,
    /// The height that it is about, if it is about one.
    pub height: Option<Height>,
    /// The round that it is about, if it is about one.
    pub round: Option<Round>,
}

/// The kind of bytes that are no message.
pub const UNREADABLE: &str = "unreadable";

/// Says what a message with these bytes claims to be; [`UNREADABLE`] if they are none.
#[must_use]
pub fn label_message(bytes: &[u8]) -> MessageLabel {
    Message::decode(bytes).map_or(MessageLabel::of(UNREADABLE), |message| message.label())
}

impl MessageLabel {
    const fn of(name: &'static str) -> Self {
        Self { name, height: None, round: None }
    }

    const fn at(name: &'static str, height: Height) -> Self {
        Self { name, height: Some(height), round: None }
    }

    const fn in_round(name: &'static str, height: Height, round: Round) -> Self {
        Self { name, height: Some(height), round: Some(round) }
    }
}

impl Message {
    const fn label(&self) -> MessageLabel {
        match self {
            Self::Consensus(message) => consensus_label(message),
            Self::Batch(_) => MessageLabel::of("batch"),
            Self::System(_) => MessageLabel::of("system-operation"),
            Self::Height(height) => MessageLabel::at("height", *height),
            Self::Fetch(fetch) => MessageLabel::at("fetch", fetch.first),
            Self::Blocks(blocks) => MessageLabel::at("blocks", blocks.first),
            Self::Round2(_) => MessageLabel::of("private-shares"),
            Self::FetchCommitments(_) => MessageLabel::of("want-commitments"),
            Self::Commitments(_) => MessageLabel::of("commitments"),
            Self::Shares(requests) => MessageLabel::at("share-requests", requests.height),
            Self::SignedShares(_) => MessageLabel::of("signature-shares"),
            Self::Signature(_) => MessageLabel::of("signature"),
            Self::FetchVoteHistory(_) => MessageLabel::of("want-said"),
            Self::VoteHistory(_) => MessageLabel::of("said"),
            Self::FetchEntry(_) => MessageLabel::of("fetch-entry"),
            Self::Entry(_) => MessageLabel::of("entry"),
            Self::RepairDeltas(_) => MessageLabel::of("repair-deltas"),
            Self::RepairSum(_) => MessageLabel::of("repair-sum"),
            Self::Addresses(_) => MessageLabel::of("addresses"),
        }
    }
}

const fn consensus_label(message: &ConsensusMessage) -> MessageLabel {
    match message {
        ConsensusMessage::Proposal(proposal) => {
            let header = &proposal.signed.header;
            MessageLabel::in_round("proposal", header.height, header.round)
        }
        ConsensusMessage::Vote(signed) => {
            let name = match signed.vote.kind {
                VoteKind::Prevote => "prevote",
                VoteKind::Precommit => "precommit",
            };
            MessageLabel::in_round(name, signed.vote.height, signed.vote.round)
        }
        ConsensusMessage::RepeatedVote(signed) => {
            MessageLabel::in_round("repeated-vote", signed.vote.height, signed.vote.round)
        }
        ConsensusMessage::PolkaCertificate(certificate) => {
            MessageLabel::in_round("polka-certificate", certificate.height, certificate.round)
        }
        ConsensusMessage::RoundCertificate(certificate) => {
            MessageLabel::in_round("round-certificate", certificate.height, certificate.round)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Digest, PublicKey, Signature};
    use crate::hypermesh::ordering::{SignedVote, Vote};

    #[test]
    fn a_vote_is_called_by_its_kind_height_and_round() {
        let vote = Vote {
            kind: VoteKind::Precommit,
            height: Height(7),
            round: Round(2),
            value_id: Some(Digest::ZERO),
            validator: PublicKey([1; 32]),
        };
        let signed = SignedVote { vote, signature: Signature([0; 64]) };
        let bytes = Message::Consensus(ConsensusMessage::Vote(signed)).encode();
        assert_eq!(label_message(&bytes), MessageLabel::in_round("precommit", Height(7), Round(2)));
        let bytes = Message::Height(Height(3)).encode();
        assert_eq!(label_message(&bytes), MessageLabel::at("height", Height(3)));
    }

    #[test]
    fn what_is_no_message_is_unreadable() {
        for bytes in [&[][..], &[0xff; 40], &[3, 1]] {
            assert_eq!(label_message(bytes), MessageLabel::of(UNREADABLE));
        }
    }
}
