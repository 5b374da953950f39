//! The Merkle tree of RFC 6962 §2.1: SHA-256, append-only, and cheap to clone.
//!
//! Every complete subtree's hash is kept, about 64 bytes for an entry, so that appending and proving take
//! O(log n) hashes at any size that the tree ever had. Clones share what they have in common: a candidate block
//! appends to a clone and throws it away if it is not decided.

use super::proof::node_hash;
use crate::base::{Digest, LeafIndex};
use alloc::sync::Arc;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use rpds::VectorSync;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many hashes share one allocation. What a clone copies when it grows is less than one chunk a level.
const CHUNK_HASHES: usize = 64;
const LEAF_PREFIX: u8 = 0;

/// A tree of a size: what a block's header and a checkpoint say of the log.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct TreeHead {
    /// How many entries it has.
    pub size: u64,
    /// The root hash over them.
    pub root: Digest,
}

/// An append-only Merkle tree.
///
/// Give it leaf hashes ([`super::LogEntry::leaf_hash`]) in order with [`Self::push`]; ask for roots and proofs at
/// its size or any it had before. Nothing is ever taken out.
#[derive(Clone, Default)]
pub struct MerkleTree {
    size: u64,
    /// At height h the hashes of all complete subtrees of 2^h leaves, leftmost first.
    levels: Vec<Level>,
}

/// A question about a tree that it has no answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeFault {
    /// A size that the tree has not reached.
    #[error("the log has {size} entries, not {asked}")]
    Size {
        /// The size asked for.
        asked: u64,
        /// The tree's.
        size: u64,
    },
    /// An entry that is not in the tree of that size.
    #[error("entry {index} is not in the log of {size} entries")]
    Index {
        /// The entry asked for.
        index: LeafIndex,
        /// The size asked for.
        size: u64,
    },
    /// An old size above the new one.
    #[error("a log of {old} entries is not a prefix of one of {new}")]
    Order {
        /// The size to prove from.
        old: u64,
        /// The size to prove to.
        new: u64,
    },
}

impl MerkleTree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an entry by its leaf hash, and says where it stands.
    pub fn push(&mut self, leaf_hash: Digest) -> LeafIndex {
        let index = LeafIndex(self.size);
        let mut hash = leaf_hash;
        for height in 0.. {
            if self.levels.len() == height {
                self.levels.push(Level::default());
            }
            let level = self.levels.get_mut(height).expect("a level was made for this height");
            let position = level.len();
            level.push(hash);
            if position.is_multiple_of(2) {
                break;
            }
            let left = level.get(position - 1).expect("an odd position has one to its left");
            hash = node_hash(&left, &hash);
        }
        self.size += 1;
        index
    }

    /// How many entries the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root hash over all entries.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.range_root(0, self.size)
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// The root hash over the first `size` entries.
    ///
    /// # Errors
    /// If the tree has fewer.
    pub fn root_at(&self, size: u64) -> Result<Digest, TreeFault> {
        self.check_size(size)?;
        Ok(self.range_root(0, size))
    }

    /// The hash of an entry's leaf.
    #[must_use]
    pub fn leaf_hash(&self, index: LeafIndex) -> Option<Digest> {
        self.complete_subtree(0, index.get())
    }

    /// The hash of the complete subtree of 2^`height` leaves at `position`, counted in such subtrees: what tiles
    /// (C2SP tlog-tiles) are made of.
    #[must_use]
    pub fn complete_subtree(&self, height: u32, position: u64) -> Option<Digest> {
        self.levels.get(usize::try_from(height).ok()?)?.get(usize::try_from(position).ok()?)
    }

    /// The hashes that lead from an entry to the root over the first `size` entries (RFC 6962 §2.1.1), nearest
    /// the leaf first.
    ///
    /// # Errors
    /// If the tree has fewer than `size` entries, or the entry is not among them.
    pub fn inclusion_proof(&self, index: LeafIndex, size: u64) -> Result<Vec<Digest>, TreeFault> {
        self.check_size(size)?;
        let leaf = index.get();
        if leaf >= size {
            return Err(TreeFault::Index { index, size });
        }
        let mut path = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let middle = start + split_of(end - start);
            if leaf < middle {
                path.push(self.range_root(middle, end));
                end = middle;
            } else {
                path.push(self.range_root(start, middle));
                start = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The hashes that show the tree of `old` entries to be the beginning of that of `new` (RFC 6962 §2.1.2).
    /// Nothing is needed from an empty tree, or from a tree to itself.
    ///
    /// # Errors
    /// If the tree has fewer than `new` entries, or `old` is above `new`.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Digest>, TreeFault> {
        self.check_size(new)?;
        if old > new {
            return Err(TreeFault::Order { old, new });
        }
        let mut path = Vec::new();
        if old == 0 {
            return Ok(path);
        }
        let (mut start, mut end) = (0, new);
        while old != end {
            let middle = start + split_of(end - start);
            if old <= middle {
                path.push(self.range_root(middle, end));
                end = middle;
            } else {
                path.push(self.range_root(start, middle));
                start = middle;
            }
        }
        // The verifier knows the old tree's root, so a subtree that is all of it is left out.
        if start > 0 {
            path.push(self.range_root(start, end));
        }
        path.reverse();
        Ok(path)
    }

    const fn check_size(&self, asked: u64) -> Result<(), TreeFault> {
        if asked > self.size { Err(TreeFault::Size { asked, size: self.size }) } else { Ok(()) }
    }

    /// The root over `start..end`, where `start` is a multiple of the smallest power of two not below the length,
    /// as in every range that RFC 6962 makes.
    fn range_root(&self, start: u64, end: u64) -> Digest {
        let length = end - start;
        if length == 0 {
            return empty_root();
        }
        if length.is_power_of_two() {
            let height = length.trailing_zeros();
            return self
                .complete_subtree(height, start >> height)
                .expect("a range within the tree whose length is a power of two is a complete subtree");
        }
        let middle = start + split_of(length);
        node_hash(&self.range_root(start, middle), &self.range_root(middle, end))
    }
}

