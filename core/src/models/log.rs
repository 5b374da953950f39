//! The transparency log against a list of leaves, and the definitions of RFC 6962 §2.1 written down as they stand.

use super::{config, found_out};
use crate::base::{Digest, LeafIndex};
use crate::trustchain::ct::{
    MerkleTree, TreeFault, TreeHead, leaf_hash, verify_consistency, verify_inclusion,
};
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use sha2::{Digest as _, Sha256};

/// What is done to a log, or asked of it. Places and sizes are modulo what there is.
#[derive(Clone, Debug)]
enum ModelStep {
    /// Entries are appended.
    Append(Vec<u8>),
    /// They are appended to a copy that is thrown away, as for a block that is not decided.
    AppendToCopy(Vec<u8>),
    /// The tree is made anew from its leaf hashes, as after a restart.
    Rebuild,
    /// An entry is proved to be in the log of a size, and something is spoiled.
    Include { index: u64, size: u64, spoilt: Spoilt },
    /// The log of one size is proved to go on from that of another, and something is spoiled.
    Extend { old: u64, new: u64, spoilt: Spoilt },
}

/// What is changed in a proof that holds, which must not hold then.
#[derive(Clone, Copy, Debug)]
enum Spoilt {
    /// A bit of the leaf's hash, or of the old root.
    First { bit: usize },
    /// A bit of the root, or of the new root.
    Root { bit: usize },
    /// A bit of one of the hashes.
    Hash { place: usize, bit: usize },
    /// A hash is left out.
    Less { place: usize },
    /// A hash is there twice.
    More { place: usize },
}

impl Spoilt {
    /// Spoils a proof. Says whether there was anything to spoil.
    fn spoil(self, first: &mut Digest, path: &mut Vec<Digest>, root: &mut Digest) -> bool {
        let flip = |digest: &mut Digest, bit: usize| digest.0[bit / 8] ^= 1 << (bit % 8);
        match self {
            Self::First { bit } => flip(first, bit),
            Self::Root { bit } => flip(root, bit),
            Self::More { .. } if path.is_empty() => path.push(*root),
            _ if path.is_empty() => return false,
            Self::Hash { place, bit } => {
                let place = place % path.len();
                flip(&mut path[place], bit);
            }
            Self::Less { place } => drop(path.remove(place % path.len())),
            Self::More { place } => path.push(path[place % path.len()]),
        }
        true
    }
}

/// The model: all that was appended. If `WRONG`, it divides a tree in the middle.
#[derive(Clone, Debug, Default)]
struct Leaves<const WRONG: bool>(Vec<Vec<u8>>);

