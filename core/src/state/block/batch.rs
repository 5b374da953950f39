//! A batch: operations that one member submits together, with one set of four proofs.

use crate::base::{Digest, Domain, PublicKey, Sequence};
use crate::hypermesh::proof::{FourProofSet, Statement};
use crate::state::block::batch_tree::{Omitted, batch_root, merged_root, omit};
use crate::state::{CheckedOperation, Operation, OperationFault, OperationId};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most operations in one batch.
pub const BATCH_OPERATION_COUNT_MAX: usize = 1024;
/// The most bytes in one encoded batch.
pub const BATCH_BYTES_MAX: usize = 3 * 1024 * 1024;

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
    /// In a block, the operations that its proposer left out. A member's own batch has none.
    pub omitted: Vec<Omitted>,
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
    #[error("the batch takes {bytes} bytes, at most {BATCH_BYTES_MAX} are allowed")]
    TooLong {
        /// How many it takes.
        bytes: usize,
    },
    /// Operations are left out of a batch that is in no block.
    #[error("the batch leaves out operations, which only the proposer of a block may do")]
    Shortened,
    /// What is left out does not fit between the operations that are there.
    #[error(
        "what is left out of the batch does not fit between its operations, or is not written as shortly as it can be"
    )]
    Omission,
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
    /// Its id.
    pub id: Digest,
    /// The Merkle root over its operations, those that are left out included.
    pub root: Digest,
    /// How many bytes it takes.
    pub bytes: usize,
    /// The batch.
    pub batch: Batch,
    /// Its operations, checked, in order.
    pub operations: Vec<CheckedOperation>,
}

impl Batch {
    /// The batch's id, the same whether operations are left out of it or not. It is of what the member proved: like the
    /// ids of operations it does not cover their signatures.
    #[must_use]
    pub fn id(&self) -> Digest {
        identify(self, self.root())
    }

    /// The Merkle root over the operations' ids, those that are left out included; zero if these do not fit.
    #[must_use]
    pub fn root(&self) -> Digest {
        merged_root(self.operations.iter().map(Operation::id), &self.omitted).unwrap_or(Digest::ZERO)
    }

    /// How many operations are left out.
    #[must_use]
    pub fn omitted_count(&self) -> usize {
        self.omitted.iter().map(Omitted::count).fold(0, usize::saturating_add)
    }

    /// Checks what costs next to nothing of a batch that is in no block: the mesh, the count, the length, and that it
    /// is whole.
    ///
    /// A thousand signatures take a thousand times what it takes to send them again, so whoever takes batches
    /// from just anybody asks [`crate::state::State::admit_proofs`] between this and [`Self::check`].
    ///
    /// # Errors
    /// With the first of those rules that the batch breaks.
    pub fn check_form(&self, genesis: &Digest) -> Result<(), BatchFault> {
        if !self.omitted.is_empty() {
            return Err(BatchFault::Shortened);
        }
        self.check_included_form(genesis)
    }

    /// As [`Self::check_form`], of a batch in a block, whose proposer may have left operations out.
    fn check_included_form(&self, genesis: &Digest) -> Result<(), BatchFault> {
        if self.genesis != *genesis {
            return Err(BatchFault::OtherMesh);
        }
        let operations = self.operations.len().saturating_add(self.omitted_count());
        if self.operations.is_empty() || operations > BATCH_OPERATION_COUNT_MAX {
            return Err(BatchFault::Count { operations });
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

    /// Checks all that does not depend on the state, of a batch that is in no block.
    ///
    /// # Errors
    /// With the first rule that the batch breaks.
    pub fn check(self, genesis: &Digest) -> Result<CheckedBatch, BatchFault> {
        self.check_form(genesis)?;
        self.check_operations(genesis)
    }

    /// Checks all that does not depend on the state, of a batch in a block.
    ///
    /// # Errors
    /// With the first rule that the batch breaks.
    pub fn check_included(self, genesis: &Digest) -> Result<CheckedBatch, BatchFault> {
        self.check_included_form(genesis)?;
        self.check_operations(genesis)
    }

    fn check_operations(self, genesis: &Digest) -> Result<CheckedBatch, BatchFault> {
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
        let root = merged_root(ids(&operations), &self.omitted).ok_or(BatchFault::Omission)?;
        Ok(CheckedBatch::with_root(self, operations, root))
    }
}

fn ids(operations: &[CheckedOperation]) -> impl Iterator<Item = OperationId> {
    operations.iter().map(|operation| operation.id)
}

impl CheckedBatch {
    /// A whole batch of operations that were each checked before.
    #[must_use]
    pub fn of_checked(batch: Batch, operations: Vec<CheckedOperation>) -> Self {
        let root = batch_root(ids(&operations));
        Self::with_root(batch, operations, root)
    }

    fn with_root(batch: Batch, operations: Vec<CheckedOperation>, root: Digest) -> Self {
        let bytes = crate::base::encode(&batch).len();
        Self { id: identify(&batch, root), root, bytes, batch, operations }
    }

    /// What the batch's proofs are about.
    #[must_use]
    pub const fn statement(&self) -> Statement {
        statement(&self.batch, self.root)
    }

    /// This whole batch as it is in a block that keeps these of its operations. `kept` has an entry for each. A batch from
    /// which operations were left out already stays as it is if all others are kept; no more can be left out of it.
    #[must_use]
    pub fn keeping(&self, kept: &[bool]) -> Batch {
        if kept.iter().all(|kept| *kept) {
            return self.batch.clone();
        }
        let pairs = || self.batch.operations.iter().zip(kept);
        let operations = pairs().filter(|(_, kept)| **kept).map(|(operation, _)| operation.clone()).collect();
        let omitted = omit(ids(&self.operations), kept);
        let Batch { genesis, member, sequence, beacon_index, operations: _, omitted: _, proofs } =
            &self.batch;
        let (genesis, member, sequence, beacon_index) = (*genesis, *member, *sequence, *beacon_index);
        Batch { genesis, member, sequence, beacon_index, operations, omitted, proofs: proofs.clone() }
    }

    /// The batch of a block, checked, if it is this whole batch with operations left out, byte for byte.
    #[must_use]
    pub fn included_as(&self, batch: &Batch) -> Option<Self> {
        // As everybody who checks the batch without having held the whole one.
        if batch.operations.is_empty() {
            return None;
        }
        let mut stay = batch.operations.iter().peekable();
        let kept: Vec<bool> =
            self.batch.operations.iter().map(|held| stay.next_if_eq(&held).is_some()).collect();
        if stay.next().is_some() || self.keeping(&kept) != *batch {
            return None;
        }
        let pairs = self.operations.iter().zip(&kept);
        let operations = pairs.filter(|(_, kept)| **kept).map(|(checked, _)| checked.clone()).collect();
        Some(Self::with_root(batch.clone(), operations, self.root))
    }
}

fn identify(batch: &Batch, root: Digest) -> Digest {
    ID.hash_of(&(statement(batch, root), &batch.proofs))
}

const fn statement(batch: &Batch, batch_root: Digest) -> Statement {
    let Batch { genesis, member, sequence, beacon_index, operations: _, omitted: _, proofs: _ } = batch;
    let (genesis, member, sequence, beacon_index) = (*genesis, *member, *sequence, *beacon_index);
    Statement { genesis, member, sequence, batch_root, beacon_index }
}
