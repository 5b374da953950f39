//! Which batches are in a block, with which of their operations, and in which order.
//!
//! Nobody's key decides who is served. Members whose last batch was included longest ago come first; among those of one
//! height, the order is drawn anew for each. Every batch is sure of an equal share of what space there is.

use crate::base::{Digest, Domain, Height, PublicKey};
use crate::hypermesh::proof::Diligence;
use crate::state::block::batch_tree::{BATCH_TREE_HEIGHT_MAX, Omitted};
use crate::state::block::execute::BlockPosition;
use crate::state::block::execute_operation::execute_operation;
use crate::state::{
    Action, Attest, BATCH_BYTES_MAX, BLOCK_BATCH_COUNT_MAX, BLOCK_OPERATION_COUNT_MAX, Batch, CheckedBatch,
    Inadmissible, Member, Receipt, State, StateDraft,
};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

const ORDER: Domain = Domain::new("hypermesh v1 order of batches");
/// The most subtrees that a run of omitted operations takes.
const OMITTED_PER_RUN_MAX: usize = 2 * BATCH_TREE_HEIGHT_MAX as usize;

/// What is in the block so far.
#[derive(Default)]
pub(in crate::state) struct Included {
    members: BTreeSet<PublicKey>,
    operations: usize,
    /// Operations other than attestations: each has paid a fee. They make up the load.
    pub(in crate::state) paid: usize,
    /// What became of the operations, in order.
    pub(in crate::state) receipts: Vec<Receipt>,
}

impl State {
    /// Puts batches into the order in which an honest proposer of the next block serves them.
    pub fn put_in_turn(&self, batches: &mut [Arc<CheckedBatch>]) {
        let height = self.height().next();
        batches.sort_by_cached_key(|batch| self.turn_of(&batch.batch.member, height));
    }

    fn turn_of(&self, member: &PublicKey, height: Height) -> (Height, Digest) {
        let last_batch = self.get::<Member>(member).map(|row| row.last_batch).unwrap_or_default();
        (last_batch, ORDER.hash(&[&height.0.to_be_bytes(), &member.0]))
    }

    fn require_batch_place(&self, batch: &CheckedBatch, included: &Included) -> Result<(), Inadmissible> {
        let member = batch.batch.member;
        if included.members.contains(&member) {
            return Err(Inadmissible::Second { member });
        }
        match included.members.len() == BLOCK_BATCH_COUNT_MAX {
            true => Err(Inadmissible::Full),
            false => Ok(()),
        }
    }
}

/// BlockSpace in a block, or a batch's share of it.
#[derive(Clone, Copy, Debug)]
struct BlockSpace {
    bytes: usize,
    operations: usize,
}

impl BlockSpace {
    /// What one batch may take, where all of these want to be in the block.
    fn share(self, waiting: &[Arc<CheckedBatch>]) -> Self {
        let wanted = |size: fn(&CheckedBatch) -> usize| waiting.iter().map(|batch| size(batch)).collect();
        Self {
            bytes: fair_share(self.bytes, wanted(|batch| batch.bytes)),
            operations: fair_share(self.operations, wanted(|batch| batch.operations.len())),
        }
    }
}

/// The most that each may take of a space so that all together fit: an equal part, and more where others want less.
fn fair_share(space: usize, mut wanted: Vec<usize>) -> usize {
    wanted.sort_unstable();
    let (mut left, mut count) = (space, wanted.len());
    for one in wanted {
        let part = left / count;
        if one > part {
            return part;
        }
        left -= one;
        count -= 1;
    }
    space
}

impl StateDraft {
    /// Includes what it can of these batches, in this order.
    pub(in crate::state) fn fill(
        &mut self,
        batches: &[Arc<CheckedBatch>],
        space_bytes: usize,
        position: BlockPosition,
        included: &mut Included,
    ) -> Vec<Batch> {
        let mut space = BlockSpace { bytes: space_bytes, operations: BLOCK_OPERATION_COUNT_MAX };
        let mut filled = Vec::new();
        for (place, batch) in batches.iter().enumerate() {
            let state = self.state();
            let admitted = state.require_batch_place(batch, included).is_ok()
                && state.admit_in_block(batch, position.time, Diligence::StopAtFirst).is_ok();
            if !admitted {
                continue;
            }
            let end = batches.len().min(place + BLOCK_BATCH_COUNT_MAX - filled.len());
            let share = space.share(batches.get(place..end).unwrap_or_default());
            let Some(kept) = self.keep(batch, space, share, position, included) else { continue };
            let kept = batch.keeping(&kept);
            space.bytes = space.bytes.saturating_sub(crate::base::encode(&kept).len());
            space.operations = space.operations.saturating_sub(kept.operations.len());
            filled.push(kept);
        }
        filled
    }

