//! Work: hashes spent on one batch, so that flooding the mesh costs.
//!
//! Hashcash over BLAKE3, in sixteen puzzles under one key: a batch needs all of them, and since their times
//! add up, what a batch takes varies far less than with a single puzzle, while checking costs sixteen hashes.
//! The key binds statement, beacon and ticket, so work for one batch is never work for another.
//!
//! The hashes compute nothing useful, and whoever has more machines has more of them.

use super::fault::ProofFault;
use super::parameters::WorkParameters;
use crate::base::{Digest, Domain};
use borsh::{BorshDeserialize, BorshSerialize};

/// Puzzles of a work proof.
pub const WORK_PUZZLES: usize = 16;

/// A nonce for each puzzle.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub struct WorkProof {
    /// The nonces, by puzzle.
    pub nonces: [u64; WORK_PUZZLES],
}

impl WorkProof {
    /// Finds the first nonce that solves each puzzle; expected to take `difficulty` hashes. A job.
    pub(super) fn solve(subject: &Digest, difficulty: u64) -> Self {
        let key = work_key(subject);
        let target = target(difficulty);
        let mut nonces = [0; WORK_PUZZLES];
        for (puzzle, nonce) in (0_u64..).zip(&mut nonces) {
            while puzzle_hash(&key, puzzle, *nonce) > target {
                *nonce += 1;
            }
        }
        Self { nonces }
    }

    /// Checks every nonce.
    pub(super) fn verify(&self, subject: &Digest, difficulty: u64) -> Result<(), ProofFault> {
        let key = work_key(subject);
        let target = target(difficulty);
        for (puzzle, nonce) in (0_u8..).zip(self.nonces) {
            if puzzle_hash(&key, puzzle.into(), nonce) > target {
                return Err(ProofFault::TooLittleWork { puzzle, difficulty });
            }
        }
        Ok(())
    }
}

/// The difficulty under the next beacon, from the operations that were applied under the last one and the
/// block time that it lasted.
///
/// It moves toward the load as EIP-1559 moves a fee: in proportion to how far operations a second are from
/// the parameters' mark, by at most an eighth, between floor and ceiling. Integers only, so all nodes agree.
#[must_use]
pub fn retarget(difficulty: u64, operations: u64, block_ms_elapsed: u64, parameters: &WorkParameters) -> u64 {
    let difficulty = difficulty.clamp(parameters.difficulty_floor, parameters.difficulty_ceiling);
    let step_max = difficulty / STEP_DIVISOR;
    let found = u128::from(operations) * 1000;
    let mark = u128::from(parameters.operations_per_second) * u128::from(block_ms_elapsed.max(1));
    let step = u128::from(difficulty).saturating_mul(found.abs_diff(mark))
        / mark.saturating_mul(u128::from(STEP_DIVISOR));
    let step = u64::try_from(step).map_or(step_max, |step| step.min(step_max));
    let moved = if found > mark { difficulty + step } else { difficulty - step };
    moved.clamp(parameters.difficulty_floor, parameters.difficulty_ceiling)
}

fn work_key(subject: &Digest) -> Digest {
    WORK_KEY.hash(&[&subject.0])
}

/// What a puzzle's hash may be at most, so that all puzzles together are expected to take so many hashes.
fn target(difficulty: u64) -> u64 {
    u64::MAX / (difficulty / WORK_PUZZLES as u64).max(1)
}

fn puzzle_hash(key: &Digest, puzzle: u64, nonce: u64) -> u64 {
    let mut message = [0; 16];
    message[..8].copy_from_slice(&puzzle.to_le_bytes());
    message[8..].copy_from_slice(&nonce.to_le_bytes());
    let hash = blake3::keyed_hash(&key.0, &message);
    let (words, _) = hash.as_bytes().as_chunks();
    u64::from_le_bytes(words[0])
}

const WORK_KEY: Domain = Domain::new("hypermesh v1 work key");
/// The difficulty moves by at most one part in so many at a beacon.
const STEP_DIVISOR: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Profile;
    use alloc::string::ToString;

    const PARAMETERS: WorkParameters = WorkParameters {
        difficulty_initial: 8000,
        difficulty_floor: 1600,
        difficulty_ceiling: 16_000,
        operations_per_second: 100,
    };

    #[test]
    fn work_holds_for_its_subject_alone_and_up_to_its_difficulty() {
        let subject = Digest([5; 32]);
        let work = WorkProof::solve(&subject, 512);
        assert_eq!(work.verify(&subject, 512), Ok(()));
        assert_eq!(work.verify(&subject, 16), Ok(()));
        assert!(work.verify(&subject, 1 << 20).is_err());
        assert!(work.verify(&Digest([6; 32]), 512).is_err());
    }

    #[test]
    fn work_takes_about_as_many_hashes_as_the_difficulty_says() {
        let hashes: u64 = (0..64_u64)
            .map(|attempt| WorkProof::solve(&WORK_KEY.hash_of(&attempt), 1024))
            .map(|work| work.nonces.iter().map(|nonce| nonce + 1).sum::<u64>())
            .sum();
        let average = hashes / 64;
        assert!((900..1150).contains(&average), "{average} hashes for a difficulty of 1024");
    }

    #[test]
    fn the_difficulty_follows_the_load_by_at_most_an_eighth() {
        let after = |operations, block_ms| retarget(8000, operations, block_ms, &PARAMETERS);
        assert_eq!(after(1000, 10_000), 8000);
        assert_eq!(after(1500, 10_000), 8500);
        assert_eq!(after(2000, 10_000), 9000);
        assert_eq!(after(u64::MAX, 10_000), 9000);
        assert_eq!(after(500, 10_000), 7500);
        assert_eq!(after(0, 10_000), 7000);
        assert_eq!(after(0, 0), 7000);
        assert_eq!(after(u64::MAX, 0), 9000);
        assert_eq!(after(u64::MAX, u64::MAX), 9000);
    }

    #[test]
    fn the_difficulty_stays_between_floor_and_ceiling() {
        assert_eq!(retarget(1600, 0, 10_000, &PARAMETERS), 1600);
        assert_eq!(retarget(1601, 0, 10_000, &PARAMETERS), 1600);
        assert_eq!(retarget(16_000, 9999, 10_000, &PARAMETERS), 16_000);
        assert_eq!(retarget(0, 0, 10_000, &PARAMETERS), 1600);
        assert_eq!(retarget(u64::MAX, 0, 10_000, &PARAMETERS), 14_000);
    }

    #[test]
    fn under_a_load_that_stays_the_difficulty_leaves_the_floor_and_comes_back() {
        let parameters = Profile::Sim.proofs().work;
        let mut difficulty = parameters.difficulty_initial;
        for _ in 0..100 {
            difficulty = retarget(difficulty, 5000, 10_000, &parameters);
        }
        assert_eq!(difficulty, parameters.difficulty_ceiling);
        for _ in 0..100 {
            difficulty = retarget(difficulty, 0, 10_000, &parameters);
        }
        assert_eq!(difficulty, parameters.difficulty_floor);
    }

    #[test]
    fn the_key_of_a_subject_is_this_one_for_ever() {
        assert_eq!(
            work_key(&Digest([5; 32])).to_string(),
            "3607fe5cac7d081f498484ef2669372d0caf5c58fe3a2bf1c440d873588a4ce7"
        );
        assert_eq!(WorkProof::solve(&Digest([5; 32]), 64).nonces[..4], [1, 1, 1, 4]);
    }
}
