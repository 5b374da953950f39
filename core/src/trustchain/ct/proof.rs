//! Proofs about a log, checked from its heads alone (RFC 9162 §2.1.3.2 and §2.1.4.2, which keep RFC 6962's).

use super::tree::{TreeHead, empty_root};
use crate::base::{Digest, LeafIndex};
use sha2::{Digest as _, Sha256};

/// The longest proof: one hash for each bit of an index, and one more.
pub const PATH_HASHES_MAX: usize = 65;
const NODE_PREFIX: u8 = 1;

/// A proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFault {
    /// More than [`PATH_HASHES_MAX`] hashes, or not as many as the sizes ask for.
    #[error("the proof has {hashes} hashes, which is wrong for trees of these sizes")]
    Length {
        /// How many there were.
        hashes: usize,
    },
    /// An entry that cannot be in the tree.
    #[error("entry {index} cannot be in a log of {size} entries")]
    Index {
        /// The entry.
        index: LeafIndex,
        /// The tree's size.
        size: u64,
    },
    /// The log shrank.
    #[error("a log of {old} entries is not a prefix of one of {new}")]
    Order {
        /// The earlier head's size.
        old: u64,
        /// The later head's size.
        new: u64,
    },
    /// The hashes lead to another root: the entry is not in the log, or the log was rewritten.
    #[error("the proof does not lead to the root: the entry is not in this log, or the log was rewritten")]
    Root,
}

/// Checks that the entry with this leaf hash stands at `index` in the log with this head.
///
/// # Errors
/// If it does not, or the proof does not show it.
pub fn verify_inclusion(
    leaf_hash: &Digest,
    index: LeafIndex,
    path: &[Digest],
    head: &TreeHead,
) -> Result<(), ProofFault> {
    let length = ProofFault::Length { hashes: path.len() };
    if path.len() > PATH_HASHES_MAX {
        return Err(length);
    }
    if index.get() >= head.size {
        return Err(ProofFault::Index { index, size: head.size });
    }
    let (mut node, mut last) = (index.get(), head.size - 1);
    let mut root = *leaf_hash;
    for sibling in path {
        if last == 0 {
            return Err(length);
        }
        if node % 2 == 1 || node == last {
            root = node_hash(sibling, &root);
            while node.is_multiple_of(2) && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if root == head.root { Ok(()) } else { Err(ProofFault::Root) }
}

/// Checks that the log with the `old` head is the beginning of the log with the `new` one.
///
/// # Errors
/// If it is not, or the proof does not show it.
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, path: &[Digest]) -> Result<(), ProofFault> {
    let length = ProofFault::Length { hashes: path.len() };
    if old.size > new.size {
        return Err(ProofFault::Order { old: old.size, new: new.size });
    }
    if path.len() > PATH_HASHES_MAX {
        return Err(length);
    }
    if old.size == new.size || old.size == 0 {
        let same = if old.size == 0 { old.root == empty_root() } else { old.root == new.root };
        let both_empty = new.size > 0 || new.root == empty_root();
        return match (path.is_empty(), same && both_empty) {
            (false, _) => Err(length),
            (true, false) => Err(ProofFault::Root),
            (true, true) => Ok(()),
        };
    }
    let (roots, complete) = fold_consistency(old, new, path).ok_or(length)?;
    if !complete {
        return Err(length);
    }
    if roots == (old.root, new.root) { Ok(()) } else { Err(ProofFault::Root) }
}

/// The old and the new root that the hashes lead to, and whether there were as many as it takes.
fn fold_consistency(old: &TreeHead, new: &TreeHead, path: &[Digest]) -> Option<((Digest, Digest), bool)> {
    // A complete old tree is itself the first hash, which the proof leaves out.
    let (seed, rest) = if old.size.is_power_of_two() {
        (old.root, path)
    } else {
        let (first, rest) = path.split_first()?;
        (*first, rest)
    };
    let (mut node, mut last) = (old.size - 1, new.size - 1);
    while node % 2 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_root, mut new_root) = (seed, seed);
    for sibling in rest {
        if last == 0 {
            return None;
        }
        if node % 2 == 1 || node == last {
            old_root = node_hash(sibling, &old_root);
            new_root = node_hash(sibling, &new_root);
            while node.is_multiple_of(2) && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_root = node_hash(&new_root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    Some(((old_root, new_root), last == 0))
}

/// The hash of two subtrees side by side (RFC 6962 §2.1).
pub(super) fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let hasher = Sha256::new_with_prefix([NODE_PREFIX]).chain_update(left.0).chain_update(right.0);
    Digest(hasher.finalize().into())
}