    /// Carries out the operations of a batch that are paid for, in order, as far as there is space: the first in the
    /// whole space, so that a small share keeps nobody out, the others in the share. `None` if there is none.
    fn keep(
        &mut self,
        batch: &CheckedBatch,
        space: BlockSpace,
        share: BlockSpace,
        position: BlockPosition,
        included: &mut Included,
    ) -> Option<Vec<bool>> {
        let mut carrying = self.state().carrying_batch(batch);
        let (paid_before, before) = (included.paid, included.receipts.len());
        let total = batch.operations.len();
        let mut kept = alloc::vec![false; total];
        let mut size = Shortened {
            bytes: batch.bytes - batch.operations.iter().map(|operation| operation.bytes).sum::<usize>(),
            ..Shortened::default()
        };
        for (place, operation) in batch.operations.iter().enumerate() {
            let limit = if size.operations == 0 { space } else { share };
            let rest = total - place - 1;
            if size.operations == limit.operations {
                break;
            }
            if size.bytes_with(operation.bytes, rest) > limit.bytes.min(BATCH_BYTES_MAX) {
                break;
            }
            match execute_operation(self, operation, &mut carrying, position) {
                Ok(receipt) => {
                    included.note(&operation.operation.body.action, receipt);
                    size.keep(operation.bytes);
                    if let Some(kept) = kept.get_mut(place) {
                        *kept = true;
                    }
                }
                Err(_) => size.omit(),
            }
        }
        if included.receipts.len() == before {
            return None;
        }
        self.note_batch(batch, included.paid - paid_before, position);
        included.members.insert(batch.batch.member);
        Some(kept)
    }

    /// Includes a batch as its block has it.
    pub(in crate::state) fn include(
        &mut self,
        batch: &CheckedBatch,
        position: BlockPosition,
        included: &mut Included,
    ) -> Result<(), Inadmissible> {
        self.state().require_batch_place(batch, included)?;
        if batch.operations.is_empty() {
            return Err(Inadmissible::Hollow { member: batch.batch.member });
        }
        if included.operations + batch.operations.len() > BLOCK_OPERATION_COUNT_MAX {
            return Err(Inadmissible::Full);
        }
        self.state().admit_in_block(batch, position.time, Diligence::StopAtFirst)?;
        let mut carrying = self.state().carrying_batch(batch);
        let paid_before = included.paid;
        for operation in &batch.operations {
            let receipt = execute_operation(self, operation, &mut carrying, position);
            let receipt =
                receipt.map_err(|reason| Inadmissible::Unpaid { operation: operation.id, reason })?;
            included.note(&operation.operation.body.action, receipt);
        }
        self.note_batch(batch, included.paid - paid_before, position);
        included.members.insert(batch.batch.member);
        Ok(())
    }

    /// The member's next number, its ticket if the batch carries one, and the load that sets the difficulty.
    fn note_batch(&mut self, batch: &CheckedBatch, paid: usize, position: BlockPosition) {
        let key = batch.batch.member;
        let mut member = self.state().get::<Member>(&key).expect("an admitted batch has a member");
        let mut beacon = self.state().beacon();
        member.next_sequence = member.next_sequence.next();
        member.last_batch = position.height;
        if let Some(ticket) = self.ticket_of(batch) {
            member.tickets.insert(batch.batch.beacon_index, ticket);
            member.missed_audits = 0;
        }
        let oldest = beacon.index.saturating_sub(1);
        member.tickets.retain(|index, _| *index >= oldest);
        self.put(&key, &member);
        beacon.operations = beacon.operations.saturating_add(paid as u64);
        self.put(&(), &beacon);
    }

    /// The digest of the ticket that a batch carries in full.
    fn ticket_of(&self, batch: &CheckedBatch) -> Option<Digest> {
        let beacon = self.state().beacon();
        let value = match beacon.previous {
            Some((previous, _)) if batch.batch.beacon_index != beacon.index => previous,
            _ => beacon.value,
        };
        batch.batch.proofs.ticket(&value, &batch.batch.member)
    }
}

impl Included {
    fn note(&mut self, action: &Action, receipt: Receipt) {
        self.operations += 1;
        self.paid += usize::from(*action != Action::Attest(Attest));
        self.receipts.push(receipt);
    }
}

/// How long a batch becomes with what stays and what is left out.
#[derive(Clone, Copy, Default)]
struct Shortened {
    /// Of all but what is left out.
    bytes: usize,
    operations: usize,
    omitted: usize,
    runs: usize,
    in_run: bool,
}

impl Shortened {
    /// The most bytes that the batch takes with one operation more, if the `rest` behind it are left out.
    const fn bytes_with(self, operation: usize, rest: usize) -> usize {
        let before = at_most(self.omitted, self.runs * OMITTED_PER_RUN_MAX);
        let subtrees = before + at_most(rest, OMITTED_PER_RUN_MAX);
        self.bytes + operation + subtrees * Omitted::BYTES
    }

    const fn keep(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.operations += 1;
        self.in_run = false;
    }

    const fn omit(&mut self) {
        self.omitted += 1;
        self.runs += !self.in_run as usize;
        self.in_run = true;
    }
}

const fn at_most(count: usize, max: usize) -> usize {
    if count < max { count } else { max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn what_one_does_not_want_goes_to_the_others() {
        assert_eq!(fair_share(100, vec![]), 100);
        assert_eq!(fair_share(100, vec![200]), 100);
        assert_eq!(fair_share(100, vec![200, 200]), 50);
        assert_eq!(fair_share(100, vec![200, 20, 200]), 40);
        assert_eq!(fair_share(100, vec![200, 10, 20, 200]), 35);
        assert_eq!(fair_share(100, vec![10, 20]), 100, "all of them fit");
    }

    #[test]
    fn shares_never_add_up_to_more_than_the_room() {
        for count in 1..70 {
            let wanted: Vec<usize> = (0..count).map(|number| 7 * number * number % 101).collect();
            let share = fair_share(500, wanted.clone());
            let taken: usize = wanted.iter().map(|one| (*one).min(share)).sum();
            assert!(taken <= 500, "{count} take {taken}");
        }
    }
}
