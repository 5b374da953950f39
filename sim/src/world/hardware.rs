//! What happens to a node's machine: its process, its disk, its clocks.

use super::machine::{NodeIncarnation, ProcessSpeed, WriteFault};
use super::{RunFault, World};
use crate::base::{NodeIndex, Span};
use crate::fault::FaultClass;
use hypermesh_core::base::Table;

/// The format of an older version's store.
const OLD_FORMAT: u64 = 1;

/// How a node's writes go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadWrites {
    /// The device fails them.
    Fail,
    /// There is no room for them.
    NoRoom,
    /// The next one is torn by a loss of power: so many of its rows are on the disk, the last of them damaged.
    Torn {
        /// How many.
        rows: usize,
    },
}

impl World {
    // --- the process ---

    /// Crashes a node when so many more of its outputs have been carried out: in the middle of a step, mostly.
    pub fn crash_after(&mut self, place: NodeIndex, outputs: u64) {
        if let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_some()) {
            machine.outputs_left = Some(outputs.max(1));
        }
    }

    /// Lets a node not crash so, if it has not yet.
    pub fn crash_no_more(&mut self, place: NodeIndex) {
        if let Some(machine) = self.machines.get_mut(place) {
            machine.outputs_left = None;
        }
    }

    /// Lets a node handle nothing from now on; what happens to it waits.
    pub fn pause(&mut self, place: NodeIndex) {
        self.set_speed(place, ProcessSpeed::Paused);
        self.trace.say(self.now, place, &|| "pauses".to_string());
    }

    /// Lets a node take so long for everything that happens to it from now on.
    pub fn slow(&mut self, place: NodeIndex, span: Span) {
        self.set_speed(place, ProcessSpeed::Slow(span));
        self.trace.say(self.now, place, &|| format!("is slow: {span:?}"));
    }

    /// Lets a node be as fast as it was: it handles at once all that has waited.
    pub fn resume(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.speed = ProcessSpeed::Full;
        for happening in core::mem::take(&mut machine.held) {
            self.heap.push(self.now, happening);
        }
        self.trace.say(self.now, place, &|| "is as fast as it was".to_string());
    }

    fn set_speed(&mut self, place: NodeIndex, speed: ProcessSpeed) {
        self.resume(place);
        if let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_some()) {
            machine.speed = speed;
        }
    }

    /// Lets a node's jobs take so much longer from now on.
    pub fn delay_jobs(&mut self, place: NodeIndex, lag: Option<Span>) {
        if let Some(machine) = self.machines.get_mut(place) {
            machine.job_lag = lag;
        }
    }

    /// Starts a node that ended by itself, unless somebody has stopped or started it since. If its disk does not let it
    /// start, it stays down until somebody sees to it.
    pub(super) fn restart(&mut self, place: NodeIndex, life: NodeIncarnation) {
        let gone = |machine: &&super::Machine| {
            machine.node.is_none() && !machine.stopped && machine.incarnation == life
        };
        if self.machines.get(place).filter(gone).is_some() {
            let started = self.start(place);
            self.trace.say(self.now, place, &|| format!("is started again: {started:?}"));
        }
    }

    // --- the disk ---

    /// Starts a node that is down. If its disk was damaged and it refuses to start, its operator wipes it first; while
    /// the device does not answer it stays down.
    ///
    /// # Errors
    /// If it finds a disk unusable that nobody has damaged.
    pub fn start_or_wipe(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        let damaged = self.machines.get(place).is_some_and(|machine| machine.disk_damaged);
        match self.start(place) {
            Err(RunFault::Open { .. }) if !self.answers_reads(place) => Ok(()),
            Err(RunFault::Open { .. }) if damaged => {
                self.wipe(place);
                self.start(place)
            }
            other => other,
        }
    }

    fn answers_reads(&self, place: NodeIndex) -> bool {
        self.machines.get(place).is_some_and(|machine| machine.disk.answers_reads())
    }

    /// Whether a node's disk was damaged and is not whole again.
    #[must_use]
    pub fn is_disk_damaged(&self, place: NodeIndex) -> bool {
        self.machines.get(place).is_some_and(|machine| machine.disk_damaged)
    }

    /// Lets a node's writes go wrong from now on, or no longer.
    pub fn set_bad_writes(&mut self, place: NodeIndex, bad: Option<BadWrites>) {
        if let Some(machine) = self.machines.get_mut(place) {
            machine.write_fault = bad.map(|bad| match bad {
                BadWrites::Fail => WriteFault::Error,
                BadWrites::NoRoom => WriteFault::Full,
                BadWrites::Torn { rows } => WriteFault::Torn(rows),
            });
        }
    }

    /// Lets all of a node's reads fail from now on, or no longer.
    pub fn fail_reads(&mut self, place: NodeIndex, fail: bool) {
        let Some(machine) = self.machines.get(place) else { return };
        self.checks.excuse_store(place);
        if machine.disk.fail_reads(fail) > 0 {
            self.coverage.hit(FaultClass::ReadError);
        }
    }

    /// Lets a row of a node's disk have been written in the place of another. Says whether there are such rows.
    pub fn misdirect(&mut self, place: NodeIndex, table: Table, key: &[u8], instead_of: &[u8]) -> bool {
        let Some(machine) = self.machines.get(place) else { return false };
        let misdirected = machine.disk.misdirect(table, key, instead_of);
        if misdirected {
            self.coverage.hit(FaultClass::MisdirectedWrite);
            self.excuse_disk(place);
        }
        misdirected
    }

    /// Puts the data of an older version on the disk of a node that is down. It must refuse to start on it.
    ///
    /// # Errors
    /// If it does not refuse.
    pub fn age_disk(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return Ok(());
        };
        if !machine.disk.answers_reads() || !machine.disk.age(OLD_FORMAT) {
            return Ok(());
        }
        let damaged = machine.disk_damaged;
        self.excuse_disk(place);
        match self.start(place) {
            // A node may find that the disk is damaged before it gets to the format.
            Err(RunFault::Open { reason, .. }) if reason.contains("format") || damaged => {
                self.coverage.hit(FaultClass::OldFormat);
                Ok(())
            }
            // Something else is wrong with the disk, and was found first.
            Err(RunFault::Open { .. }) => Ok(()),
            other => {
                let what = format!("node-{} starts on the data of an older version: {other:?}", place + 1);
                Err(RunFault::Unexpected(what))
            }
        }
    }

    /// Allows a node to complain of its disk, and to abstain, from now on.
    pub(super) fn excuse_disk(&mut self, place: NodeIndex) {
        if let Some(machine) = self.machines.get_mut(place) {
            machine.disk_damaged = true;
        }
        self.checks.excuse_store(place);
        self.checks.excuse_durability(place);
        self.checks.excuse_abstention(place);
    }

    // --- the clocks ---

    /// Sets a node's wall clock so many milliseconds ahead of the true one; behind if that is negative.
    pub fn jump(&mut self, place: NodeIndex, ahead_ms: i64) {
        self.read_clocks();
        let Some(machine) = self.machines.get_mut(place) else { return };
        match machine.clock.set(self.now, ahead_ms) {
            0 => {}
            jump_ms if jump_ms > 0 => self.coverage.hit(FaultClass::JumpForward),
            _ => self.coverage.hit(FaultClass::JumpBack),
        }
        self.read_clocks();
        self.trace.say(self.now, place, &|| format!("has a wall clock that is {ahead_ms} ms ahead"));
    }

    /// Lets a node's clocks run too fast by so many parts in a million from now on; too slow if that is negative.
    pub fn drift(&mut self, place: NodeIndex, mono_ppm: i64, wall_ppm: i64) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.clock.drift(self.now, mono_ppm, wall_ppm);
        if mono_ppm != 0 {
            self.coverage.hit(FaultClass::MonotonicDrift);
        }
        if wall_ppm != 0 {
            self.coverage.hit(FaultClass::WallDrift);
        }
        self.trace
            .say(self.now, place, &|| format!("has clocks that drift by {mono_ppm} and {wall_ppm} ppm"));
        self.arrange_alarm(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Disk, Options};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn world() -> World {
        let mut world = World::new(5, Options::default());
        world.run_until("all nodes ready", 20 * SECOND, World::is_ready).unwrap();
        world
    }

    fn goes_on(world: &mut World) {
        let height = world.views().map(|view| view.state.height()).max().unwrap();
        world
            .run_until("all nodes further on", 30 * SECOND, |world| {
                world.views().count() == 4 && world.views().all(|view| view.state.height().0 > height.0 + 2)
            })
            .unwrap();
        world.finish().unwrap();
    }

    #[test]
    fn a_node_whose_writes_fail_ends_comes_back_again_and_again_and_is_there_when_they_hold() {
        for (bad, class) in
            [(BadWrites::Fail, FaultClass::WriteError), (BadWrites::NoRoom, FaultClass::FullDisk)]
        {
            let mut world = world();
            world.set_bad_writes(1, Some(bad));
            world.run_for(20 * SECOND).unwrap();
            assert!(world.coverage().count(class) > 1, "{}", class.name());
            world.set_bad_writes(1, None);
            goes_on(&mut world);
        }
    }

    #[test]
    fn a_torn_write_is_found_and_the_node_goes_on() {
        for rows in [1, 2, 3, 4, 5, 9, 30] {
            let mut world = world();
            world.set_bad_writes(2, Some(BadWrites::Torn { rows }));
            world.run_until("a crash", 20 * SECOND, |world| world.view(2).is_none()).unwrap();
            assert_eq!(world.coverage().count(FaultClass::TornWrite), 1);
            world.start_or_wipe(2).unwrap();
            goes_on(&mut world);
        }
    }

    #[test]
    fn rows_in_the_place_of_others_are_found() {
        for table in [Table::Blocks, Table::Commits, Table::State] {
            let mut world = world();
            world.run_for(10 * SECOND).unwrap();
            let keys = world.disk(2).map(|disk| Disk::keys(disk, table)).unwrap();
            let (last, rest) = keys.split_last().unwrap();
            assert!(world.misdirect(2, table, last, &rest[rest.len() / 2]), "{}", table.name());
            world.crash(2);
            world.start_or_wipe(2).unwrap();
            goes_on(&mut world);
        }
    }

    #[test]
    fn data_of_an_older_version_is_refused_and_so_is_a_device_that_gives_nothing_back() {
        let mut world = world();
        world.crash(2);
        world.age_disk(2).unwrap();
        assert_eq!(world.coverage().count(FaultClass::OldFormat), 1);
        world.start_or_wipe(2).unwrap();
        world.crash(3);
        world.fail_reads(3, true);
        assert!(matches!(world.start(3), Err(RunFault::Open { .. })));
        world.fail_reads(3, false);
        assert_eq!(world.coverage().count(FaultClass::ReadError), 1);
        world.start(3).unwrap();
        goes_on(&mut world);
    }

    #[test]
    fn a_node_that_was_paused_and_one_that_is_slow_go_on() {
        let mut world = world();
        world.pause(0);
        world.slow(1, Span::us(100, 3_000));
        world.delay_jobs(2, Some(Span::us(1_000, 50_000)));
        world.run_for(10 * SECOND).unwrap();
        world.resume(0);
        world.crash_after(3, 3);
        world.run_until("a crash", 20 * SECOND, |world| world.view(3).is_none()).unwrap();
        world.start(3).unwrap();
        goes_on(&mut world);
        let classes = [FaultClass::Pause, FaultClass::SlowNode, FaultClass::LateJob, FaultClass::CrashInStep];
        for class in classes {
            assert!(world.coverage().count(class) > 0, "{}", class.name());
        }
    }

    #[test]
    fn clocks_that_drift_and_jump_a_little_stop_nobody() {
        let mut world = world();
        for (place, sign) in [(0, 1), (1, -1), (2, 1)] {
            world.drift(place, 100_000 * sign, 500 * sign);
            world.jump(place, 150 * sign);
        }
        world.run_for(10 * SECOND).unwrap();
        goes_on(&mut world);
        let classes = [
            FaultClass::MonotonicDrift,
            FaultClass::WallDrift,
            FaultClass::JumpForward,
            FaultClass::JumpBack,
        ];
        for class in classes {
            assert!(world.coverage().count(class) > 0, "{}", class.name());
        }
    }
}
