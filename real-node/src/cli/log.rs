//! `hypermesh log …`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh log` can do.
#[derive(Debug, Subcommand)]
pub enum LogCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: LogCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let _ = (global, output, Exit::Failed);
    match command {}
}
