//! Files read with a bound, and written whole or not at all.

use crate::failure::{Exit, Failure};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fchmod, fstat, openat, readlinkat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt as _, fchown};
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
    if path == Path::new("-") {
        return read_open(io::stdin().lock(), path, bytes_max);
    }
    let file = File::open(path)
        .map_err(|error| Failure::new(Exit::Input, format!("{}: {error}", path.display())))?;
    read_open(file, path, bytes_max)
}

/// The bytes of a file that was opened at this path.
pub(crate) fn read_open(file: impl Read, path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let fault =
        |error: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
    match bytes.len() > bytes_max {
        true => Err(fault(&format_args!("more than the maximum of {bytes_max} bytes"))),
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
/// stays, and the file that it leads to is written, if the link is this process's or root's, or leads to where its owner may
/// write; a public file that is there keeps its mode, and its owner and group where this process may give them. A private one
/// is its owner's alone, whatever it was. To a pipe or a character device, such as `/dev/stdout`, the bytes are written as they are.
///
/// # Errors
/// If the disk or the permissions do not allow it, somebody else's link leads elsewhere, or there is something that is no file.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
    };
    let FileTarget { folder, name } = FileTarget::of(path)?;
    if let Ok(about) = fs::metadata(path) {
        let kind = about.file_type();
        if kind.is_fifo() || kind.is_char_device() {
            let opened = fs::OpenOptions::new().write(true).open(path);
            return opened.and_then(|mut file| file.write_all(bytes)).map_err(|error| failed(&error));
        }
        if kind.is_block_device() || kind.is_socket() {
            let message = format!("cannot write {}: it is not a file: give another path", path.display());
            return Err(Failure::new(Exit::Input, message));
        }
    }
    let mut temporary = OsString::from(".");
    temporary.push(&name);
    temporary.push(format!(".{}", std::process::id()));
    let remove_temporary = || -> io::Result<()> { Ok(unlinkat(&folder, &temporary, AtFlags::empty())?) };
    // A process of this number that was killed may have left one; in a container the number is always the same.
    drop(remove_temporary());
    // A link that leads nowhere says of nobody that they may use the file.
    let is_file = |about: &Stat| FileType::from_raw_mode(about.st_mode).is_file();
    let existing = statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW).ok().filter(is_file);
    let outcome = write_whole((&folder, &temporary), bytes, access, existing)
        .and_then(|()| Ok(renameat(&folder, &temporary, &folder, &name)?))
        .and_then(|()| folder.sync_all());
    outcome.map_err(|error| {
        // What is left of the attempt is of no use; that it cannot be removed changes nothing.
        drop(remove_temporary());
        failed(&error)
    })
}

/// Where a file is written: a folder that is held open, so that nobody can put another in its place, and a name in it.
struct FileTarget {
    folder: File,
    name: OsString,
}

impl FileTarget {
    /// Where the file of this path is, through links at its end.
    fn of(path: &Path) -> Result<Self, Failure> {
        let failed = |error: Errno| {
            Failure::new(Exit::Failed, format!("cannot write {}: {}", path.display(), io::Error::from(error)))
        };
        let first = Self::below(CWD, path).map_err(failed)?;
        let mut place = first.again().map_err(failed)?;
        for _ in 0..=LINKS_MAX {
            let Some((target, owner)) = place.link().map_err(failed)? else { return Ok(place) };
            let next = match Self::below(&place.folder, &target) {
                Ok(next) if next.is_there() => next,
                // It leads nowhere: the file takes its place.
                Ok(_) | Err(Errno::NOENT) => return Ok(first),
                Err(error) => return Err(failed(error)),
            };
            // Whoever may write in a folder could do this too; anybody else would have this process do it for them.
            let folder_owner = fstat(&next.folder).map_err(failed)?.st_uid;
            if ![0, geteuid().as_raw(), folder_owner].contains(&owner) {
                let message = format!(
                    "cannot write {}: the path goes through a link of user {owner} to {}, in a folder of \
                    user {folder_owner}: remove the link, or give the path of the file itself",
                    path.display(),
                    target.display()
                );
                return Err(Failure::new(Exit::Input, message));
            }
            place = next;
        }
        let message = format!(
            "cannot write {}: the path goes through more than {LINKS_MAX} links: give the path of the file \
            itself",
            path.display()
        );
        Err(Failure::new(Exit::Input, message))
    }

