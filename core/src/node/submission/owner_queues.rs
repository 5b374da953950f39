//! Operations that wait for a batch: each owner's in a queue of its own, and owners take turns.
//!
//! So an owner with a thousand operations waits for itself. One batch takes no more than
//! [`OWNER_BATCH_COUNT_MAX`] of one owner's, since whatever is in a batch is waited for by all in the next.

use crate::base::PublicKey;
use crate::state::{BATCH_OPERATION_COUNT_MAX, CheckedOperation, OperationId};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// The most operations that wait, of all owners.
pub(in crate::node) const WAITING_COUNT_MAX: usize = 8192;
/// The most operations that wait, of one owner.
pub(in crate::node) const OWNER_WAITING_COUNT_MAX: usize = 1024;
/// The most operations of one owner in one batch of this node's.
pub(in crate::node) const OWNER_BATCH_COUNT_MAX: usize = 128;

/// Operations that wait for a batch, by owner.
#[derive(Default)]
pub(in crate::node) struct OwnerQueues {
    by_owner: BTreeMap<PublicKey, VecDeque<CheckedOperation>>,
    /// The owners who have operations waiting, whose turn it is first. Each once.
    turns: VecDeque<PublicKey>,
    count: usize,
}

/// Why no further operation of an owner is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::node) enum QueueFull {
    /// It has as many waiting as one may.
    #[error("{OWNER_WAITING_COUNT_MAX} operations of this owner are waiting here: wait for their receipts")]
    Owner,
    /// There are as many as there may be.
    #[error("{WAITING_COUNT_MAX} operations are waiting here: try again in a second, or ask another node")]
    All,
}

impl OwnerQueues {
    /// Whether an operation of this owner would be taken.
    pub(in crate::node) fn check_room(&self, owner: &PublicKey) -> Result<(), QueueFull> {
        if self.by_owner.get(owner).map_or(0, VecDeque::len) >= OWNER_WAITING_COUNT_MAX {
            return Err(QueueFull::Owner);
        }
        if self.count >= WAITING_COUNT_MAX { Err(QueueFull::All) } else { Ok(()) }
    }

    /// An owner's operations, in order.
    pub(in crate::node) fn of_owner(&self, owner: &PublicKey) -> impl Iterator<Item = &CheckedOperation> {
        self.by_owner.get(owner).into_iter().flatten()
    }

    /// Puts an operation at the end of its owner's queue.
    pub(in crate::node) fn push(&mut self, operation: CheckedOperation) {
        let owner = operation.operation.body.owner;
        let queue = self.by_owner.entry(owner).or_default();
        if queue.is_empty() {
            self.turns.push_back(owner);
        }
        queue.push_back(operation);
        self.count += 1;
    }

    /// Puts operations back that were taken, in the order in which they were.
    pub(in crate::node) fn put_back(&mut self, operations: Vec<CheckedOperation>) {
        for operation in operations.into_iter().rev() {
            let owner = operation.operation.body.owner;
            let queue = self.by_owner.entry(owner).or_default();
            if queue.is_empty() {
                self.turns.push_front(owner);
            }
            queue.push_front(operation);
            self.count += 1;
        }
    }

    /// Takes an operation out of its owner's queue, if it stands there.
    pub(in crate::node) fn remove(&mut self, owner: &PublicKey, operation: &OperationId) {
        let Some(queue) = self.by_owner.get_mut(owner) else { return };
        let before = queue.len();
        queue.retain(|held| held.id != *operation);
        self.count -= before - queue.len();
        if queue.is_empty() {
            self.by_owner.remove(owner);
            self.turns.retain(|other| other != owner);
        }
    }

    /// Keeps only some of the operations, in their order.
    pub(in crate::node) fn retain(&mut self, keep: impl Fn(&CheckedOperation) -> bool) {
        self.by_owner.values_mut().for_each(|queue| queue.retain(&keep));
        self.by_owner.retain(|_, queue| !queue.is_empty());
        self.turns.retain(|owner| self.by_owner.contains_key(owner));
        self.count = self.by_owner.values().map(VecDeque::len).sum();
    }

    /// How many operations wait.
    pub(in crate::node) const fn count(&self) -> usize {
        self.count
    }

