//! What scenarios and plans do to a world: requests, and all that goes wrong.

use super::byzantine::Liar;
use super::conditions::{Conditions, Damage};
use super::event::Happening;
use super::machine::{Machine, NodeIncarnation};
use super::{Options, RunFault, World, chain};
use crate::base::{Disk, Link, NodeIndex, forgets};
use crate::fault::{FaultClass, Lie};
use hypermesh_core::api::Request;
use hypermesh_core::base::Table;
use hypermesh_core::node::{MessageClass, PeerStatus, RequestId};
use std::sync::Arc;
use std::time::Duration;

impl World {
    /// Sends a request to a node, which gets it at once. If it is down, nothing comes back.
    pub fn request(&mut self, place: NodeIndex, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        let (request, received) = (Box::new(request), self.now);
        self.heap.push(self.now, Happening::Request { place, id, request, received });
        id
    }

    /// Lets the caller of a request stop waiting, which its node learns at once.
    pub fn cancel(&mut self, place: NodeIndex, id: RequestId) {
        if !self.answers.contains_key(&id) && self.cancelled.insert(id) {
            self.heap.push(self.now, Happening::Cancelled { place, id });
        }
    }

    /// Stops a node without warning. What was not durable is lost, and so is what was under way to it.
    pub fn crash(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.stopped = true;
        self.fall(place);
    }

