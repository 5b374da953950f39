//! How hard each proof is, by profile. Genesis fixes the profile, so all nodes judge by the same numbers.
//!
//! The fields are closed to other modules: parameters come from [`Profile::proofs`] alone, so the relations
//! that the provers rely on (asserted below) always hold.

use super::merkle::siblings_max;
use super::space::LABEL_BYTES;
use super::work::WORK_PUZZLES;
use crate::base::Profile;
use borsh::BorshSerialize;

/// The size of a plot and how closely it is questioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct SpaceParameters {
    /// A layer has two to this power labels.
    pub(super) labels_log2: u32,
    /// Layers of the graph, of which the last is kept.
    pub(super) layers: u32,
    /// Labels that an answer opens.
    pub(super) online_challenges: u32,
    /// Labels whose making the initialisation proof shows.
    pub(super) initial_challenges: u32,
}

/// The length of the sequential work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct TimeParameters {
    /// The tree has two to this power leaves.
    pub(super) leaves_log2: u32,
    /// Hashes one after another in each leaf.
    pub(super) steps: u32,
    /// Leaves that a proof opens.
    pub(super) challenges: u32,
}

/// What a batch costs in hashes, and how that follows the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct WorkParameters {
    /// Hashes expected for a batch at genesis.
    pub difficulty_initial: u64,
    /// It never falls below this.
    pub difficulty_floor: u64,
    /// It never rises above this.
    pub difficulty_ceiling: u64,
    /// The load, in operations a second of block time, under which the difficulty stays as it is.
    pub operations_per_second: u64,
}

/// The parameters of all proofs. Stake has none: its minimum is in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct ProofParameters {
    /// Of the space proof.
    pub space: SpaceParameters,
    /// Of the time proof.
    pub time: TimeParameters,
    /// Of the work proof.
    pub work: WorkParameters,
}

impl Profile {
    /// How hard the proofs are under this profile.
    #[must_use]
    pub const fn proofs(self) -> ProofParameters {
        match self {
            Self::Production => PRODUCTION,
            Self::Devnet => DEVNET,
            Self::Sim => SIM,
        }
    }
}

impl SpaceParameters {
    /// Labels in a layer, 32 bytes each.
    #[must_use]
    pub const fn labels(&self) -> u32 {
        1 << self.labels_log2
    }

    /// Layers of the graph.
    #[must_use]
    pub const fn layers(&self) -> u32 {
        self.layers
    }

    /// Labels to compute for a whole plot.
    #[must_use]
    pub const fn labels_total(&self) -> u64 {
        self.layers as u64 * self.labels() as u64
    }

    /// Bytes of a plot that is kept.
    #[must_use]
    pub const fn plot_bytes(&self) -> u64 {
        self.labels() as u64 * LABEL_BYTES as u64
    }

    /// The most bytes that an encoded answer may take.
    #[must_use]
    pub const fn answer_bytes_max(&self) -> usize {
        let siblings = siblings_max(self.labels_log2, self.online_challenges);
        2 * COUNT_BYTES + (self.online_challenges as usize + siblings) * HASH_BYTES
    }

    /// The most bytes that an encoded initialisation proof may take.
    #[must_use]
    pub const fn initial_proof_bytes_max(&self) -> usize {
        let columns = self.closure_max() as usize;
        let siblings = siblings_max(self.labels_log2, self.closure_max())
            + siblings_max(self.labels_log2, self.initial_challenges);
        3 * COUNT_BYTES + (columns * self.layers as usize + siblings) * HASH_BYTES
    }

    /// The most vertices that the initial challenges and their parents can be.
    pub(super) const fn closure_max(&self) -> u32 {
        let closure = self.initial_challenges * (1 + super::space_graph::PARENTS as u32);
        if closure < self.labels() { closure } else { self.labels() }
    }

    const fn is_sound(&self) -> bool {
        // The lower bound gives the base graph room for its parents; the upper keeps vertices in 32 bits.
        self.labels_log2 >= 4
            && self.labels_log2 <= DEPTH_MAX
            && self.layers >= 1
            && self.online_challenges >= 1
            && self.online_challenges <= self.labels()
            && self.initial_challenges >= 1
            && self.initial_challenges <= self.labels()
    }
}

impl TimeParameters {
    /// Hashes that must follow one another.
    #[must_use]
    pub const fn steps_total(&self) -> u64 {
        (self.steps as u64) << self.leaves_log2
    }

    /// The most bytes that an encoded proof may take.
    #[must_use]
    pub const fn proof_bytes_max(&self) -> usize {
        HASH_BYTES + COUNT_BYTES + siblings_max(self.leaves_log2, self.challenges) * HASH_BYTES
    }

    const fn is_sound(&self) -> bool {
        self.leaves_log2 >= 1
            && self.leaves_log2 <= DEPTH_MAX
            && self.steps >= 1
            && self.challenges >= 1
            && self.challenges <= 1 << self.leaves_log2
    }
}

impl WorkParameters {
    const fn is_sound(&self) -> bool {
        // With a hash or two for each puzzle, nonces that nobody looked for would pass too often.
        self.difficulty_floor >= 4 * WORK_PUZZLES as u64
            && self.difficulty_floor <= self.difficulty_initial
            && self.difficulty_initial <= self.difficulty_ceiling
            && self.difficulty_ceiling <= 1 << 32
            && self.operations_per_second >= 1
    }
}

