//! `hypermesh key …`: owners' keys.

use crate::context::read_key;
use crate::data::create_key;
use crate::failure::Failure;
use crate::output::Output;
use clap::Subcommand;
use hypermesh_core::base::PublicKey;
use serde::Serialize;
use std::path::PathBuf;

/// What `hypermesh key` can do.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an owner's key, in a file that only you can read, and show its public half
    New {
        /// Where to; a file that is there is never overwritten
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the public half of a key, by which others know its owner
    Show {
        /// The file with the key
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct Shown {
    key: PublicKey,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: &KeyCommand, output: Output) -> Result<(), Failure> {
    let secret = match command {
        KeyCommand::New { out } => create_key(out)?,
        KeyCommand::Show { file } => read_key(file)?,
    };
    output.print(&Shown { key: secret.public() }, |shown| shown.key.to_string())
}
