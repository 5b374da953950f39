//! `hypermesh trust …`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh trust` can do.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: TrustCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let _ = (global, output, Exit::Failed);
    match command {}
}
