//! Checking a checkpoint of the log against a trust bundle: whose log, whose signatures, and enough of them.

use super::bundle::{BundleAnchor, BundleFault, TrustBundle};
use crate::state::{GenesisValidator, cosigner_name};
use crate::trustchain::ct::{CheckpointFault, Cosigned, Cosigner, SignedCheckpoint, TreeHead};
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// A checkpoint that the log key signed and a quorum of validators cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedCheckpoint {
    /// The log's size and root.
    pub head: TreeHead,
    /// Who cosigned, and when.
    pub cosigned: Vec<Cosigned>,
    /// How many signatures are by keys that the bundle does not know.
    pub unknown_lines: usize,
}

/// A checkpoint that shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointRefusal {
    /// The bundle itself anchors nothing.
    #[error("trust bundle: {0}")]
    Bundle(#[from] BundleFault),
    /// Not a checkpoint, or a signature on it does not hold.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointFault),
    /// Of another log.
    #[error("the checkpoint is of the log {found}, expected {expected}")]
    Origin {
        /// Which log it is of.
        found: String,
        /// Which log the bundle anchors.
        expected: String,
    },
    /// Too few validators vouch for it.
    #[error("only {cosigned} of the {quorum} validators needed cosigned the checkpoint")]
    Quorum {
        /// How many cosigned.
        cosigned: usize,
        /// How many are needed.
        quorum: usize,
    },
}

impl TrustBundle {
    /// Checks a checkpoint: of this mesh's log, signed by its key, cosigned by a quorum of its validators.
    ///
    /// Signatures by keys that the bundle does not know are passed over and counted.
    ///
    /// # Errors
    /// With the first of these that does not hold.
    pub fn verify_checkpoint(&self, note: &str) -> Result<CheckedCheckpoint, CheckpointRefusal> {
        self.verify_checkpoint_with(&self.anchor()?, note)
    }

    pub(super) fn verify_checkpoint_with(
        &self,
        anchor: &BundleAnchor,
        note: &str,
    ) -> Result<CheckedCheckpoint, CheckpointRefusal> {
        let genesis = &self.genesis;
        let note = SignedCheckpoint::from_note(note)?;
        let (found, expected) = (&note.checkpoint.origin, genesis.log_origin());
        if *found != expected {
            return Err(CheckpointRefusal::Origin { found: found.clone(), expected });
        }
        let cosigner = |validator: &GenesisValidator| Cosigner {
            name: cosigner_name(&validator.name, &genesis.zone),
            key: validator.member.key,
        };
        let cosigners: Vec<Cosigner> = genesis.validators.iter().map(cosigner).collect();
        let cosigned = note.verify(&anchor.log_key, &cosigners)?;
        let quorum = genesis.validator_set().quorum();
        if cosigned.len() < quorum {
            return Err(CheckpointRefusal::Quorum { cosigned: cosigned.len(), quorum });
        }
        let known_lines = 1 + cosigned.len();
        let unknown_lines = note.signatures.len().saturating_sub(known_lines);
        Ok(CheckedCheckpoint { head: note.checkpoint.head, cosigned, unknown_lines })
    }
}
