//! Files read with a bound, and written whole or not at all.

use crate::failure::{Exit, Failure};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who may read a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Its owner.
    Private,
}

/// The bytes of a file; of standard input for `-`.
///
/// # Errors
/// If it is missing, unreadable, or has more than `bytes_max` bytes.
pub fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let fault =
        |error: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let outcome = match path == Path::new("-") {
        true => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    outcome.map_err(|error| fault(&error))?;
    match bytes.len() > bytes_max {
        true => Err(fault(&format_args!("more than the {bytes_max} bytes that are allowed"))),
        false => Ok(bytes),
    }
}

/// The text of a file; of standard input for `-`.
///
/// # Errors
/// As [`read`], and if it is not UTF-8.
pub fn read_text(path: &Path, bytes_max: usize) -> Result<String, Failure> {
    String::from_utf8(read(path, bytes_max)?)
        .map_err(|_| Failure::new(Exit::Input, format!("{}: not a text", path.display())))
}

/// Writes a file so that its name leads to the old bytes or to all of the new ones, even through a power loss.
///
/// # Errors
/// If the disk or the permissions do not allow it.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), Failure> {
    let temporary = temporary_beside(path);
    // A process of this number that was killed may have left one; in a container the number is always the same.
    drop(fs::remove_file(&temporary));
    let outcome = write_whole(&temporary, bytes, access)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(folder_of(path))?.sync_all());
    outcome.map_err(|error| {
        // What is left of the attempt is of no use; that it cannot be removed changes nothing.
        drop(fs::remove_file(&temporary));
        Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
    })
}

/// Makes a folder, and those above it, where they do not exist.
///
/// # Errors
/// If the disk or the permissions do not allow it.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot make folder {}: {error}", path.display()))
    })
}

/// A failure of the disk or of permissions at this path.
pub(crate) fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}

fn write_whole(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Public => 0o644,
        Access::Private => 0o600,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder_of(path).join(format!(".{name}.{}", std::process::id()))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_written_whole_with_its_access_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"one", Access::Private).unwrap();
        write(&path, b"two", Access::Private).unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_bound_holds_at_it_and_one_past_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, &[7; 10], Access::Public).unwrap();
        assert!(read(&path, 10).is_ok());
        assert_eq!(read(&path, 9).unwrap_err().exit, Exit::Input);
        assert_eq!(read(&folder.path().join("absent"), 9).unwrap_err().exit, Exit::Input);
    }
}
