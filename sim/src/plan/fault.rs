//! What a plan lets go wrong: single faults that begin at a time and end at another.

use super::class::FaultClass;
use crate::world::{Disk, Lie, Link, Place, RunFault, World};
use hypermesh_core::base::Table;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A fault, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedFault {
    /// When it begins, in milliseconds since the chaos began.
    pub at_ms: u64,
    /// How long it lasts, in milliseconds; all ends when the chaos does.
    pub for_ms: u64,
    /// What it is.
    pub fault: Fault,
}

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// A node is down.
    Crash {
        /// Which, from 0.
        place: Place,
    },
    /// All nodes are down.
    PowerLoss,
    /// Nodes on different sides do not reach one another.
    Partition {
        /// Each node's side.
        sides: Vec<u8>,
    },
    /// So many messages of a thousand are lost.
    Loss {
        /// How many.
        per_mille: u64,
    },
    /// One direction of a link is made anew, at once.
    Flap {
        /// Who sends.
        source: Place,
        /// Who receives.
        target: Place,
    },
    /// A node is down, and comes back with an empty disk.
    WipeDisk {
        /// Which.
        place: Place,
    },
    /// A node is down, and comes back without its log of votes.
    LoseLog {
        /// Which.
        place: Place,
    },
    /// A node crashes at the end, and comes back with its disk as it was at the beginning.
    OldDisk {
        /// Which.
        place: Place,
    },
    /// A row of a node's blocks rots, at once.
    Rot {
        /// Whose.
        place: Place,
        /// Which of the blocks, modulo their number.
        row: u64,
    },
    /// A node's wall clock is so much ahead of the true one from now on.
    JumpForward {
        /// Whose.
        place: Place,
        /// How much, in milliseconds.
        ahead_ms: u64,
    },
}

/// What a fault needs to remember until it ends.
#[derive(Default)]
pub(super) enum Memory {
    #[default]
    Nothing,
    Disk(Disk),
}

impl Fault {
    /// The node whose disk it damages: at most f of them may be damaged in a run, or what was acknowledged can be
    /// lost for good, and no alarm would be false.
    #[must_use]
    pub const fn damages(&self) -> Option<Place> {
        match self {
            Self::WipeDisk { place }
            | Self::LoseLog { place }
            | Self::OldDisk { place }
            | Self::Rot { place, .. }
            // A clock that is far off makes a node refuse what others approve: it is not there.
            | Self::JumpForward { place, .. } => Some(*place),
            Self::Crash { .. } | Self::PowerLoss | Self::Partition { .. } | Self::Loss { .. } | Self::Flap { .. } => None,
        }
    }

    /// Whether nothing in it names a node that there is not.
    #[must_use]
    pub fn fits(&self, nodes: usize) -> bool {
        match self {
            Self::Crash { place }
            | Self::WipeDisk { place }
            | Self::LoseLog { place }
            | Self::OldDisk { place }
            | Self::Rot { place, .. }
            | Self::JumpForward { place, .. } => *place < nodes,
            Self::Partition { sides } => sides.len() == nodes,
            Self::Flap { source, target } => *source < nodes && *target < nodes && source != target,
            Self::Loss { per_mille } => *per_mille <= 1000,
            Self::PowerLoss => true,
        }
    }

    pub(super) fn begin(&self, world: &mut World) -> Memory {
        match self {
            Self::Crash { place } => world.crash(*place),
            Self::PowerLoss => {
                world.hit(FaultClass::PowerLoss);
                (0..world.cast().validators.len()).for_each(|place| world.crash(place));
            }
            Self::Partition { sides } => world.partition(sides),
            Self::Loss { per_mille } => world.lose(*per_mille),
            Self::Flap { source, target } => world.flap(Link { source: *source, target: *target }),
            Self::WipeDisk { place } => {
                world.crash(*place);
                world.wipe(*place);
            }
            Self::LoseLog { place } => {
                world.crash(*place);
                world.lose_log(*place);
            }
            Self::OldDisk { place } => {
                return world.disk(*place).map(Disk::copy).map_or(Memory::Nothing, Memory::Disk);
            }
            Self::Rot { place, row } => {
                let keys = world.disk(*place).map(|disk| disk.keys(Table::Blocks)).unwrap_or_default();
                let count = keys.len() as u64;
                let chosen = row.checked_rem(count).and_then(|row| keys.get(usize::try_from(row).ok()?));
                if let Some(key) = chosen {
                    world.rot(*place, Table::Blocks, key);
                }
            }
            Self::JumpForward { place, ahead_ms } => {
                world.set_clock(*place, Duration::from_millis(*ahead_ms));
            }
        }
        Memory::Nothing
    }

    pub(super) fn end(&self, world: &mut World, memory: &Memory) -> Result<(), RunFault> {
        match self {
            Self::Crash { place } | Self::WipeDisk { place } | Self::LoseLog { place } => world.start(*place),
            Self::PowerLoss => (0..world.cast().validators.len()).try_for_each(|place| world.start(place)),
            Self::Partition { .. } => {
                world.heal();
                Ok(())
            }
            Self::Loss { .. } => {
                world.lose(0);
                Ok(())
            }
            Self::OldDisk { place } => {
                let Memory::Disk(disk) = memory else { return Ok(()) };
                world.crash(*place);
                world.replace_disk(*place, disk);
                world.start(*place)
            }
            Self::Flap { .. } | Self::Rot { .. } | Self::JumpForward { .. } => Ok(()),
        }
    }
}

/// A node that lies in a run from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liar {
    /// Which, from 0.
    pub place: Place,
    /// How.
    pub lie: Lie,
}
