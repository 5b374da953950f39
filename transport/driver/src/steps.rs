//! The log lines of requests that are followed: a line for each step that this node takes for one.
//!
//! They have the target `step` and the level `debug`: each request has a dozen on each node.

use hypermesh_core::api::{TraceEvent, TraceId};

pub(super) fn log(trace: TraceId, step: &TraceEvent) {
    match step {
        TraceEvent::Decided { height, refused: None } => {
            tracing::debug!(target: STEP, %trace, height = height.0, "decided");
        }
        TraceEvent::Decided { height, refused: Some(reason) } => {
            tracing::debug!(target: STEP, %trace, height = height.0, reason, "decided: refused");
        }
        other => tracing::debug!(target: STEP, %trace, step = ?other, "{}", other.name()),
    }
}

const STEP: &str = "step";
