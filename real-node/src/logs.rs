//! Logs on standard error, for people or as JSON, one object a line.
//!
//! What somebody may have to answer for later is logged with the target [`AUDIT`], at whatever level: who asked
//! for what and what became of it, who misbehaved, when a node began and ended. Every line that belongs to a
//! request of STOQ's carries its trace id (field `trace`), which is the same on every node that it touches.

use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Chooses what is logged, in the form of `tracing`'s filters: `debug`, `info,stoq=trace,hypermesh_driver=debug`.
pub const LOG_VARIABLE: &str = "HYPERMESH_LOG";

/// The target of lines to keep: `HYPERMESH_LOG=off,audit=info` leaves nothing else.
pub const AUDIT: &str = "audit";

/// What lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to log. A second call changes nothing.
pub fn start(format: LogFormat) {
    let mut filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .from_env_lossy();
    for quiet in QUIET {
        if let Ok(quiet) = quiet.parse() {
            filter = filter.add_directive(quiet);
        }
    }
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log on a full disk must not end the node: to tell of it on standard error would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).with_span_list(false).try_init(),
    };
    // Someone else logs already, as in tests.
    started.unwrap_or_default();
}

/// The first warns of every malformed query, which anyone may send; the second tells of every vote.
const QUIET: [&str; 2] = ["hickory_proto=error", "arc_malachitebft_core_consensus=warn"];
