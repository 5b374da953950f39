//! Plans and tapes as files.

use hypermesh_sim::plan::{PLAN_BYTES_MAX, Plan, PlanOutcome};
use std::fs;
use std::path::{Path, PathBuf};

/// Reads a plan.
pub(crate) fn read_plan(path: &Path) -> Result<Plan, String> {
    let unreadable = |fault: std::io::Error| format!("{} cannot be read: {fault}", path.display());
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > PLAN_BYTES_MAX as u64 {
        return Err(format!("{} has {bytes} bytes, and a plan has at most {PLAN_BYTES_MAX}", path.display()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Plan::from_toml(&text).map_err(|fault| format!("{}: {fault}", path.display()))
}

/// Writes a plan, and what comes of it, as comments above it.
pub(crate) fn write_plan(path: &Path, plan: &Plan, outcome: &PlanOutcome) -> Result<(), String> {
    let failure = outcome.failure.as_ref().map_or_else(|| "passes".to_string(), ToString::to_string);
    let told: String = failure.lines().map(|line| format!("# {line}\n")).collect();
    let again = format!("# again: cargo scenario replay {}\n", path.display());
    write(path, &format!("{told}{again}\n{}", plan.to_toml()))
}

/// How much is in a plan, in words.
pub(crate) fn size_of(plan: &Plan) -> String {
    let Plan { nodes, liars, faults, requests, chaos_ms, .. } = plan;
    let (liars, faults, requests) = (liars.len(), faults.len(), requests.len());
    format!("{nodes} nodes, {liars} liars, {faults} faults, {requests} requests, {chaos_ms} ms")
}

/// The file of a plan's tape.
pub(crate) fn tape_of(plan: &Path) -> PathBuf {
    plan.with_extension("tape")
}

/// Writes a file, and makes its folder.
pub(crate) fn write(path: &Path, content: &str) -> Result<(), String> {
    let fault = |fault: std::io::Error| format!("cannot write {}: {fault}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fault)?;
    }
    fs::write(path, content).map_err(fault)
}
