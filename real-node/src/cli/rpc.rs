//! `hypermesh rpc …`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh rpc` can do.
#[derive(Debug, Subcommand)]
pub enum RpcCommand {}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: RpcCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let _ = (global, output, Exit::Failed);
    match command {}
}
