//! What a seed draws of each class of faults of paths, machines, disks and clocks.

use super::generate::{Draw, pick};
use crate::base::{NodeIndex, Random};
use crate::fault::{ClockFault, DiskFault, Fault, PathFault, ProcessFault, TimedFault};
use hypermesh_core::base::Table;
use hypermesh_core::node::CLOCK_JUMP_MS_MAX;

/// Clocks jump together by this much at most: certificates of before are still valid then.
const JUMP_MS_MAX: u64 = 7_200_000;
/// A snapshot is at least this old when it is resumed: from there on a jump of the clock shows it.
const SNAPSHOT_MS_MIN: u64 = CLOCK_JUMP_MS_MAX + 200;
/// One in so many seeds tries it, if nobody lies: this one of them.
const SNAPSHOT_EVERY: u64 = 16;
const SNAPSHOT_SEED: u64 = 5;

impl Draw {
    /// Faults of the paths between nodes, but for those that make a node as bad as a liar.
    pub(super) fn paths(&self) -> Vec<TimedFault> {
        let path = |purpose: &str, most: u64, mut one: Box<dyn FnMut(&mut Random) -> PathFault + '_>| {
            self.some(purpose, most, |random| Fault::Path { path: one(random) })
        };
        [
            path("plan burst-loss", 2, Box::new(bursts)),
            path("plan delay-spike", 2, Box::new(spikes)),
            path(
                "plan duplication",
                2,
                Box::new(|random| PathFault::Duplicates { per_mille: 1 + random.below(300) }),
            ),
            path("plan reordering", 2, Box::new(reorders)),
            path("plan narrow-link", 2, Box::new(narrow)),
            path(
                "plan black-hole",
                1,
                Box::new(|random| PathFault::BlackHole { bytes_max: 1_200 + 100 * pick(random, 60) }),
            ),
            path("plan one-way", 3, Box::new(|random| self.one_way(random))),
            path("plan silent-peer", 2, Box::new(|random| PathFault::Silent { place: self.place(random) })),
        ]
        .concat()
    }

    /// Nodes whose addresses change.
    pub(super) fn moves(&self) -> Vec<TimedFault> {
        self.some("plan address-change", 2, |random| Fault::Path {
            path: PathFault::Moves { place: self.place(random) },
        })
    }

    fn one_way(&self, random: &mut Random) -> PathFault {
        let (source, target) = self.pair(random);
        PathFault::OneWay { source, target }
    }

    /// Links that are cut one by one, and healed one by one in another order (FoundationDB's "swizzle-clogging").
    pub(super) fn swizzles(&self) -> Vec<TimedFault> {
        let Some(mut random) = self.class("plan swizzle") else { return Vec::new() };
        let (begins, lasts) = self.when(&mut random);
        let count = 2 + random.below(2 * self.nodes as u64);
        let cut = |_| {
            let at_ms = begins + random.below(lasts / 2 + 1);
            let heals = begins + lasts / 2 + random.below(lasts / 2 + 1);
            let (source, target) = self.pair(&mut random);
            let fault = Fault::Path { path: PathFault::Cut { source, target } };
            TimedFault { at_ms, for_ms: heals.saturating_sub(at_ms), fault }
        };
        (0..count).map(cut).collect()
    }

    /// A node whose memory damages what it sends: one of those that may be as bad as liars.
    pub(super) fn corruption(&self, impaired: &[NodeIndex]) -> Vec<TimedFault> {
        let Some(place) = impaired.last().copied() else { return Vec::new() };
        let damages = |random: &mut Random, truncates| Fault::Path {
            path: PathFault::Damage { place, per_mille: 1 + random.below(300), truncates },
        };
        let corruptions = self.some("plan corruption", 2, |random| damages(random, false));
        [corruptions, self.some("plan truncation", 2, |random| damages(random, true))].concat()
    }

    /// Faults of processes, and of disks and clocks that harm nothing that lasts.
    pub(super) fn machines(&self) -> Vec<TimedFault> {
        let process = |purpose: &str, most: u64, one: &dyn Fn(&mut Random) -> ProcessFault| {
            self.some(purpose, most, |random| {
                let place = self.place(random);
                Fault::Process { place, process: one(random) }
            })
        };
        let disk = |purpose: &str, one: &dyn Fn(&mut Random) -> DiskFault| {
            self.some(purpose, 2, |random| {
                let place = self.place(random);
                Fault::Disk { place, disk: one(random) }
            })
        };
        let clock = |purpose: &str, one: &dyn Fn(&mut Random) -> ClockFault| {
            self.some(purpose, 3, |random| {
                let place = self.place(random);
                Fault::Clock { place, clock: one(random) }
            })
        };
        [
            process("plan crash-in-step", 4, &|random| ProcessFault::CrashInStep {
                outputs: 1 + random.below(60),
            }),
            process("plan pause", 3, &|_| ProcessFault::Pause),
            process("plan slow-node", 2, &|random| {
                let from_us = 1 + random.below(2_000);
                ProcessFault::Slow { from_us, to_us: from_us + random.below(10_000) }
            }),
            process("plan late-jobs", 2, &|random| ProcessFault::LateJobs {
                longest_ms: 1 + random.below(1_000),
            }),
            disk("plan read-errors", &|random| DiskFault::ReadErrors { restart: random.below(2) == 0 }),
            disk("plan write-errors", &|_| DiskFault::WriteErrors),
            disk("plan full-disk", &|_| DiskFault::Full),
            clock("plan small-jump", &|random| ClockFault::Jump { ahead_ms: either_way(random, 150) }),
            clock("plan small-drift", &|random| ClockFault::Drift {
                mono_ppm: either_way(random, 100_000),
                wall_ppm: either_way(random, 500),
            }),
        ]
        .concat()
    }

    /// What happens to the disk and the clock of a node that may be as bad as one that lies.
    pub(super) fn ruins(&self, impaired: &[NodeIndex]) -> Vec<TimedFault> {
        let Some(place) = impaired.first().copied() else { return Vec::new() };
        let disk = |purpose: &str, one: &dyn Fn(&mut Random) -> DiskFault| {
            self.some(purpose, 1, |random| Fault::Disk { place, disk: one(random) })
        };
        let clock = |purpose: &str, one: &dyn Fn(&mut Random) -> ClockFault| {
            self.some(purpose, 2, |random| Fault::Clock { place, clock: one(random) })
        };
        [
            disk("plan torn-write", &|random| DiskFault::TornWrite { rows: 1 + pick(random, 20) }),
            disk("plan misdirected-write", &|random| DiskFault::MisdirectedWrite {
                table: table(random),
                row: random.below(64),
            }),
            disk("plan rot", &|random| DiskFault::Rot { table: table(random), row: random.below(64) }),
            disk("plan old-format", &|_| DiskFault::OldFormat),
            clock("plan jump", &|random| ClockFault::Jump { ahead_ms: either_way(random, 7_200_000) }),
            clock("plan drift", &|random| ClockFault::Drift {
                mono_ppm: either_way(random, 300_000),
                wall_ppm: either_way(random, 300_000),
            }),
        ]
        .concat()
    }

    /// The clocks of more nodes than may lie, up to all, are ahead together for a while.
    pub(super) fn clocks(&self) -> Vec<TimedFault> {
        self.some("plan jump-together", 2, |random| {
            let least = self.nodes.saturating_sub(1) / 3 + 1;
            let count = least + pick(random, self.nodes - least + 1);
            let mut left: Vec<NodeIndex> = (0..self.nodes).collect();
            let places = (0..count).map(|_| left.remove(pick(random, left.len()))).collect();
            Fault::JumpTogether { places, ahead_ms: 1_000 + random.below(JUMP_MS_MAX) }
        })
    }

    /// A machine that may be as bad as one that lies is resumed from a snapshot, in some seeds. Nothing else damages its disk
    /// or its clock then: what its memory was could not be had once more.
    pub(super) fn snapshot(&self, impaired: &[NodeIndex], faults: &mut Vec<TimedFault>) {
        let Some(place) = impaired.first().copied().filter(|_| self.seed % SNAPSHOT_EVERY == SNAPSHOT_SEED)
        else {
            return;
        };
        let mut random = self.stream("plan snapshot");
        let at_ms = random.below(self.chaos_ms / 4);
        let longest_ms = (self.chaos_ms - at_ms).saturating_sub(SNAPSHOT_MS_MIN).clamp(1, 4_000);
        let for_ms = SNAPSHOT_MS_MIN + random.below(longest_ms);
        let touches =
            |fault: &Fault| matches!(fault, Fault::Disk { place: disk_of, .. } if *disk_of == place);
        faults.retain(|timed| timed.fault.damages() != Some(place) && !touches(&timed.fault));
        faults.push(TimedFault { at_ms, for_ms, fault: Fault::ResumeSnapshot { place } });
        faults.sort_by_key(|timed| timed.at_ms);
    }

    /// Two nodes.
    fn pair(&self, random: &mut Random) -> (NodeIndex, NodeIndex) {
        let source = self.place(random);
        (source, (source + 1 + pick(random, self.nodes - 1)) % self.nodes)
    }
}

/// A number up to a bound, or the negative of one.
fn either_way(random: &mut Random, most: i64) -> i64 {
    let width = most.unsigned_abs() * 2 + 1;
    i64::try_from(random.below(width)).unwrap_or_default() - most
}

fn table(random: &mut Random) -> String {
    Table::ALL[pick(random, Table::ALL.len())].name().to_string()
}

fn bursts(random: &mut Random) -> PathFault {
    PathFault::Bursts {
        enter_per_mille: 1 + random.below(50),
        leave_per_mille: 20 + random.below(300),
        loss_per_mille: 300 + random.below(701),
    }
}

fn spikes(random: &mut Random) -> PathFault {
    PathFault::Spikes { per_mille: 1 + random.below(100), longest_ms: 20 + random.below(3_000) }
}

fn reorders(random: &mut Random) -> PathFault {
    PathFault::Reorders { per_mille: 1 + random.below(300), within_ms: 1 + random.below(100) }
}

/// From a modem's to a good line's.
fn narrow(random: &mut Random) -> PathFault {
    let bytes_per_second = 1_000 << random.below(10);
    PathFault::Narrow { bytes_per_second, queue_bytes_max: 4_000 << random.below(8) }
}
