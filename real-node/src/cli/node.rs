//! `hypermesh node …`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh node` can do.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: NodeCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let _ = (global, output, Exit::Failed);
    match command {}
}
