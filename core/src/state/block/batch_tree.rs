//! The Merkle tree over the operation ids of a batch, in the shape of RFC 6962 §2.1, whole or with operations left out.
//!
//! The four proofs of a batch are bound to the root of this tree. A proposer that leaves operations out puts the roots
//! of the perfect subtrees that they fill in their place, so the root is still the one that was proved. Only maximal
//! subtrees are valid: one operation that stays needs at most [`BATCH_TREE_HEIGHT_MAX`] hashes beside it, however many
//! are left out. So the bytes of what is left out are bounded by the operations that stay, and those are paid for.

use crate::base::{Digest, Domain};
use crate::state::{BATCH_OPERATION_COUNT_MAX, OperationId};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The height of the tree of the longest batch, and of the highest subtree that can be left out.
pub const BATCH_TREE_HEIGHT_MAX: u8 = BATCH_OPERATION_COUNT_MAX.ilog2() as u8;

const _: () = assert!(1 << BATCH_TREE_HEIGHT_MAX == BATCH_OPERATION_COUNT_MAX);

const LEAF: Domain = Domain::new("hypermesh v1 batch leaf");
const NODE: Domain = Domain::new("hypermesh v1 batch node");

/// Operations of a batch that are not in the block, as the root of the perfect subtree that they fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Omitted {
    /// The place of the first of them in the batch, from 0. A multiple of their number.
    pub first: u16,
    /// There are two to this power of them.
    pub height: u8,
    /// The root of the subtree.
    pub root: Digest,
}

impl Omitted {
    /// The most bytes that one takes, encoded.
    pub(in crate::state) const BYTES: usize = 2 + 1 + 32;

    /// How many operations it stands for.
    #[must_use]
    pub const fn count(&self) -> usize {
        match 1_usize.checked_shl(self.height as u32) {
            Some(count) => count,
            None => usize::MAX,
        }
    }
}

/// The Merkle root over these operations.
#[must_use]
pub fn batch_root(ids: impl IntoIterator<Item = OperationId>) -> Digest {
    let mut tree = Tree::default();
    ids.into_iter().for_each(|id| tree.push(0, leaf(id), false));
    tree.finish().0
}

/// What stands in the place of the operations that are not kept. `kept` has an entry for each id.
pub(in crate::state) fn omit(ids: impl IntoIterator<Item = OperationId>, kept: &[bool]) -> Vec<Omitted> {
    let mut tree = Tree::default();
    ids.into_iter().zip(kept).for_each(|(id, kept)| tree.push(0, leaf(id), !kept));
    tree.finish().1
}

/// The root of the whole batch of which these operations are kept, in order, and these subtrees are left out. `None`
/// if they do not fit together, are too many, or if what is left out could be written in fewer subtrees.
pub(in crate::state) fn merged_root(
    kept: impl IntoIterator<Item = OperationId>,
    omitted: &[Omitted],
) -> Option<Digest> {
    let mut tree = Tree::default();
    let mut kept = kept.into_iter();
    for one in omitted {
        while tree.count < usize::from(one.first) {
            tree.push(0, leaf(kept.next()?), false);
        }
        let fits = one.height <= BATCH_TREE_HEIGHT_MAX
            && tree.count == usize::from(one.first)
            && tree.count.is_multiple_of(one.count());
        if !fits || tree.count + one.count() > BATCH_OPERATION_COUNT_MAX {
            return None;
        }
        tree.push(one.height, one.root, true);
    }
    kept.for_each(|id| tree.push(0, leaf(id), false));
    let within = tree.count <= BATCH_OPERATION_COUNT_MAX;
    let (root, canonical) = tree.finish();
    (within && canonical == omitted).then_some(root)
}

fn leaf(id: OperationId) -> Digest {
    LEAF.hash(&[&id.0.0])
}

/// A tree under construction, from left to right.
#[derive(Default)]
struct Tree {
    /// Perfect subtrees, each lower than the one before it.
    open: Vec<Subtree>,
    /// How many leaves there are.
    count: usize,
    /// Maximal subtrees of which all is left out.
    omitted: Vec<Omitted>,
}

#[derive(Clone, Copy)]
struct Subtree {
    first: usize,
    height: u8,
    root: Digest,
    is_omitted: bool,
}

impl Tree {
    /// Appends a perfect subtree. The number of leaves so far is a multiple of its own.
    fn push(&mut self, height: u8, root: Digest, is_omitted: bool) {
        let mut last = Subtree { first: self.count, height, root, is_omitted };
        self.count += 1 << height;
        while let Some(left) = self.open.pop_if(|left| left.height == last.height) {
            last = self.join(left, last);
        }
        self.open.push(last);
    }

    fn join(&mut self, left: Subtree, right: Subtree) -> Subtree {
        let is_omitted = left.is_omitted && right.is_omitted;
        if !is_omitted {
            self.note(left);
            self.note(right);
        }
        let root = node(&left.root, &right.root);
        Subtree { first: left.first, height: left.height + 1, root, is_omitted }
    }

    /// Notes a subtree that cannot grow further, if all of it is left out.
    fn note(&mut self, subtree: Subtree) {
        let Subtree { first, height, root, is_omitted } = subtree;
        if is_omitted {
            // A place that does not fit is one past the longest batch: such a tree is refused.
            self.omitted.push(Omitted { first: u16::try_from(first).unwrap_or(u16::MAX), height, root });
        }
    }

