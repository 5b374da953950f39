//! A node's machine: what of it outlives a crash, and the node while it runs.

use super::cast::Validator;
use super::disk::Disk;
use super::lie::Lie;
use super::options::Options;
use super::random::{Random, Stream};
use hypermesh_core::base::{Marks, Mono, Now, UnixMillis};
use hypermesh_core::hypermesh::ordering::Timeouts;
use hypermesh_core::node::{Node, NodeConfig, OpenFault};
use hypermesh_core::state::Genesis;
use std::sync::Arc;
use std::time::Duration;

/// A life of a node, from 1; it never repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Incarnation(pub(super) u64);

pub(super) struct Machine {
    pub(super) validator: Validator,
    pub(super) disk: Disk,
    pub(super) incarnation: Incarnation,
    pub(super) node: Option<Node>,
    /// The marks that its lives before reached.
    marks: Marks,
    /// Whether the disk says that a write is durable before it is.
    pub(super) hasty_disk: bool,
    /// How the node lies, if it does.
    pub(super) lie: Option<Lie>,
    /// When the node began: its timers count from then.
    began: Mono,
    /// What the true wall clock said when the world began.
    world_begins: UnixMillis,
    /// The wall clock's error: this much is added, and `skew_ms_max` taken away.
    skew_ms: u64,
    skew_ms_max: u64,
    /// When the write under way, or the last one, becomes durable.
    disk_busy_until: Mono,
    /// When the writes that wait for it become so, all at once.
    disk_next_until: Mono,
    /// When the node is to be called for its timers, if that is arranged.
    pub(super) alarm: Option<Mono>,
    pub(super) disk_random: Random,
    pub(super) job_random: Random,
}

impl Machine {
    pub(super) fn new(
        seed: u64,
        place: usize,
        validator: Validator,
        options: &Options,
        world_begins: UnixMillis,
    ) -> Self {
        let owner = place as u64;
        let stream = |purpose| Random::new(Stream { seed, purpose, owner, incarnation: 0 });
        Self {
            validator,
            disk: Disk::default(),
            incarnation: Incarnation::default(),
            node: None,
            marks: Marks::default(),
            hasty_disk: false,
            lie: None,
            began: Mono(0),
            world_begins,
            skew_ms: stream("clock").below(2 * options.skew_ms_max + 1),
            skew_ms_max: options.skew_ms_max,
            disk_busy_until: Mono(0),
            disk_next_until: Mono(0),
            alarm: None,
            disk_random: stream("disk"),
            job_random: stream("job"),
        }
    }

    /// Starts the node in a new life.
    pub(super) fn start(
        &mut self,
        seed: u64,
        place: usize,
        at: Mono,
        genesis: Arc<Genesis>,
    ) -> Result<(), OpenFault> {
        self.incarnation.0 += 1;
        self.began = at;
        self.alarm = None;
        self.disk_busy_until = at;
        self.disk_next_until = at;
        let stream = Stream { seed, purpose: "node", owner: place as u64, incarnation: self.incarnation.0 };
        let Validator { member, reveals, .. } = self.validator.clone();
        let config = NodeConfig {
            genesis,
            identity: member.identity,
            plot: member.plot,
            reveals,
            entropy: Box::new(Random::new(stream)),
            reader: Box::new(self.disk.clone()),
            timeouts: Timeouts::default(),
        };
        self.node = Some(Node::open(self.now(at), config)?);
        Ok(())
    }

    /// When a write that is handed out now becomes durable. As in the real driver, what is handed out while a write
    /// is under way goes to the disk together, after it.
    pub(super) fn durable_at(&mut self, at: Mono, delay: Duration) -> Mono {
        if at >= self.disk_busy_until {
            if self.disk_next_until <= at {
                self.disk_busy_until = at.after(delay);
                return self.disk_busy_until;
            }
            self.disk_busy_until = self.disk_next_until;
        }
        if self.disk_next_until <= self.disk_busy_until {
            self.disk_next_until = self.disk_busy_until.after(delay);
        }
        self.disk_next_until
    }

    /// Ends the node's life. Says how many writes were lost.
    pub(super) fn crash(&mut self) -> usize {
        self.marks = self.marks();
        self.node = None;
        self.disk.crash()
    }

    /// The marks that all its lives have reached.
    pub(super) fn marks(&self) -> Marks {
        let node = self.node.as_ref().map(Node::marks).unwrap_or_default();
        self.marks.joined(&node)
    }

    /// What time the node is told.
    pub(super) fn now(&self, at: Mono) -> Now {
        Now { mono: Mono(at.0 - self.began.0), wall: self.wall(at) }
    }

    /// What the machine's wall clock says.
    pub(super) fn wall(&self, at: Mono) -> UnixMillis {
        self.world_begins.plus(at.0 / 1000).plus(self.skew_ms).minus(self.skew_ms_max)
    }

    /// Sets the wall clock wrong by so much, forward.
    pub(super) const fn set_clock(&mut self, ahead_ms: u64) {
        self.skew_ms = self.skew_ms_max + ahead_ms;
    }

    /// Gives the machine the disk of a node that lived before, once.
    pub(super) fn inherit(&mut self, disk: &Disk) {
        self.disk = disk.copy();
        self.incarnation.0 += 1;
    }

    /// When the node wants to be called, in the world's time.
    pub(super) fn timeout(&self) -> Option<Mono> {
        let due = self.node.as_ref()?.poll_timeout()?;
        Some(Mono(due.0.saturating_add(self.began.0)))
    }
}
