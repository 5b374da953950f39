//! A disk that is full from an operation on, or under a program that is ended before one.

use super::super::super::folder::{At, Directory, Disk, FileAccess, RealDisk};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The program ends before this operation; if that is a write, in the midst of it.
    Killed(usize),
    /// From this operation on there is no room: what needs some fails, a write after half of it.
    Full(usize),
}

/// A real folder on such a disk.
pub(super) struct FaultyDisk<'a> {
    fault: Fault,
    /// What somebody else does in the folder right before an operation.
    meddler: Option<(usize, &'a dyn Fn())>,
    operations: Cell<usize>,
    is_hit: Cell<bool>,
    /// Written, and not yet known to be on the device: files by their inodes, and folders.
    unsynced: RefCell<BTreeSet<u64>>,
    unsynced_folders: RefCell<BTreeMap<u64, PathBuf>>,
    /// Where what a link is switched to was not on the device.
    switched_too_early: Cell<bool>,
}

impl<'a> FaultyDisk<'a> {
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            fault,
            meddler: None,
            operations: Cell::new(0),
            is_hit: Cell::new(false),
            unsynced: RefCell::default(),
            unsynced_folders: RefCell::default(),
            switched_too_early: Cell::new(false),
        }
    }

    /// One on which nothing fails, and somebody else does this right before the operation of this number.
    pub(super) fn with_meddler(at: usize, meddle: &'a dyn Fn()) -> Self {
        Self { meddler: Some((at, meddle)), ..Self::new(Fault::None) }
    }

    /// One on which nothing fails, after a command that was ended on another: what that left is not on the device yet.
    pub(super) fn after(other: &FaultyDisk<'_>) -> Self {
        let unsynced_folders = other.unsynced_folders.clone();
        Self { unsynced_folders, ..Self::new(Fault::None) }
    }

    /// Whether the fault came to pass: if not, there were fewer operations.
    pub(super) fn is_hit(&self) -> bool {
        self.is_hit.get()
    }

    pub(super) fn operations(&self) -> usize {
        self.operations.get()
    }

    pub(super) fn switched_too_early(&self) -> bool {
        self.switched_too_early.get()
    }

    /// The folders that are there and in which names are not known to be on the device.
    pub(super) fn unsynced_folders(&self) -> Vec<PathBuf> {
        let is_there =
            |(inode, path): &(u64, PathBuf)| fs::metadata(path).is_ok_and(|about| about.ino() == *inode);
        self.unsynced_folders.borrow().clone().into_iter().filter(is_there).map(|(_, path)| path).collect()
    }

    /// Counts an operation, and fails it if its turn has come.
    fn step(&self, needs_room: bool) -> io::Result<()> {
        let number = self.operations.get();
        self.operations.set(number + 1);
        if let Some((at, meddle)) = self.meddler
            && at == number
        {
            self.is_hit.set(true);
            meddle();
        }
        let fault = match self.fault {
            Fault::Killed(at) if number >= at => io::Error::other("killed"),
            Fault::Full(from) if number >= from && needs_room => io::Error::from(io::ErrorKind::StorageFull),
            _ => return Ok(()),
        };
        self.is_hit.set(true);
        Err(fault)
    }

    fn named(&self, place: At<'_>) -> io::Result<()> {
        let folder = place.folder;
        self.unsynced_folders.borrow_mut().insert(inode(folder)?, folder.path().to_owned());
        Ok(())
    }
}

fn inode(folder: &Directory) -> io::Result<u64> {
    Ok(folder.file().metadata()?.ino())
}

impl Disk for FaultyDisk<'_> {
    fn make_folder(&self, place: At<'_>, mode: u32) -> io::Result<()> {
        self.step(true)?;
        self.named(place)?;
        RealDisk.make_folder(place, mode)
    }

    fn make_folder_like(&self, folder: &Directory, other: &Directory) -> io::Result<()> {
        self.step(false)?;
        RealDisk.make_folder_like(folder, other)
    }

    fn open_lock(&self, place: At<'_>) -> io::Result<File> {
        self.step(!place.path().exists())?;
        RealDisk.open_lock(place)
    }

    fn create(&self, place: At<'_>, access: FileAccess) -> io::Result<File> {
        self.step(true)?;
        let file = RealDisk.create(place, access)?;
        self.unsynced.borrow_mut().insert(file.metadata()?.ino());
        self.named(place)?;
        Ok(file)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let was_hit = self.is_hit();
        if let Err(fault) = self.step(true) {
            if !was_hit {
                RealDisk.write(file, &bytes[..bytes.len() / 2])?;
            }
            return Err(fault);
        }
        RealDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step(false)?;
        self.unsynced.borrow_mut().remove(&file.metadata()?.ino());
        Ok(())
    }

    fn sync_folder(&self, folder: &Directory) -> io::Result<()> {
        self.step(false)?;
        self.unsynced_folders.borrow_mut().remove(&inode(folder)?);
        Ok(())
    }

    fn symlink(&self, target: &Path, place: At<'_>) -> io::Result<()> {
        self.step(true)?;
        RealDisk.symlink(target, place)
    }

    fn rename(&self, source: At<'_>, target: At<'_>) -> io::Result<()> {
        self.step(false)?;
        if target.name == "current" {
            let generation = target.path().with_file_name(fs::read_link(source.path())?);
            let files = fs::read_dir(&generation)?.map(|entry| Ok(entry?.metadata()?.ino()));
            let files = files.collect::<io::Result<BTreeSet<_>>>()?;
            // Its files, their names, its own name, and those of the folders above it.
            let above = generation.ancestors().take(4).map(|folder| Ok(fs::metadata(folder)?.ino()));
            let above = above.collect::<io::Result<BTreeSet<_>>>()?;
            let unsynced = self.unsynced_folders.borrow();
            let early = !self.unsynced.borrow().is_disjoint(&files)
                || above.iter().any(|folder| unsynced.contains_key(folder));
            self.switched_too_early.set(self.switched_too_early.get() || early);
        }
        RealDisk.rename(source, target)?;
        self.named(target)
    }

    fn remove_file(&self, place: At<'_>) -> io::Result<()> {
        self.step(false)?;
        RealDisk.remove_file(place)
    }

    fn remove_folder(&self, place: At<'_>) -> io::Result<()> {
        self.step(false)?;
        RealDisk.remove_folder(place)
    }
}
