//! `hypermesh completions` and `hypermesh man`: what a package installs beside the binary.

use super::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Output;
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
///
/// # Errors
/// If it cannot be written to.
pub fn completions(args: &CompletionsArgs, output: Output) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hypermesh", &mut text);
    output.write(&text).map(|_read_on| ())
}

/// Writes the manual.
///
/// # Errors
/// If it cannot be written.
pub fn manual(args: &ManArgs, output: Output) -> Result<(), Failure> {
    let unwritten = |error| Failure::new(Exit::Failed, format!("cannot write the manual: {error}"));
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(unwritten)?;
        return output.write(&page).map(|_read_on| ());
    };
    crate::file::make_folder(folder)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(unwritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_has_a_page_for_every_command() {
        Cli::command().debug_assert();
        let folder = tempfile::tempdir().unwrap();
        let args = ManArgs { out: Some(folder.path().to_path_buf()) };
        manual(&args, Output { json: false }).unwrap();
        for noun in Cli::command().get_subcommands().filter(|noun| noun.get_name() != "help") {
            assert!(folder.path().join(format!("hypermesh-{}.1", noun.get_name())).exists(), "{noun}");
        }
    }
}