/// The largest power of two below `length`, which is above one.
const fn split_of(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// The root of a tree without entries: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Digest {
    Digest(Sha256::digest([]).into())
}

/// The hash of a leaf with this content (RFC 6962 §2.1).
#[must_use]
pub fn leaf_hash(content: &[u8]) -> Digest {
    Digest(Sha256::new_with_prefix([LEAF_PREFIX]).chain_update(content).finalize().into())
}

/// Leaf hashes appended in order: how a tree is rebuilt from the store.
impl Extend<Digest> for MerkleTree {
    fn extend<I: IntoIterator<Item = Digest>>(&mut self, leaf_hashes: I) {
        for leaf_hash in leaf_hashes {
            self.push(leaf_hash);
        }
    }
}

impl FromIterator<Digest> for MerkleTree {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaf_hashes: I) -> Self {
        let mut tree = Self::new();
        tree.extend(leaf_hashes);
        tree
    }
}

impl fmt::Debug for MerkleTree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MerkleTree").field("size", &self.size).field("root", &self.root()).finish()
    }
}

impl PartialEq for MerkleTree {
    fn eq(&self, other: &Self) -> bool {
        self.head() == other.head()
    }
}

impl Eq for MerkleTree {}

/// A growing list of hashes that shares its full chunks with its clones.
#[derive(Clone)]
struct Level {
    chunks: VectorSync<[Digest; CHUNK_HASHES]>,
    tail: Arc<Vec<Digest>>,
}

impl Level {
    fn len(&self) -> usize {
        self.chunks.len() * CHUNK_HASHES + self.tail.len()
    }

    fn get(&self, position: usize) -> Option<Digest> {
        match self.chunks.get(position / CHUNK_HASHES) {
            Some(chunk) => chunk.get(position % CHUNK_HASHES).copied(),
            None => self.tail.get(position - self.chunks.len() * CHUNK_HASHES).copied(),
        }
    }

    fn push(&mut self, hash: Digest) {
        let tail = Arc::make_mut(&mut self.tail);
        tail.push(hash);
        if let Ok(chunk) = <[Digest; CHUNK_HASHES]>::try_from(tail.as_slice()) {
            self.chunks.push_back_mut(chunk);
            tail.clear();
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self { chunks: VectorSync::new_sync(), tail: Arc::default() }
    }
}