    pub(in crate::node) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes what the next batch holds, if it has room for so many bytes: one of each owner's in turn.
    pub(in crate::node) fn gather(&mut self, bytes_max: usize) -> Vec<CheckedOperation> {
        let mut room = bytes_max;
        let mut gathered = Vec::new();
        let mut taken: BTreeMap<PublicKey, usize> = BTreeMap::new();
        // Owners who have had their share of this batch; they are first in the next.
        let mut served = Vec::new();
        while gathered.len() < BATCH_OPERATION_COUNT_MAX
            && let Some(owner) = self.turns.pop_front()
        {
            let queue = self.by_owner.entry(owner).or_default();
            let share = taken.entry(owner).or_default();
            if *share == OWNER_BATCH_COUNT_MAX {
                served.push(owner);
                continue;
            }
            let bytes = queue.front().map_or(0, |next| next.bytes);
            if bytes > room {
                self.turns.push_front(owner);
                break;
            }
            room -= bytes;
            *share += 1;
            gathered.extend(queue.pop_front());
            self.count -= 1;
            if queue.is_empty() {
                self.by_owner.remove(&owner);
            } else {
                self.turns.push_back(owner);
            }
        }
        for owner in served.into_iter().rev() {
            self.turns.push_front(owner);
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SecretKey;
    use crate::state::tests::test_util::{Mesh, bob, transfer};

    fn owner(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn operations(mesh: &mut Mesh, owner: &SecretKey, count: u64) -> Vec<CheckedOperation> {
        let genesis = mesh.genesis_hash();
        let operation = |amount| mesh.operation(owner, transfer(&bob(), amount)).check(&genesis).unwrap();
        (1..=count).map(operation).collect()
    }

    fn owners(gathered: &[CheckedOperation]) -> Vec<PublicKey> {
        gathered.iter().map(|operation| operation.operation.body.owner).collect()
    }

    #[test]
    fn an_owner_with_many_operations_delays_anothers_by_one() {
        let mut mesh = Mesh::new();
        let mut queues = OwnerQueues::default();
        operations(&mut mesh, &owner(1), 300).into_iter().for_each(|operation| queues.push(operation));
        operations(&mut mesh, &owner(2), 2).into_iter().for_each(|operation| queues.push(operation));
        let gathered = queues.gather(usize::MAX);
        let [one, two] = [owner(1).public(), owner(2).public()];
        assert_eq!(owners(&gathered)[..6], [one, two, one, two, one, one]);
        assert_eq!(gathered.len(), OWNER_BATCH_COUNT_MAX + 2);
        assert_eq!(queues.gather(usize::MAX).len(), OWNER_BATCH_COUNT_MAX);
        assert_eq!(queues.gather(usize::MAX).len(), 300 - 2 * OWNER_BATCH_COUNT_MAX);
        assert!(queues.is_empty() && queues.by_owner.is_empty() && queues.turns.is_empty());
    }

    #[test]
    fn what_is_put_back_comes_first_and_in_its_order() {
        let mut mesh = Mesh::new();
        let mut queues = OwnerQueues::default();
        let all = operations(&mut mesh, &owner(1), 5);
        all.iter().cloned().for_each(|operation| queues.push(operation));
        let bytes = all[0].bytes;
        let first = queues.gather(3 * bytes);
        assert_eq!(first.len(), 3);
        operations(&mut mesh, &owner(2), 1).into_iter().for_each(|operation| queues.push(operation));
        queues.put_back(first);
        let ids = |operations: &[CheckedOperation]| -> Vec<_> {
            let of_one = |held: &&CheckedOperation| held.operation.body.owner == owner(1).public();
            operations.iter().filter(of_one).map(|held| held.id).collect()
        };
        let again = queues.gather(usize::MAX);
        assert_eq!((again.len(), ids(&again)), (6, ids(&all)));
    }

    #[test]
    fn what_is_taken_out_leaves_the_rest_in_its_order() {
        let mut mesh = Mesh::new();
        let mut queues = OwnerQueues::default();
        let all = operations(&mut mesh, &owner(1), 3);
        all.iter().cloned().for_each(|operation| queues.push(operation));
        operations(&mut mesh, &owner(2), 1).into_iter().for_each(|operation| queues.push(operation));
        let key = owner(1).public();
        queues.remove(&key, &all[1].id);
        queues.remove(&owner(3).public(), &all[0].id);
        queues.retain(|held| held.id != all[1].id);
        queues.remove(&key, &all[1].id);
        assert_eq!(queues.count(), 3);
        let two = owner(2).public();
        queues.remove(&two, &all[0].id);
        let other = queues.by_owner[&two][0].id;
        queues.remove(&two, &other);
        assert_eq!((queues.count(), queues.turns.len()), (2, 1));
        queues.retain(|held| held.id != all[0].id);
        let left: Vec<_> = queues.gather(usize::MAX).iter().map(|held| held.id).collect();
        assert_eq!(left, [all[2].id]);
        assert!(queues.is_empty() && queues.by_owner.is_empty() && queues.turns.is_empty());
    }

    #[test]
    fn lines_hold_at_their_limits_and_not_one_past_them() {
        let mut mesh = Mesh::new();
        let one = operations(&mut mesh, &owner(1), 1).remove(0);
        let mut queues = OwnerQueues::default();
        let key = owner(1).public();
        for _ in 0..OWNER_WAITING_COUNT_MAX {
            assert_eq!(queues.check_room(&key), Ok(()));
            queues.push(one.clone());
        }
        assert_eq!(queues.check_room(&key), Err(QueueFull::Owner));
        assert_eq!(queues.check_room(&owner(2).public()), Ok(()));
        for seed in 2..=8 {
            let other = operations(&mut mesh, &owner(seed), 1).remove(0);
            (0..OWNER_WAITING_COUNT_MAX).for_each(|_| queues.push(other.clone()));
        }
        assert_eq!(queues.check_room(&owner(9).public()), Err(QueueFull::All));
    }
}
