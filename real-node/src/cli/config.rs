//! `hypermesh config …`.

use crate::data::NodeFolder;
use crate::failure::{Exit, Failure};
use crate::genesis_file::{ValidatorFile, check_own, read_genesis};
use crate::node_config::NodeConfigFile;
use crate::output::Output;
use crate::roles::Roles;
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
    let listed = genesis.as_ref().and_then(|genesis| {
        let listed = genesis.validators.iter().find(|listed| listed.name == config.name)?;
        Some(Roles::by_genesis(genesis, listed))
    });
    if let Some(exposed) = listed.filter(|exposed| *exposed != config.roles) {
        let (file, roles) = (file.display(), &config.roles);
        let message = format!("{file}: roles are {roles}, and those of the genesis it names {exposed}");
        return Err(Failure::new(Exit::Input, message));
    }
    if let (Some(genesis), true) = (&genesis, own.exists()) {
        check_own(genesis, &ValidatorFile::read(&own)?)
            .and_then(|()| config.hints(genesis).map(drop))
            .map_err(|reason| Failure::new(Exit::Input, format!("{}: {reason}", file.display())))?;
    }
    output.print(&config, |config| match genesis {
        Some(genesis) => format!("{}: valid, of the mesh {}", file.display(), genesis.hash()),
        None => format!("{}: valid; {} does not exist yet", file.display(), config.genesis.display()),
    })
}
