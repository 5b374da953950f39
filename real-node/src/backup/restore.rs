//! Making a node's folder again from its backup.

use super::{Contents, Parts};
use crate::data::{NodeFolder, make_private_folder, sync_folder};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::genesis_file::{ValidatorFile, write_genesis};
use crate::node_config::NodeConfigFile;
use crate::plot::PlotFolder;
use crate::roles::Roles;
use crate::share_files::ShareFiles;
use hypermesh_core::base::{Digest, Domain, PublicKey, UnixMillis, encode};
use hypermesh_core::hypermesh::proof::Progress;
use hypermesh_core::state::GenesisValidator;
use serde::Serialize;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Tells a restoration that was interrupted from a folder that is in use.
const UNFINISHED: &str = "restore.unfinished";
const MARK: Domain = Domain::new("hypermesh v1 node restore mark");
const MARK_BYTES_MAX: usize = 256;

/// What was restored. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The node's name.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// The mesh.
    pub genesis: Digest,
    /// Of how many sets of committee keys it has its shares again.
    pub shares: usize,
    /// When the backup was made.
    pub made: UnixMillis,
}

/// Makes a node's folder from a backup, telling how far its plot is. Heavy: it plots. Begun again with the same
/// backup after an interruption, it goes on where it was.
///
/// # Errors
/// If the backup cannot be opened or is of another mesh than `expected`; then nothing was touched. If something
/// else lies in the folder, or the disk fails.
pub fn restore(
    folder: &NodeFolder,
    backup: &Path,
    passphrase: &str,
    expected: Option<Digest>,
    tell: &mut dyn FnMut(Progress),
) -> Result<Restored, Failure> {
    let contents = Contents::open(backup, passphrase)?;
    let in_backup = |failure: Failure| Failure::new(failure.exit, format!("{}: {failure}", backup.display()));
    let parts = contents.check().map_err(in_backup)?;
    let genesis = parts.genesis.hash();
    if let Some(expected) = expected.filter(|expected| *expected != genesis) {
        let message = format!(
            "{} belongs to the mesh with genesis {genesis}, expected {expected}: nothing was changed",
            backup.display()
        );
        return Err(Failure::new(Exit::Input, message));
    }
    let mark = MARK.hash(&[&Zeroizing::new(encode(&contents))]).to_string();
    check_room(folder, &mark)?;
    folder.create()?;
    file::write(&mark_of(folder), mark.as_bytes(), Access::Private)?;
    write_files(folder, &contents, &parts)?;
    plot(folder, &parts, tell)?;
    let done = std::fs::remove_file(mark_of(folder)).and_then(|()| sync_folder(Some(folder.path())));
    done.map_err(|error| file::failed(folder.path(), &error))?;
    let report = parts.report(&contents);
    Ok(Restored { name: report.name, key: report.key, genesis, shares: report.shares, made: report.made })
}

/// Refuses a folder that holds anything but the beginning of this very restoration.
fn check_room(folder: &NodeFolder, mark: &str) -> Result<(), Failure> {
    let path = folder.path();
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| file::failed(path, &error))?.count(),
    };
    if entries == 0 {
        return Ok(());
    }
    let ours = mark_of(folder);
    if ours.exists() && file::read_text(&ours, MARK_BYTES_MAX)? == mark {
        return Ok(());
    }
    let message = format!(
        "{} is not empty: nothing was changed. Restore into a new folder; a node that still has its own \
        folder does not need to be restored",
        path.display()
    );
    Err(Failure::new(Exit::Input, message))
}

fn write_files(folder: &NodeFolder, contents: &Contents, parts: &Parts) -> Result<(), Failure> {
    let seed = Zeroizing::new(hex::encode(parts.identity.seed()) + "\n");
    file::write(&folder.identity(), seed.as_bytes(), Access::Private)?;
    // Where genesis lay is not said to exist here, so it comes into the folder.
    let config = NodeConfigFile { genesis: PathBuf::from("genesis.json"), ..parts.config.clone() };
    write_genesis(&folder.path().join(&config.genesis), &parts.genesis)?;
    file::write(&folder.config(), config.to_toml()?.as_bytes(), Access::Public)?;
    if let Some(listed) = listed(parts) {
        ValidatorFile {
            network: config.network,
            profile: config.profile,
            name: listed.name.clone(),
            key: listed.member.key,
            plot_root: listed.member.plot_root,
            reveal_anchor: listed.reveal_anchor,
            address: listed.address,
            roles: Roles::by_genesis(&parts.genesis, listed),
        }
        .write(&folder.validator())?;
    }
    let shares = ShareFiles::beside(&folder.store());
    make_private_folder(shares.folder())?;
    contents.shares.iter().try_for_each(|(key, row)| shares.put(key, row))
}

fn listed(parts: &Parts) -> Option<&GenesisValidator> {
    let me = parts.identity.public();
    parts.genesis.validators.iter().find(|validator| validator.member.key == me)
}

fn plot(folder: &NodeFolder, parts: &Parts, tell: &mut dyn FnMut(Progress)) -> Result<(), Failure> {
    let NodeConfigFile { network, profile, .. } = &parts.config;
    let plot = PlotFolder::new(folder.plot(), network, *profile, &parts.identity.public());
    let root = plot.load_or_make(tell)?.root();
    match listed(parts) {
        Some(listed) if listed.member.plot_root != root => {
            let message = "the new plot differs from the plot that genesis lists: this program version \
                computes plots in another way than the version that made the node; use that version";
            Err(Failure::new(Exit::Failed, message))
        }
        Some(_) | None => Ok(()),
    }
}

fn mark_of(folder: &NodeFolder) -> PathBuf {
    folder.path().join(UNFINISHED)
}
