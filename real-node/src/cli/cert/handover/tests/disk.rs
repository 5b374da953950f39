//! A disk that is full from an operation on, or under a program that is ended before one.

use super::super::super::folder::{Disk, FileAccess, RealDisk};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
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
pub(super) struct FaultyDisk {
    fault: Fault,
    operations: Cell<usize>,
    is_hit: Cell<bool>,
    /// Written, and not yet known to be on the device: files by their inodes, and folders.
    unsynced: RefCell<BTreeSet<u64>>,
    unsynced_folders: RefCell<BTreeSet<PathBuf>>,
    /// Where what a link is switched to was not on the device.
    switched_too_early: Cell<bool>,
}

impl FaultyDisk {
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            fault,
            operations: Cell::new(0),
            is_hit: Cell::new(false),
            unsynced: RefCell::default(),
            unsynced_folders: RefCell::default(),
            switched_too_early: Cell::new(false),
        }
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

    /// Counts an operation, and fails it if its turn has come.
    fn step(&self, needs_room: bool) -> io::Result<()> {
        let number = self.operations.get();
        self.operations.set(number + 1);
        let fault = match self.fault {
            Fault::Killed(at) if number >= at => io::Error::other("killed"),
            Fault::Full(from) if number >= from && needs_room => io::Error::from(io::ErrorKind::StorageFull),
            _ => return Ok(()),
        };
        self.is_hit.set(true);
        Err(fault)
    }

    fn named(&self, path: &Path) {
        self.unsynced_folders.borrow_mut().extend(path.parent().map(Path::to_owned));
    }
}

impl Disk for FaultyDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.step(true)?;
        self.named(path);
        RealDisk.make_folder(path)
    }

    fn make_folder_like(&self, path: &Path, other: &Path) -> io::Result<()> {
        self.step(false)?;
        RealDisk.make_folder_like(path, other)
    }

    fn open_lock(&self, path: &Path) -> io::Result<File> {
        self.step(!path.exists())?;
        RealDisk.open_lock(path)
    }

    fn create(&self, path: &Path, access: FileAccess) -> io::Result<File> {
        self.step(true)?;
        let file = RealDisk.create(path, access)?;
        self.unsynced.borrow_mut().insert(file.metadata()?.ino());
        self.named(path);
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

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        self.unsynced_folders.borrow_mut().remove(path);
        Ok(())
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.step(true)?;
        RealDisk.symlink(target, path)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.step(false)?;
        if target.file_name().is_some_and(|name| name == "current") {
            let generation = target.with_file_name(fs::read_link(source)?);
            let files = fs::read_dir(&generation)?.map(|entry| Ok(entry?.metadata()?.ino()));
            let files = files.collect::<io::Result<BTreeSet<_>>>()?;
            let early = !self.unsynced.borrow().is_disjoint(&files)
                || self.unsynced_folders.borrow().contains(&generation);
            self.switched_too_early.set(self.switched_too_early.get() || early);
        }
        RealDisk.rename(source, target)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        RealDisk.remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        RealDisk.remove_folder(path)
    }
}
