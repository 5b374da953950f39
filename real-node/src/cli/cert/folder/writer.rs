//! Writing a certificate's folder: the next generation, the switch to it, and what goes afterwards.

use super::disk::{Disk, FileAccess};
use super::lock::FolderLock;
use super::pending::{Pending, PendingState, STATE_FILE};
use super::{
    CERTIFICATE_FILE, CURRENT_LINK, FILES, Folder, ISSUED_FILES, KEY_FILE, RENEWAL_FILE, REQUEST_FILE,
    Renewal, link_target,
};
use crate::failure::{Exit, Failure};
use crate::file::{Access, failed};
use crate::output::Output;
use hypermesh_core::trustchain::ca::{CertificateRequest, PemLabel, pem};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A certificate's folder while this process alone changes it.
pub(in crate::cli::cert) struct FolderWriter<'d> {
    pub(super) folder: Folder,
    pub(super) disk: &'d dyn Disk,
    /// Whether the folder was made for this.
    is_new: bool,
    _lock: FolderLock,
}

/// What a generation begins with.
pub(in crate::cli::cert) struct Draft<'a> {
    /// The private key, if it was made here.
    pub(in crate::cli::cert) key_pem: Option<&'a str>,
    /// The request, DER.
    pub(in crate::cli::cert) csr: &'a [u8],
    /// What else is asked for.
    pub(in crate::cli::cert) renewal: &'a Renewal,
    /// How far it is.
    pub(in crate::cli::cert) state: PendingState,
}

impl<'d> FolderWriter<'d> {
    /// Takes the folder for this process, waiting so long for another that has it, and brings it in order: what an interrupted
    /// command left is undone, unless it can be gone on with, and a plain folder becomes one with generations.
    pub(in crate::cli::cert) fn open(
        path: &Path,
        disk: &'d dyn Disk,
        wait: Duration,
        output: Output,
    ) -> Result<Self, Failure> {
        let folder = Folder::new(path);
        folder.refuse_foreign()?;
        let is_new = !path.exists();
        let private = folder.private();
        disk.make_folder(path)
            .and_then(|()| disk.make_folder(&private))
            .and_then(|()| disk.make_folder_like(&private, path))
            .map_err(|error| failed(&private, &error))?;
        let lock = FolderLock::take(disk, (path, &private.join(LOCK_FILE)), wait, output)?;
        let writer = Self { folder, disk, is_new, _lock: lock };
        writer.folder.refuse_foreign()?;
        writer.adopt_plain_files()?;
        writer.sweep()?;
        Ok(writer)
    }

    /// The folder.
    pub(in crate::cli::cert) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What a command that was interrupted, or told not to wait, left to go on with.
    pub(in crate::cli::cert) fn pending(&self) -> Result<Option<Pending>, Failure> {
        let number = self.folder.next();
        Pending::read(&self.folder.generation(number), number)
    }

    /// Begins the next generation: with all that is known before the mesh is asked, and with a file for all that the mesh will
    /// give, so that a disk without room, or an owner that cannot be kept, shows before anything is asked and paid for.
    pub(in crate::cli::cert) fn begin(&self, draft: Draft<'_>) -> Result<Pending, Failure> {
        let number = self.folder.next();
        let path = self.folder.generation(number);
        let request =
            CertificateRequest::from_csr(draft.csr).map_err(|fault| Failure::new(Exit::Input, fault))?;
        let pending = Pending { number, path, state: draft.state.clone(), csr: draft.csr.to_vec(), request };
        let begun = self.write_draft(&pending, &draft);
        if begun.is_err() {
            // The first failure is told; what is left is undone by the next command too.
            drop(self.remove_generation(number));
        }
        begun.map(|()| pending)
    }

    fn write_draft(&self, pending: &Pending, draft: &Draft<'_>) -> Result<(), Failure> {
        let request = pem(PemLabel::CertificateRequest, draft.csr);
        let renewal = draft.renewal.text()?;
        self.make_generation(pending.number)?;
        let key = draft.key_pem.map(|key| (KEY_FILE, key));
        for (name, text) in key.into_iter().chain([(REQUEST_FILE, &*request), (RENEWAL_FILE, &renewal)]) {
            self.put(&pending.path.join(name), text.as_bytes(), self.access_of(name)?)?;
        }
        for name in ISSUED_FILES {
            self.put(&pending.path.join(name), b"", self.access_of(name)?)?;
        }
        self.note(pending)?;
        self.sync_folder(&self.folder.private())
    }

