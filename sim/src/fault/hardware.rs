//! Faults of a node's machine: its process, its disk, its clocks.

use super::WorldKind;
use hypermesh_core::base::Table;
use serde::{Deserialize, Serialize};

/// A wall clock that is off by no more than this, either way, is one of those that proposals tolerate.
const AHEAD_MS_HARMLESS: u64 = 150;
/// A wall clock that drifts by no more than this is no further off at the end of a run than is tolerated.
const WALL_PPM_HARMLESS: u64 = 500;
/// Clocks drift by less than this: they do not stand still.
const PPM_MAX: u64 = 500_000;

/// Something that is wrong with a process for a while. None of it loses what was durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ProcessFault {
    /// It crashes when so many more of its outputs have been carried out, and is down until the end.
    CrashInStep {
        /// How many.
        outputs: u64,
    },
    /// It handles nothing until the end, and then everything.
    Pause,
    /// It takes long for everything.
    Slow {
        /// How long at least, in microseconds.
        from_us: u64,
        /// How long at most.
        to_us: u64,
    },
    /// Its jobs take long.
    LateJobs {
        /// How much longer at most, in milliseconds.
        longest_ms: u64,
    },
}

/// Something that is wrong with a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum DiskFault {
    /// The node loses power in its next write, of which the disk has some rows, the last of them damaged.
    TornWrite {
        /// How many.
        rows: usize,
    },
    /// A row rots, at once.
    Rot {
        /// Of which table, by its name.
        table: String,
        /// Which of its rows, modulo their number.
        row: u64,
    },
    /// The last row of a table turns out to have been written in the place of another, at once.
    MisdirectedWrite {
        /// Of which table, by its name.
        table: String,
        /// Which row was overwritten, modulo their number.
        row: u64,
    },
    /// All reads fail.
    ReadErrors {
        /// Whether the node crashes at the beginning: it cannot start until the end.
        restart: bool,
    },
    /// All writes fail: the node ends with the first, and with each start.
    WriteErrors,
    /// There is no room for writes: the node ends with the first, and with each start.
    Full,
    /// The node is down, and its disk has the data of an older version: it refuses to start, and is wiped in the end.
    OldFormat,
}

/// Something that is wrong with a node's clocks from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ClockFault {
    /// The wall clock is set so much ahead of the true one; behind, if that is negative.
    Jump {
        /// How much, in milliseconds.
        ahead_ms: i64,
    },
    /// The clocks run too fast by so many parts in a million; too slow, if that is negative.
    Drift {
        /// The monotonic clock, by which timers run.
        mono_ppm: i64,
        /// The wall clock.
        wall_ppm: i64,
    },
}

impl ProcessFault {
    /// Whether there is such a fault in a world. The driver that ships turns its node as fast as the machine is.
    pub(crate) const fn is_of(&self, world: WorldKind) -> bool {
        matches!(world, WorldKind::World) || !matches!(self, Self::Pause | Self::Slow { .. })
    }

    pub(crate) const fn fits(&self) -> bool {
        match self {
            Self::Slow { from_us, to_us } => *from_us <= *to_us,
            Self::CrashInStep { .. } | Self::Pause | Self::LateJobs { .. } => true,
        }
    }
}

impl DiskFault {
    /// Whether there is such a fault in a world.
    pub(crate) const fn is_of(&self, world: WorldKind) -> bool {
        matches!(world, WorldKind::World) || !matches!(self, Self::OldFormat)
    }

    /// Whether what was acknowledged may be lost with it. What merely fails is not: nothing is said before it is kept.
    pub(crate) const fn damages(&self) -> bool {
        match self {
            Self::TornWrite { .. } | Self::Rot { .. } | Self::MisdirectedWrite { .. } | Self::OldFormat => {
                true
            }
            Self::ReadErrors { .. } | Self::WriteErrors | Self::Full => false,
        }
    }

    pub(crate) fn fits(&self) -> bool {
        match self {
            Self::Rot { table, .. } | Self::MisdirectedWrite { table, .. } => table_of(table).is_some(),
            _ => true,
        }
    }
}

/// A table by its name.
pub(crate) fn table_of(name: &str) -> Option<Table> {
    Table::ALL.into_iter().find(|table| table.name() == name)
}

impl ClockFault {
    /// Whether the clock is so far off that others refuse what the node says: then it is as good as not there.
    pub(crate) const fn damages(&self) -> bool {
        match self {
            Self::Jump { ahead_ms } => ahead_ms.unsigned_abs() > AHEAD_MS_HARMLESS,
            Self::Drift { wall_ppm, .. } => wall_ppm.unsigned_abs() > WALL_PPM_HARMLESS,
        }
    }

    pub(crate) const fn fits(&self) -> bool {
        match self {
            Self::Jump { .. } => true,
            Self::Drift { mono_ppm, wall_ppm } => {
                mono_ppm.unsigned_abs() < PPM_MAX && wall_ppm.unsigned_abs() < PPM_MAX
            }
        }
    }
}
