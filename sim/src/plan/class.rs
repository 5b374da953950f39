//! The catalogue of fault classes: what can go wrong in a run, by name, and how often it did.
//!
//! A class counts when it takes effect (a message is lost), not when a plan merely allows it. A budget of seeds in
//! which a class of the catalogue never took effect has not tried it, and fails.

use super::WorldKind;
use std::collections::BTreeMap;

macro_rules! classes {
    ($($(#[doc = $means:literal])+ $class:ident = $name:literal, $group:ident, $worlds:ident;)*) => {
        /// Something that can go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FaultClass {
            $($(#[doc = $means])+ $class,)*
        }

        impl FaultClass {
            /// The whole catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$class),*];

            /// Its name, as coverage lists it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$class => $name),* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Self::$class => concat!($($means),+)),* }
            }

            /// What it is a fault of.
            #[must_use]
            pub const fn group(self) -> FaultGroup {
                match self { $(Self::$class => FaultGroup::$group),* }
            }

            /// Whether it can take effect in a world.
            #[must_use]
            pub const fn is_of(self, world: WorldKind) -> bool {
                match self { $(Self::$class => Worlds::$worlds.has(world)),* }
            }
        }
    };
}

/// What a fault is a fault of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultGroup {
    /// Links between nodes.
    Network,
    /// Nodes as processes.
    Process,
    /// Their disks.
    Disk,
    /// Their clocks.
    Clock,
    /// Nodes that lie.
    Byzantine,
    /// Clients.
    Workload,
}

impl FaultGroup {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Process => "process",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::Byzantine => "Byzantine",
            Self::Workload => "workload",
        }
    }
}

/// In which worlds a class can take effect.
enum Worlds {
    World,
    Both,
}

impl Worlds {
    const fn has(self, world: WorldKind) -> bool {
        matches!((self, world), (Self::Both, _) | (Self::World, WorldKind::World))
    }
}

classes! {
    /// A message is lost, although the link stands.
    Loss = "loss", Network, Both;
    /// Nodes are divided into groups that do not reach one another.
    Partition = "partition", Network, Both;
    /// One direction of a link is made anew: what was under way in it is lost, and only its sender is told.
    Flap = "flap", Network, World;
    /// A node stops without warning.
    Crash = "crash", Process, Both;
    /// A node starts again.
    Restart = "restart", Process, Both;
    /// Every node stops at once.
    PowerLoss = "power-loss", Process, Both;
    /// A crash loses writes that were not durable yet.
    LostWrites = "lost-writes", Disk, Both;
    /// A row of the store is read as damaged.
    BitRot = "bit-rot", Disk, World;
    /// A node comes back with an empty disk.
    WipedDisk = "wiped-disk", Disk, World;
    /// A node comes back with an older copy of its disk.
    OldDisk = "old-disk", Disk, World;
    /// A node comes back without its log of votes.
    LostLog = "lost-log", Disk, World;
    /// A node's wall clock is off.
    Skew = "skew", Clock, Both;
    /// A node's wall clock jumps forward.
    JumpForward = "jump-forward", Clock, World;
    /// A node sends signature shares that do not hold, and puts its name to them.
    BadShares = "bad-shares", Byzantine, World;
    /// A node serves blocks that no quorum decided.
    RubbishBlocks = "rubbish-blocks", Byzantine, World;
    /// A node claims to have the highest block that there can be.
    FalseHeights = "false-heights", Byzantine, World;
    /// A node does not serve blocks.
    WithheldBlocks = "withheld-blocks", Byzantine, World;
    /// A certificate is asked for.
    Issue = "issue", Workload, Both;
    /// A certificate for the same names is asked for once more.
    Renew = "renew", Workload, World;
    /// A certificate is revoked.
    Revoke = "revoke", Workload, World;
    /// A name is registered.
    Register = "register", Workload, World;
    /// A name's records are set.
    Update = "update", Workload, World;
    /// A name that others write at the same time is written.
    HotName = "hot-name", Workload, World;
    /// A name is resolved.
    Resolve = "resolve", Workload, World;
    /// An amount is moved.
    Transfer = "transfer", Workload, World;
    /// A hundred requests at once.
    Burst = "burst", Workload, World;
    /// A client gives up on a request, and never asks again.
    GiveUp = "give-up", Workload, World;
    /// A client asks another node for the same.
    RetryElsewhere = "retry-elsewhere", Workload, World;
    /// A client asks the same node for the same again.
    Repeat = "repeat", Workload, World;
}

/// How often each class has taken effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<FaultClass, u64>);

impl Coverage {
    /// Counts an effect of a class.
    pub fn hit(&mut self, class: FaultClass) {
        *self.0.entry(class).or_default() += 1;
    }

    /// Adds what another run covered.
    pub fn add(&mut self, other: &Self) {
        for (class, count) in &other.0 {
            *self.0.entry(*class).or_default() += count;
        }
    }

    /// How often a class has taken effect.
    #[must_use]
    pub fn count(&self, class: FaultClass) -> u64 {
        self.0.get(&class).copied().unwrap_or_default()
    }

    /// The classes of a world's catalogue that never took effect.
    #[must_use]
    pub fn missing(&self, world: WorldKind) -> Vec<FaultClass> {
        let never = |class: &FaultClass| class.is_of(world) && self.count(*class) == 0;
        FaultClass::ALL.iter().copied().filter(never).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = FaultClass::ALL.iter().map(|class| class.name()).collect();
        assert_eq!(names.len(), FaultClass::ALL.len());
    }

    #[test]
    fn a_class_that_never_took_effect_is_missing_from_its_worlds_alone() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.missing(WorldKind::World).len(), FaultClass::ALL.len());
        coverage.hit(FaultClass::Loss);
        assert!(!coverage.missing(WorldKind::World).contains(&FaultClass::Loss));
        assert!(coverage.missing(WorldKind::World).contains(&FaultClass::OldDisk));
        assert!(!coverage.missing(WorldKind::Quic).contains(&FaultClass::OldDisk));
    }
}