    /// The root, zero if there is no leaf; and what is left out, in order.
    fn finish(mut self) -> (Digest, Vec<Omitted>) {
        for subtree in self.open.clone() {
            self.note(subtree);
        }
        self.omitted.sort_unstable_by_key(|one| one.first);
        let roots = self.open.iter().rev().map(|subtree| subtree.root);
        let root = roots.reduce(|right, left| node(&left, &right)).unwrap_or(Digest::ZERO);
        (root, self.omitted)
    }
}

fn node(left: &Digest, right: &Digest) -> Digest {
    NODE.hash(&[&left.0, &right.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(count: usize) -> Vec<OperationId> {
        let id = |number: usize| OperationId(LEAF.hash(&[&number.to_be_bytes()]));
        (0..count).map(id).collect()
    }

    fn kept_of(ids: &[OperationId], kept: &[bool]) -> Vec<OperationId> {
        ids.iter().zip(kept).filter(|(_, kept)| **kept).map(|(id, _)| *id).collect()
    }

    /// The definition of RFC 6962 §2.1, top-down.
    fn by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::ZERO,
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_rfc_6962_for_every_length() {
        for count in (0..=130).chain([BATCH_OPERATION_COUNT_MAX - 1, BATCH_OPERATION_COUNT_MAX]) {
            let leaves: Vec<Digest> = ids(count).into_iter().map(leaf).collect();
            assert_eq!(batch_root(ids(count)), by_definition(&leaves), "{count} operations");
        }
    }

    #[test]
    fn one_operation_of_the_longest_batch_needs_ten_hashes_beside_it() {
        let ids = ids(BATCH_OPERATION_COUNT_MAX);
        for place in [0, 1, 511, 512, 1023] {
            let kept: Vec<bool> = (0..ids.len()).map(|other| other == place).collect();
            let omitted = omit(ids.clone(), &kept);
            assert_eq!(omitted.len(), usize::from(BATCH_TREE_HEIGHT_MAX));
            assert_eq!(merged_root([ids[place]], &omitted), Some(batch_root(ids.clone())));
            let left_out: usize = omitted.iter().map(Omitted::count).sum();
            assert_eq!(left_out, BATCH_OPERATION_COUNT_MAX - 1);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let ids = ids(8);
        let kept = [true, true, false, false, true, true, true, false];
        let omitted = omit(ids.clone(), &kept);
        let stay = kept_of(&ids, &kept);
        assert_eq!(omitted.iter().map(|one| (one.first, one.height)).collect::<Vec<_>>(), [(2, 1), (7, 0)]);
        assert_eq!(merged_root(stay.clone(), &omitted), Some(batch_root(ids.clone())));
        let with = |change: &dyn Fn(&mut Vec<Omitted>)| {
            let mut changed = omitted.clone();
            change(&mut changed);
            merged_root(stay.clone(), &changed)
        };
        assert_eq!(with(&|omitted| omitted.swap(0, 1)), None, "out of order");
        assert_eq!(with(&|omitted| omitted[0].first = 1), None, "not at a multiple of its length");
        assert_eq!(with(&|omitted| omitted[1].first = 9), None, "behind the end");
        assert_eq!(with(&|omitted| omitted[1].first = 2), None, "twice in one place");
        assert_eq!(with(&|omitted| omitted[0].height = BATCH_TREE_HEIGHT_MAX + 1), None, "too high");
        assert_eq!(with(&|omitted| omitted[0].height = u8::MAX), None, "far too high");
        let halves = [2, 3].map(|first| Omitted { first, height: 0, root: leaf(ids[usize::from(first)]) });
        let split = |omitted: &mut Vec<Omitted>| drop(omitted.splice(0..1, halves));
        assert_eq!(with(&split), None, "in two where one would do");
        assert_ne!(with(&|omitted| omitted[0].root.0[0] ^= 1), Some(batch_root(ids.clone())));
    }

    #[test]
    fn a_tree_holds_as_many_operations_as_the_longest_batch_and_not_one_more() {
        let full = Omitted { first: 0, height: BATCH_TREE_HEIGHT_MAX, root: Digest([1; 32]) };
        let half = Omitted { first: 512, height: BATCH_TREE_HEIGHT_MAX - 1, root: Digest([1; 32]) };
        assert_eq!(merged_root([], &[full]), Some(full.root));
        assert_eq!(merged_root(ids(1), &[full]), None);
        assert!(merged_root(ids(512), &[half]).is_some());
        assert_eq!(merged_root(ids(513), &[half]), None);
        assert_eq!(merged_root(ids(1024), &[Omitted { first: 1024, height: 0, root: Digest::ZERO }]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_left_out_the_root_stays_and_the_hashes_are_few(
            kept in prop::collection::vec(prop::bool::weighted(0.3), 1..200),
        ) {
            let ids = ids(kept.len());
            let omitted = omit(ids.clone(), &kept);
            let stay = kept_of(&ids, &kept);
            prop_assert_eq!(merged_root(stay.clone(), &omitted), Some(batch_root(ids)));
            let bound = (stay.len() + 1) * usize::from(BATCH_TREE_HEIGHT_MAX);
            prop_assert!(omitted.len() <= bound);
            prop_assert_eq!(omitted.iter().map(Omitted::count).sum::<usize>() + stay.len(), kept.len());
        }
    }
}
