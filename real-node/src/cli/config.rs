//! `hypermesh config …`.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh config` can do.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: ConfigCommand, output: Output) -> Result<(), Failure> {
    let _ = (output, Exit::Failed);
    match command {}
}
