//! `hypermesh cert …`: certificates.

mod folder;
mod issue;
mod key;
mod list;
mod verify;

use super::Global;
use crate::failure::Failure;
use crate::output::Output;
use clap::Subcommand;

/// What `hypermesh cert` can do.
#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// Get a certificate, for a request made elsewhere or for a key made here
    Issue(issue::IssueArgs),
    /// Get a new certificate for the key and the names of one that `cert issue` wrote
    Renew(issue::RenewArgs),
    /// Verify a certificate offline: chain, time, names, and that consensus approved and logged it
    Verify(verify::VerifyArgs),
    /// List the certificates that the mesh approved
    List(list::ListArgs),
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: CertCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        CertCommand::Issue(args) => issue::issue(args, global, output),
        CertCommand::Renew(args) => issue::renew(args, global, output),
        CertCommand::Verify(args) => verify::run(&args, output),
        CertCommand::List(args) => list::run(&args, global, output),
    }
}
