//! What a plan lets go wrong: single faults that begin at a time and end at another.

use super::WorldKind;
use super::class::FaultClass;
use super::hardware::{ClockFault, DiskFault, ProcessFault};
use super::path::PathFault;
use super::plan_world::PlanWorld;
use crate::world::{Disk, Lie, Link, MachineSnapshot, NodeIndex, RunFault};
use hypermesh_core::base::Table;
use serde::{Deserialize, Serialize};

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
        place: NodeIndex,
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
        source: NodeIndex,
        /// Who receives.
        target: NodeIndex,
    },
    /// A node is down, and comes back with an empty disk.
    WipeDisk {
        /// Which.
        place: NodeIndex,
    },
    /// A node is down, and comes back without its log of votes.
    LoseLog {
        /// Which.
        place: NodeIndex,
    },
    /// A node crashes at the end, and comes back with its disk as it was at the beginning.
    OldDisk {
        /// Which.
        place: NodeIndex,
    },
    /// A node's machine is resumed at the end from a snapshot that was taken at the beginning, memory and disk.
    ResumeSnapshot {
        /// Which.
        place: NodeIndex,
    },
    /// A row of a node's blocks rots, at once.
    Rot {
        /// Whose.
        place: NodeIndex,
        /// Which of the blocks, modulo their number.
        row: u64,
    },
    /// A node's wall clock is so much ahead of the true one from now on.
    JumpForward {
        /// Whose.
        place: NodeIndex,
        /// How much, in milliseconds.
        ahead_ms: u64,
    },
    /// The wall clocks of several nodes are so much ahead of the true one, and right again at the end. More than f of them
    /// may be: block time then stays ahead, and the mesh goes on all the same.
    JumpTogether {
        /// Whose.
        places: Vec<NodeIndex>,
        /// How much, in milliseconds.
        ahead_ms: u64,
    },
    /// Something is wrong with the network.
    Path {
        /// What.
        path: PathFault,
    },
    /// Something is wrong with a node's process.
    Process {
        /// Whose.
        place: NodeIndex,
        /// What.
        process: ProcessFault,
    },
    /// Something is wrong with a node's disk.
    Disk {
        /// Whose.
        place: NodeIndex,
        /// What.
        disk: DiskFault,
    },
    /// Something is wrong with a node's clocks from now on.
    Clock {
        /// Whose.
        place: NodeIndex,
        /// What.
        clock: ClockFault,
    },
}

/// What a fault needs to remember until it ends.
#[derive(Default)]
pub(super) enum Memory {
    #[default]
    Nothing,
    Disk(Disk),
    Machine(MachineSnapshot),
}

impl Fault {
    /// The node that it makes as bad as one that lies: whose disk it damages, whose clock it sets far off, whose
    /// messages it damages. At most f of them may be so in a run, together with those that lie, whatever happens to
    /// each: what was acknowledged is on the disks of a quorum, and with f of those gone at least one honest node has
    /// it; with one more it can be lost for good, and no alarm would be false. Everything else may happen to every
    /// node, and to all at once: what is late or lost is sent again, who is down comes back with all that was durable.
    #[must_use]
    pub const fn damages(&self) -> Option<NodeIndex> {
        match self {
            Self::WipeDisk { place }
            | Self::LoseLog { place }
            | Self::OldDisk { place }
            | Self::ResumeSnapshot { place }
            | Self::Rot { place, .. }
            // A clock that is far off makes a node refuse what others approve: it is not there.
            | Self::JumpForward { place, .. } => Some(*place),
            Self::Path { path } => path.damages(),
            Self::Disk { place, disk } if disk.damages() => Some(*place),
            Self::Clock { place, clock } if clock.damages() => Some(*place),
            Self::Process { .. } | Self::Disk { .. } | Self::Clock { .. } | Self::Crash { .. } | Self::JumpTogether { .. } | Self::PowerLoss | Self::Partition { .. } | Self::Loss { .. } | Self::Flap { .. } => None,
        }
    }

