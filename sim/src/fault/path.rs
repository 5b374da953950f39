//! Faults of the paths between nodes.

use super::WorldKind;
use crate::base::NodeIndex;
use serde::{Deserialize, Serialize};

/// Something that is wrong with the network for a while. [`crate::world::Conditions`] says what each stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum PathFault {
    /// Messages are lost in bursts.
    Bursts {
        /// How often of a thousand messages a link becomes bad.
        enter_per_mille: u64,
        /// How often of a thousand messages it becomes good again.
        leave_per_mille: u64,
        /// How many of a thousand messages are lost while it is bad.
        loss_per_mille: u64,
    },
    /// Some messages take very long.
    Spikes {
        /// How many of a thousand.
        per_mille: u64,
        /// How much longer at most.
        longest_ms: u64,
    },
    /// Some messages arrive twice.
    Duplicates {
        /// How many of a thousand.
        per_mille: u64,
    },
    /// Some messages are overtaken.
    Reorders {
        /// How many of a thousand.
        per_mille: u64,
        /// By those of how much later, at most.
        within_ms: u64,
    },
    /// Links have a bandwidth and a queue.
    Narrow {
        /// How much a link carries.
        bytes_per_second: u64,
        /// How many bytes wait at most.
        queue_bytes_max: u64,
    },
    /// Large messages are lost.
    BlackHole {
        /// What still passes.
        bytes_max: usize,
    },
    /// One direction of a link is cut; nobody is told until it heals.
    OneWay {
        /// Who is not heard.
        source: NodeIndex,
        /// Who does not hear.
        target: NodeIndex,
    },
    /// The link between two nodes is cut: one of several, in a swizzled partition.
    Cut {
        /// One of them.
        source: NodeIndex,
        /// The other.
        target: NodeIndex,
    },
    /// A node's links stand, and nothing comes of it.
    Silent {
        /// Which.
        place: NodeIndex,
    },
    /// A node damages what it sends.
    Damage {
        /// Which.
        place: NodeIndex,
        /// How many messages of a thousand.
        per_mille: u64,
        /// Whether they are cut short; one bit is changed otherwise.
        truncates: bool,
    },
    /// A node's datagrams come from another port, and it hears nothing at its own. It is not told.
    Moves {
        /// Which.
        place: NodeIndex,
    },
}

impl PathFault {
    /// The node that is as bad as one that lies meanwhile, if there is one.
    #[must_use]
    pub(crate) const fn damages(&self) -> Option<NodeIndex> {
        match self {
            Self::Damage { place, .. } => Some(*place),
            _ => None,
        }
    }

    /// Whether there is such a fault in a world. Where nodes have no addresses, they do not move.
    pub(crate) const fn is_of(&self, world: WorldKind) -> bool {
        matches!(world, WorldKind::Quic) || !matches!(self, Self::Moves { .. })
    }

    pub(crate) fn fits(&self, nodes: usize) -> bool {
        match self {
            Self::OneWay { source, target } | Self::Cut { source, target } => {
                *source < nodes && *target < nodes && source != target
            }
            Self::Silent { place } | Self::Damage { place, .. } | Self::Moves { place } => *place < nodes,
            Self::Narrow { bytes_per_second, .. } => *bytes_per_second > 0,
            Self::Bursts { .. }
            | Self::Spikes { .. }
            | Self::Duplicates { .. }
            | Self::Reorders { .. }
            | Self::BlackHole { .. } => true,
        }
    }
}
