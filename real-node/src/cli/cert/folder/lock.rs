//! The lock of a certificate's folder: of all commands that change it, one at a time does. The system releases it when the
//! process ends, however that ends.

use super::directory::Directory;
use super::disk::Disk;
use super::held::{HeldFolder, LOCK_FILE};
use crate::failure::{Exit, Failure};
use crate::file::failed;
use crate::output::Output;
use rustix::fs::{FileType, fstat};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The lock, held until it is dropped.
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Opens or makes the folder at this path, takes its lock, and waits so long for whoever has it.
    pub(super) fn take(
        disk: &dyn Disk,
        path: &Path,
        wait: Duration,
        output: Output,
    ) -> Result<(Self, HeldFolder), Failure> {
        let waiting = LockWait { path, wait, deadline: Instant::now() + wait, output };
        let mut made_in = None;
        loop {
            // The folder may go between two looks: an issue that was refused took it away again.
            if let Some((file, mut held)) = open(disk, path)? {
                held.made_in = held.made_in.or(made_in);
                waiting.wait_for(&file, &held.private)?;
                if held.is_in_place() && is_at(&file, &held.private)? {
                    return Ok((Self { _file: file }, held));
                }
                made_in = held.made_in;
            }
            if Instant::now() >= waiting.deadline {
                return Err(waiting.is_over());
            }
        }
    }
}

/// How a command waits for the lock of a folder.
struct LockWait<'a> {
    path: &'a Path,
    wait: Duration,
    deadline: Instant,
    output: Output,
}

impl LockWait<'_> {
    /// Waits until this process has the lock, in the folder `private`.
    fn wait_for(&self, file: &File, private: &Directory) -> Result<(), Failure> {
        let mut is_reported = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(&private.at(LOCK_FILE).path(), &error)),
            }
            if Instant::now() >= self.deadline {
                return Err(self.is_over());
            }
            if !is_reported {
                self.output.tell(format_args!(
                    "{} is in use by another hypermesh command: waiting for at most {} s",
                    self.path.display(),
                    self.wait.as_secs()
                ));
                is_reported = true;
            }
            std::thread::sleep(AGAIN_AFTER);
        }
    }

    fn is_over(&self) -> Failure {
        let message = format!(
            "{} is in use by another hypermesh command, which did not end within {} s: wait until it ends, \
            then try again",
            self.path.display(),
            self.wait.as_secs()
        );
        Failure::new(Exit::Failed, message)
    }
}

/// The folders and the file that is locked in them; `None` if another command took them away meanwhile.
fn open(disk: &dyn Disk, path: &Path) -> Result<Option<(File, HeldFolder)>, Failure> {
    let Some(held) = HeldFolder::open(disk, path)? else { return Ok(None) };
    let place = held.private.at(LOCK_FILE);
    let file = match disk.open_lock(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            held.private.expect(LOCK_FILE, FileType::RegularFile)?;
            return Err(failed(&place.path(), &error));
        }
        Ok(file) => file,
    };
    let about = fstat(&file).map_err(|error| failed(&place.path(), &error))?;
    held.private.refuse_other_type(LOCK_FILE, &about, FileType::RegularFile)?;
    held.private.refuse_stranger(&place.path(), &about)?;
    // Only with the lock in it: what root made and somebody else owns is from then on not known to be root's work.
    disk.make_folder_like(&held.private, &held.root).map_err(|error| failed(held.private.path(), &error))?;
    Ok(Some((file, held)))
}

/// Whether this file is still the lock of the folder.
fn is_at(file: &File, private: &Directory) -> Result<bool, Failure> {
    let held = file.metadata().map_err(|error| failed(&private.at(LOCK_FILE).path(), &error))?;
    let found = private.about(LOCK_FILE)?;
    Ok(found.is_some_and(|found| (found.st_dev, found.st_ino) == (held.dev(), held.ino())))
}

/// A lock that is held is asked for again after this long: there is no way to wait for one and for a moment at once.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
