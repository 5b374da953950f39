//! `hypermesh cert …`: certificates.

mod authority;
mod crl;
mod folder;
mod handover;
mod issue;
mod key;
mod list;
mod needs_renewal;
mod renew;
mod request_file;
mod revoke;
mod sent;
mod show;
mod status;
mod subject;
mod verify;

use super::Global;
use crate::failure::Failure;
use crate::output::Output;
use clap::Subcommand;
use std::process::ExitCode;

/// What `hypermesh cert` can do.
#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// Get a certificate, for a request made elsewhere or for a key made here
    Issue(issue::IssueArgs),
    /// Get a new certificate for the names of one that `cert issue` wrote, with the same key or a new one
    Renew(renew::RenewArgs),
    /// Tell by the exit status whether certificates need renewal: 0 yes, 1 no, 2 a file is missing
    NeedsRenewal(needs_renewal::NeedsRenewalArgs),
    /// Revoke a certificate, for good
    Revoke(revoke::RevokeArgs),
    /// Print the mesh's revocation lists, one for each authority, checked against the context
    Crl(crl::CrlArgs),
    /// Verify a certificate: chain, time, names, that consensus approved and logged it, that it is not revoked
    Verify(verify::VerifyArgs),
    /// Show the status of a certificate in the mesh
    Show(show::ShowArgs),
    /// List the certificates that the mesh approved
    List(list::ListArgs),
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: CertCommand, global: &Global, output: Output) -> Result<ExitCode, Failure> {
    let done = match command {
        CertCommand::NeedsRenewal(args) => return needs_renewal::run(&args, global, output),
        CertCommand::Issue(args) => issue::issue(args, global, output),
        CertCommand::Renew(args) => renew::renew(args, global, output),
        CertCommand::Revoke(args) => revoke::revoke(&args, global, output),
        CertCommand::Crl(args) => crl::run(&args, global, output),
        CertCommand::Verify(args) => verify::run(&args, global, output),
        CertCommand::Show(args) => show::run(&args, global, output),
        CertCommand::List(args) => list::run(&args, global, output),
    };
    done.map(|()| ExitCode::SUCCESS)
}
