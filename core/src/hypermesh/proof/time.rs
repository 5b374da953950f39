//! Time: so many hashes, one after another, since the beacon was known.
//!
//! The construction is the proof of sequential work of Cohen and Pietrzak (EUROCRYPT 2018): a binary tree in
//! which each leaf depends on the left siblings of all nodes on its way to the root, so that leaves can only
//! be made in order; each leaf is then hashed on by a chain of SHA-256 compressions, which hardware runs
//! fast and nobody runs much faster. The checker makes a few leaves anew and climbs from them to the root.
//!
//! Whoever leaves out a part α of the leaves passes with (1-α)^t a try, t being 64 in production. The steps
//! are counted, not seconds: a faster machine takes less time over them. That the proof is not older than
//! its beacon follows from the beacon; that it is not younger than its block, from the block.

use super::challenge::positions;
use super::fault::ProofFault;
use super::merkle::{NodeKey, PathVisitor, climb, open, siblings_max};
use super::parameters::{DEPTH_MAX, TimeParameters};
use super::space::check_count;
use crate::base::{Digest, Domain, PublicKey};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use sha2::digest::consts::U64;
use sha2::digest::generic_array::GenericArray;

/// The root of the tree of steps and the way to it from the leaves that it chooses itself.
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub struct SequentialProof {
    /// The root, which fixes all leaves and so chooses those to be opened.
    pub root: Digest,
    /// The siblings on the way from those to the root, in pre-order.
    pub siblings: Vec<Digest>,
}

/// What a member's steps under a beacon start from.
#[must_use]
pub fn time_challenge(beacon: &Digest, member: &PublicKey) -> Digest {
    CHALLENGE.hash(&[&beacon.0, &member.0])
}

/// Takes all the steps. Heavy: a job. Memory: 64 bytes for each leaf, 8 MiB in production.
#[must_use]
pub fn prove_time(challenge: &Digest, parameters: &TimeParameters) -> SequentialProof {
    let hasher = Hasher::new(challenge, parameters);
    prove_from(&hasher, challenge, parameters, |index, peaks| hasher.leaf(index, peaks))
}

/// Checks the steps from a challenge.
///
/// # Errors
/// If the proof has more siblings than one can have, or its leaves do not lead to its root.
pub fn verify_time(
    challenge: &Digest,
    parameters: &TimeParameters,
    proof: &SequentialProof,
) -> Result<(), ProofFault> {
    proof.check_counts(parameters)?;
    let hasher = Hasher::new(challenge, parameters);
    let opened = opened(challenge, parameters, &proof.root);
    let mut walk = Walk {
        hasher: &hasher,
        siblings: proof.siblings.iter(),
        peaks: Vec::with_capacity(parameters.leaves_log2 as usize),
    };
    let root = climb(parameters.leaves_log2, 0, &opened, &mut walk);
    if root != Some(proof.root) || walk.siblings.next().is_some() {
        return Err(ProofFault::NotSequential);
    }
    Ok(())
}

impl SequentialProof {
    /// Refuses a list that no proof under these parameters has.
    pub(super) const fn check_counts(&self, parameters: &TimeParameters) -> Result<(), ProofFault> {
        check_count(self.siblings.len(), siblings_max(parameters.leaves_log2, parameters.challenges))
    }
}

/// Makes the tree from leaves that `leaf` gives, in order, from their index and the peaks before them.
fn prove_from(
    hasher: &Hasher,
    challenge: &Digest,
    parameters: &TimeParameters,
    mut leaf: impl FnMut(u32, &[Digest]) -> Digest,
) -> SequentialProof {
    let depth = parameters.leaves_log2;
    let mut levels: Vec<Vec<Digest>> =
        (0..=depth).map(|level| Vec::with_capacity(1 << (depth - level))).collect();
    // The roots of the whole subtrees to the left, the widest first: as in a Merkle mountain range.
    let mut peaks: Vec<Digest> = Vec::with_capacity(depth as usize + 1);
    for index in 0..1_u32 << depth {
        let mut node = leaf(index, &peaks);
        levels[0].push(node);
        for level in 1..=index.trailing_ones() {
            let left = peaks.pop().expect("each one bit of the index stands for a peak");
            node = hasher.parent(level, &left, &node);
            levels[level as usize].push(node);
        }
        peaks.push(node);
    }
    let root = peaks.pop().expect("the last leaf completes the tree");
    let opened = opened(challenge, parameters, &root);
    let mut siblings = Vec::new();
    let mut node = |level: u32, index: u32| levels[level as usize][index as usize];
    open(depth, 0, &opened, &mut node, &mut siblings);
    SequentialProof { root, siblings }
}

