//! System operations: what validators say on chain about the running of the mesh, outside the four proofs.

use crate::base::{Digest, Domain, PublicKey, SecretKey, Signature};
use crate::hypermesh::committee::{CommitteeKeys, Round1};
use crate::state::{Offence, RepairAction};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most system operations in one block.
pub const SYSTEM_OPERATION_COUNT_MAX: usize = 256;
/// The most bytes in one encoded system operation.
pub const SYSTEM_OPERATION_BYTES_MAX: usize = 256 * 1024;
/// The most bytes that all system operations of a block take, encoded: a quarter of the block. The rest is left for
/// batches, however much validators have to say.
pub const SYSTEM_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes in the reason of an abort.
pub const ABORT_REASON_BYTES_MAX: usize = 512;

const _: () = assert!(SYSTEM_OPERATION_BYTES_MAX <= SYSTEM_BYTES_MAX);

const ID: Domain = Domain::new("hypermesh v1 system operation");

/// A validator's word on the running of the mesh.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SystemOperation {
    /// The mesh it is meant for.
    pub genesis: Digest,
    /// Who says it.
    pub validator: PublicKey,
    /// What is said.
    pub action: SystemAction,
    /// By the validator, over all before.
    pub signature: Signature,
}

/// What validators can say.
///
/// Exhaustive: checkers of runs have to judge each one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemAction {
    /// The proposer's contribution to the next beacon: the next preimage of its hash chain.
    Reveal(Digest),
    /// First round of key generation: the validator's commitments, for every key.
    GenerationRound1 {
        /// The attempt it belongs to, from 0.
        attempt: u32,
        /// The commitments.
        package: Round1,
    },
    /// The validator holds its shares, and these are the public keys that it computed.
    GenerationConfirm {
        /// The attempt it belongs to.
        attempt: u32,
        /// The keys.
        keys: CommitteeKeys,
    },
    /// The attempt cannot succeed. The next one begins.
    GenerationAbort {
        /// The attempt it belongs to.
        attempt: u32,
        /// Whom the validator holds responsible; itself after a restart.
        accused: Vec<PublicKey>,
        /// In words, for the operators.
        reason: String,
    },
    /// The repair of a validator's lost key shares.
    Repair(RepairAction),
    /// Evidence that a validator broke the rules: it loses what it has at stake.
    Accuse(Box<Offence>),
}

impl SystemOperation {
    /// The operation, signed.
    #[must_use]
    pub fn sign(genesis: Digest, action: SystemAction, validator: &SecretKey) -> Self {
        let public = validator.public();
        let signature = validator.sign(&digest(&genesis, &public, &action));
        Self { genesis, validator: public, action, signature }
    }

    /// Whether the validator signed it, for this mesh, within bounds.
    #[must_use]
    pub fn is_signed(&self, genesis: &Digest) -> bool {
        let digest = digest(&self.genesis, &self.validator, &self.action);
        self.genesis == *genesis
            && self.validator.verify(&digest, &self.signature).is_ok()
            && crate::base::encode(self).len() <= SYSTEM_OPERATION_BYTES_MAX
    }

    /// What identifies it.
    #[must_use]
    pub fn id(&self) -> Digest {
        digest(&self.genesis, &self.validator, &self.action)
    }
}

fn digest(genesis: &Digest, validator: &PublicKey, action: &SystemAction) -> Digest {
    ID.hash_of(&(genesis, validator, action))
}
