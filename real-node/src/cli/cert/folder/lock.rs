//! The lock of a certificate's folder: of all commands that change it, one at a time does. The system releases it when the
//! process ends, however that ends.

use super::disk::Disk;
use crate::failure::{Exit, Failure};
use crate::file::failed;
use crate::output::Output;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The lock, held until it is dropped.
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of a folder, in the file `path`, and waits so long for whoever has it.
    pub(super) fn take(
        disk: &dyn Disk,
        (folder, path): (&Path, &Path),
        wait: Duration,
        output: Output,
    ) -> Result<Self, Failure> {
        let deadline = Instant::now() + wait;
        let mut told = false;
        loop {
            let file = open(disk, path).map_err(|error| failed(path, &error))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Self { _file: file }),
                // Whoever had it took the file away with the folder: lock the one that is there now.
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(path, &error)),
            }
            if Instant::now() >= deadline {
                let message = format!(
                    "{} is in use by another hypermesh command, which did not end within {} s: wait for it, and try again",
                    folder.display(),
                    wait.as_secs()
                );
                return Err(Failure::new(Exit::Failed, message));
            }
            if !told {
                output.tell(format_args!(
                    "{} is in use by another hypermesh command: waiting for it, {} s at most",
                    folder.display(),
                    wait.as_secs()
                ));
                told = true;
            }
            std::thread::sleep(AGAIN_AFTER);
        }
    }
}

fn open(disk: &dyn Disk, path: &Path) -> io::Result<File> {
    match disk.open_lock(path) {
        // The folder went between two looks: an issue that was refused took it away again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), |folder| disk.make_folder(folder))?;
            disk.open_lock(path)
        }
        opened => opened,
    }
}

/// Whether this file is the one that has the name.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |about: fs::Metadata| (about.dev(), about.ino());
    let held = file.metadata().map(identity).ok();
    held.is_some() && held == fs::metadata(path).map(identity).ok()
}

/// A lock that is held is asked for again after this long: there is no way to wait for one and for a moment at once.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