    /// The place of a path, from a folder on.
    fn below(folder: impl AsFd, path: &Path) -> Result<Self, Errno> {
        let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { folder: File::from(openat(folder, folder_of(path), flags, Mode::empty())?), name })
    }

    fn again(&self) -> Result<Self, Errno> {
        Self::below(&self.folder, Path::new(&self.name))
    }

    fn is_there(&self) -> bool {
        statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Where the link that is here leads, and whose it is; both of the same one, whatever takes its place meanwhile.
    fn link(&self) -> Result<Option<(PathBuf, u32)>, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let here = match openat(&self.folder, &self.name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            here => here?,
        };
        let about = fstat(&here)?;
        if !FileType::from_raw_mode(about.st_mode).is_symlink() {
            return Ok(None);
        }
        let target = readlinkat(&here, "", Vec::new())?;
        Ok(Some((PathBuf::from(OsString::from_vec(target.into_bytes())), about.st_uid)))
    }
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

fn write_whole(
    (folder, name): (&File, &OsStr),
    bytes: &[u8],
    access: Access,
    existing: Option<Stat>,
) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, Mode::from_raw_mode(access.mode()))?);
    if let Some(existing) = existing.filter(|_| access == Access::Public) {
        // Only root may give files away; who may replace the file may do without.
        drop(fchown(&file, Some(existing.st_uid), Some(existing.st_gid)));
        fchmod(&file, Mode::from_raw_mode(existing.st_mode & 0o777))?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// How many links are followed, one after the other, to the file that is written: as many as Linux follows.
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

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
        symlink("mesh.crl", &link).unwrap();
        write(&link, b"two", Access::Public).unwrap();
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        assert!(link.is_symlink() && read(&path, 3).unwrap() == b"two" && mode() == 0o640);
        write(&link, b"key", Access::Private).unwrap();
        assert!(link.is_symlink() && mode() == 0o600);
    }

    #[test]
    fn a_link_of_somebody_else_leads_only_to_where_that_one_may_write() {
        const OTHER: u32 = 12_345;
        if !geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "this test needs root, and is not left out in CI");
            eprintln!("not root: links of others are not tried");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["roots", "others"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), "before").unwrap();
        }
        lchown(at("others"), Some(OTHER), Some(OTHER)).unwrap();
        let link = |target: &str, name: &str, owner: u32| {
            symlink(target, at("others").join(name)).unwrap();
            lchown(at("others").join(name), Some(owner), Some(owner)).unwrap();
        };
        link("../roots/file", "to-root", OTHER);
        link("to-root", "to-link", OTHER);
        link("../roots", "folder", OTHER);
        link("folder/file", "through-folder", OTHER);
        for name in ["to-root", "to-link", "through-folder"] {
            for access in [Access::Public, Access::Private] {
                let failure = write(&at("others").join(name), b"after", access).unwrap_err();
                let message = &failure.message;
                assert!(failure.exit == Exit::Input && message.contains("12345"), "{name}: {failure}");
            }
        }
        assert_eq!(read(&at("roots/file"), 9).unwrap(), b"before");
        assert_eq!(fs::read_dir(at("roots")).unwrap().count(), 1);
        link("file", "to-own", OTHER);
        write(&at("others/to-own"), b"after", Access::Public).unwrap();
        assert!(at("others/to-own").is_symlink() && read(&at("others/file"), 9).unwrap() == b"after");
        link("../roots/file", "of-root", 0);
        write(&at("others/of-root"), b"after", Access::Public).unwrap();
        assert!(at("others/of-root").is_symlink() && read(&at("roots/file"), 9).unwrap() == b"after");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_replaced_and_one_that_leads_to_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        for target in ["absent", "absent/file"] {
            symlink(target, &link).unwrap();
            write(&link, b"one", Access::Public).unwrap();
            assert!(!link.is_symlink() && read(&link, 3).unwrap() == b"one");
            assert_eq!(fs::metadata(&link).unwrap().mode() & 0o022, 0, "the mode is not the link's");
            fs::remove_file(&link).unwrap();
        }
        symlink("link", &link).unwrap();
        let failure = write(&link, b"one", Access::Public).unwrap_err();
        assert!(failure.exit == Exit::Input && link.is_symlink(), "{failure}");
        // As many as are followed, and one more.
        for (links, is_followed) in [(LINKS_MAX, true), (LINKS_MAX + 1, false)] {
            let at = |number: usize| folder.path().join(format!("{links}-{number}"));
            fs::write(at(0), "zero").unwrap();
            (0..links).for_each(|number| symlink(at(number), at(number + 1)).unwrap());
            assert_eq!(write(&at(links), b"one", Access::Public).is_ok(), is_followed, "{links}");
        }
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

    #[test]
    fn a_pipe_is_written_to_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        symlink(&pipe, &link).unwrap();
        for path in [&pipe, &link] {
            let reader = {
                let pipe = pipe.clone();
                std::thread::spawn(move || fs::read(pipe).unwrap())
            };
            write(path, b"whole", Access::Public).unwrap();
            assert_eq!(reader.join().unwrap(), b"whole");
            assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(write(&socket, b"x", Access::Public).unwrap_err().exit, Exit::Input);
    }
}
