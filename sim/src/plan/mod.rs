//! A run as data: a seed makes a [`Plan`], a plan makes a run.
//!
//! A plan holds everything that a run depends on but for the code: it prints as TOML, is read back, and can be cut
//! down by hand or by [`shrink()`] until nothing is left that a failure does not need. Every run has three phases:
//!
//! 1. chaos: the faults and the requests of the plan, for [`Plan::chaos_ms`];
//! 2. a quorum is healed, the nodes of [`Plan::healed`]; the others stay broken for good;
//! 3. progress: within [`Plan::progress_ms`] the healed nodes answer all that was asked and not given up.
//!
//! Safety is checked all the while, by [`crate::check`].

mod client;
mod draw;
mod forbidden;
mod generate;
mod inject;
mod outcome;
mod plan_world;
mod play;
#[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
mod quic;
#[cfg(any(hypermesh_simulation_crypto, hypermesh_verification_cache))]
#[path = "quic_left_out.rs"]
mod quic;
mod shrink;
mod workload;

#[cfg(test)]
mod tests;

pub use crate::fault::{
    ClockFault, Coverage, DiskFault, Fault, FaultClass, FaultGroup, Liar, PathFault, ProcessFault,
    TimedFault, WorldKind,
};
pub use forbidden::ForbiddenRequest;
pub use generate::Shape;
pub use outcome::{Failure, FailureKind, PlanOutcome};
pub use play::{play, play_traced};
pub use shrink::{Shrunk, shrink};
pub use workload::{ClientRequest, FollowUp, TimedRequest};

use crate::base::NodeIndex;
use crate::world::Start;
use hypermesh_core::base::SUITE;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format of plans that this build writes and reads.
pub const PLAN_FORMAT: u32 = 1;
/// A plan has at most this many nodes.
pub const NODE_COUNT_MAX: usize = 100;
/// A plan has at most this many faults.
pub const FAULT_COUNT_MAX: usize = 10_000;
/// A plan has at most this many requests.
pub const REQUEST_COUNT_MAX: usize = 100_000;
/// A plan's file has at most this many bytes.
pub const PLAN_BYTES_MAX: usize = 16 << 20;

/// What becomes of the nodes that are not healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rest {
    /// They go down for good.
    Down,
    /// They stay as they are.
    AsLeft,
    /// They run on, cut off from the others.
    CutOff,
}

/// Which cryptography a plan is for. Keys differ between the two, and with them who proposes when: a seed says nothing
/// without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// As it ships.
    Real,
    /// A stand-in that takes no time.
    Simulation,
}

impl Suite {
    /// That of this build.
    pub const BUILT: Self =
        if matches!(SUITE.as_bytes(), b"simulation") { Self::Simulation } else { Self::Real };

    /// The command that plays plans for it.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Real => "cargo scenario",
            Self::Simulation => "cargo scenario-simulated",
        }
    }
}

impl Default for Suite {
    fn default() -> Self {
        Self::BUILT
    }
}

/// A range of durations in microseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The shortest.
    pub from_us: u64,
    /// The longest.
    pub to_us: u64,
}

/// Everything that a run depends on but for the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The seed of all streams of randomness in the run.
    pub seed: u64,
    /// In which world it is played.
    pub world: WorldKind,
    /// With which cryptography; that of the build that reads it, if nothing is said.
    #[serde(default)]
    pub suite: Suite,
    /// How many validators there are.
    pub nodes: usize,
    /// Whether the nodes generate their keys first.
    pub start: Start,
    /// How long the chaos lasts, in milliseconds.
    pub chaos_ms: u64,
    /// How long the healed nodes have to answer everything, in milliseconds.
    pub progress_ms: u64,
    /// The nodes that are healed after the chaos: a quorum at least, none of which lies or has a damaged disk.
    pub healed: Vec<NodeIndex>,
    /// What becomes of the others.
    pub rest: Rest,
    /// How far a node's wall clock may be off, either way, in milliseconds.
    pub skew_ms_max: u64,
    /// How long a message takes.
    pub latency: Range,
    /// How long a write takes to become durable.
    pub disk: Range,
    /// How long a job takes.
    pub job: Range,
    /// Whether more nodes lie than can be tolerated. Safety may go then, and progress with it; but every honest node
    /// stays up and answers, and who has equivocated is told of by name.
    #[serde(default)]
    pub beyond_tolerated: bool,
    /// The nodes that lie.
    #[serde(default)]
    pub liars: Vec<Liar>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<TimedFault>,
    /// What clients ask for.
    #[serde(default)]
    pub requests: Vec<TimedRequest>,
}

