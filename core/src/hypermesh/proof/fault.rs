//! What is wrong with a set of proofs, proof by proof, in words for whoever must mend it.

use crate::base::MicroCaesar;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use serde::{Deserialize, Serialize};

/// One of the four proofs.
#[derive(
    Clone,
    Copy,
    Debug,
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
#[serde(rename_all = "lowercase")]
pub enum ProofKind {
    /// Where: the member keeps its plot.
    Space,
    /// Who: the holder of a staked key said it.
    Stake,
    /// What: hashes were spent on this batch.
    Work,
    /// When: steps were taken since the beacon.
    Time,
}

/// What is wrong with a proof.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProofFault {
    /// A list that does not have the length that the profile asks for.
    #[error("it has {found} hashes, and this mesh's profile allows {allowed}: prove under that profile")]
    Count {
        /// How many there are.
        found: u64,
        /// How many there must be, or may be at most.
        allowed: u64,
    },
    /// The state knows no plot of the member.
    #[error("the member has no plot on chain: commit a plot and prove it first")]
    NoPlot,
    /// The ticket that the set names is not the one recorded.
    #[error("the ticket it names is not on chain for this member and beacon: send the ticket in full")]
    UnknownTicket,
    /// One half of the ticket is named and the other given in full, though the state has both.
    #[error("it is given in full beside a ticket that is on chain: name the ticket here as well")]
    RepeatsTicket,
    /// A ticket in full after the deadline.
    #[error("the ticket came after its deadline, when its plot could have been made anew: wait for a beacon")]
    TooLate,
    /// The opened labels do not lead to the committed root.
    #[error("the answer does not lead to the plot root on chain: the plot is corrupted, or another member's")]
    WrongAnswer,
    /// The columns do not lead to the committed root.
    #[error(
        "the columns do not lead to the column root on chain: the layers are corrupted, or of another plot"
    )]
    WrongColumns,
    /// A label is not the hash of its parents.
    #[error("label {vertex} of layer {layer} is not computed from its parents: the plot is not a valid plot")]
    WrongLabel {
        /// The layer, from 0.
        layer: u32,
        /// The label's position in it.
        vertex: u32,
    },
    /// Less stake than the state asks for.
    #[error("the member has {stake} micro-Caesar at stake, and {minimum} are required: bond more")]
    StakeTooLow {
        /// What the member has.
        stake: MicroCaesar,
        /// What it needs.
        minimum: MicroCaesar,
    },
    /// The signature does not hold.
    #[error("the signature is not the member's over these proofs: sign with the staked key, last of all")]
    BadSignature,
    /// A nonce misses the target.
    #[error("nonce {puzzle} misses the target of difficulty {difficulty}: solve for that difficulty")]
    TooLittleWork {
        /// Which of the puzzles, from 0.
        puzzle: u8,
        /// The hashes that a batch must be expected to take.
        difficulty: u64,
    },
    /// The opened leaves do not lead to the proof's root.
    #[error("the steps do not lead from this beacon and member to the proof's root: prove for this beacon")]
    NotSequential,
}

/// A proof that failed, and why.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct FailedProof {
    /// Which.
    pub proof: ProofKind,
    /// Why.
    pub reason: ProofFault,
}

/// A set that was refused, with the proofs that failed, each once, in the order of [`ProofKind`].
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize, thiserror::Error,
)]
pub struct ProofRejection {
    /// The proofs that failed: at least one.
    pub failed: Vec<FailedProof>,
}

impl ProofKind {
    /// Every proof, in order.
    pub const ALL: [Self; 4] = [Self::Space, Self::Stake, Self::Work, Self::Time];

    /// The proof's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Space => "space",
            Self::Stake => "stake",
            Self::Work => "work",
            Self::Time => "time",
        }
    }
}

impl ProofRejection {
    /// The names of the proofs that failed.
    pub fn kinds(&self) -> impl Iterator<Item = ProofKind> {
        self.failed.iter().map(|failed| failed.proof)
    }
}

impl fmt::Display for ProofKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for FailedProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} proof: {}", self.proof, self.reason)
    }
}

impl fmt::Display for ProofRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failed) in self.failed.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{failed}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn a_rejection_names_every_proof_that_failed() {
        let rejection = ProofRejection {
            failed: vec![
                FailedProof { proof: ProofKind::Space, reason: ProofFault::NoPlot },
                FailedProof {
                    proof: ProofKind::Work,
                    reason: ProofFault::TooLittleWork { puzzle: 3, difficulty: 64 },
                },
            ],
        };
        assert_eq!(
            rejection.to_string(),
            "space proof: the member has no plot on chain: commit a plot and prove it first; \
             work proof: nonce 3 misses the target of difficulty 64: solve for that difficulty"
        );
        assert_eq!(rejection.kinds().collect::<Vec<_>>(), [ProofKind::Space, ProofKind::Work]);
    }
}
