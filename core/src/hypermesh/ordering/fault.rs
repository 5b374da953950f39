//! What went wrong, and whose fault it is.

use super::certificate::CertificateFault;
use super::vote::Round;
use crate::base::{Digest, Height, PublicKey};
use alloc::string::String;

/// A message or an answer that the engine refused, or damage that it found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineFault {
    /// A message from someone who is no validator.
    #[error("{peer} sent a consensus message but is not a validator: its message is dropped")]
    UnknownSender {
        /// The sender.
        peer: PublicKey,
    },
    /// A message signed by someone who is no validator.
    #[error("{peer} sent a message signed by {validator}, which is not a validator")]
    UnknownValidator {
        /// The sender.
        peer: PublicKey,
        /// The signer.
        validator: PublicKey,
    },
    /// A signature that does not hold.
    #[error("{peer} sent a message of {validator} whose signature does not verify")]
    BadSignature {
        /// The sender.
        peer: PublicKey,
        /// Whose message it claims to be.
        validator: PublicKey,
    },
    /// A proposal by someone whose turn it is not.
    #[error("{peer} sent a proposal of {validator} for height {height}, out of turn")]
    NotProposer {
        /// The sender.
        peer: PublicKey,
        /// Who proposed.
        validator: PublicKey,
        /// For which height.
        height: Height,
    },
    /// A proposal whose block is malformed, or not the one that its header names.
    #[error("{peer} sent a proposal for height {height} whose block is malformed or not the one it names")]
    MalformedValue {
        /// The sender.
        peer: PublicKey,
        /// For which height.
        height: Height,
    },
    /// A proposal whose block is too long.
    #[error("{peer} sent a block of {bytes} bytes, above the limit")]
    ValueTooLong {
        /// The sender.
        peer: PublicKey,
        /// How long the block is.
        bytes: usize,
    },
    /// A certificate that proves nothing.
    #[error("{peer} sent an invalid certificate: {fault}")]
    BadCertificate {
        /// The sender.
        peer: PublicKey,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// A synced block for a height that is not under way.
    #[error(
        "received a synced block for height {height} while another height is in progress: request the \
        block of that height"
    )]
    SyncedOtherHeight {
        /// The block's height.
        height: Height,
    },
    /// A synced block whose certificate does not hold: the peer that served it is at fault.
    #[error("the certificate of the synced block for height {height} is invalid: {fault}")]
    SyncedBadCertificate {
        /// The block's height.
        height: Height,
        /// What is wrong with the certificate.
        fault: CertificateFault,
    },
    /// A synced block that is not the one certified: the peer that served it is at fault.
    #[error("the synced block for height {height} is malformed or not the one its certificate names")]
    SyncedOtherValue {
        /// The block's height.
        height: Height,
    },
    /// The host found a block invalid that a quorum decided: this host, or more than f validators, are wrong.
    #[error(
        "a quorum decided {value_id} at height {height}, which this node finds invalid: this node \
        cannot continue"
    )]
    DecidedValueRefused {
        /// The height.
        height: Height,
        /// The block.
        value_id: Digest,
    },
    /// The host gave a malformed or too long block to propose.
    #[error("the block that this node built for height {height}, round {round} is malformed or too long")]
    OwnValueRefused {
        /// The height.
        height: Height,
        /// The round.
        round: Round,
    },
    /// The host started a height that is past or under way.
    #[error("height {height} cannot start: it is in progress or in the past")]
    StartedOutOfOrder {
        /// The height that was asked for.
        height: Height,
    },
    /// An entry of this node's log is damaged. It abstains for the height.
    #[error(
        "entry {index} of the log for height {height} is corrupted: this node abstains until that height \
        is decided"
    )]
    WalDamaged {
        /// The height.
        height: Height,
        /// The entry's position.
        index: usize,
    },
    /// Replaying this node's log led to another message than the log holds. It abstains for the height.
    #[error(
        "the replay of the log for height {height} had another result: this node abstains until that \
        height is decided"
    )]
    WalDiverged {
        /// The height.
        height: Height,
    },
    /// A peer holds a message of this node that its log does not: the log was lost or rolled back. It abstains.
    #[error(
        "this node signed a message for height {height} that is not in its log: it abstains until that \
        height is decided"
    )]
    OwnMessageUnknown {
        /// The height.
        height: Height,
    },
    /// This node was about to sign two conflicting messages, and did not.
    #[error("refused to sign two conflicting messages at height {height}, round {round}")]
    RefusedToEquivocate {
        /// The height.
        height: Height,
        /// The round.
        round: Round,
    },
    /// The consensus core failed at an input.
    #[error("the consensus core failed: {reason}")]
    Core {
        /// What it said.
        reason: String,
    },
}

impl EngineFault {
    /// The peer whose fault it is, if it is a peer's.
    #[must_use]
    pub const fn peer(&self) -> Option<PublicKey> {
        match self {
            Self::UnknownSender { peer }
            | Self::UnknownValidator { peer, .. }
            | Self::BadSignature { peer, .. }
            | Self::NotProposer { peer, .. }
            | Self::MalformedValue { peer, .. }
            | Self::ValueTooLong { peer, .. }
            | Self::BadCertificate { peer, .. } => Some(*peer),
            _ => None,
        }
    }
}
