//! `hypermesh dns …`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh dns` can do.
#[derive(Debug, Subcommand)]
pub enum DnsCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: DnsCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let _ = (global, output, Exit::Failed);
    match command {}
}
