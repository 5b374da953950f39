//! Folders held open. What lies below a certificate's folder is reached from the descriptor of the folder that it is in, one name
//! at a time and never through a link. By its path, whoever owns the folder could lead a process of root elsewhere: with a link
//! that is there before, or that takes a name's place between two calls.

use crate::failure::{Exit, Failure};
use crate::file::failed;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A folder, open.
pub(in crate::cli::cert) struct Directory {
    file: File,
    path: PathBuf,
    /// The numbers of the user and of the group whose the certificate's folder is.
    owner: u32,
    group: u32,
}

/// A name in a folder.
#[derive(Clone, Copy)]
pub(in crate::cli::cert) struct At<'a> {
    pub(in crate::cli::cert) folder: &'a Directory,
    pub(in crate::cli::cert) name: &'a OsStr,
}

impl At<'_> {
    /// For messages: what is there may be something else by now.
    pub(in crate::cli::cert) fn path(&self) -> PathBuf {
        self.folder.path.join(self.name)
    }
}

impl Directory {
    /// Opens a folder by the path that was typed: links on it are followed, since the user chose it.
    pub(in crate::cli::cert) fn open(path: &Path) -> io::Result<Self> {
        let file = File::from(openat(CWD, path, FOLDER_FLAGS & !OFlags::NOFOLLOW, Mode::empty())?);
        let about = fstat(&file)?;
        Ok(Self { file, path: path.to_owned(), owner: about.st_uid, group: about.st_gid })
    }

    /// The folder that this one is in.
    pub(super) fn parent(&self) -> io::Result<Self> {
        let file = File::from(openat(&self.file, "..", FOLDER_FLAGS, Mode::empty())?);
        Ok(Self { file, path: self.path.join(".."), owner: self.owner, group: self.group })
    }

    /// The same folder, once more.
    pub(super) fn again(&self) -> io::Result<Self> {
        let file = self.file.try_clone()?;
        Ok(Self { file, path: self.path.clone(), owner: self.owner, group: self.group })
    }

    /// The folder of this name; `None` if nothing has the name. In one of root's that lies in somebody else's, whose owner may
    /// have moved it there, all names must be of `layout`.
    ///
    /// # Errors
    /// If it is a link or a file, or belongs to a stranger.
    pub(super) fn below(&self, name: &str, layout: fn(&[String]) -> bool) -> Result<Option<Self>, Failure> {
        let path = self.path.join(name);
        let file = match openat(&self.file, name, FOLDER_FLAGS, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => {
                self.expect(name, FileType::Directory)?;
                return Err(failed(&path, &io::Error::from(error)));
            }
        };
        let about = fstat(&file).map_err(|error| failed(&path, &error))?;
        let below = Self { file, path, owner: self.owner, group: self.group };
        self.refuse_stranger(&below.path, &about)?;
        if is_root() && about.st_uid != self.owner {
            let names = below.names().map_err(|error| failed(&below.path, &error))?;
            if !layout(&names) {
                let message = format!(
                    "{} belongs to root, is in a folder of user {}, and has other files than those of a \
                    certificate: move it elsewhere",
                    below.path.display(),
                    self.owner
                );
                return Err(Failure::new(Exit::Input, message));
            }
        }
        Ok(Some(below))
    }

    pub(in crate::cli::cert) fn at<'a>(&'a self, name: &'a (impl AsRef<OsStr> + ?Sized)) -> At<'a> {
        At { folder: self, name: name.as_ref() }
    }

    /// For messages.
    pub(in crate::cli::cert) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::cli::cert) fn file(&self) -> &File {
        &self.file
    }

    /// Whose the certificate's folder is.
    pub(super) fn owner(&self) -> u32 {
        self.owner
    }

    /// Which group's the certificate's folder is.
    pub(super) fn group(&self) -> u32 {
        self.group
    }

    /// What has a name here, itself and not what it leads to; `None` if nothing has it.
    pub(super) fn about(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>, Failure> {
        let name = name.as_ref();
        match statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => Ok(Some(about)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed(&self.path.join(name), &error)),
        }
    }

    /// Where the link of this name leads, if it is one.
    pub(super) fn link(&self, name: impl AsRef<OsStr>) -> Option<PathBuf> {
        let target = readlinkat(&self.file, name.as_ref(), Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Opens a file to read it.
    ///
    /// # Errors
    /// If it is a link, or no file.
    pub(super) fn open_file(&self, name: &str) -> Result<File, Failure> {
        // A named pipe must not make this wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = openat(&self.file, name, flags, Mode::empty());
        let path = self.path.join(name);
        let file = opened.map(File::from).map_err(|error| {
            self.expect(name, FileType::RegularFile)
                .err()
                .unwrap_or_else(|| failed(&path, &io::Error::from(error)))
        })?;
        let about = fstat(&file).map_err(|error| failed(&path, &error))?;
        self.refuse_other_type(name, &about, FileType::RegularFile)?;
        Ok(file)
    }

    /// The names here that are text, in order: no other is ever made here.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.file)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether the folder of this name, or at this path, is still this one.
    pub(super) fn is_at(&self, place: Option<At<'_>>) -> bool {
        let found = match place {
            Some(At { folder, name }) => statat(&folder.file, name, AtFlags::SYMLINK_NOFOLLOW),
            None => statat(CWD, &self.path, AtFlags::empty()),
        };
        let identity = |about: Stat| (about.st_dev, about.st_ino);
        matches!((found.map(identity), fstat(&self.file).map(identity)), (Ok(found), Ok(own)) if found == own)
    }

    /// Whether it is on the same device as another.
    pub(super) fn is_on_device_of(&self, other: &Self) -> io::Result<bool> {
        Ok(fstat(&self.file)?.st_dev == fstat(&other.file)?.st_dev)
    }

    /// Refuses what has this name and is of another type.
    pub(super) fn expect(&self, name: &str, expected: FileType) -> Result<(), Failure> {
        self.about(name)?.map_or(Ok(()), |about| self.refuse_other_type(name, &about, expected))
    }

    /// Refuses what is of another type.
    pub(super) fn refuse_other_type(
        &self,
        name: &str,
        about: &Stat,
        expected: FileType,
    ) -> Result<(), Failure> {
        if FileType::from_raw_mode(about.st_mode) == expected {
            return Ok(());
        }
        let what = match (self.link(name), expected) {
            (Some(target), _) => format!("a symbolic link to {}, which is not followed", target.display()),
            (None, FileType::Directory) => "not a folder".to_owned(),
            (None, _) => "not a file".to_owned(),
        };
        let message = format!("{} is {what}: remove it", self.path.join(name).display());
        Err(Failure::new(Exit::Input, message))
    }

    /// Refuses, for root, what belongs neither to root nor to whose the folder is. Others can do nothing by it that they could
    /// not do otherwise, and a group may share a folder.
    pub(super) fn refuse_stranger(&self, path: &Path, about: &Stat) -> Result<(), Failure> {
        if !is_root() || [0, self.owner].contains(&about.st_uid) {
            return Ok(());
        }
        let message = format!(
            "{} belongs to user {}, and its parent folder to user {}: remove it, or change its owner to \
            that user with chown -R",
            path.display(),
            about.st_uid,
            self.owner
        );
        Err(Failure::new(Exit::Input, message))
    }
}

/// Whether this process may give files away.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How a folder is opened.
const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
