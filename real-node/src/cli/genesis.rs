//! `hypermesh genesis …`.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh genesis` can do.
#[derive(Debug, Subcommand)]
pub enum GenesisCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: GenesisCommand, output: Output) -> Result<(), Failure> {
    let _ = (output, Exit::Failed);
    match command {}
}