    /// Notes how far a generation is.
    pub(in crate::cli::cert) fn note(&self, pending: &Pending) -> Result<(), Failure> {
        let path = pending.path.join(STATE_FILE);
        let text = serde_json::to_string(&pending.state)
            .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", path.display())))?;
        self.replace(&path, text.as_bytes(), FileAccess::New(Access::Public))?;
        self.sync_folder(&pending.path)
    }

    /// Writes what the mesh gave, and then that it is all there.
    pub(in crate::cli::cert) fn complete(
        &self,
        pending: &Pending,
        files: &[(&str, String)],
    ) -> Result<(), Failure> {
        for (name, text) in files {
            self.replace(&pending.path.join(name), text.as_bytes(), self.access_of(name)?)?;
        }
        self.sync_folder(&pending.path)?;
        self.note(pending)
    }

    /// Puts a generation that is complete in the place of the one in use, all files at one instant, and removes the one before.
    pub(in crate::cli::cert) fn switch(&self, pending: &Pending) -> Result<(), Failure> {
        // Before the switch they lead nowhere or to the generation in use, after it to the new one.
        for name in FILES.into_iter().filter(|name| pending.path.join(name).exists()) {
            if self.folder.path(name).symlink_metadata().is_err() {
                self.link(name)?;
            }
        }
        self.sync_folder(&self.folder.0)?;
        self.switch_to(pending.number)?;
        self.sweep()
    }

    /// Notes that nothing is left to do for the generation in use.
    pub(in crate::cli::cert) fn settle(&self) -> Result<(), Failure> {
        let Some(number) = self.folder.current() else { return Ok(()) };
        self.remove_if_there(&self.folder.generation(number).join(STATE_FILE))
    }

    /// What is left to do for the generation in use.
    pub(in crate::cli::cert) fn unsettled(&self) -> Result<Option<PendingState>, Failure> {
        self.folder.current().map_or(Ok(None), |number| PendingState::read(&self.folder.generation(number)))
    }

    /// Undoes a generation that is not in use, and all that was made for it where there is no other.
    pub(in crate::cli::cert) fn discard(self, pending: &Pending) -> Result<(), Failure> {
        self.drop_pending(pending)?;
        self.leave_unchanged()
    }

    /// Undoes a generation that is not in use.
    pub(in crate::cli::cert) fn drop_pending(&self, pending: &Pending) -> Result<(), Failure> {
        self.remove_generation(pending.number)
    }

    /// Gives the folder back as it was found, where there is nothing of a certificate in it.
    pub(in crate::cli::cert) fn leave_unchanged(self) -> Result<(), Failure> {
        if self.folder.current().is_some() || !self.numbers()?.is_empty() {
            return Ok(());
        }
        let private = self.folder.private();
        self.remove_if_there(&private.join(LOCK_FILE))?;
        // Another command may have come into it meanwhile: then it stays.
        if self.disk.remove_folder(&private).is_ok() && self.is_new {
            drop(self.disk.remove_folder(&self.folder.0));
        }
        Ok(())
    }
}