impl ProofParameters {
    /// The most bytes that an encoded ticket may take.
    #[must_use]
    pub const fn ticket_bytes_max(&self) -> usize {
        self.space.answer_bytes_max() + self.time.proof_bytes_max()
    }

    /// The most bytes that an encoded set may take: with its ticket in full.
    #[must_use]
    pub const fn set_bytes_max(&self) -> usize {
        2 + self.ticket_bytes_max() + WORK_PUZZLES * 8 + 64
    }

    const fn is_sound(&self) -> bool {
        self.space.is_sound() && self.time.is_sound() && self.work.is_sound()
    }
}

const PRODUCTION: ProofParameters = ProofParameters {
    space: SpaceParameters { labels_log2: 25, layers: 11, online_challenges: 32, initial_challenges: 176 },
    time: TimeParameters { leaves_log2: 17, steps: 32, challenges: 64 },
    work: WorkParameters {
        difficulty_initial: 8192,
        difficulty_floor: 8192,
        difficulty_ceiling: 1 << 22,
        operations_per_second: 1000,
    },
};

const DEVNET: ProofParameters = ProofParameters {
    space: SpaceParameters { labels_log2: 16, layers: 11, online_challenges: 32, initial_challenges: 176 },
    time: TimeParameters { leaves_log2: 13, steps: 32, challenges: 64 },
    work: PRODUCTION.work,
};

const SIM: ProofParameters = ProofParameters {
    space: SpaceParameters { labels_log2: 8, layers: 3, online_challenges: 8, initial_challenges: 8 },
    time: TimeParameters { leaves_log2: 5, steps: 1, challenges: 8 },
    work: WorkParameters {
        difficulty_initial: 64,
        difficulty_floor: 64,
        difficulty_ceiling: 4096,
        operations_per_second: 100,
    },
};

/// The deepest tree of any proof. Vertices and leaves are counted in 32 bits.
pub(super) const DEPTH_MAX: u32 = 30;
/// Bytes before a list that say how many it holds.
const COUNT_BYTES: usize = 4;
/// Bytes of a hash or a label.
const HASH_BYTES: usize = 32;

const _: () = assert!(PRODUCTION.is_sound() && DEVNET.is_sound() && SIM.is_sound());
const _: () = assert!(LABEL_BYTES == HASH_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_production_plot_takes_a_gibibyte() {
        assert_eq!(Profile::Production.proofs().space.plot_bytes(), 1 << 30);
    }

    #[test]
    fn the_sizes_are_those_that_the_design_promises() {
        let production = Profile::Production.proofs();
        assert_eq!(production.space.answer_bytes_max(), 21_512);
        assert_eq!(production.time.proof_bytes_max(), 22_564);
        assert_eq!(production.set_bytes_max(), 44_270);
        assert!(production.space.initial_proof_bytes_max() < 3 << 20);
        assert!(Profile::Sim.proofs().set_bytes_max() < 4 << 10);
    }

    #[test]
    fn parameters_are_sound_at_each_bound_and_not_one_past_it() {
        let (space, time, work) = (SIM.space, SIM.time, SIM.work);
        let deepest = SpaceParameters { labels_log2: DEPTH_MAX, ..space };
        let one =
            SpaceParameters { labels_log2: 4, layers: 1, online_challenges: 16, initial_challenges: 16 };
        assert!(deepest.is_sound() && one.is_sound());
        for unsound in [
            SpaceParameters { labels_log2: DEPTH_MAX + 1, ..space },
            SpaceParameters { labels_log2: 3, online_challenges: 1, initial_challenges: 1, ..one },
            SpaceParameters { layers: 0, ..one },
            SpaceParameters { online_challenges: 0, ..one },
            SpaceParameters { online_challenges: 17, ..one },
            SpaceParameters { initial_challenges: 0, ..one },
            SpaceParameters { initial_challenges: 17, ..one },
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
        let one = TimeParameters { leaves_log2: 1, steps: 1, challenges: 2 };
        assert!(one.is_sound() && TimeParameters { leaves_log2: DEPTH_MAX, ..time }.is_sound());
        for unsound in [
            TimeParameters { leaves_log2: DEPTH_MAX + 1, ..time },
            TimeParameters { leaves_log2: 0, challenges: 1, ..one },
            TimeParameters { steps: 0, ..one },
            TimeParameters { challenges: 0, ..one },
            TimeParameters { challenges: 3, ..one },
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
        let floor = 4 * WORK_PUZZLES as u64;
        let one = WorkParameters {
            difficulty_initial: floor,
            difficulty_floor: floor,
            difficulty_ceiling: floor,
            operations_per_second: 1,
        };
        assert!(one.is_sound() && WorkParameters { difficulty_ceiling: 1 << 32, ..work }.is_sound());
        for unsound in [
            WorkParameters { difficulty_floor: floor - 1, ..one },
            WorkParameters { difficulty_initial: floor - 1, ..one },
            WorkParameters { difficulty_initial: floor + 1, ..one },
            WorkParameters { difficulty_ceiling: (1 << 32) + 1, ..one },
            WorkParameters { operations_per_second: 0, ..one },
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
    }
}
