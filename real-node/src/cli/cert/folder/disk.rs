//! The operations by which the folder of a certificate changes on disk. Every change goes through [`Disk`], so that tests can
//! fail each of them in turn, and end the program before each of them in turn.

use super::directory::{At, Directory, is_root};
use super::held::is_kept_by_root;
use crate::file::Access;
use rustix::fs::{
    AtFlags, Mode, OFlags, Stat, fchmod, fchown, fstat, mkdirat, openat, renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::fs::File;
use std::io::{self, Write as _};
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
    pub(super) fn of(existing: &Stat) -> Self {
        Self::Like {
            owner: existing.st_uid,
            group: existing.st_gid,
            mode: existing.st_mode & PERMISSION_BITS,
        }
    }
}

/// What changes the folder. A method does one thing, follows no link, and is durable only after the sync that follows it.
pub(in crate::cli::cert) trait Disk {
    /// Makes a folder that does not exist.
    fn make_folder(&self, place: At<'_>, mode: u32) -> io::Result<()>;
    /// Gives a folder the permission bits and the group of another; the owner too, where this process may.
    fn make_folder_like(&self, folder: &Directory, other: &Directory) -> io::Result<()>;
    /// Opens the file that is locked, and makes it if it does not exist.
    fn open_lock(&self, place: At<'_>) -> io::Result<File>;
    /// Creates a file that does not exist.
    fn create(&self, place: At<'_>, access: FileAccess) -> io::Result<File>;
    /// Writes to a file.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
    /// Waits until what was written to a file is on the device.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Waits until the names in a folder are on the device.
    fn sync_folder(&self, folder: &Directory) -> io::Result<()>;
    /// Makes a symbolic link.
    fn symlink(&self, target: &Path, place: At<'_>) -> io::Result<()>;
    /// Renames a file or a link, over what has the name.
    fn rename(&self, source: At<'_>, target: At<'_>) -> io::Result<()>;
    /// Removes a file or a link.
    fn remove_file(&self, place: At<'_>) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, place: At<'_>) -> io::Result<()>;
}

/// The machine's disk.
pub(in crate::cli::cert) struct RealDisk;

impl Disk for RealDisk {
    fn make_folder(&self, place: At<'_>, mode: u32) -> io::Result<()> {
        Ok(mkdirat(place.folder.file(), place.name, Mode::from_raw_mode(mode))?)
    }

    fn make_folder_like(&self, folder: &Directory, other: &Directory) -> io::Result<()> {
        let (own, other) = (fstat(folder.file())?, fstat(other.file())?);
        if is_root() && own.st_uid != other.st_uid && !is_kept_by_root(folder)? {
            // Somebody may have put into it what is not theirs to have.
            return Ok(());
        }
        let owner = (is_root() && own.st_uid != other.st_uid).then(|| Uid::from_raw(other.st_uid));
        let group = (own.st_gid != other.st_gid).then(|| Gid::from_raw(other.st_gid));
        if owner.is_some() || group.is_some() {
            fchown(folder.file(), owner, group)?;
        }
        let mode = other.st_mode & PERMISSION_BITS;
        if own.st_mode & PERMISSION_BITS == mode {
            return Ok(());
        }
        Ok(fchmod(folder.file(), Mode::from_raw_mode(mode))?)
    }

    fn open_lock(&self, place: At<'_>) -> io::Result<File> {
        let At { folder, name } = place;
        let open = |flags| {
            openat(folder.file(), name, LOCK_FLAGS | flags, Mode::from_raw_mode(Access::Private.mode()))
        };
        let (file, is_made) = match open(OFlags::empty()) {
            Err(Errno::NOENT) => match open(NEW_FLAGS) {
                // Another command made it.
                Err(Errno::EXIST) => (File::from(open(OFlags::empty())?), false),
                made => (File::from(made?), true),
            },
            opened => (File::from(opened?), false),
        };
        // Made by root, it must not shut out whose folder it is. One that was found is given away only where nobody else can
        // have put it, since a file that root has elsewhere can be moved here, or linked to.
        let own = fstat(&file)?;
        if is_root() && own.st_uid == 0 && folder.owner() != 0 && (is_made || is_kept_by_root(folder)?) {
            fchown(&file, Some(Uid::from_raw(folder.owner())), Some(Gid::from_raw(folder.group())))?;
        }
        Ok(file)
    }

    fn create(&self, place: At<'_>, access: FileAccess) -> io::Result<File> {
        // For nobody else until it has its owner: a group that is not yet right must not read a key.
        let first = match access {
            FileAccess::New(access) => access,
            FileAccess::Like { .. } => Access::Private,
        };
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | NEW_FLAGS;
        let file =
            File::from(openat(place.folder.file(), place.name, flags, Mode::from_raw_mode(first.mode()))?);
        if let FileAccess::Like { owner, group, mode } = access {
            let made = fstat(&file)?;
            if (made.st_uid, made.st_gid) != (owner, group) {
                fchown(&file, Some(Uid::from_raw(owner)), Some(Gid::from_raw(group)))?;
            }
            fchmod(&file, Mode::from_raw_mode(mode))?;
        }
        Ok(file)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_folder(&self, folder: &Directory) -> io::Result<()> {
        folder.file().sync_all()
    }

    fn symlink(&self, target: &Path, place: At<'_>) -> io::Result<()> {
        Ok(symlinkat(target, place.folder.file(), place.name)?)
    }

    fn rename(&self, source: At<'_>, target: At<'_>) -> io::Result<()> {
        Ok(renameat(source.folder.file(), source.name, target.folder.file(), target.name)?)
    }

    fn remove_file(&self, place: At<'_>) -> io::Result<()> {
        Ok(unlinkat(place.folder.file(), place.name, AtFlags::empty())?)
    }

    fn remove_folder(&self, place: At<'_>) -> io::Result<()> {
        Ok(unlinkat(place.folder.file(), place.name, AtFlags::REMOVEDIR)?)
    }
}

/// The mode of a new folder, before the process's umask takes from it.
pub(super) const FOLDER_MODE: u32 = 0o777;
/// The mode of a new folder that is to be like another, until it is.
pub(super) const PRIVATE_MODE: u32 = 0o700;
/// Read, write and execute, for owner, group and others: what a file's mode says of who may use it.
const PERMISSION_BITS: u32 = 0o777;
/// How a file is made: never one that is there, nor through a link.
const NEW_FLAGS: OFlags = OFlags::CREATE.union(OFlags::EXCL).union(OFlags::NOFOLLOW);
/// How the lock is opened. A named pipe in its place must not make this wait.
const LOCK_FLAGS: OFlags =
    OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
