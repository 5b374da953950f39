//! The folders of a certificate, held open, and made where they are missing. A folder that is made is on the device before
//! anything is done in it: a power loss must not take away what was reported as done.

use super::directory::Directory;
use super::disk::{Disk, FOLDER_MODE, PRIVATE_MODE};
use super::pending::STATE_FILE;
use super::{CURRENT_LINK, FILES, PRIVATE_FOLDER, number_of};
use crate::failure::Failure;
use crate::file::failed;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// The folders of a certificate.
pub(super) struct HeldFolder {
    /// The one that was named.
    pub(super) root: Directory,
    /// The one in it where the generations are.
    pub(super) private: Directory,
    /// The folder in which the first was made, and its name there, if it was made for this.
    pub(super) made_in: Option<(Directory, OsString)>,
}

impl HeldFolder {
    /// Opens or makes them. `None` if another command took them away meanwhile: then it may be tried again.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, Failure> {
        let (root, made_in) = match open_or_make(disk, path) {
            // What a link that leads nowhere stands for cannot be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => return Ok(None),
            opened => opened.map_err(|error| failed(path, &error))?,
        };
        if made_in.is_none() {
            // Whoever made it may have been ended before that was on the device.
            sync_parent(disk, &root).map_err(|error| failed(path, &error))?;
        }
        if root.about(PRIVATE_FOLDER)?.is_none() {
            match disk.make_folder(root.at(PRIVATE_FOLDER), PRIVATE_MODE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(&root.at(PRIVATE_FOLDER).path(), &error));
                }
                _ => {}
            }
        }
        disk.sync_folder(&root).map_err(|error| failed(path, &error))?;
        let private = root.below(PRIVATE_FOLDER, is_private_layout)?;
        Ok(private.map(|private| Self { root, private, made_in }))
    }

    /// Whether all of them still have their names.
    pub(super) fn is_in_place(&self) -> bool {
        self.root.is_at(None) && self.private.is_at(Some(self.root.at(PRIVATE_FOLDER)))
    }

    /// A generation, if it is there.
    pub(super) fn generation(&self, number: u64) -> Result<Option<Directory>, Failure> {
        self.private.below(&number.to_string(), is_generation_layout)
    }

    /// The number of the generation in use; `None` in a folder without one.
    pub(super) fn current(&self) -> Option<u64> {
        number_of(self.private.link(CURRENT_LINK)?.to_str()?)
    }

    /// The number of the generation that comes after the one in use.
    pub(super) fn next(&self) -> u64 {
        self.current().map_or(1, |number| number.saturating_add(1))
    }

    /// The numbers of all generations that there are, whole or not.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, Failure> {
        let names = self.private.names().map_err(|error| failed(self.private.path(), &error))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// Opens a folder, or makes it and those above it; where it was made, if it was.
fn open_or_make(disk: &dyn Disk, path: &Path) -> io::Result<(Directory, Option<(Directory, OsString)>)> {
    match Directory::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return Ok((opened?, None)),
    }
    let above = path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
    let (above, _) = open_or_make(disk, above)?;
    // Without a name it is as in `new/..`, and is there now.
    let Some(name) = path.file_name() else { return Ok((Directory::open(path)?, None)) };
    let is_made = match disk.make_folder(above.at(name), FOLDER_MODE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        made => made.map(|()| true)?,
    };
    disk.sync_folder(&above)?;
    Ok((Directory::open(path)?, is_made.then(|| (above, name.to_owned()))))
}

/// Waits until a folder's name is on the device, where that can be asked for: who may not list the folder above did not make it,
/// and one that another device begins with has no name there.
fn sync_parent(disk: &dyn Disk, folder: &Directory) -> io::Result<()> {
    let parent = match folder.parent() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        parent => parent?,
    };
    if !parent.is_on_device_of(folder)? {
        return Ok(());
    }
    disk.sync_folder(&parent)
}

/// Whether these are the names in a folder of generations: one that is made has a lock before anything else.
fn is_private_layout(names: &[String]) -> bool {
    let is_own =
        |name: &String| [LOCK_FILE, NEXT_LINK, CURRENT_LINK].contains(&&**name) || number_of(name).is_some();
    names.is_empty() || (names.iter().all(is_own) && names.iter().any(|name| name == LOCK_FILE))
}

/// Whether these are the names in a generation.
fn is_generation_layout(names: &[String]) -> bool {
    names.iter().all(|name| FILES.contains(&&**name) || [STATE_FILE, NEXT_FILE].contains(&&**name))
}

/// Whether a folder is root's and nobody else may put anything in it.
pub(super) fn is_kept_by_root(folder: &Directory) -> io::Result<bool> {
    let about = rustix::fs::fstat(folder.file())?;
    Ok(about.st_uid == 0 && about.st_mode & WRITABLE_BY_OTHERS == 0)
}

/// The file that is locked.
pub(super) const LOCK_FILE: &str = "lock";
/// A link before it has its name.
pub(super) const NEXT_LINK: &str = "link.next";
/// A file before it has its name.
pub(super) const NEXT_FILE: &str = "file.next";
/// Write permission for the group and for everyone.
const WRITABLE_BY_OTHERS: u32 = 0o022;
