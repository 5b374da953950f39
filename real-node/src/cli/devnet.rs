//! `hypermesh devnet`.

use super::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Args;
use std::process::ExitCode;

/// How to start a devnet.
#[derive(Debug, Args)]
pub struct DevnetArgs {}

/// Runs a devnet.
///
/// # Errors
/// If it cannot be started.
pub fn run(_args: DevnetArgs, _global: &Global, _output: Output) -> Result<ExitCode, Failure> {
    Err(Failure::new(Exit::Failed, "devnet is not built yet"))
}
