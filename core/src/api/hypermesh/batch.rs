//! What consensus thinks of a member's batch. The node orders it; a view answers whoever asks for an opinion alone.

use crate::api::View;
use crate::base::{Digest, Height};
use crate::hypermesh::proof::{Diligence, ProofKind};
use crate::state::{Batch, Inadmissible, Outcome, Receipt, State, Unpaid};
use alloc::string::{String, ToString};
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

impl ValidateBatchRequest {
    /// The asked validator's opinion, if that is all that is asked for.
    pub(in crate::api) fn opinion(&self, view: &View) -> Option<ConsensusValidationResult> {
        let checked = self.requirements == ConsensusRequirements::Checked;
        checked.then(|| check_batch(&view.state, &self.batch))
    }
}

/// This validator's opinion on a batch, on the last committed state: the proofs, and what would become of the
/// operations.
#[must_use]
pub fn check_batch(state: &State, batch: &Batch) -> ConsensusValidationResult {
    let invalid = |reason: String| ConsensusValidationResult::Invalid { failed_proofs: Vec::new(), reason };
    if let Err(fault) = batch.check_form(&state.genesis_hash()) {
        return invalid(fault.to_string());
    }
    // A thousand operations' signatures are not looked at for one who is no member.
    let proof_hash = match state.admit_proofs(batch, state.time(), Diligence::NameAll) {
        Ok(proof_hash) => proof_hash,
        Err(reason) => return refused(&reason),
    };
    let batch = match batch.clone().check(&state.genesis_hash()) {
        Ok(batch) => batch,
        Err(fault) => return invalid(fault.to_string()),
    };
    if let Err(reason) = state.require_payable(&batch, state.time()) {
        return refused(&reason);
    }
    let rehearsed = batch.operations.iter().map(|operation| state.rehearse(operation, state.time()));
    let refusal = rehearsed.into_iter().find_map(|outcome| match outcome {
        Ok(Receipt { outcome: Outcome::Refused(refusal), .. }) | Err(Unpaid::Refused(refusal)) => {
            Some(refusal)
        }
        _ => None,
    });
    match refusal {
        Some(refusal) => invalid(refusal.to_string()),
        None => ConsensusValidationResult::Valid { proof_hash, height: None, receipts: Vec::new() },
    }
}

/// What is said of a batch that may not be in the next block.
#[must_use]
pub fn refused(reason: &Inadmissible) -> ConsensusValidationResult {
    let failed_proofs = match reason {
        Inadmissible::Proofs(rejection) => rejection.failed.iter().map(|failed| failed.proof).collect(),
        _ => Vec::new(),
    };
    ConsensusValidationResult::Invalid { failed_proofs, reason: reason.to_string() }
}
