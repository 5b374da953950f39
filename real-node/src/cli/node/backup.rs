//! `hypermesh node backup` and `hypermesh node restore`.

use crate::backup::{self, BackedUp, Restored};
use crate::data::NodeFolder;
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use crate::passphrase;
use crate::plot_progress::PlotBars;
use clap::Args;
use hypermesh_core::base::Digest;
use std::path::PathBuf;

/// What to back up, and where to.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The node's folder; the node may run meanwhile
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The file to write, which must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A file whose first line is the passphrase (- for standard input); default: a prompt on the terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// What to restore, and where to.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The folder to make, which must be empty or not exist
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The backup
    #[arg(long, value_name = "FILE")]
    backup: PathBuf,
    /// A file whose first line is the passphrase (- for standard input); default: a prompt on the terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The mesh that the backup must be of: the hash that `genesis show` prints
    #[arg(long, value_name = "HASH")]
    genesis: Option<String>,
}

/// Writes a backup.
///
/// # Errors
/// If it fails; no file is left then.
pub(super) fn backup(args: &BackupArgs, output: Output) -> Result<(), Failure> {
    let passphrase = passphrase::new(args.passphrase_file.as_deref())?;
    let made = backup::back_up(&NodeFolder::new(&args.data_dir), &args.out, &passphrase)?;
    if made.shares == 0 {
        output.tell(
            "warning: the node has no key shares yet, so the backup has none: back up again when the \
            committee is active",
        );
    }
    output.print(&made, |made| backed_up(made, args))
}

/// Restores a node's folder.
///
/// # Errors
/// If it fails.
pub(super) fn restore(args: &RestoreArgs, output: Output) -> Result<(), Failure> {
    let expected = args.genesis.as_deref().map(parse_hash).transpose()?;
    let passphrase = passphrase::known(args.passphrase_file.as_deref())?;
    let folder = NodeFolder::new(&args.data_dir);
    let name = args.data_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut bar = PlotBars::new(output).add(&name);
    let restored =
        backup::restore(&folder, &args.backup, &passphrase, expected, &mut |progress| bar.show(progress))?;
    output.print(&restored, |restored| described(restored, args))
}

fn parse_hash(text: &str) -> Result<Digest, Failure> {
    let mut bytes = [0; 32];
    let decoded = hex::decode_to_slice(text, &mut bytes);
    decoded.map_err(|_| Failure::new(Exit::Usage, "--genesis: expected 64 hexadecimal digits"))?;
    Ok(Digest(bytes))
}

fn backed_up(made: &BackedUp, args: &BackupArgs) -> String {
    format!(
        "backed up {} ({}) of the mesh {}, with the shares of {}, to {}\n\
         Keep it where this machine's disk is not, and the passphrase elsewhere.",
        made.name,
        made.key,
        made.genesis,
        committees(made.shares),
        args.out.display()
    )
}

fn described(restored: &Restored, args: &RestoreArgs) -> String {
    format!(
        "restored {} ({}) of the mesh {}, with the shares of {}, as of {}\n\
         Make sure that the old machine never runs this node again, then: hypermesh node run --data-dir {}",
        restored.name,
        restored.key,
        restored.genesis,
        committees(restored.shares),
        moment::text(restored.made),
        args.data_dir.display()
    )
}

fn committees(count: usize) -> String {
    match count {
        0 => "no committee".to_string(),
        1 => "one committee".to_string(),
        count => format!("{count} committees"),
    }
}
