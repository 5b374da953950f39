//! Fault injection: makes the faults of a plan begin and end in a world.

use super::plan_world::PlanWorld;
use crate::base::{Disk, Link, NodeIndex, Span};
use crate::fault::{ClockFault, DiskFault, Fault, FaultClass, PathFault, ProcessFault, table_of};
use crate::world::{BadWrites, Bursts, Damage, MachineSnapshot, Narrow, Reorders, RunFault, Spikes, World};
use hypermesh_core::base::Table;

/// What a fault needs to remember until it ends.
#[derive(Default)]
pub(super) enum Memory {
    #[default]
    Nothing,
    Disk(Disk),
    Machine(MachineSnapshot),
}

impl Fault {
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

impl PathFault {
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

impl ProcessFault {
    pub(super) fn begin(&self, world: &mut impl PlanWorld, place: NodeIndex) {
        match *self {
            Self::CrashInStep { outputs } => world.crash_after(place, outputs),
            Self::Pause => world.pause(place),
            Self::Slow { from_us, to_us } => world.slow(place, Span::us(from_us, to_us)),
            Self::LateJobs { longest_ms } => {
                world.delay_jobs(place, Some(Span::us(0, longest_ms.saturating_mul(1_000))));
            }
        }
    }

    pub(super) fn end(&self, world: &mut impl PlanWorld, place: NodeIndex) -> Result<(), RunFault> {
        match *self {
            Self::CrashInStep { .. } => {
                world.crash_no_more(place);
                return world.start_or_wipe(place);
            }
            Self::Pause | Self::Slow { .. } => world.resume(place),
            Self::LateJobs { .. } => world.delay_jobs(place, None),
        }
        Ok(())
    }
}

impl DiskFault {
    pub(super) fn begin(&self, world: &mut impl PlanWorld, place: NodeIndex) -> Result<(), RunFault> {
        match self {
            Self::TornWrite { rows } => world.set_bad_writes(place, Some(BadWrites::Torn { rows: *rows })),
            Self::Rot { table, row } => {
                if let Some((table, _, key)) = chosen(world, place, table, *row) {
                    world.rot(place, table, &key);
                }
            }
            Self::MisdirectedWrite { table, row } => {
                if let Some((table, last, key)) = chosen(world, place, table, *row) {
                    world.misdirect(place, table, &last, &key);
                }
            }
            Self::ReadErrors { restart } => {
                world.fail_reads(place, true);
                if *restart {
                    world.crash(place);
                    // It cannot start, and says so; that it does when the device is back is seen in the end.
                    let _refused = world.start(place);
                }
            }
            Self::WriteErrors => world.set_bad_writes(place, Some(BadWrites::Fail)),
            Self::Full => world.set_bad_writes(place, Some(BadWrites::NoRoom)),
            Self::OldFormat => {
                world.crash(place);
                world.age_disk(place)?;
            }
        }
        Ok(())
    }

    pub(super) fn end(&self, world: &mut impl PlanWorld, place: NodeIndex) -> Result<(), RunFault> {
        match self {
            Self::Rot { .. } | Self::MisdirectedWrite { .. } => return Ok(()),
            Self::ReadErrors { .. } => world.fail_reads(place, false),
            Self::TornWrite { .. } | Self::WriteErrors | Self::Full => world.set_bad_writes(place, None),
            Self::OldFormat => {}
        }
        world.start_or_wipe(place)
    }
}

/// A table by its name, its last key, and the key of one of its rows.
fn chosen(
    world: &impl PlanWorld,
    place: NodeIndex,
    table: &str,
    row: u64,
) -> Option<(Table, Vec<u8>, Vec<u8>)> {
    let table = table_of(table)?;
    let keys = world.disk(place)?.keys(table);
    let row = usize::try_from(row.checked_rem(keys.len() as u64)?).ok()?;
    Some((table, keys.last()?.clone(), keys.get(row)?.clone()))
}

impl ClockFault {
    pub(super) fn begin(&self, world: &mut impl PlanWorld, place: NodeIndex) {
        match *self {
            Self::Jump { ahead_ms } => world.jump(place, ahead_ms),
            Self::Drift { mono_ppm, wall_ppm } => world.drift(place, mono_ppm, wall_ppm),
        }
    }
}