/// Why a plan cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFault {
    /// It is not a plan.
    #[error("not a plan: {0}")]
    Malformed(String),
    /// It is one of another build.
    #[error("the plan has format {0}, and this build plays format {PLAN_FORMAT}: make it anew from its seed")]
    Format(u32),
    /// It is for another cryptography than this build's.
    #[error("the plan is for the other cryptography ({0:?}) than this build's: play it with `{command} replay FILE`", command = .0.command())]
    Suite(Suite),
    /// A number is out of bounds.
    #[error("{what}: there are {count}, and at most {most} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are allowed.
        most: usize,
    },
    /// Something refers to a node or a request that there is not.
    #[error("{what} {number} names something that is not in the plan")]
    Dangling {
        /// What.
        what: &'static str,
        /// Its number, from 0.
        number: usize,
    },
    /// Something is not to be had in the plan's world.
    #[error("{what} {number} is not to be had in the plan's world")]
    Foreign {
        /// What.
        what: &'static str,
        /// Its number, from 0.
        number: usize,
    },
    /// An alarm in a run of it could be false.
    #[error("no promise holds in such a run: {0}")]
    Unrecoverable(String),
}

impl Plan {
    /// The plan's text, which [`Plan::from_toml`] reads back.
    ///
    /// # Panics
    /// Never: every plan is a TOML document.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a plan is a TOML document")
    }

    /// Reads a plan and checks it.
    ///
    /// # Errors
    /// If the text is no plan, or it cannot be played; see [`PlanFault`].
    pub fn from_toml(text: &str) -> Result<Self, PlanFault> {
        bounded("bytes of a plan", text.len(), PLAN_BYTES_MAX)?;
        let plan: Self = toml::from_str(text).map_err(|fault| PlanFault::Malformed(fault.to_string()))?;
        plan.check()?;
        Ok(plan)
    }

    /// How many nodes may lie or lose what is on their disks.
    #[must_use]
    pub const fn tolerated(&self) -> usize {
        self.nodes.saturating_sub(1) / 3
    }

    /// The nodes that lie or whose disks are damaged.
    #[must_use]
    pub fn impaired(&self) -> BTreeSet<NodeIndex> {
        let damaged = self.faults.iter().filter_map(|timed| timed.fault.damages());
        self.liars.iter().map(|liar| liar.place).chain(damaged).collect()
    }

    /// Checks that the plan can be played, and that every promise holds in it.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> Result<(), PlanFault> {
        if self.format != PLAN_FORMAT {
            return Err(PlanFault::Format(self.format));
        }
        if self.suite != Suite::BUILT {
            return Err(PlanFault::Suite(self.suite));
        }
        bounded("nodes", self.nodes, NODE_COUNT_MAX)?;
        bounded("faults", self.faults.len(), FAULT_COUNT_MAX)?;
        bounded("requests", self.requests.len(), REQUEST_COUNT_MAX)?;
        dangling("fault", self.faults.iter().map(|timed| timed.fault.fits(self.nodes)))?;
        foreign("fault", self.faults.iter().map(|timed| timed.fault.is_of(self.world)))?;
        foreign("liar", self.liars.iter().map(|liar| liar.lie.is_of(self.world)))?;
        dangling("liar", self.liars.iter().map(|liar| liar.place < self.nodes))?;
        dangling("healed node", self.healed.iter().map(|place| *place < self.nodes))?;
        let fits = |(number, request): (usize, &TimedRequest)| {
            let of = request.ask.of().is_none_or(|of| of < number);
            let then = match request.then {
                FollowUp::RetryElsewhere { place, .. } => place < self.nodes,
                _ => true,
            };
            of && then && request.place < self.nodes
        };
        dangling("request", self.requests.iter().enumerate().map(fits))?;
        self.check_recoverable()
    }

    fn check_recoverable(&self) -> Result<(), PlanFault> {
        let fault = |what: String| Err(PlanFault::Unrecoverable(what));
        let impaired = self.impaired();
        if impaired.len() > self.tolerated() && !self.beyond_tolerated {
            return fault(format!(
                "nodes {impaired:?} lie or have damaged disks, and {} may",
                self.tolerated()
            ));
        }
        let healed: BTreeSet<NodeIndex> = self.healed.iter().copied().collect();
        if let Some(place) = healed.intersection(&impaired).next() {
            return fault(format!("node {place} is healed and lies or has a damaged disk"));
        }
        if healed.len() < quorum_of(self.nodes) && !self.beyond_tolerated {
            return fault(format!(
                "{} nodes are healed, and a quorum is {}",
                healed.len(),
                quorum_of(self.nodes)
            ));
        }
        Ok(())
    }
}

/// How many of so many nodes are a quorum: more than two thirds.
const fn quorum_of(nodes: usize) -> usize {
    nodes * 2 / 3 + 1
}

const fn bounded(what: &'static str, count: usize, most: usize) -> Result<(), PlanFault> {
    if count <= most { Ok(()) } else { Err(PlanFault::TooMany { what, count, most }) }
}

fn foreign(what: &'static str, native: impl Iterator<Item = bool>) -> Result<(), PlanFault> {
    match native.enumerate().find(|(_, native)| !native) {
        Some((number, _)) => Err(PlanFault::Foreign { what, number }),
        None => Ok(()),
    }
}

fn dangling(what: &'static str, fit: impl Iterator<Item = bool>) -> Result<(), PlanFault> {
    match fit.enumerate().find(|(_, fits)| !fits) {
        Some((number, _)) => Err(PlanFault::Dangling { what, number }),
        None => Ok(()),
    }
}
