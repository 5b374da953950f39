//! A batch: operations that one member submits together, with one set of four proofs.

use super::{CheckedOperation, Operation, OperationFault, OperationId};
use crate::base::{Digest, Domain, PublicKey, Sequence};
use crate::hypermesh::proof::{FourProofSet, Statement};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most operations in one batch.
pub const BATCH_OPERATION_COUNT_MAX: usize = 1024;
/// The most bytes in one encoded batch.
pub const BATCH_BYTES_MAX: usize = 3 * 1024 * 1024;

const LEAF: Domain = Domain::new("hypermesh v1 batch leaf");
const NODE: Domain = Domain::new("hypermesh v1 batch node");
const ID: Domain = Domain::new("hypermesh v1 batch id");

/// Operations with the proofs that admit them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Batch {
    /// The mesh it is meant for.
    pub genesis: Digest,
    /// Who submits it.
    pub member: PublicKey,
    /// The member's number for it.
    pub sequence: Sequence,
    /// The beacon that its proofs are bound to.
    pub beacon_index: u64,
    /// From 1 to [`BATCH_OPERATION_COUNT_MAX`] operations, none twice.
    pub operations: Vec<Operation>,
    /// Space, stake, work and time.
    pub proofs: FourProofSet,
}

/// A batch that may not be in a block at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchFault {
    /// It is for another mesh.
    #[error("the batch is for another mesh")]
    OtherMesh,
    /// No operations, or too many.
    #[error("the batch has {operations} operations: it must have from 1 to {BATCH_OPERATION_COUNT_MAX}")]
    Count {
        /// How many it has.
        operations: usize,
    },
    /// It takes too many bytes.
    #[error("the batch takes {bytes} bytes where at most {BATCH_BYTES_MAX} are allowed")]
    TooLong {
        /// How many it takes.
        bytes: usize,
    },
    /// One operation twice.
    #[error("operation {id} is in the batch twice")]
    Repeated {
        /// Which.
        id: OperationId,
    },
    /// One of its operations may not be in a block.
    #[error("operation {position}: {fault}")]
    Operation {
        /// Its place in the batch, from 0.
        position: usize,
        /// What is wrong with it.
        fault: OperationFault,
    },
}

/// A batch whose form and signatures have been checked; its four proofs depend on the state and are not.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    /// Its id, which covers every byte of it.
    pub id: Digest,
    /// The Merkle root over its operations.
    pub root: Digest,
    /// How many bytes it takes.
    pub bytes: usize,
    /// The batch.
    pub batch: Batch,
    /// Its operations, checked, in order.
    pub operations: Vec<CheckedOperation>,
}

impl Batch {
    /// The batch's id, over every byte of it.
    #[must_use]
    pub fn id(&self) -> Digest {
        ID.hash_of(self)
    }

    /// The Merkle root over the operations' ids.
    #[must_use]
    pub fn root(&self) -> Digest {
        batch_root(self.operations.iter().map(Operation::id))
    }

    /// Checks what costs next to nothing: the mesh, the count, the length.
    ///
    /// A thousand signatures take a thousand times what it takes to send them again, so whoever takes batches
    /// from just anybody asks [`super::State::admit_proofs`] between this and [`Self::check`].
    ///
    /// # Errors
    /// With the first of those rules that the batch breaks.
    pub fn check_form(&self, genesis: &Digest) -> Result<(), BatchFault> {
        if self.genesis != *genesis {
            return Err(BatchFault::OtherMesh);
        }
        if self.operations.is_empty() || self.operations.len() > BATCH_OPERATION_COUNT_MAX {
            return Err(BatchFault::Count { operations: self.operations.len() });
        }
        let bytes = crate::base::encode(self).len();
        if bytes > BATCH_BYTES_MAX {
            return Err(BatchFault::TooLong { bytes });
        }
        Ok(())
    }

    /// What the batch's proofs are about.
    #[must_use]
    pub fn statement(&self) -> Statement {
        statement(self, self.root())
    }

    /// Checks all that does not depend on the state.
    ///
    /// # Errors
    /// With the first rule that the batch breaks.
    pub fn check(self, genesis: &Digest) -> Result<CheckedBatch, BatchFault> {
        self.check_form(genesis)?;
        let mut operations = Vec::with_capacity(self.operations.len());
        let mut seen = alloc::collections::BTreeSet::new();
        for (position, operation) in self.operations.iter().enumerate() {
            let checked = operation.clone().check(genesis);
            let checked = checked.map_err(|fault| BatchFault::Operation { position, fault })?;
            if !seen.insert(checked.id) {
                return Err(BatchFault::Repeated { id: checked.id });
            }
            operations.push(checked);
        }
        Ok(CheckedBatch::of_checked(self, operations))
    }
}

impl CheckedBatch {
    /// A batch of operations that were each checked before.
    #[must_use]
    pub fn of_checked(batch: Batch, operations: Vec<CheckedOperation>) -> Self {
        let bytes = crate::base::encode(&batch).len();
        let root = batch_root(operations.iter().map(|operation| operation.id));
        Self { id: batch.id(), root, bytes, batch, operations }
    }

    /// What the batch's proofs are about.
    #[must_use]
    pub const fn statement(&self) -> Statement {
        statement(&self.batch, self.root)
    }
}

const fn statement(batch: &Batch, batch_root: Digest) -> Statement {
    let Batch { genesis, member, sequence, beacon_index, operations: _, proofs: _ } = batch;
    let (genesis, member, sequence, beacon_index) = (*genesis, *member, *sequence, *beacon_index);
    Statement { genesis, member, sequence, batch_root, beacon_index }
}

/// The Merkle root over these operations, in the shape of RFC 6962 §2.1.
#[must_use]
pub fn batch_root(ids: impl IntoIterator<Item = OperationId>) -> Digest {
    let leaves: Vec<Digest> = ids.into_iter().map(|id| LEAF.hash(&[&id.0.0])).collect();
    merkle(&leaves)
}

fn merkle(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::ZERO,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            NODE.hash(&[&merkle(left).0, &merkle(right).0])
        }
    }
}
