//! What comes of a run.

use crate::fault::Coverage;
use crate::world::{EventRecord, RunFault, Taken};
use hypermesh_core::base::{Digest, Mono};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What came of playing a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanOutcome {
    /// The hash of all that happened.
    pub hash: Digest,
    /// How many things happened.
    pub events: u64,
    /// How long it took, in the world's time.
    pub simulated: Mono,
    /// Which classes of faults took effect, and how often.
    pub coverage: Coverage,
    /// Which marks of the protocol were reached, and how often.
    pub marks: BTreeMap<&'static str, u64>,
    /// How many requests were answered with what they asked for.
    pub answered: u64,
    /// What happened, a line each, if that was asked for.
    pub lines: Vec<String>,
    /// Everything that happened, in order, if that was asked for.
    pub tape: Vec<Taken>,
    /// What happened, in a form that can be drawn, if that was asked for.
    pub records: Vec<EventRecord>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

impl PlanOutcome {
    /// What comes of a plan that was not played to any end.
    pub(super) fn unplayed(failure: Failure) -> Self {
        Self {
            hash: Digest::ZERO,
            events: 0,
            simulated: Mono(0),
            coverage: Coverage::default(),
            marks: BTreeMap::new(),
            answered: 0,
            lines: Vec::new(),
            tape: Vec::new(),
            records: Vec::new(),
            failure: Some(failure),
        }
    }

    /// The tape as text, a line for each thing that happened: when (microseconds), at which node (from 1), what kind
    /// of thing, and the first bytes of the hash of its content.
    #[must_use]
    pub fn tape_text(&self) -> String {
        let mut text = String::new();
        for taken in &self.tape {
            let content = u64::from_be_bytes(taken.content);
            let written =
                writeln!(text, "{} node-{} {} {content:016x}", taken.at.0, taken.place + 1, taken.kind);
            written.expect("writing to a string does not fail");
        }
        text
    }
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {what}")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// Which check or wait failed: a shrunk run fails in the same way if this is the same.
    pub check: String,
    /// What happened.
    pub what: String,
}

/// Kinds of failures, from the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// A promise was broken.
    Safety,
    /// What had to happen did not.
    Liveness,
    /// A node panicked, or did not start.
    Crash,
    /// The same plan gave two different runs.
    Determinism,
}

impl FailureKind {
    /// The exit status of a runner that found such a failure.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Safety => 10,
            Self::Liveness => 11,
            Self::Crash => 12,
            Self::Determinism => 13,
        }
    }
}

impl core::fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
            Self::Crash => "crash",
            Self::Determinism => "determinism",
        })
    }
}

impl From<RunFault> for Failure {
    fn from(fault: RunFault) -> Self {
        let what = fault.to_string();
        let (kind, check) = match fault {
            RunFault::Violation(violation) => (FailureKind::Safety, violation.check.to_string()),
            RunFault::Stalled { what, .. } => (FailureKind::Liveness, what),
            RunFault::Open { .. } => (FailureKind::Crash, "start".to_string()),
            RunFault::Unexpected(_) => (FailureKind::Safety, "answers".to_string()),
        };
        Self { kind, check, what }
    }
}
