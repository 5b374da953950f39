//! `hypermesh cert …`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh cert` can do.
#[derive(Debug, Subcommand)]
pub enum CertCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: CertCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let _ = (global, output, Exit::Failed);
    match command {}
}