impl<const WRONG: bool> Leaves<WRONG> {
    /// `k` of RFC 6962: the largest power of two smaller than `n`.
    fn split(n: usize) -> usize {
        if WRONG {
            return n / 2;
        }
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    fn node(left: Digest, right: Digest) -> Digest {
        Digest(Sha256::new_with_prefix([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// `MTH(D[n])`.
    fn root(leaves: &[Vec<u8>]) -> Digest {
        match leaves {
            [] => Digest(Sha256::digest([]).into()),
            [leaf] => Digest(Sha256::new_with_prefix([0]).chain_update(leaf).finalize().into()),
            _ => {
                let (left, right) = leaves.split_at(Self::split(leaves.len()));
                Self::node(Self::root(left), Self::root(right))
            }
        }
    }

    /// `PATH(m, D[n])`.
    fn path(index: usize, leaves: &[Vec<u8>]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = Self::split(leaves.len());
        let (left, right) = leaves.split_at(k);
        if index < k {
            [Self::path(index, left), [Self::root(right)].into()].concat()
        } else {
            [Self::path(index - k, right), [Self::root(left)].into()].concat()
        }
    }

    /// `SUBPROOF(m, D[n], b)`.
    fn subproof(old: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Digest> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { [Self::root(leaves)].into() };
        }
        let k = Self::split(leaves.len());
        let (left, right) = leaves.split_at(k);
        if old <= k {
            [Self::subproof(old, left, whole), [Self::root(right)].into()].concat()
        } else {
            [Self::subproof(old - k, right, false), [Self::root(left)].into()].concat()
        }
    }
}

impl<const WRONG: bool> ReferenceStateMachine for Leaves<WRONG> {
    type State = Self;
    type Transition = ModelStep;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<ModelStep> {
        let entry = || prop::collection::vec(any::<u8>(), 0..3);
        let (place, bit, number) = (|| 0..64_usize, || 0..256_usize, || 0..1_000_u64);
        let spoilt = move || {
            prop_oneof![
                bit().prop_map(|bit| Spoilt::First { bit }),
                bit().prop_map(|bit| Spoilt::Root { bit }),
                (place(), bit()).prop_map(|(place, bit)| Spoilt::Hash { place, bit }),
                place().prop_map(|place| Spoilt::Less { place }),
                place().prop_map(|place| Spoilt::More { place }),
            ]
        };
        let include = (number(), number(), spoilt());
        let extend = (number(), number(), spoilt());
        prop_oneof![
            6 => entry().prop_map(ModelStep::Append),
            1 => entry().prop_map(ModelStep::AppendToCopy),
            1 => Just(ModelStep::Rebuild),
            4 => include.prop_map(|(index, size, spoilt)| ModelStep::Include { index, size, spoilt }),
            4 => extend.prop_map(|(old, new, spoilt)| ModelStep::Extend { old, new, spoilt }),
        ]
        .boxed()
    }

    fn apply(mut leaves: Self, step: &ModelStep) -> Self {
        if let ModelStep::Append(entry) = step {
            leaves.0.push(entry.clone());
        }
        leaves
    }
}

/// The real log.
struct Real<const WRONG: bool>;

impl<const WRONG: bool> Real<WRONG> {
    fn include(tree: &MerkleTree, leaves: &[Vec<u8>], (index, size): (u64, u64), spoilt: Spoilt) {
        let size = size % (tree.size() + 1);
        let Some(index) = index.checked_rem(size) else {
            let fault = TreeFault::Index { index: LeafIndex(index), size: 0 };
            assert_eq!(tree.inclusion_proof(LeafIndex(index), 0), Err(fault));
            return;
        };
        let (place, held) = (usize::try_from(index).unwrap(), &leaves[..usize::try_from(size).unwrap()]);
        let mut path = tree.inclusion_proof(LeafIndex(index), size).unwrap();
        assert_eq!(path, Leaves::<WRONG>::path(place, held), "path of entry {index} of {size}");
        let mut head = TreeHead { size, root: Leaves::<WRONG>::root(held) };
        let mut hash = leaf_hash(&leaves[place]);
        assert_eq!(verify_inclusion(&hash, LeafIndex(index), &path, &head), Ok(()));
        if spoilt.spoil(&mut hash, &mut path, &mut head.root) {
            assert!(verify_inclusion(&hash, LeafIndex(index), &path, &head).is_err(), "{spoilt:?}");
        }
    }

    fn extend(tree: &MerkleTree, leaves: &[Vec<u8>], (old, new): (u64, u64), spoilt: Spoilt) {
        let new = new % (tree.size() + 1);
        let old = old % (new + 1);
        let (old_leaves, new_leaves) =
            (&leaves[..usize::try_from(old).unwrap()], &leaves[..usize::try_from(new).unwrap()]);
        let mut path = tree.consistency_proof(old, new).unwrap();
        // The RFC defines no proof from the empty log: there is nothing to prove.
        if old > 0 {
            let expected = Leaves::<WRONG>::subproof(old_leaves.len(), new_leaves, true);
            assert_eq!(path, expected, "from {old} to {new}");
        }
        let mut before = TreeHead { size: old, root: Leaves::<WRONG>::root(old_leaves) };
        let mut after = TreeHead { size: new, root: Leaves::<WRONG>::root(new_leaves) };
        assert_eq!(verify_consistency(&before, &after, &path), Ok(()));
        // Any log goes on from the empty one: its root is not looked at.
        let unseen = old == 0 && new > 0 && matches!(spoilt, Spoilt::Root { .. });
        if !unseen && spoilt.spoil(&mut before.root, &mut path, &mut after.root) {
            assert!(verify_consistency(&before, &after, &path).is_err(), "from {old} to {new}: {spoilt:?}");
        }
    }
}

impl<const WRONG: bool> StateMachineTest for Real<WRONG> {
    type SystemUnderTest = MerkleTree;
    type Reference = Leaves<WRONG>;

    fn init_test(_: &Leaves<WRONG>) -> MerkleTree {
        MerkleTree::new()
    }

    fn apply(mut tree: MerkleTree, leaves: &Leaves<WRONG>, step: ModelStep) -> MerkleTree {
        match step {
            ModelStep::Append(entry) => {
                let index = tree.push(leaf_hash(&entry));
                assert_eq!(index, LeafIndex(leaves.0.len() as u64 - 1));
            }
            ModelStep::AppendToCopy(entry) => {
                let mut copy = tree.clone();
                copy.push(leaf_hash(&entry));
                assert_eq!(copy.root_at(tree.size()), Ok(tree.root()));
            }
            ModelStep::Rebuild => {
                let hashes = (0..tree.size()).map(|index| tree.leaf_hash(LeafIndex(index)).unwrap());
                tree = hashes.collect();
            }
            ModelStep::Include { index, size, spoilt } => {
                Self::include(&tree, &leaves.0, (index, size), spoilt)
            }
            ModelStep::Extend { old, new, spoilt } => Self::extend(&tree, &leaves.0, (old, new), spoilt),
        }
        tree
    }

    fn check_invariants(tree: &MerkleTree, leaves: &Leaves<WRONG>) {
        let head = TreeHead { size: leaves.0.len() as u64, root: Leaves::<WRONG>::root(&leaves.0) };
        assert_eq!(tree.head(), head);
        let next = head.size + 1;
        assert_eq!(tree.root_at(next), Err(TreeFault::Size { asked: next, size: head.size }));
    }
}

prop_state_machine! {
    #![proptest_config(config(256))]
    #[test]
    fn the_log_is_as_a_list_of_leaves_has_it(sequential 1..80 => Real<false>);
}

#[test]
fn a_tree_that_is_divided_elsewhere_is_found_out_by_three_entries() {
    let steps = found_out::<Real<true>>(1..80);
    assert_eq!(steps.iter().filter(|step| matches!(step, ModelStep::Append(_))).count(), 3);
    assert_eq!(steps.len(), 3);
}
