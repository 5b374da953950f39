//! HyperMesh's requests and responses: what consensus thinks of batches and proofs, and what it decided.

use super::trustchain::message;
use crate::base::{Digest, Height, MicroCaesar, PublicKey, Sequence, UnixMillis};
use crate::hypermesh::ordering::CommitCertificate;
use crate::hypermesh::proof::{FourProofSet, ProofKind, Statement};
use crate::state::{Batch, Header, Receipt};
use crate::trust::Question;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// How sure an answer has to be.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ConsensusRequirements {
    /// The asked validator's opinion on the last committed state, at once.
    Checked,
    /// Ordered by the quorum.
    #[default]
    Committed,
}

message! {
    /// Asks consensus to approve a batch, which may hold certificate requests.
    ValidateBatchRequest {
        /// The batch, with its four proofs.
        batch: Batch,
        /// How sure the answer has to be.
        requirements: ConsensusRequirements,
    }
}

message! {
    /// Asks what the asked validator thinks of a set of four proofs.
    ValidateProofsRequest {
        /// What the proofs are about.
        statement: Statement,
        /// The proofs.
        proofs: FourProofSet,
    }
}

/// What consensus says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum ConsensusValidationResult {
    /// The proofs hold and the operations may happen; if committed, they did.
    Valid {
        /// The hash of the proofs' transcript.
        proof_hash: Digest,
        /// The block, if committed.
        height: Option<Height>,
        /// What became of the operations, if committed.
        receipts: Receipts,
    },
    /// They do not.
    Invalid {
        /// The proofs that failed; none if something else did.
        failed_proofs: Vec<ProofKind>,
        /// In words.
        reason: String,
    },
    /// Another batch of the member is being decided: ask again with the next number.
    Pending {
        /// In words.
        reason: String,
    },
}

impl ConsensusValidationResult {
    /// What became of the batch's operations, in order. None if it was not committed: then its receipts are a forecast.
    #[must_use]
    pub const fn committed_receipts(&self) -> &[Receipt] {
        match self {
            Self::Valid { height: Some(_), receipts, .. } => receipts.as_slice(),
            Self::Valid { height: None, .. } | Self::Invalid { .. } | Self::Pending { .. } => &[],
        }
    }
}

/// What became of a batch's operations, in order.
pub type Receipts = Vec<Receipt>;

message! {
    /// Asks for genesis.
    GenesisRequest {}
}

message! {
    /// Asks for a block's header and the proof that it was decided.
    HeaderRequest {
        /// Which block, or the last.
        height: Option<Height>,
    }
}

message! {
    /// A block's header and the precommits of a quorum for it.
    BlockProof {
        /// The header.
        header: Header,
        /// The precommits.
        commit: CommitCertificate,
    }
}

message! {
    /// Asks something whose answer is to be proved.
    ProveRequest {
        /// What.
        question: Question,
    }
}

message! {
    /// Asks what a member's next batch has to be.
    MemberRequest {
        /// Which member.
        member: PublicKey,
    }
}

message! {
    /// What a member's next batch has to be.
    MemberState {
        /// Its stake.
        stake: MicroCaesar,
        /// The root of its plot.
        plot_root: Digest,
        /// The number of its next batch.
        next_sequence: Sequence,
        /// Its ticket under the current beacon, if that stands in the state.
        ticket: Option<Digest>,
        /// For how many beacons in a row, up to now, it has put none on chain; counted up to three.
        missed_audits: u32,
        /// Whether it has missed so many that nobody takes its batches until it attests.
        suspended: bool,
        /// The current beacon.
        beacon: BeaconState,
        /// Where the member is in the network: never attested yet.
        position: String,
    }
}

message! {
    /// The current beacon.
    BeaconState {
        /// Its number.
        index: u64,
        /// Its value.
        value: Digest,
        /// When it was made.
        time: UnixMillis,
        /// Tickets go on chain until then.
        ticket_deadline: UnixMillis,
        /// The difficulty of the proof of work under it.
        difficulty: u64,
    }
}

message! {
    /// Asks for the node's status.
    StatusRequest {}
}