impl FolderWriter<'_> {
    pub(super) fn make_generation(&self, number: u64) -> Result<(), Failure> {
        let path = self.folder.generation(number);
        self.disk
            .make_folder(&path)
            .and_then(|()| self.disk.make_folder_like(&path, &self.folder.0))
            .map_err(|error| failed(&path, &error))
    }

    /// Creates a file, with what it holds on the device.
    pub(super) fn put(&self, path: &Path, bytes: &[u8], access: FileAccess) -> Result<(), Failure> {
        let written = self.disk.create(path, access).and_then(|mut file| {
            if !bytes.is_empty() {
                self.disk.write(&mut file, bytes)?;
            }
            self.disk.sync(&file)
        });
        written.map_err(|error| match (access, error.kind()) {
            (FileAccess::Like { owner, group, mode }, io::ErrorKind::PermissionDenied) => {
                let message = format!(
                    "cannot make {} with owner {owner}, group {group} and mode {mode:o}, as the file has that it replaces \
                     ({error}): renew as that owner, or as root",
                    path.display()
                );
                Failure::new(Exit::Failed, message)
            }
            _ => failed(path, &error),
        })
    }

    /// Writes a file of a generation, in the place of the one that has the name.
    fn replace(&self, path: &Path, bytes: &[u8], access: FileAccess) -> Result<(), Failure> {
        let next = path.with_file_name(NEXT_FILE);
        self.remove_if_there(&next)?;
        self.put(&next, bytes, access)?;
        self.disk.rename(&next, path).map_err(|error| failed(path, &error))
    }

    /// Who may use a file of the next generation: whoever may use the one that has the name now.
    pub(super) fn access_of(&self, name: &str) -> Result<FileAccess, Failure> {
        let of = |name: &str| match fs::metadata(self.folder.path(name)) {
            Ok(about) => Ok(Some(FileAccess::of(&about))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&self.folder.path(name), &error)),
        };
        let found = match of(name)? {
            None if ISSUED_FILES.contains(&name) => of(CERTIFICATE_FILE)?,
            found => found,
        };
        let default = if name == KEY_FILE { Access::Private } else { Access::Public };
        Ok(found.unwrap_or(FileAccess::New(default)))
    }

    /// Makes a file's name the link that it should be, in the place of what has the name.
    pub(super) fn link(&self, name: &str) -> Result<(), Failure> {
        let next = self.folder.private().join(NEXT_LINK);
        self.remove_if_there(&next)?;
        let path = self.folder.path(name);
        self.disk
            .symlink(&link_target(name), &next)
            .and_then(|()| self.disk.rename(&next, &path))
            .map_err(|error| failed(&path, &error))
    }

    /// Makes a generation the one in use: the one instant at which all files change.
    pub(super) fn switch_to(&self, number: u64) -> Result<(), Failure> {
        let private = self.folder.private();
        let (next, current) = (private.join(NEXT_LINK), private.join(CURRENT_LINK));
        self.sync_folder(&self.folder.generation(number))?;
        self.remove_if_there(&next)?;
        self.disk
            .symlink(Path::new(&number.to_string()), &next)
            .and_then(|()| self.disk.rename(&next, &current))
            .and_then(|()| self.disk.sync_folder(&private))
            .map_err(|error| failed(&current, &error))
    }

    /// Removes what is neither in use nor to be gone on with: generations, links that lead nowhere, and the key that an earlier
    /// version kept beside the one in use.
    fn sweep(&self) -> Result<(), Failure> {
        let kept = self.pending()?.map(|pending| pending.number);
        for number in self.numbers()? {
            if Some(number) != self.folder.current() && Some(number) != kept {
                self.remove_generation(number)?;
            }
        }
        self.remove_if_there(&self.folder.private().join(NEXT_LINK))?;
        for name in FILES.into_iter().filter(|name| self.folder.is_own_link(name)) {
            let missing = fs::metadata(self.folder.path(name))
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            if missing {
                self.remove_if_there(&self.folder.path(name))?;
            }
        }
        self.remove_if_there(&self.folder.path(EARLIER_NEXT_KEY_FILE))
    }

    /// Removes a generation: first what says that it can be gone on with, then its key, then the rest.
    fn remove_generation(&self, number: u64) -> Result<(), Failure> {
        let path = self.folder.generation(number);
        self.remove_if_there(&path.join(STATE_FILE))?;
        self.remove_if_there(&path.join(KEY_FILE))?;
        for file in entries(&path)? {
            self.remove_if_there(&file)?;
        }
        match self.disk.remove_folder(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()),
        }
    }

    /// The numbers of all generations that there are, whole or not.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, Failure> {
        let number = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
        let mut numbers: Vec<u64> = entries(&self.folder.private())?.into_iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn remove_if_there(&self, path: &Path) -> Result<(), Failure> {
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        self.disk.remove_file(path).map_err(|error| failed(path, &error))
    }

    pub(super) fn sync_folder(&self, path: &Path) -> Result<(), Failure> {
        self.disk.sync_folder(path).map_err(|error| failed(path, &error))
    }
}

/// The paths in a folder, in order; none if it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => {
            let mut paths = listed.map_err(|error| failed(folder, &error))?;
            paths.sort();
            Ok(paths)
        }
    }
}

/// The file that is locked.
const LOCK_FILE: &str = "lock";
/// A link before it has its name.
const NEXT_LINK: &str = "link.next";
/// A file before it has its name.
const NEXT_FILE: &str = "file.next";
/// Where an earlier version kept a new key until its certificate was there.
const EARLIER_NEXT_KEY_FILE: &str = "key.next.pem";
