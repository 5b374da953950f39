//! The authenticated state: a Jellyfish Merkle tree over BLAKE3, of which only the newest version is kept.
//!
//! The tree is persistent: a copy costs nothing, so a candidate block works on a copy and a view keeps the
//! version that it was made from. Its root depends on the rows alone, not on how they came to be, so it is
//! not stored: a node that starts builds it again from the rows.

use crate::base::{Digest, Domain};
use alloc::sync::Arc;
use alloc::vec::Vec;
use jmt::proof::SparseMerkleProof;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher, Version};
use rpds::RedBlackTreeMapSync;

const KEY: Domain = Domain::new("hypermesh v1 state key");

/// BLAKE3 for the tree.
#[derive(Clone, Debug)]
pub struct TreeHasher(blake3::Hasher);

impl SimpleHasher for TreeHasher {
    fn new() -> Self {
        Self(blake3::Hasher::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// The tree, newest version only.
#[derive(Clone, Debug)]
pub(in crate::state) struct StateTree {
    nodes: RedBlackTreeMapSync<NodeKey, Node>,
    next_version: Version,
    root: Digest,
}

impl StateTree {
    pub(in crate::state) fn new() -> Self {
        Self { nodes: RedBlackTreeMapSync::new_sync(), next_version: 0, root: Digest::ZERO }
    }

    /// The root; zero for a tree that never held a row.
    pub(in crate::state) const fn root(&self) -> Digest {
        self.root
    }

    /// Sets and removes rows.
    pub(in crate::state) fn update<'a>(
        &mut self,
        changes: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Arc<[u8]>>)>,
    ) {
        let values: Vec<_> =
            changes.map(|(key, value)| (key_hash(key), value.as_ref().map(|bytes| bytes.to_vec()))).collect();
        if values.is_empty() {
            return;
        }
        let tree: JellyfishMerkleTree<'_, Self, TreeHasher> = JellyfishMerkleTree::new(self);
        let (root, batch) =
            tree.put_value_set(values, self.next_version).expect("the tree's nodes are all in memory");
        for (key, node) in batch.node_batch.nodes() {
            self.nodes.insert_mut(key.clone(), node.clone());
        }
        for stale in &batch.stale_node_index_batch {
            self.nodes.remove_mut(&stale.node_key);
        }
        self.root = Digest(root.0);
        self.next_version += 1;
    }
}

impl StateTree {
    /// The way from a row's place to the root, with the row if there is one: what proves either.
    pub(in crate::state) fn path(
        &self,
        key: KeyHash,
        row: Option<OwnedValue>,
    ) -> SparseMerkleProof<TreeHasher> {
        let newest = self.next_version.checked_sub(1).expect("a state has had rows since genesis");
        let reader = WithRow { tree: self, row };
        let tree: JellyfishMerkleTree<'_, WithRow<'_>, TreeHasher> = JellyfishMerkleTree::new(&reader);
        tree.get_with_proof(key, newest).expect("the tree's nodes are all in memory").1
    }
}

/// The tree, and the one row that is asked for: the tree itself holds hashes of rows.
struct WithRow<'a> {
    tree: &'a StateTree,
    row: Option<OwnedValue>,
}

impl TreeReader for WithRow<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        self.tree.get_node_option(key)
    }

    fn get_value_option(&self, _: Version, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(self.row.clone())
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

/// The path of a row in the tree.
pub(in crate::state) fn key_hash(key: &[u8]) -> KeyHash {
    KeyHash(KEY.hash(&[key]).0)
}

impl TreeReader for StateTree {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.nodes.get(key).cloned())
    }

    fn get_value_option(&self, _: Version, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(None)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(byte: u8) -> Option<Arc<[u8]>> {
        Some(Arc::from([byte].as_slice()))
    }

    proptest! {
        #[test]
        fn the_root_depends_on_the_rows_alone(rows in prop::collection::btree_map(any::<u8>(), any::<u8>(), 1..40)) {
            let rows: Vec<_> = rows.into_iter().map(|(key, byte)| (alloc::vec![key], value(byte))).collect();
            let pairs = || rows.iter().map(|(key, row)| (key, row));
            let mut at_once = StateTree::new();
            at_once.update(pairs());
            let mut one_by_one = StateTree::new();
            let passing = (alloc::vec![1, 2, 3], value(9));
            one_by_one.update(core::iter::once((&passing.0, &passing.1)));
            for pair in pairs().collect::<Vec<_>>().into_iter().rev() {
                one_by_one.update(core::iter::once(pair));
            }
            one_by_one.update(core::iter::once((&passing.0, &None)));
            prop_assert_eq!(at_once.root(), one_by_one.root());
        }
    }

    #[test]
    fn only_the_newest_version_is_kept() {
        let mut tree = StateTree::new();
        let key = alloc::vec![7];
        for byte in 0..100 {
            tree.update(core::iter::once((&key, &value(byte))));
        }
        assert!(tree.nodes.size() <= 2, "{} nodes", tree.nodes.size());
    }
}
