//! Faults of the paths between nodes.

use super::WorldKind;
use crate::world::{Bursts, Damage, Link, Narrow, NodeIndex, Reorders, Spikes, World};
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
    pub(super) const fn damages(&self) -> Option<NodeIndex> {
        match self {
            Self::Damage { place, .. } => Some(*place),
            _ => None,
        }
    }

    /// Whether there is such a fault in a world. Where nodes have no addresses, they do not move.
    pub(super) const fn is_of(&self, world: WorldKind) -> bool {
        matches!(world, WorldKind::Quic) || !matches!(self, Self::Moves { .. })
    }

    pub(super) fn fits(&self, nodes: usize) -> bool {
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

    pub(super) fn begin(&self, world: &mut World) {
        let conditions = world.conditions();
        match *self {
            Self::Bursts { enter_per_mille, leave_per_mille, loss_per_mille } => {
                conditions.bursts = Some(Bursts { enter_per_mille, leave_per_mille, loss_per_mille });
            }
            Self::Spikes { per_mille, longest_ms } => {
                conditions.spikes = Some(Spikes { per_mille, longest_ms });
            }
            Self::Duplicates { per_mille } => conditions.duplicates_per_mille = per_mille,
            Self::Reorders { per_mille, within_ms } => {
                conditions.reorders = Some(Reorders { per_mille, within_ms });
            }
            Self::Narrow { bytes_per_second, queue_bytes_max } => {
                conditions.narrow = Some(Narrow { bytes_per_second, queue_bytes_max });
            }
            Self::BlackHole { bytes_max } => conditions.bytes_max = Some(bytes_max),
            Self::OneWay { source, target } => {
                conditions.one_way.insert(Link { source, target });
            }
            Self::Cut { source, target } => world.cut(Link { source, target }),
            Self::Silent { place } => {
                conditions.silent.insert(place);
            }
            Self::Damage { place, per_mille, truncates } => {
                world.damage(place, Damage { per_mille, truncates });
            }
            Self::Moves { .. } => {}
        }
    }

    pub(super) fn end(&self, world: &mut World) {
        let conditions = world.conditions();
        match *self {
            Self::Bursts { .. } => conditions.bursts = None,
            Self::Spikes { .. } => conditions.spikes = None,
            Self::Duplicates { .. } => conditions.duplicates_per_mille = 0,
            Self::Reorders { .. } => conditions.reorders = None,
            Self::Narrow { .. } => conditions.narrow = None,
            Self::BlackHole { .. } => conditions.bytes_max = None,
            Self::OneWay { source, target } => {
                conditions.one_way.remove(&Link { source, target });
                // Without a word from the other end both connections have died of idleness.
                world.relink(Link { source, target });
            }
            Self::Cut { source, target } => world.join(Link { source, target }),
            Self::Silent { place } => {
                conditions.silent.remove(&place);
            }
            Self::Damage { place, .. } => {
                conditions.damaged.remove(&place);
            }
            Self::Moves { .. } => {}
        }
    }
}
