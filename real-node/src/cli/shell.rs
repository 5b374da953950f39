//! `hypermesh completions` and `hypermesh man`: what a package installs beside the binary.

use super::Cli;
use crate::failure::{Exit, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Where the manual goes.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// A folder for one page a command; without it the first page goes to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes completions to standard output.
pub fn completions(args: &CompletionsArgs) {
    clap_complete::generate(args.shell, &mut Cli::command(), "hypermesh", &mut std::io::stdout());
}

/// Writes the manual.
///
/// # Errors
/// If it cannot be written.
pub fn manual(args: &ManArgs) -> Result<(), Failure> {
    let written = match &args.out {
        Some(folder) => {
            crate::file::make_folder(folder)?;
            clap_mangen::generate_to(Cli::command(), folder)
        }
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()),
    };
    written.map_err(|error| Failure::new(Exit::Failed, format!("cannot write the manual: {error}")))
}
