//! `hypermesh config …`.

use crate::data::NodeFolder;
use crate::failure::{Exit, Failure};
use crate::genesis_file::{ValidatorFile, check_own, read_genesis};
use crate::node_config::NodeConfigFile;
use crate::output::Output;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// What `hypermesh config` can do.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a node's configuration (node.toml), and the genesis that it names if that is there
    Validate(ValidateArgs),
}

/// Which configuration to check.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The configuration
    file: PathBuf,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: ConfigCommand, output: Output) -> Result<(), Failure> {
    let ConfigCommand::Validate(ValidateArgs { file }) = command;
    let config = NodeConfigFile::read(&file)?;
    let genesis = config.genesis.exists().then(|| read_genesis(&config.genesis)).transpose()?;
    let other = genesis
        .as_ref()
        .filter(|genesis| (&genesis.network, genesis.profile) != (&config.network, config.profile));
    if let Some(other) = other {
        let message = format!(
            "{}: network and profile are {} and {}, those of the genesis it names are {} and {}",
            file.display(),
            config.network,
            config.profile,
            other.network,
            other.profile
        );
        return Err(Failure::new(Exit::Input, message));
    }
    let own = NodeFolder::new(file.parent().unwrap_or(Path::new("."))).validator();
    if let (Some(genesis), true) = (&genesis, own.exists()) {
        check_own(genesis, &ValidatorFile::read(&own)?)
            .and_then(|()| config.moved(genesis).map(drop))
            .map_err(|reason| Failure::new(Exit::Input, format!("{}: {reason}", file.display())))?;
    }
    output.print(&config, |config| match genesis {
        Some(genesis) => format!("{}: valid, of the mesh {}", file.display(), genesis.hash()),
        None => format!("{}: valid; {} is not there yet", file.display(), config.genesis.display()),
    })
}