/// The leaves that a root chooses.
fn opened(challenge: &Digest, parameters: &TimeParameters, root: &Digest) -> Vec<u32> {
    let seed = OPENED.hash(&[&challenge.0, &root.0]);
    positions(&seed, parameters.challenges, parameters.leaves_log2)
}

/// The hash functions of one challenge.
struct Hasher {
    leaf_key: Digest,
    /// The key of each level's nodes; that of the leaves' own level is not used.
    level_keys: Vec<NodeKey>,
    steps: u32,
}

impl Hasher {
    fn new(challenge: &Digest, parameters: &TimeParameters) -> Self {
        let shape = crate::base::encode(parameters);
        let leaf_key = LEAF.hash(&[&challenge.0, &shape]);
        let level_key = |level: u32| NodeKey::derived(LEVEL.hash(&[&leaf_key.0, &level.to_le_bytes()]));
        let level_keys = (0..=parameters.leaves_log2).map(level_key).collect();
        Self { leaf_key, level_keys, steps: parameters.steps }
    }

    /// A leaf: one hash that binds it to its place and to all before it, and then the chain.
    fn leaf(&self, index: u32, peaks: &[Digest]) -> Digest {
        let mut message = [0; INDEX_BYTES + 32 * DEPTH_MAX as usize];
        let (place, body) = message.split_at_mut(INDEX_BYTES);
        place.copy_from_slice(&index.to_le_bytes());
        for (slot, peak) in body.as_chunks_mut().0.iter_mut().zip(peaks) {
            *slot = peak.0;
        }
        let bytes = INDEX_BYTES + 32 * peaks.len();
        let start = blake3::keyed_hash(&self.leaf_key.0, &message[..bytes]);
        self.chain(*start.as_bytes())
    }

    /// The remaining steps: SHA-256 compressions of state and key, each of which needs the one before.
    fn chain(&self, start: [u8; 32]) -> Digest {
        let mut block = GenericArray::<u8, U64>::default();
        let (state, key) = block.split_at_mut(32);
        state.copy_from_slice(&start);
        key.copy_from_slice(&self.leaf_key.0);
        for _ in 1..self.steps {
            let mut words = SHA256_INITIAL;
            sha2::compress256(&mut words, core::slice::from_ref(&block));
            for (bytes, word) in block.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                *bytes = word.to_be_bytes();
            }
        }
        let mut end = [0; 32];
        end.copy_from_slice(&block[..32]);
        Digest(end)
    }

    fn parent(&self, level: u32, left: &Digest, right: &Digest) -> Digest {
        self.level_keys[level as usize].parent(left, right)
    }
}

/// The checker's climb: opened leaves are made anew from the peaks that it has passed.
struct Walk<'a> {
    hasher: &'a Hasher,
    siblings: core::slice::Iter<'a, Digest>,
    peaks: Vec<Digest>,
}

impl PathVisitor for Walk<'_> {
    fn sibling(&mut self) -> Option<Digest> {
        self.siblings.next().copied()
    }

    fn leaf(&mut self, position: u32) -> Option<Digest> {
        Some(self.hasher.leaf(position, &self.peaks))
    }

    fn parent(&mut self, level: u32, left: &Digest, right: &Digest) -> Digest {
        self.hasher.parent(level, left, right)
    }

    fn enter_right(&mut self, left: &Digest) {
        self.peaks.push(*left);
    }

    fn leave_right(&mut self) {
        self.peaks.pop();
    }
}

