//! What a fault is: data, without the code that makes it happen.
//!
//! Everything here is independent of the worlds. A [`Fault`] begins at a time and ends at another, a [`Lie`] is told
//! from the beginning, and a [`FaultClass`] counts what took effect. How a fault is injected stands in
//! `plan/inject.rs`; how a lie is told, in `world/byzantine/`.

mod class;
mod hardware;
mod lie;
mod path;

pub use class::{Coverage, FaultClass, FaultGroup};
pub(crate) use hardware::table_of;
pub use hardware::{ClockFault, DiskFault, ProcessFault};
pub use lie::{Liar, Lie};
pub use path::PathFault;

use crate::base::NodeIndex;
use serde::{Deserialize, Serialize};

/// Which world a run is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorldKind {
    /// An event heap over nodes.
    World,
    /// Real QUIC on a simulated network.
    Quic,
}

impl WorldKind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Quic => "quic",
        }
    }
}

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
    pub(crate) const fn size_for_datagrams(&mut self) {
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
}
