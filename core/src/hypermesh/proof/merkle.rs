//! Merkle trees of fixed depth over BLAKE3, and proofs that open many leaves at once.
//!
//! A proof lists the roots of the subtrees that hold no opened leaf, in pre-order, and not one more: for a
//! tree and a set of positions there is one proof. The depth is fixed by the parameters, so a leaf cannot
//! pass for an inner node.

use crate::base::{Digest, Domain};
use alloc::vec;
use alloc::vec::Vec;

/// The leaves of a tree, wherever they are kept.
pub(super) trait Leaves {
    /// The leaves from position `first` on, as many as `into` has room for.
    fn read(&self, first: u32, into: &mut [Digest]);
}

/// How two children become their parent; each use of trees has a key of its own.
#[derive(Clone, Copy)]
pub(super) struct NodeKey([u8; 32]);

impl NodeKey {
    /// The key of the trees of this domain.
    pub(super) fn new(domain: Domain) -> Self {
        Self(domain.hash(&[]).0)
    }

    /// A key from bytes that were derived in a domain already.
    pub(super) const fn derived(key: Digest) -> Self {
        Self(key.0)
    }

    /// The parent of two nodes.
    pub(super) fn parent(&self, left: &Digest, right: &Digest) -> Digest {
        let mut children = [0; 64];
        let (first, second) = children.split_at_mut(32);
        first.copy_from_slice(&left.0);
        second.copy_from_slice(&right.0);
        Digest(*blake3::keyed_hash(&self.0, &children).as_bytes())
    }
}

/// A tree whose lowest levels are not stored but computed again from the leaves when they are asked for.
pub(super) struct Tree {
    key: NodeKey,
    depth: u32,
    /// Levels that are not stored.
    cut: u32,
    /// The stored levels, the widest first.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// The tree over two to the power `depth` leaves.
    pub(super) fn build(key: NodeKey, depth: u32, leaves: &dyn Leaves) -> Self {
        let cut = (depth / 3).min(CUT_LEVELS_MAX);
        let base: Vec<Digest> =
            (0..1_u32 << (depth - cut)).map(|index| subtree_root(&key, leaves, cut, index)).collect();
        let mut levels = vec![base];
        for _ in cut..depth {
            let below = levels.last().expect("the base was put there above");
            levels.push(below.chunks_exact(2).map(|pair| key.parent(&pair[0], &pair[1])).collect());
        }
        Self { key, depth, cut, levels }
    }

    /// The root.
    pub(super) fn root(&self) -> Digest {
        self.levels.last().and_then(|level| level.first()).copied().expect("a tree has a root")
    }

    /// The siblings that lead from the leaves at `positions` (ascending, distinct) to the root.
    pub(super) fn open(&self, leaves: &dyn Leaves, positions: &[u32]) -> Vec<Digest> {
        let mut siblings = Vec::new();
        let mut node = |level: u32, index: u32| match level.checked_sub(self.cut) {
            Some(stored) => self.levels[stored as usize][index as usize],
            None => subtree_root(&self.key, leaves, level, index),
        };
        open(self.depth, 0, positions, &mut node, &mut siblings);
        siblings
    }
}

/// The root of the subtree that is `level` levels high and the `index`-th of its level.
fn subtree_root(key: &NodeKey, leaves: &dyn Leaves, level: u32, index: u32) -> Digest {
    let mut nodes = vec![Digest::ZERO; 1 << level];
    leaves.read(index << level, &mut nodes);
    while nodes.len() > 1 {
        let half = nodes.len() / 2;
        for parent in 0..half {
            nodes[parent] = key.parent(&nodes[2 * parent], &nodes[2 * parent + 1]);
        }
        nodes.truncate(half);
    }
    nodes[0]
}

/// Collects, in pre-order, the nodes under which none of `positions` lies. `node` gives a node by its
/// level, counted from the leaves, and its index in that level.
pub(super) fn open(
    level: u32,
    index: u32,
    positions: &[u32],
    node: &mut impl FnMut(u32, u32) -> Digest,
    siblings: &mut Vec<Digest>,
) {
    if positions.is_empty() {
        siblings.push(node(level, index));
    } else if level > 0 {
        let (left, right) = split(level, index, positions);
        open(level - 1, 2 * index, left, node, siblings);
        open(level - 1, 2 * index + 1, right, node, siblings);
    }
}

/// Visits the nodes between opened leaves and the root. `None` ends the visit: the proof is too short.
pub(super) trait PathVisitor {
    /// The root of a subtree that holds no opened leaf.
    fn sibling(&mut self) -> Option<Digest>;
    /// An opened leaf.
    fn leaf(&mut self, position: u32) -> Option<Digest>;
    /// The parent of two nodes, `level` levels above the leaves.
    fn parent(&mut self, level: u32, left: &Digest, right: &Digest) -> Digest;
    /// The walk is done with a left child and goes into its sibling.
    fn enter_right(&mut self, _left: &Digest) {}
    /// The walk is done with that sibling.
    fn leave_right(&mut self) {}
}

/// The node that the opened leaves and the proof's siblings lead to.
pub(super) fn climb(
    level: u32,
    index: u32,
    positions: &[u32],
    walk: &mut impl PathVisitor,
) -> Option<Digest> {
    if positions.is_empty() {
        return walk.sibling();
    }
    if level == 0 {
        return walk.leaf(index);
    }
    let (left, right) = split(level, index, positions);
    let left = climb(level - 1, 2 * index, left, walk)?;
    walk.enter_right(&left);
    let right = climb(level - 1, 2 * index + 1, right, walk)?;
    walk.leave_right();
    Some(walk.parent(level, &left, &right))
}