const CHALLENGE: Domain = Domain::new("hypermesh v1 time challenge");
const LEAF: Domain = Domain::new("hypermesh v1 time leaf");
const LEVEL: Domain = Domain::new("hypermesh v1 time level");
const OPENED: Domain = Domain::new("hypermesh v1 time opened leaves");
/// Bytes of a leaf's index before the peaks.
const INDEX_BYTES: usize = 4;
/// The initial hash value of SHA-256 (FIPS 180-4 §5.3.3).
const SHA256_INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Profile;

    const PARAMETERS: TimeParameters = Profile::Sim.proofs().time;

    #[test]
    fn a_proof_holds_for_its_challenge_and_parameters_alone() {
        let challenge = time_challenge(&Digest([1; 32]), &PublicKey([2; 32]));
        let proof = prove_time(&challenge, &PARAMETERS);
        assert_eq!(verify_time(&challenge, &PARAMETERS, &proof), Ok(()));
        for other in [
            time_challenge(&Digest([2; 32]), &PublicKey([2; 32])),
            time_challenge(&Digest([1; 32]), &PublicKey([1; 32])),
        ] {
            assert_eq!(verify_time(&other, &PARAMETERS, &proof), Err(ProofFault::NotSequential));
        }
        let longer = TimeParameters { steps: 2, ..PARAMETERS };
        assert_eq!(verify_time(&challenge, &longer, &proof), Err(ProofFault::NotSequential));
    }

    #[test]
    fn every_hash_of_a_proof_counts_and_none_may_be_added_or_left_out() {
        let challenge = Digest([3; 32]);
        let proof = prove_time(&challenge, &PARAMETERS);
        for sibling in 0..proof.siblings.len() {
            let mut broken = proof.clone();
            broken.siblings[sibling].0[31] ^= 1;
            assert_eq!(verify_time(&challenge, &PARAMETERS, &broken), Err(ProofFault::NotSequential));
        }
        let mut broken = proof.clone();
        broken.root.0[0] ^= 1;
        assert!(verify_time(&challenge, &PARAMETERS, &broken).is_err());
        let mut short = proof.clone();
        short.siblings.pop();
        assert_eq!(verify_time(&challenge, &PARAMETERS, &short), Err(ProofFault::NotSequential));
        let mut long = proof;
        long.siblings.push(Digest::ZERO);
        assert!(verify_time(&challenge, &PARAMETERS, &long).is_err());
    }

    #[test]
    fn more_siblings_than_there_can_be_are_refused_by_their_count() {
        let max = siblings_max(PARAMETERS.leaves_log2, PARAMETERS.challenges);
        let of = |count| SequentialProof { root: Digest::ZERO, siblings: alloc::vec![Digest::ZERO; count] };
        assert_eq!(of(max).check_counts(&PARAMETERS), Ok(()));
        let (found, allowed) = (max as u64 + 1, max as u64);
        assert_eq!(of(max + 1).check_counts(&PARAMETERS), Err(ProofFault::Count { found, allowed }));
    }

    #[test]
    fn leaving_out_leaves_succeeds_no_more_often_than_the_bound() {
        const TRIES: u32 = 400;
        for (percent_left_out, challenges) in [(25_u32, 8_u32), (50, 4), (50, 16)] {
            let parameters = TimeParameters { leaves_log2: 7, steps: 1, challenges };
            let passed = (0..TRIES).filter(|attempt| {
                let challenge = LEAF.hash_of(&(attempt, "attempt"));
                let hasher = Hasher::new(&challenge, &parameters);
                let proof = prove_from(&hasher, &challenge, &parameters, |index, peaks| {
                    let noise = OPENED.hash_of(&(attempt, index));
                    let lazy = u32::from(noise.0[0]) * 100 < percent_left_out * 256;
                    if lazy { noise } else { hasher.leaf(index, peaks) }
                });
                verify_time(&challenge, &parameters, &proof).is_ok()
            });
            let passed = f64::from(u32::try_from(passed.count()).unwrap()) / f64::from(TRIES);
            let kept = 1.0 - f64::from(percent_left_out) / 100.0;
            let bound = (0..challenges).fold(1.0, |bound, _| bound * kept);
            assert!((passed - bound).abs() < 0.04, "{percent_left_out}% left out: {passed} against {bound}");
        }
    }
}
