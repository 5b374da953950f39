//! What becomes of plans of the world of QUIC in builds for simulations: the transport refuses to carry keys that anybody
//! can forge.

use super::{Failure, FailureKind, Plan, PlanOutcome};

/// Says that the plan is not played.
pub(super) fn play(_plan: &Plan, _keep_lines: bool) -> PlanOutcome {
    let what = "this build is without the transport: play the plan with `cargo scenario`".to_string();
    PlanOutcome::unplayed(Failure { kind: FailureKind::Crash, check: "build".to_string(), what })
}
