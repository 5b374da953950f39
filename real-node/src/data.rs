//! A node's folder: what lies where, keys that only their owner can read, and who runs there.

#[cfg(test)]
mod tests;

use crate::context::read_key;
use crate::failure::{Exit, Failure};
use hypermesh_core::base::{Entropy, SecretKey};
use std::fmt::Display;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A node's folder.
///
/// | file | what |
/// |---|---|
/// | `identity.key` | the seed of the node's key, 64 hexadecimal digits, for its owner alone |
/// | `node.toml` | its [configuration](crate::node_config) |
/// | `validator.json` | what goes into genesis |
/// | `plot/` | its plot |
/// | `store.redb` | its blocks, state and log of votes |
/// | `store.redb-open` | a mark: the store is open, or was not closed |
/// | `store.scrub` | how far the [scrub](crate::scrub) of the store is |
/// | `store.shares/` | its [key shares](crate::share_files) |
/// | `node.sessions` | what callers may resume, sealed, while the node does not run |
/// | `node.pid` | the process that runs, or ran, here |
/// | `node.log` | what it said, under a devnet |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFolder {
    path: PathBuf,
}

/// A running node's mark in its folder. It is taken away when it is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _locked: File,
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl NodeFolder {
    /// The folder at this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes the folder, for its owner alone.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(&self) -> Result<(), Failure> {
        make_private_folder(&self.path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The node's key.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.path.join("identity.key")
    }

    /// The node's configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join("node.toml")
    }

    /// What goes into genesis.
    #[must_use]
    pub fn validator(&self) -> PathBuf {
        self.path.join("validator.json")
    }

    /// The folder of the plot.
    #[must_use]
    pub fn plot(&self) -> PathBuf {
        self.path.join("plot")
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join("store.redb")
    }

    /// How far the scrub of the store is.
    #[must_use]
    pub fn scrub(&self) -> PathBuf {
        self.path.join("store.scrub")
    }

    /// What callers may resume, while the node does not run.
    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.path.join("node.sessions")
    }

    /// Who runs here.
    #[must_use]
    pub fn pid(&self) -> PathBuf {
        self.path.join("node.pid")
    }

    /// What it said, under a devnet.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("node.log")
    }

    /// Reads the node's key.
    ///
    /// # Errors
    /// If there is none, or the file holds none.
    pub fn read_identity(&self) -> Result<SecretKey, Failure> {
        read_key(&self.identity())
    }

    /// The process that the pid file names, if there is one. It may have ended without taking its file away.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        read_pid(&self.pid())
    }
}

impl PidFile {
    /// Marks that this process runs here.
    ///
    /// # Errors
    /// If another does, with its number.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let fault = |what: &dyn Display| failed(path, what);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let mut file = options.open(path).map_err(|error| fault(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = read_pid(path).map_or_else(String::new, |pid| format!(" (process {pid})"));
                let folder = path.parent().unwrap_or(Path::new(".")).display();
                let message = format!("{folder} is in use by another hypermesh{process}: stop it first");
                return Err(Failure::new(Exit::Failed, message));
            }
            Err(TryLockError::Error(error)) => return Err(fault(&error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| fault(&error))?;
        Ok(Self { path: path.to_path_buf(), _locked: file })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // The lock says who runs here, the file is for people: one that is left behind does no harm.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Entropy for SystemEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }
}

/// Makes a new key and a file for it that only its owner can read.
///
/// # Errors
/// If the file is there already, or cannot be written.
pub fn create_key(path: &Path) -> Result<SecretKey, Failure> {
    let key = SecretKey::generate(&mut SystemEntropy);
    let text = Zeroizing::new(hex::encode(key.seed()) + "\n");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => failed(path, &"a key exists, and a key is never overwritten"),
        _ => failed(path, &error),
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| failed(path, &error))?;
    Ok(key)
}

/// The key in this file; a new one if there is no file.
///
/// # Errors
/// If the file holds no key, or cannot be written.
pub fn read_or_create_key(path: &Path) -> Result<SecretKey, Failure> {
    if path.exists() { read_key(path) } else { create_key(path) }
}

/// Makes a folder, and those above it, that only its owner can look into. One that is there stays as it is.
///
/// # Errors
/// If it cannot be made.
pub fn make_private_folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed(path, &error))
}

/// Makes durable which files a folder has.
pub(crate) fn sync_folder(folder: Option<&Path>) -> std::io::Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn read_pid(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn failed(path: &Path, what: &dyn Display) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {what}", path.display()))
}
