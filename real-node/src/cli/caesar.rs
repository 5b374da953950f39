//! `hypermesh caesar …`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh caesar` can do.
#[derive(Debug, Subcommand)]
pub enum CaesarCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: CaesarCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let _ = (global, output, Exit::Failed);
    match command {}
}