    /// Whether there is such a fault in a world.
    #[must_use]
    pub const fn is_of(&self, world: WorldKind) -> bool {
        match self {
            Self::Path { path } => path.is_of(world),
            Self::Process { process, .. } => process.is_of(world),
            Self::Disk { disk, .. } => disk.is_of(world),
            Self::Flap { .. } | Self::ResumeSnapshot { .. } => matches!(world, WorldKind::World),
            Self::Crash { .. }
            | Self::PowerLoss
            | Self::Partition { .. }
            | Self::Loss { .. }
            | Self::Clock { .. }
            | Self::WipeDisk { .. }
            | Self::LoseLog { .. }
            | Self::OldDisk { .. }
            | Self::Rot { .. }
            | Self::JumpTogether { .. }
            | Self::JumpForward { .. } => true,
        }
    }

    /// Makes a fault that was drawn for messages one for datagrams.
    pub(super) const fn size_for_datagrams(&mut self) {
        if let Self::Path { path: PathFault::BlackHole { bytes_max } } = self {
            // A path of QUIC takes 1200 bytes, and a datagram of its has at most 1452.
            *bytes_max = 1_200 + *bytes_max % 252;
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
            | Self::ResumeSnapshot { place }
            | Self::Rot { place, .. }
            | Self::JumpForward { place, .. } => *place < nodes,
            Self::Partition { sides } => sides.len() == nodes,
            Self::Flap { source, target } => *source < nodes && *target < nodes && source != target,
            Self::Loss { per_mille } => *per_mille <= 1000,
            Self::Path { path } => path.fits(nodes),
            Self::Process { place, process } => *place < nodes && process.fits(),
            Self::Disk { place, disk } => *place < nodes && disk.fits(),
            Self::Clock { place, clock } => *place < nodes && clock.fits(),
            Self::JumpTogether { places, .. } => places.iter().all(|place| *place < nodes),
            Self::PowerLoss => true,
        }
    }

    pub(super) fn begin(&self, world: &mut impl PlanWorld) -> Result<Memory, RunFault> {
        match self {
            Self::Crash { place } => world.crash(*place),
            Self::PowerLoss => {
                world.hit(FaultClass::PowerLoss);
                (0..world.participants().validators.len()).for_each(|place| world.crash(place));
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
                // Of a disk that is damaged there is no copy worth having.
                let disk = world.disk(*place).filter(|_| !world.is_disk_damaged(*place));
                return Ok(disk.map(|disk| disk.copy()).map_or(Memory::Nothing, Memory::Disk));
            }
            Self::ResumeSnapshot { place } => {
                return Ok(world.snapshot(*place).map_or(Memory::Nothing, Memory::Machine));
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
                world.jump(*place, i64::try_from(*ahead_ms).unwrap_or(i64::MAX));
            }
            Self::JumpTogether { places, ahead_ms } => {
                world.hit(FaultClass::JumpTogether);
                let ahead_ms = i64::try_from(*ahead_ms).unwrap_or(i64::MAX);
                places.iter().for_each(|place| world.jump(*place, ahead_ms));
            }
            Self::Path { path } => world.begin_path(path),
            Self::Process { place, process } => process.begin(world, *place),
            Self::Disk { place, disk } => disk.begin(world, *place)?,
            Self::Clock { place, clock } => clock.begin(world, *place),
        }
        Ok(Memory::Nothing)
    }

    pub(super) fn end(&self, world: &mut impl PlanWorld, memory: &Memory) -> Result<(), RunFault> {
        match self {
            Self::Crash { place } | Self::WipeDisk { place } | Self::LoseLog { place } => {
                world.start_or_wipe(*place)
            }
            Self::PowerLoss => {
                (0..world.participants().validators.len()).try_for_each(|place| world.start_or_wipe(place))
            }
            Self::Partition { .. } => {
                world.partition(&vec![0; world.participants().validators.len()]);
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
                world.start_or_wipe(*place)
            }
            Self::ResumeSnapshot { place } => {
                if let Memory::Machine(snapshot) = memory {
                    world.resume_snapshot(*place, snapshot);
                }
                Ok(())
            }
            Self::JumpTogether { places, .. } => {
                places.iter().for_each(|place| world.jump(*place, 0));
                Ok(())
            }
            Self::Path { path } => {
                world.end_path(path);
                Ok(())
            }
            Self::Process { place, process } => process.end(world, *place),
            Self::Disk { place, disk } => disk.end(world, *place),
            Self::Clock { .. } | Self::Flap { .. } | Self::Rot { .. } | Self::JumpForward { .. } => Ok(()),
        }
    }
}

/// A node that lies in a run from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liar {
    /// Which, from 0.
    pub place: NodeIndex,
    /// How.
    pub lie: Lie,
}