/// The root that `leaves` at `positions` and `siblings` lead to; `None` if there are too few or too many.
pub(super) fn root_of(
    key: NodeKey,
    depth: u32,
    positions: &[u32],
    leaves: &[Digest],
    siblings: &[Digest],
) -> Option<Digest> {
    let mut walk = GivenLeaves { key, leaves: leaves.iter(), siblings: siblings.iter() };
    let root = climb(depth, 0, positions, &mut walk)?;
    let exact = walk.leaves.next().is_none() && walk.siblings.next().is_none();
    exact.then_some(root)
}

struct GivenLeaves<'a> {
    key: NodeKey,
    leaves: core::slice::Iter<'a, Digest>,
    siblings: core::slice::Iter<'a, Digest>,
}

impl PathVisitor for GivenLeaves<'_> {
    fn sibling(&mut self) -> Option<Digest> {
        self.siblings.next().copied()
    }

    fn leaf(&mut self, _position: u32) -> Option<Digest> {
        self.leaves.next().copied()
    }

    fn parent(&mut self, _level: u32, left: &Digest, right: &Digest) -> Digest {
        self.key.parent(left, right)
    }
}

/// Which of the positions under a node lie in its left half, and which in its right.
fn split(level: u32, index: u32, positions: &[u32]) -> (&[u32], &[u32]) {
    let middle = (2 * index + 1) << (level - 1);
    positions.split_at(positions.partition_point(|position| *position < middle))
}

/// The most siblings that a proof for so many leaves of a tree of this depth can have: as many as when the
/// leaves lie as far apart as they can. There are at least as many leaves in the tree.
///
/// Every node above the opened leaves has two children; those that are not themselves above an opened leaf
/// are siblings. Summed over the levels, that is one and the number of inner nodes less the opened leaves.
pub(super) const fn siblings_max(depth: u32, leaves: u32) -> usize {
    let (mut level, mut inner) = (0, 0_usize);
    while level < depth {
        let nodes = 1_u32 << level;
        inner += if nodes < leaves { nodes } else { leaves } as usize;
        level += 1;
    }
    inner + 1 - leaves as usize
}

/// The most levels at the bottom of a tree that are computed anew, fewer in shallow trees: with 8, the tree
/// over a plot of 1 GiB takes 8 MiB of memory, and opening a leaf hashes 255 nodes more.
const CUT_LEVELS_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: Domain = Domain::new("hypermesh v1 test of trees");

    impl Leaves for Vec<Digest> {
        fn read(&self, first: u32, into: &mut [Digest]) {
            let first = first as usize;
            into.copy_from_slice(&self[first..first + into.len()]);
        }
    }

    fn tree(depth: u32) -> (Tree, Vec<Digest>) {
        let leaves: Vec<Digest> = (0..1_u32 << depth).map(|leaf| DOMAIN.hash_of(&leaf)).collect();
        (Tree::build(NodeKey::new(DOMAIN), depth, &leaves), leaves)
    }

    #[test]
    fn any_set_of_leaves_leads_to_the_root() {
        for depth in [0, 1, 3, 9, 10] {
            let (tree, leaves) = tree(depth);
            let last = (1 << depth) - 1;
            for mut positions in [vec![0], vec![last], vec![0, last], vec![last / 3, last / 2, last]] {
                positions.dedup();
                let opened: Vec<Digest> = positions.iter().map(|place| leaves[*place as usize]).collect();
                let siblings = tree.open(&leaves, &positions);
                let count = u32::try_from(positions.len()).unwrap();
                assert!(siblings.len() <= siblings_max(depth, count));
                let root = root_of(NodeKey::new(DOMAIN), depth, &positions, &opened, &siblings);
                assert_eq!(root, Some(tree.root()), "depth {depth}, {positions:?}");
            }
        }
    }

    #[test]
    fn a_proof_with_a_hash_more_or_less_is_none() {
        let (tree, leaves) = tree(6);
        let positions = [3, 17, 18];
        let mut opened: Vec<Digest> = positions.iter().map(|place| leaves[*place as usize]).collect();
        let mut siblings = tree.open(&leaves, &positions);
        let key = NodeKey::new(DOMAIN);
        siblings.push(Digest::ZERO);
        assert_eq!(root_of(key, 6, &positions, &opened, &siblings), None);
        siblings.truncate(siblings.len() - 2);
        assert_eq!(root_of(key, 6, &positions, &opened, &siblings), None);
        let siblings = tree.open(&leaves, &positions);
        opened.push(Digest::ZERO);
        assert_eq!(root_of(key, 6, &positions, &opened, &siblings), None);
        opened.truncate(2);
        assert_eq!(root_of(key, 6, &positions, &opened, &siblings), None);
    }

    #[test]
    fn the_bound_on_siblings_is_reached_by_leaves_far_apart() {
        let (tree, leaves) = tree(6);
        assert_eq!(tree.open(&leaves, &[0, 16, 32, 48]).len(), siblings_max(6, 4));
        assert_eq!(tree.open(&leaves, &[5]).len(), siblings_max(6, 1));
    }
}
