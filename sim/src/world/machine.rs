//! A node's machine: what of it outlives a crash, and the node while it runs.

use super::byzantine::Liar;
use super::clock::Clock;
use super::event::Happening;
use super::options::Options;
use super::snapshot::Inputs;
use crate::base::{Disk, Random, Span, Stream, Validator};
use hypermesh_core::base::{Marks, Mono, Now, UnixMillis};
use hypermesh_core::hypermesh::ordering::Timeouts;
use hypermesh_core::node::{Node, NodeConfig, OpenFault};
use hypermesh_core::state::Genesis;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A life of a node, from 1; it never repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeIncarnation(pub(super) u64);

/// How fast a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ProcessSpeed {
    /// It handles everything at once.
    #[default]
    Full,
    /// It handles nothing.
    Paused,
    /// It handles one thing after another, and each takes this long.
    Slow(Span),
}

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteFault {
    /// It fails, and nothing of it is done; so do all that follow.
    Error,
    /// There is no room for it, nor for those that follow.
    Full,
    /// The machine loses power in it, and the disk has so many of its rows, the last of them damaged.
    Torn(usize),
}

pub(super) struct Machine {
    pub(super) validator: Validator,
    pub(super) disk: Disk,
    pub(super) incarnation: NodeIncarnation,
    pub(super) node: Option<Node>,
    /// The marks that its lives before reached.
    marks: Marks,
    /// Whether the disk says that a write is durable before it is.
    pub(super) hasty_disk: bool,
    /// How the node lies, if it does.
    pub(super) lie: Option<Liar>,
    /// The machine's clocks.
    pub(super) clock: Clock,
    /// How fast the process is.
    pub(super) speed: ProcessSpeed,
    /// What has happened to it and was not handled yet, because it is paused or slow.
    pub(super) held: VecDeque<Happening>,
    /// It crashes when so many more outputs are carried out.
    pub(super) outputs_left: Option<u64>,
    /// How much longer jobs take, if they do.
    pub(super) job_lag: Option<Span>,
    /// How the next write goes wrong, if it does.
    pub(super) write_fault: Option<WriteFault>,
    /// Whether what the disk holds may not be what was written: then it may have to be wiped.
    pub(super) disk_damaged: bool,
    /// Whether snapshots may be taken of it.
    pub(super) keeps_inputs: bool,
    /// What its node was handed in this life, if that is kept.
    pub(super) inputs: Option<Inputs>,
    /// Whether somebody stopped the node: nothing but somebody starts it again.
    pub(super) stopped: bool,
    /// When the write under way, or the last one, becomes durable.
    disk_busy_until: Mono,
    /// When the writes that wait for it become so, all at once.
    disk_next_until: Mono,
    /// When the node is to be called for its timers, if that is arranged.
    pub(super) alarm: Option<Mono>,
    pub(super) disk_random: Random,
    pub(super) job_random: Random,
    /// For what the machine does that no honest one does.
    pub(super) lie_random: Random,
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
        let skew = |ms: u64| i64::try_from(ms).unwrap_or_default();
        let stream = |purpose| Random::new(Stream { seed, purpose, owner, incarnation: 0 });
        Self {
            validator,
            disk: Disk::default(),
            incarnation: NodeIncarnation::default(),
            node: None,
            marks: Marks::default(),
            hasty_disk: false,
            lie: None,
            clock: Clock::new(
                world_begins,
                skew(stream("clock").below(2 * options.skew_ms_max + 1)) - skew(options.skew_ms_max),
            ),
            speed: ProcessSpeed::default(),
            held: VecDeque::new(),
            outputs_left: None,
            job_lag: None,
            write_fault: None,
            disk_damaged: false,
            keeps_inputs: false,
            inputs: None,
            stopped: false,
            disk_busy_until: Mono(0),
            disk_next_until: Mono(0),
            alarm: None,
            disk_random: stream("disk"),
            job_random: stream("job"),
            lie_random: stream("lie"),
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
        self.clock.begin(at);
        self.alarm = None;
        self.stopped = false;
        self.disk_busy_until = at;
        self.disk_next_until = at;
        let (life, began) = (self.incarnation, self.now(at));
        self.inputs = self.keeps_inputs.then(|| Inputs::new(self.disk.copy(), began, life));
        self.node = Some(self.open(seed, place, life, (began, genesis), &self.disk)?);
        Ok(())
    }

    /// A node that begins a life with a disk.
    pub(super) fn open(
        &self,
        seed: u64,
        place: usize,
        life: NodeIncarnation,
        (began, genesis): (Now, Arc<Genesis>),
        disk: &Disk,
    ) -> Result<Node, OpenFault> {
        let stream = Stream { seed, purpose: "node", owner: place as u64, incarnation: life.0 };
        let Validator { member, reveals, .. } = self.validator.clone();
        let config = NodeConfig {
            genesis,
            identity: member.identity,
            plot: member.plot,
            reveals,
            entropy: Box::new(Random::new(stream)),
            reader: Box::new(disk.clone()),
            timeouts: Timeouts::default(),
        };
        Node::open(began, config)
    }

    /// Goes on with a node and a disk of before, which a snapshot held that was taken when the clocks showed this.
    pub(super) fn resume(&mut self, at: Mono, taken: Now, node: Node, disk: Disk) {
        self.incarnation.0 += 1;
        self.clock.resume(at, taken.mono);
        self.alarm = None;
        self.stopped = false;
        self.disk_busy_until = at;
        self.disk_next_until = at;
        self.inputs = None;
        (self.node, self.disk) = (Some(node), disk);
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
        self.speed = ProcessSpeed::Full;
        self.held.clear();
        self.outputs_left = None;
        self.disk.crash()
    }

    /// The marks that all its lives have reached.
    pub(super) fn marks(&self) -> Marks {
        let node = self.node.as_ref().map(Node::marks).unwrap_or_default();
        self.marks.joined(&node)
    }

    /// What time the node is told.
    pub(super) fn now(&self, at: Mono) -> Now {
        self.clock.now(at)
    }

    /// What the machine's wall clock says.
    pub(super) fn wall(&self, at: Mono) -> UnixMillis {
        self.clock.wall(at)
    }

    /// Gives the machine the disk of a node that lived before, once.
    pub(super) fn inherit(&mut self, disk: &Disk) {
        self.disk = disk.copy();
        self.incarnation.0 += 1;
    }

    /// When the node wants to be called, in the world's time.
    pub(super) fn timeout(&self) -> Option<Mono> {
        let due = self.node.as_ref()?.poll_timeout()?;
        Some(self.clock.when(due))
    }
}
