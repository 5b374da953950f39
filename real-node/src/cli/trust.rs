//! `hypermesh trust …`: what clients need to verify certificates offline.

use super::Global;
use crate::client::session;
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::output::Output;
use clap::Subcommand;
use hypermesh_core::trust::{TRUST_BUNDLE_BYTES_MAX, TrustBundle};
use std::path::{Path, PathBuf};

/// What `hypermesh trust` can do.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Write the mesh's trust bundle, checked against the context
    Export {
        /// Where to; standard output if not given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: TrustCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let TrustCommand::Export { out } = command;
    let bundle = session(global, "fetching the trust bundle", async |client| client.trust_bundle().await)?;
    let Some(path) = out else { return output.print(&bundle, TrustBundle::to_pem) };
    let text = match output.json {
        true => serde_json::to_string_pretty(&bundle)
            .map_err(|error| Failure::new(Exit::Failed, format!("trust bundle: {error}")))?,
        false => bundle.to_pem(),
    };
    file::write(&path, text.as_bytes(), Access::Public)?;
    output.tell(format_args!("{}: trust bundle of genesis {}", path.display(), bundle.genesis_hash()));
    Ok(())
}

/// The trust bundle in a file, in armour or as JSON. Nothing in it is checked yet.
pub(super) fn read(path: &Path) -> Result<TrustBundle, Failure> {
    let text = file::read_text(path, TRUST_TEXT_BYTES_MAX)?;
    let fault =
        |what: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {what}", path.display()));
    match text.trim_start().starts_with('{') {
        true => serde_json::from_str(&text).map_err(|error| fault(&error)),
        false => TrustBundle::from_pem(&text).map_err(|invalid| fault(&invalid)),
    }
}

/// The longest text of a trust bundle: as JSON it is the longest.
const TRUST_TEXT_BYTES_MAX: usize = 4 * TRUST_BUNDLE_BYTES_MAX;
