//! `compare`: measures a real mesh on loopback, four processes with their stores on disk, and prints a table.
//!
//! It starts the mesh by running itself as `hypermesh devnet`, and measures as the command that the devnet runs.

mod measure;

use clap::{Parser, Subcommand};
use std::process::{Command, ExitCode};

/// Measures the mesh against its targets.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Compare {
    /// For under a minute: fewer samples
    #[arg(long, global = true)]
    quick: bool,
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    /// The ports of the mesh begin above this one
    #[arg(long, default_value_t = 7900)]
    base_port: u16,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// What runs against the mesh once it is ready
    #[command(hide = true)]
    Measure,
}

fn main() -> ExitCode {
    // The devnet starts its nodes by running this executable as `hypermesh`.
    let first = std::env::args().nth(1).unwrap_or_default();
    if ["devnet", "node"].contains(&first.as_str()) {
        return hypermesh::cli::main();
    }
    let compare = Compare::parse();
    let outcome = match compare.part {
        Some(Part::Measure) => measure::run(compare.quick, compare.json),
        None => lead(&compare),
    };
    outcome.unwrap_or_else(|reason| {
        eprintln!("error: {reason}");
        ExitCode::FAILURE
    })
}

/// Starts a mesh and measures it.
fn lead(compare: &Compare) -> Result<ExitCode, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let executable = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(&executable);
    command.args(["devnet", "--base-port", &compare.base_port.to_string(), "--data-dir"]).arg(folder.path());
    command.arg("--").arg(&executable).arg("measure");
    command.args(compare.quick.then_some("--quick")).args(compare.json.then_some("--json"));
    let status = command.status().map_err(|error| failed(&error))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