    /// Ends the life of a node.
    pub(super) fn fall(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_some()) else {
            return;
        };
        let lost = machine.crash();
        self.coverage.hit(FaultClass::Crash);
        if lost > 0 {
            self.coverage.hit(FaultClass::LostWrites);
        }
        self.note(place, "crash", &(lost as u64).to_le_bytes());
        self.trace.say(self.now, place, &|| format!("crashes and loses {lost} writes"));
        for other in self.others(place) {
            self.break_link(place, other);
        }
    }

    /// Wipes the disk of a node that is down. Its key and its plot are what its operator can make again.
    pub fn wipe(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk = Disk::default();
        machine.disk_damaged = false;
        self.coverage.hit(FaultClass::WipedDisk);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "loses its disk".to_string());
    }

    /// Wipes the disk of a node that is down, but for its key shares: those its operator has put back from a backup.
    pub fn wipe_all_but_shares(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk = machine.disk.only(Table::Shares);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "loses its disk and gets its key shares back".to_string());
    }

    /// Adds a machine, stopped, with the key and a copy of the disk of another: two that should never run at once.
    pub fn add_twin(&mut self, place: NodeIndex) -> Option<NodeIndex> {
        let twin = self.machines.len();
        let machine = self.machines.get(place)?;
        let mut copy = Machine::new(self.seed, twin, machine.validator.clone(), &self.options, self.begins);
        copy.inherit(&machine.disk);
        self.machines.push(copy);
        self.network.add();
        Some(twin)
    }

    /// A world out of the same seed that differs in nothing but the number of nodes.
    #[must_use]
    pub fn with_nodes(&self, nodes: usize) -> Self {
        Self::new(self.seed, Options { nodes, ..self.options })
    }

    /// Starts a node that is down.
    ///
    /// # Errors
    /// If it finds its disk unusable.
    pub fn start(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        let (seed, at, genesis) = (self.seed, self.now, Arc::clone(&self.participants.genesis));
        let Some(machine) = self.machines.get_mut(place) else { return Ok(()) };
        if machine.node.is_some() {
            return Ok(());
        }
        machine
            .start(seed, place, at, genesis)
            .map_err(|fault| RunFault::Open { number: place + 1, reason: fault.to_string() })?;
        self.checks.on_start(place);
        if machine.incarnation > NodeIncarnation(1) {
            self.coverage.hit(FaultClass::Restart);
        }
        self.note(place, "start", &[]);
        self.trace.say(at, place, &|| "starts".to_string());
        self.drain(place);
        for other in self.others(place) {
            self.arrange_link(place, other);
        }
        Ok(())
    }

    /// Divides the nodes: only those on one side are linked. One side for each node, by its place.
    pub fn partition(&mut self, sides: &[u8]) {
        if sides.iter().any(|side| Some(side) != sides.first()) {
            self.coverage.hit(FaultClass::Partition);
        }
        self.network.set_sides(sides.to_vec());
        self.trace.say(self.now, 0, &|| format!("the network divides: {sides:?}"));
        for place in 0..self.machines.len() {
            for other in self.others(place).filter(|other| *other > place) {
                if self.network.allows(Link { source: place, target: other }) {
                    self.arrange_link(place, other);
                } else {
                    self.break_link(place, other);
                }
            }
        }
    }

    /// Makes one direction of a link anew, as when a connection that its sender dialled dies and is dialled again:
    /// what was under way in it is lost and the sender is told; the receiver notices nothing.
    pub fn flap(&mut self, link: Link) {
        if self.network.is_up(link) {
            self.coverage.hit(FaultClass::Flap);
            self.network.set_up(link, false);
            self.network.set_up(link, true);
            self.tell_link(link.source, link.target, PeerStatus::Connected);
        }
    }

    /// Cuts the link between two nodes, whatever else stands.
    pub fn cut(&mut self, link: Link) {
        if self.network.conditions.cut.insert(link.sorted()) {
            self.coverage.hit(FaultClass::SwizzledPartition);
            self.trace.say(self.now, link.source, &|| format!("is cut off from node-{}", link.target + 1));
            self.break_link(link.source, link.target);
        }
    }

    /// Lets two nodes be linked again.
    pub fn join(&mut self, link: Link) {
        if self.network.conditions.cut.remove(&link.sorted()) {
            self.arrange_link(link.source, link.target);
        }
    }

    /// Lets the link between two nodes break and be made anew, as when their connections die of idleness.
    pub fn relink(&mut self, link: Link) {
        self.break_link(link.source, link.target);
        self.arrange_link(link.source, link.target);
    }

    /// What is wrong with the network from now on.
    pub const fn conditions(&mut self) -> &mut Conditions {
        &mut self.network.conditions
    }

    /// Damages what a node sends from now on. The checks no longer hold it for honest.
    pub fn damage(&mut self, place: NodeIndex, damage: Damage) {
        let Some(machine) = self.machines.get(place) else { return };
        self.checks.corrupt(machine.validator.member.identity.public());
        self.network.conditions.damaged.insert(place, damage);
        self.trace.say(self.now, place, &|| "damages what it sends from now on".to_string());
    }

    /// Ends a partition.
    pub fn heal(&mut self) {
        self.partition(&vec![0; self.machines.len()]);
    }

    /// Sets a node's wall clock so much ahead of the true one.
    pub fn set_clock(&mut self, place: NodeIndex, ahead: Duration) {
        self.jump(place, i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX));
    }

    /// Makes a node lie from now on. The checks no longer hold it for honest.
    pub fn corrupt(&mut self, place: NodeIndex, lie: Lie) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.lie = Some(Liar::new(lie));
        self.checks.corrupt(machine.validator.member.identity.public());
        // What it signs is not what its honest half thinks that it has signed.
        self.excuse_liar(place);
        if lie == Lie::Twin {
            self.run_twin(place);
        }
        self.trace.say(self.now, place, &|| format!("lies from now on: {lie:?}"));
    }

    /// Starts a second machine with a node's key and disk.
    fn run_twin(&mut self, place: NodeIndex) {
        let Some(twin) = self.add_twin(place) else { return };
        self.excuse_liar(twin);
        self.coverage.hit(FaultClass::Twin);
        let started = self.start(twin);
        self.trace.say(self.now, twin, &|| format!("is a twin of node-{}: {started:?}", place + 1));
    }

    fn excuse_liar(&mut self, place: NodeIndex) {
        self.checks.excuse_abstention(place);
        self.checks.excuse_broken(place);
    }

    /// Delivers a message to a node as if another, which it is linked with, had sent it.
    pub fn inject(&mut self, source: NodeIndex, target: NodeIndex, message: Vec<u8>) {
        let link = Link { source, target };
        self.send(link, MessageClass::Bulk, message.into(), Duration::ZERO);
    }

    /// Lets a node's disk say from now on that a write is durable before it is. A planted fault: checks must fire.
    pub fn make_disk_hasty(&mut self, place: NodeIndex) {
        if let Some(machine) = self.machines.get_mut(place) {
            machine.hasty_disk = true;
        }
    }

    /// A node's disk.
    #[must_use]
    pub fn disk(&self, place: NodeIndex) -> Option<&Disk> {
        self.machines.get(place).map(|machine| &machine.disk)
    }

    /// Gives a node that is down a copy of another disk, an older one of its own. It may abstain from now on.
    pub fn replace_disk(&mut self, place: NodeIndex, disk: &Disk) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk = disk.copy();
        self.coverage.hit(FaultClass::OldDisk);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "has another disk".to_string());
    }

    /// Lets the chain grow by so many blocks on the disks of these nodes, a quorum, as if they had decided them meanwhile, and
    /// as much time pass. They are in step, and all nodes are down.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn grow(&mut self, places: &[NodeIndex], count: u64) -> Result<(), RunFault> {
        let disks = places.iter().filter_map(|place| self.machines.get(*place)).map(|machine| &machine.disk);
        let mut grown = None;
        for disk in disks {
            let writes = grown.get_or_insert_with(|| chain::grow(&self.participants, places, disk, count));
            chain::put(disk, writes);
        }
        self.trace.say(self.now, 0, &|| format!("the chain grows by {count} blocks at {places:?}"));
        self.run_for(Duration::from_millis(count.saturating_mul(chain::BLOCK_MS)))
    }

    /// Loses the log of votes of a node that is down. It may abstain from now on.
    pub fn lose_log(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.node.is_none()) else {
            return;
        };
        machine.disk.lose(Table::Wal);
        self.coverage.hit(FaultClass::LostLog);
        self.checks.excuse_abstention(place);
        self.trace.say(self.now, place, &|| "has lost its log of votes".to_string());
    }

    /// Lets a row of a node's disk rot. It may complain of its store from now on. Says whether there is such a row.
    pub fn rot(&mut self, place: NodeIndex, table: Table, key: &[u8]) -> bool {
        let Some(machine) = self.machines.get_mut(place) else { return false };
        let again = core::mem::replace(&mut machine.disk_damaged, true);
        self.checks.excuse_store(place);
        // With two rows damaged, a state that is made anew may end before a block whose votes are then news to it.
        if forgets(table) || again {
            self.checks.excuse_abstention(place);
        }
        self.trace.say(self.now, place, &|| format!("has a damaged row in table {}", table.name()));
        let rots = machine.disk.rot(table, key);
        if rots {
            self.coverage.hit(FaultClass::BitRot);
        }
        rots
    }

    /// Puts a line of its own among what happened, if that is kept.
    pub fn say(&mut self, what: &str) {
        self.trace.say(self.now, 0, &|| format!("(scenario) {what}"));
    }

    /// Allows a node to abstain from now on.
    pub fn excuse_abstention(&mut self, place: NodeIndex) {
        self.checks.excuse_abstention(place);
    }

    /// Allows a node to find that a quorum decided what it must not.
    pub fn excuse_broken(&mut self, place: NodeIndex) {
        self.checks.excuse_broken(place);
    }

    /// Allows a node that more than f others deceive to abstain, and to find that a quorum decided what it must not.
    pub fn excuse_deceived(&mut self, place: NodeIndex) {
        self.excuse_liar(place);
    }

    /// Makes a node tell the truth from now on. The checks still do not hold it for honest.
    pub fn reform(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.lie = None;
        self.trace.say(self.now, place, &|| "tells the truth from now on".to_string());
    }

    /// Loses so many messages of a thousand from now on.
    pub const fn lose(&mut self, per_mille: u64) {
        self.network.set_loss(per_mille);
    }
}
