//! The operations by which the folder of a certificate changes on disk. Every change goes through [`Disk`], so that tests can
//! fail each of them in turn, and end the program before each of them in turn.

use crate::file::Access;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::Path;

/// Who may use a file that is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cert) enum FileAccess {
    /// As for any new file.
    New(Access),
    /// As for the file whose place it takes.
    Like {
        /// The owner's number.
        owner: u32,
        /// The group's number.
        group: u32,
        /// The permission bits.
        mode: u32,
    },
}

impl FileAccess {
    /// That of an existing file.
    pub(super) fn of(existing: &fs::Metadata) -> Self {
        Self::Like { owner: existing.uid(), group: existing.gid(), mode: existing.mode() & PERMISSION_BITS }
    }
}

/// What changes the folder. A method does one thing, and is durable only after the sync that follows it.
pub(in crate::cli::cert) trait Disk {
    /// Makes a folder, and those above it, where they do not exist.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Gives a folder the permission bits and the group of another; the owner too, where this process may.
    fn make_folder_like(&self, path: &Path, other: &Path) -> io::Result<()>;
    /// Opens the file that is locked, and makes it if it does not exist.
    fn open_lock(&self, path: &Path) -> io::Result<File>;
    /// Creates a file that does not exist.
    fn create(&self, path: &Path, access: FileAccess) -> io::Result<File>;
    /// Writes to a file.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
    /// Waits until what was written to a file is on the device.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Waits until the names in a folder are on the device.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes a symbolic link.
    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Renames a file or a link, over what has the name.
    fn rename(&self, source: &Path, target: &Path) -> io::Result<()>;
    /// Removes a file or a link.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
}

/// The machine's disk.
pub(in crate::cli::cert) struct RealDisk;

impl Disk for RealDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn make_folder_like(&self, path: &Path, other: &Path) -> io::Result<()> {
        let (own, other) = (fs::metadata(path)?, fs::metadata(other)?);
        let is_root = rustix::process::geteuid().is_root();
        let owner = (is_root && own.uid() != other.uid()).then_some(other.uid());
        let group = (own.gid() != other.gid()).then_some(other.gid());
        if owner.is_some() || group.is_some() {
            fchown(File::open(path)?, owner, group)?;
        }
        let mode = other.mode() & PERMISSION_BITS;
        if own.mode() & PERMISSION_BITS == mode {
            return Ok(());
        }
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    fn open_lock(&self, path: &Path) -> io::Result<File> {
        let mode = Access::Private.mode();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(mode).open(path)?;
        // Made by root, it must not shut out whose folder it is.
        if let Some(folder) = path.parent().filter(|_| rustix::process::geteuid().is_root()) {
            let (own, folder) = (file.metadata()?, fs::metadata(folder)?);
            if (own.uid(), own.gid()) != (folder.uid(), folder.gid()) {
                fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
            }
        }
        Ok(file)
    }

    fn create(&self, path: &Path, access: FileAccess) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        match access {
            FileAccess::New(access) => options.mode(access.mode()).open(path),
            FileAccess::Like { owner, group, mode } => {
                // For nobody else until it has its owner: a group that is not yet right must not read a key.
                let file = options.mode(Access::Private.mode()).open(path)?;
                let made = file.metadata()?;
                if (made.uid(), made.gid()) != (owner, group) {
                    fchown(&file, Some(owner), Some(group))?;
                }
                file.set_permissions(Permissions::from_mode(mode))?;
                Ok(file)
            }
        }
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        symlink(target, path)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        fs::rename(source, target)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

/// Read, write and execute, for owner, group and others: what a file's mode says of who may use it.
const PERMISSION_BITS: u32 = 0o777;
