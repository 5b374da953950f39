//! What scenarios and plans do to a world of QUIC: requests, and all that goes wrong.

use super::host::{ClientTask, NodeExit, NodeHost, Question};
use super::node_under_test::Lying;
use super::{LinkFaults, QuicWorld, ip};
use crate::base::{Disk, NodeIndex, Span, forgets};
use crate::fault::{FaultClass, Lie};
use crate::world::{BadWrites, Liar, StolenKeys};
use hypermesh_core::api::Request;
use hypermesh_core::base::Table;
use hypermesh_core::node::RequestId;
use std::sync::Arc;
use std::time::Duration;
use stoq::{Expect, Peer};

/// A process that ended because its disk failed is started again after this long, by whatever looks after it.
const RESTARTS_AFTER: Duration = Duration::from_millis(500);

impl QuicWorld {
    /// Has the client ask a node. It tries again, for half a minute.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn request(&mut self, place: NodeIndex, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        let addr = self.hosts[place].address();
        let expect = Expect::Key(self.participants.validators[place].member.identity.public());
        let question = Question { id, peer: Peer { addr, expect }, request };
        // A client that has ended answers nothing, and whoever waits for its answer finds out.
        drop(self.tasks.send(ClientTask::Ask(Box::new(question))));
        id
    }

    /// Lets the client stop waiting for an answer, which its node learns from the end of the stream.
    pub fn cancel(&mut self, _place: NodeIndex, id: RequestId) {
        drop(self.tasks.send(ClientTask::GiveUp(id)));
    }

    /// Stops a node without warning, not even to its peers. What was not durable is lost.
    pub fn crash(&mut self, place: NodeIndex) {
        self.restarts.retain(|(_, restarted), _| *restarted != place);
        let Some(running) = self.running.get_mut(place) else { return };
        if !std::mem::take(running) {
            return;
        }
        let host = &self.hosts[place];
        self.sim.crash(ip(host.address()));
        host.end();
        let lost = host.device.crash();
        self.record.hit(FaultClass::Crash);
        if lost > 0 {
            self.record.hit(FaultClass::LostWrites);
        }
        let words = format!("crashes and loses {lost} writes");
        self.record.note(self.now(), place, "crash", &(lost as u64).to_le_bytes(), &words);
    }

    /// Starts a node that is down. If its disk was damaged and does not let it start, it stays down.
    pub fn start(&mut self, place: NodeIndex) {
        self.start_on(place, false);
    }

    /// Starts a node that is down. If its disk was damaged and it refuses to start, its operator wipes it first; while
    /// the device does not answer it stays down.
    pub fn start_or_wipe(&mut self, place: NodeIndex) {
        self.start_on(place, true);
    }

    fn start_on(&mut self, place: NodeIndex, may_wipe: bool) {
        let Some(running) = self.running.get_mut(place) else { return };
        if std::mem::replace(running, true) {
            return;
        }
        self.restarts.retain(|(_, restarted), _| *restarted != place);
        let host = &self.hosts[place];
        host.set_may_wipe(may_wipe);
        self.sim.bounce(ip(host.address()));
        self.record.hit(FaultClass::Restart);
        self.record.check(|checks| {
            checks.on_start(place);
            Ok(())
        });
        self.record.note(self.now(), place, "start", &[], "starts");
    }

    /// Sees to nodes that have ended by themselves since the last tick.
    pub(super) fn look_after(&mut self) {
        let now = self.now();
        while let Some(first) = self.restarts.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, place), life) = first.remove_entry();
            if self.hosts[place].life() == life {
                self.start(place);
            }
        }
        for place in 0..self.hosts.len() {
            let Some(fall) = self.hosts[place].take_fall() else { continue };
            self.crash(place);
            if fall == NodeExit::Restarts {
                let again = self.now().after(RESTARTS_AFTER);
                self.restarts.insert((again, place), self.hosts[place].life());
            }
        }
    }

    /// Divides the nodes: datagrams pass only between those on one side. One side for each node, by its place.
    /// The client reaches all.
    ///
    /// # Panics
    /// If there is not one side for each node.
    pub fn partition(&mut self, sides: &[u8]) {
        assert_eq!(sides.len(), self.hosts.len(), "each node is on a side");
        self.network.lock().paths.set_sides(sides);
        self.record.note(self.now(), 0, "partition", sides, &format!("the network divides: {sides:?}"));
    }

    /// Ends a partition.
    pub fn heal(&mut self) {
        self.partition(&vec![0; self.hosts.len()]);
    }

    /// Loses so many datagrams of a thousand from now on.
    pub fn lose(&mut self, per_mille: u64) {
        self.change_faults(|faults| faults.loss_per_mille = per_mille);
    }

    /// Changes what is wrong with the paths.
    pub(crate) fn change_faults(&mut self, change: impl FnOnce(&mut LinkFaults)) {
        change(self.network.lock().paths.faults());
    }

    /// Gives a node, or the client (the place behind the nodes), another port, or again the one that it bound. It is
    /// not told; from its next datagram on, all comes from there, and what goes to the old one is lost.
    pub fn relocate(&mut self, place: NodeIndex, away: bool) {
        self.network.lock().relocate(place, away);
        self.record.note(self.now(), place, "relocate", &[u8::from(away)], "has another address");
    }

    /// Replaces a node by something that takes connections in its name and never answers, or puts it back. Either
    /// way the node dies first, without warning.
    pub fn silence(&mut self, place: NodeIndex, silent: bool) {
        let Some(host) = self.hosts.get(place).cloned() else { return };
        self.crash(place);
        host.set_silent(silent);
        self.start(place);
    }

    /// Counts an effect of a class of faults.
    pub fn hit(&mut self, class: FaultClass) {
        self.record.hit(class);
    }

    /// Makes a node lie from now on. The checks no longer hold it for honest.
    pub fn corrupt(&mut self, place: NodeIndex, lie: Lie) {
        let Some(host) = self.hosts.get(place) else { return };
        let disks: Vec<Disk> = self.hosts.iter().map(|host| host.device.disk()).collect();
        let stolen_keys = if lie == Lie::TwistedSignatures {
            StolenKeys::take(disks.iter())
        } else {
            StolenKeys::default()
        };
        host.behaviour().lying = Some(Lying { liar: Liar::new(lie), random: host.lies(), stolen_keys });
        let key = host.validator.member.identity.public();
        self.record.check(|checks| {
            checks.corrupt(key);
            // What it signs is not what its honest half thinks that it has signed.
            checks.excuse_abstention(place);
            checks.excuse_broken(place);
            Ok(())
        });
        self.record.note(self.now(), place, "lie", &[], &format!("lies from now on: {lie:?}"));
    }

    /// Lets safety go, because more lie than can be tolerated: only what each node owes by itself is looked at from now
    /// on.
    pub fn allow_unsafe(&mut self) {
        self.record.check(|checks| {
            checks.allow_unsafe();
            for place in 0..self.hosts.len() {
                checks.excuse_abstention(place);
                checks.excuse_broken(place);
            }
            Ok(())
        });
    }

    // --- the process ---

    /// Crashes a node when so many more of its outputs have been carried out: in the middle of a step, mostly.
    pub fn crash_after(&mut self, place: NodeIndex, outputs: u64) {
        if let Some(host) = self.hosts.get(place).filter(|_| self.running[place]) {
            host.behaviour().outputs_left = Some(outputs.max(1));
        }
    }

    /// Lets a node not crash so, if it has not yet.
    pub fn crash_no_more(&mut self, place: NodeIndex) {
        if let Some(host) = self.hosts.get(place) {
            host.behaviour().outputs_left = None;
        }
    }

    /// Lets a node's jobs take so much longer from now on.
    pub fn delay_jobs(&mut self, place: NodeIndex, lag: Option<Span>) {
        if let Some(host) = self.hosts.get(place) {
            host.behaviour().job_lag = lag;
        }
    }

    // --- the disk ---

    /// A node's disk.
    #[must_use]
    pub fn disk(&self, place: NodeIndex) -> Option<Disk> {
        self.hosts.get(place).map(|host| host.device.disk())
    }

    /// Whether a node's disk was damaged and is not whole again.
    #[must_use]
    pub fn is_disk_damaged(&self, place: NodeIndex) -> bool {
        self.hosts.get(place).is_some_and(|host| host.device.is_damaged())
    }

    /// Wipes the disk of a node that is down.
    pub fn wipe(&mut self, place: NodeIndex) {
        if let Some(host) = self.down(place) {
            host.wipe();
            self.record.note(self.now(), place, "wipe", &[], "loses its disk");
        }
    }

    /// Loses the log of votes of a node that is down. It may abstain from now on.
    pub fn lose_log(&mut self, place: NodeIndex) {
        let Some(host) = self.down(place) else { return };
        host.device.disk().lose(Table::Wal);
        self.excuse_abstention(place, FaultClass::LostLog);
        self.record.note(self.now(), place, "disk", &[], "has lost its log of votes");
    }

    /// Gives a node that is down a copy of another disk, an older one of its own. It may abstain from now on.
    pub fn replace_disk(&mut self, place: NodeIndex, disk: &Disk) {
        let Some(host) = self.down(place) else { return };
        host.device.replace(disk.copy());
        self.excuse_abstention(place, FaultClass::OldDisk);
        self.record.note(self.now(), place, "disk", &[], "has another disk");
    }

    /// Lets a row of a node's disk rot. It may complain of its store from now on.
    pub fn rot(&mut self, place: NodeIndex, table: Table, key: &[u8]) {
        let Some(host) = self.hosts.get(place) else { return };
        let again = host.device.set_damaged(true);
        self.record.check(|checks| {
            checks.excuse_store(place);
            if forgets(table) || again {
                checks.excuse_abstention(place);
            }
            Ok(())
        });
        if host.device.disk().rot(table, key) {
            self.record.hit(FaultClass::BitRot);
        }
        let words = format!("has a damaged row in table {}", table.name());
        self.record.note(self.now(), place, "disk", key, &words);
    }

    /// Lets a row of a node's disk have been written in the place of another.
    pub fn misdirect(&mut self, place: NodeIndex, table: Table, key: &[u8], instead_of: &[u8]) {
        let Some(host) = self.hosts.get(place) else { return };
        if host.device.disk().misdirect(table, key, instead_of) {
            self.record.hit(FaultClass::MisdirectedWrite);
            host.excuse_disk();
            self.record.note(self.now(), place, "disk", key, "has a row in the place of another");
        }
    }

    /// Lets a node's writes go wrong from now on, or no longer.
    pub fn set_bad_writes(&mut self, place: NodeIndex, bad: Option<BadWrites>) {
        if let Some(host) = self.hosts.get(place) {
            host.device.set_bad_writes(bad);
        }
    }

    /// Lets all of a node's reads fail from now on, or no longer.
    pub fn fail_reads(&mut self, place: NodeIndex, fail: bool) {
        let Some(host) = self.hosts.get(place) else { return };
        self.record.check(|checks| {
            checks.excuse_store(place);
            Ok(())
        });
        if host.device.disk().fail_reads(fail) > 0 {
            self.record.hit(FaultClass::ReadError);
        }
    }

    fn down(&self, place: NodeIndex) -> Option<&Arc<NodeHost>> {
        self.hosts.get(place).filter(|_| !self.running[place])
    }

    fn excuse_abstention(&self, place: NodeIndex, class: FaultClass) {
        self.record.hit(class);
        self.record.check(|checks| {
            checks.excuse_abstention(place);
            Ok(())
        });
    }

    // --- the clocks ---

    /// Sets a node's wall clock so many milliseconds ahead of the true one; behind if that is negative.
    pub fn jump(&mut self, place: NodeIndex, ahead_ms: i64) {
        let Some(host) = self.hosts.get(place) else { return };
        let jump_ms = host.clocks.lock().set(self.now(), ahead_ms);
        match jump_ms {
            0 => {}
            jump_ms if jump_ms > 0 => self.record.hit(FaultClass::JumpForward),
            _ => self.record.hit(FaultClass::JumpBack),
        }
        let words = format!("has a wall clock that is {ahead_ms} ms ahead");
        self.record.note(self.now(), place, "clock", &ahead_ms.to_le_bytes(), &words);
    }

    /// Lets a node's clocks run too fast by so many parts in a million from now on; too slow if that is negative.
    pub fn drift(&mut self, place: NodeIndex, mono_ppm: i64, wall_ppm: i64) {
        let Some(host) = self.hosts.get(place) else { return };
        host.clocks.lock().drift(self.now(), mono_ppm, wall_ppm);
        if mono_ppm != 0 {
            self.record.hit(FaultClass::MonotonicDrift);
        }
        if wall_ppm != 0 {
            self.record.hit(FaultClass::WallDrift);
        }
        let words = format!("has clocks that drift by {mono_ppm} and {wall_ppm} ppm");
        self.record.note(self.now(), place, "clock", &mono_ppm.to_le_bytes(), &words);
    }
}
