//! Files read with a bound, and written whole or not at all.

use crate::failure::{Exit, Failure};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Who may read a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Its owner.
    Private,
}

impl Access {
    /// The mode of a new file, before the process's umask takes from it.
    pub(crate) const fn mode(self) -> u32 {
        match self {
            Self::Public => 0o644,
            Self::Private => 0o600,
        }
    }
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

/// Writes a file so that its name leads to the old bytes or to all of the new ones, even through a power loss. A symbolic link
/// stays, and the file that it leads to is written; a public file that is there keeps its mode, and its owner and group where
/// this process may give them. A private one is its owner's alone, whatever it was.
///
/// # Errors
/// If the disk or the permissions do not allow it.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), Failure> {
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = temporary_beside(&place);
    // A process of this number that was killed may have left one; in a container the number is always the same.
    drop(fs::remove_file(&temporary));
    let outcome = write_whole(&temporary, bytes, access, fs::metadata(&place).ok())
        .and_then(|()| fs::rename(&temporary, &place))
        .and_then(|()| File::open(folder_of(&place))?.sync_all());
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

fn write_whole(path: &Path, bytes: &[u8], access: Access, existing: Option<Metadata>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(access.mode()).open(path)?;
    if let Some(existing) = existing.filter(|_| access == Access::Public) {
        // Only root may give files away; who may replace the file may do without.
        drop(fchown(&file, Some(existing.uid()), Some(existing.gid())));
        file.set_permissions(Permissions::from_mode(existing.mode() & 0o777))?;
    }
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
    fn a_link_and_the_mode_of_a_public_file_are_kept_and_a_private_one_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("mesh.crl"), folder.path().join("link.crl"));
        write(&path, b"one", Access::Public).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("mesh.crl", &link).unwrap();
        write(&link, b"two", Access::Public).unwrap();
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        assert!(link.is_symlink() && read(&path, 3).unwrap() == b"two" && mode() == 0o640);
        write(&link, b"key", Access::Private).unwrap();
        assert!(link.is_symlink() && mode() == 0o600);
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
