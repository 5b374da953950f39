//! Writing a certificate's folder: the next generation, the switch to it, and what goes afterwards.

use super::directory::{At, Directory};
use super::disk::{Disk, FileAccess, PRIVATE_MODE};
use super::held::{HeldFolder, LOCK_FILE, NEXT_FILE, NEXT_LINK};
use super::lock::FolderLock;
use super::pending::{PendingGeneration, PendingState, STATE_FILE};
use super::{
    CERTIFICATE_FILE, CURRENT_LINK, FILES, Folder, ISSUED_FILES, KEY_FILE, PRIVATE_FOLDER, RENEWAL_FILE,
    REQUEST_FILE, Renewal, link_target,
};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access, failed};
use crate::output::Output;
use hypermesh_core::trustchain::ca::{CertificateRequest, PEM_BYTES_MAX, PemLabel, pem};
use rustix::fs::{FileType, fstat};
use std::io;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// A certificate's folder while this process alone changes it.
pub(in crate::cli::cert) struct FolderWriter<'d> {
    pub(super) folder: Folder,
    disk: &'d dyn Disk,
    pub(super) held: HeldFolder,
    _lock: FolderLock,
}

/// What a generation begins with.
pub(in crate::cli::cert) struct GenerationDraft<'a> {
    /// The private key, if it was made here.
    pub(in crate::cli::cert) key_pem: Option<&'a str>,
    /// The request, DER.
    pub(in crate::cli::cert) csr: &'a [u8],
    /// What else is asked for.
    pub(in crate::cli::cert) renewal: &'a Renewal,
    /// How far it is.
    pub(in crate::cli::cert) state: PendingState,
}

/// What a file holds, and who may use it: both of the same file, whatever is renamed meanwhile.
pub(super) struct FileCopy {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) access: FileAccess,
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
        let (lock, held) = FolderLock::take(disk, path, wait, output)?;
        let writer = Self { folder, disk, held, _lock: lock };
        writer.folder.refuse_foreign()?;
        writer.refuse_planted()?;
        writer.adopt_plain_files()?;
        writer.sweep()?;
        writer.sync_what_is_left()?;
        Ok(writer)
    }

    /// The folder.
    pub(in crate::cli::cert) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What a command that was interrupted, or told not to wait, left to go on with.
    pub(in crate::cli::cert) fn pending(&self) -> Result<Option<PendingGeneration>, Failure> {
        let number = self.held.next();
        if self.held.generation(number)?.is_none() {
            return Ok(None);
        }
        PendingGeneration::read(&self.folder.generation(number), number)
    }

    /// Begins the next generation: with all that is known before the mesh is asked, and with a file for all that the mesh will
    /// give, so that a disk without room, or an owner that cannot be kept, shows before anything is asked and paid for.
    pub(in crate::cli::cert) fn begin(
        &self,
        draft: GenerationDraft<'_>,
    ) -> Result<PendingGeneration, Failure> {
        let number = self.held.next();
        let path = self.folder.generation(number);
        let request =
            CertificateRequest::from_csr(draft.csr).map_err(|fault| Failure::new(Exit::Input, fault))?;
        let pending =
            PendingGeneration { number, path, state: draft.state.clone(), csr: draft.csr.to_vec(), request };
        let begun = self.write_draft(&pending, &draft);
        if begun.is_err() {
            // The first failure is told; what is left is undone by the next command too.
            drop(self.remove_generation(number));
        }
        begun.map(|()| pending)
    }

    fn write_draft(&self, pending: &PendingGeneration, draft: &GenerationDraft<'_>) -> Result<(), Failure> {
        let request = pem(PemLabel::CertificateRequest, draft.csr);
        let renewal = draft.renewal.text()?;
        let generation = self.make_generation(pending.number)?;
        if let Some(key) = draft.key_pem {
            let access = match draft.state.new_key {
                true => self.access_of(KEY_FILE)?,
                false => self.access_of_same_key(key)?,
            };
            self.put(generation.at(KEY_FILE), key.as_bytes(), access)?;
        }
        for (name, text) in [(REQUEST_FILE, &*request), (RENEWAL_FILE, &renewal)] {
            self.put(generation.at(name), text.as_bytes(), self.access_of(name)?)?;
        }
        for name in ISSUED_FILES {
            self.put(generation.at(name), b"", self.access_of(name)?)?;
        }
        self.note(pending)
    }

    /// Notes how far a generation is.
    pub(in crate::cli::cert) fn note(&self, pending: &PendingGeneration) -> Result<(), Failure> {
        let generation = self.generation(pending.number)?;
        let place = generation.at(STATE_FILE);
        let text = serde_json::to_string(&pending.state)
            .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", place.path().display())))?;
        self.replace(place, text.as_bytes(), FileAccess::New(Access::Public))?;
        self.sync_folder(&generation)
    }

    /// Writes what the mesh gave, and then that it is all there.
    pub(in crate::cli::cert) fn complete(
        &self,
        pending: &PendingGeneration,
        files: &[(&str, String)],
    ) -> Result<(), Failure> {
        let generation = self.generation(pending.number)?;
        for (name, text) in files {
            self.replace(generation.at(name), text.as_bytes(), self.access_of(name)?)?;
        }
        self.sync_folder(&generation)?;
        self.note(pending)
    }

    /// Puts a generation that is complete in the place of the one in use, all files at one instant, and removes the one before.
    pub(in crate::cli::cert) fn switch(&self, pending: &PendingGeneration) -> Result<(), Failure> {
        let generation = self.generation(pending.number)?;
        // Before the switch they lead nowhere or to the generation in use, after it to the new one.
        for name in FILES {
            if generation.about(name)?.is_some() && self.held.root.about(name)?.is_none() {
                self.link(name)?;
            }
        }
        self.sync_folder(&self.held.root)?;
        self.switch_to(pending.number)?;
        self.sweep()
    }

    /// Notes that nothing is left to do for the generation in use.
    pub(in crate::cli::cert) fn settle(&self) -> Result<(), Failure> {
        match self.in_use()? {
            Some(generation) => self.remove_if_there(generation.at(STATE_FILE)),
            None => Ok(()),
        }
    }

    /// What is left to do for the generation in use.
    pub(in crate::cli::cert) fn unsettled(&self) -> Result<Option<PendingState>, Failure> {
        self.held.current().map_or(Ok(None), |number| PendingState::read(&self.folder.generation(number)))
    }

    /// Undoes a generation that is not in use, and all that was made for it where there is no other.
    pub(in crate::cli::cert) fn discard(self, pending: &PendingGeneration) -> Result<(), Failure> {
        self.drop_pending(pending)?;
        self.leave_unchanged()
    }

    /// Undoes a generation that is not in use.
    pub(in crate::cli::cert) fn drop_pending(&self, pending: &PendingGeneration) -> Result<(), Failure> {
        self.remove_generation(pending.number)
    }

    /// Gives the folder back as it was found, where there is nothing of a certificate in it.
    pub(in crate::cli::cert) fn leave_unchanged(self) -> Result<(), Failure> {
        if self.held.current().is_some() || !self.held.numbers()?.is_empty() {
            return Ok(());
        }
        self.remove_if_there(self.held.private.at(LOCK_FILE))?;
        // Another command may have come into it meanwhile: then it stays.
        if self.disk.remove_folder(self.held.root.at(PRIVATE_FOLDER)).is_ok()
            && let Some((folder, name)) = &self.held.made_in
        {
            drop(self.disk.remove_folder(folder.at(name)));
        }
        Ok(())
    }
}

impl FolderWriter<'_> {
    /// Makes a generation, on the device before anything is in it.
    pub(super) fn make_generation(&self, number: u64) -> Result<Directory, Failure> {
        let name = number.to_string();
        let place = self.held.private.at(&name);
        self.disk.make_folder(place, PRIVATE_MODE).map_err(|error| failed(&place.path(), &error))?;
        let generation = self.generation(number)?;
        self.disk
            .make_folder_like(&generation, &self.held.root)
            .map_err(|error| failed(generation.path(), &error))?;
        self.sync_folder(&self.held.private)?;
        Ok(generation)
    }

    /// A generation that is there.
    pub(super) fn generation(&self, number: u64) -> Result<Directory, Failure> {
        let is_gone = || failed(&self.folder.generation(number), &io::Error::from(io::ErrorKind::NotFound));
        self.held.generation(number)?.ok_or_else(is_gone)
    }

    /// The generation in use.
    fn in_use(&self) -> Result<Option<Directory>, Failure> {
        self.held.current().map_or(Ok(None), |number| self.held.generation(number))
    }

    /// Refuses what only somebody else can have put in the place of a generation, of a file in one, or of the link to one.
    fn refuse_planted(&self) -> Result<(), Failure> {
        let private = &self.held.private;
        if private.about(CURRENT_LINK)?.is_some() && self.held.current().is_none() {
            let message = format!(
                "{} is not a link to a generation in the same folder: remove it",
                private.at(CURRENT_LINK).path().display()
            );
            return Err(Failure::new(Exit::Input, message));
        }
        for number in self.held.numbers()? {
            let Some(generation) = self.held.generation(number)? else { continue };
            for name in FILES.into_iter().chain([STATE_FILE]) {
                generation.expect(name, FileType::RegularFile)?;
            }
        }
        Ok(())
    }

    /// Waits until all that earlier commands left is on the device: one may have been ended before it waited for that itself.
    fn sync_what_is_left(&self) -> Result<(), Failure> {
        self.sync_folder(&self.held.private)?;
        for number in self.held.numbers()? {
            if let Some(generation) = self.held.generation(number)? {
                self.sync_folder(&generation)?;
            }
        }
        Ok(())
    }

    /// Creates a file, with what it holds on the device.
    pub(super) fn put(&self, place: At<'_>, bytes: &[u8], access: FileAccess) -> Result<(), Failure> {
        let written = self.disk.create(place, access).and_then(|mut file| {
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
                    place.path().display()
                );
                Failure::new(Exit::Failed, message)
            }
            _ => failed(&place.path(), &error),
        })
    }

    /// Writes a file of a generation, in the place of the one that has the name.
    fn replace(&self, place: At<'_>, bytes: &[u8], access: FileAccess) -> Result<(), Failure> {
        let next = place.folder.at(NEXT_FILE);
        self.remove_if_there(next)?;
        self.put(next, bytes, access)?;
        self.disk.rename(next, place).map_err(|error| failed(&place.path(), &error))
    }

    /// The folder in which the file is that a name stands for now: the folder itself, or the generation in use.
    fn folder_of(&self, name: &str) -> Result<Option<Directory>, Failure> {
        let Some(about) = self.held.root.about(name)? else { return Ok(None) };
        if FileType::from_raw_mode(about.st_mode).is_symlink() {
            // A link to elsewhere is refused before anything is done, and not followed if it comes later.
            return match self.held.root.link(name).is_some_and(|target| target == link_target(name)) {
                true => self.in_use(),
                false => Ok(None),
            };
        }
        self.held.root.again().map(Some).map_err(|error| failed(self.held.root.path(), &error))
    }

    /// Who may use a file of the next generation: whoever may use the one that has the name now.
    fn access_of(&self, name: &str) -> Result<FileAccess, Failure> {
        let of = |name: &str| match self.folder_of(name)? {
            Some(folder) => {
                let Some(about) = folder.about(name)? else { return Ok(None) };
                folder.refuse_other_type(name, &about, FileType::RegularFile)?;
                Ok(Some(FileAccess::of(&about)))
            }
            None => Ok(None),
        };
        let found = match of(name)? {
            None if ISSUED_FILES.contains(&name) => of(CERTIFICATE_FILE)?,
            found => found,
        };
        let default = if name == KEY_FILE { Access::Private } else { Access::Public };
        Ok(found.unwrap_or(FileAccess::New(default)))
    }

    /// Who may use the copy of a key that was read before: whoever may use the file that has it, and not one that somebody put
    /// in its place meanwhile.
    fn access_of_same_key(&self, key_pem: &str) -> Result<FileAccess, Failure> {
        let path = self.folder.path(KEY_FILE);
        match self.read_with_access(KEY_FILE, PEM_BYTES_MAX)? {
            Some(file) if *file.bytes == *key_pem.as_bytes() => Ok(file.access),
            _ => {
                let message = format!("{} changed during the read: try again", path.display());
                Err(Failure::new(Exit::Failed, message))
            }
        }
    }

    /// The file that a name stands for now.
    pub(super) fn read_with_access(&self, name: &str, bytes_max: usize) -> Result<Option<FileCopy>, Failure> {
        let Some(folder) = self.folder_of(name)? else { return Ok(None) };
        read_copy(&folder, name, bytes_max)
    }

    /// Makes a file's name the link that it should be, in the place of what has the name.
    pub(super) fn link(&self, name: &str) -> Result<(), Failure> {
        let (next, place) = (self.held.private.at(NEXT_LINK), self.held.root.at(name));
        self.remove_if_there(next)?;
        self.disk
            .symlink(&link_target(name), next)
            .and_then(|()| self.disk.rename(next, place))
            .map_err(|error| failed(&place.path(), &error))
    }

    /// Makes a generation the one in use: the one instant at which all files change.
    pub(super) fn switch_to(&self, number: u64) -> Result<(), Failure> {
        let private = &self.held.private;
        let (next, current) = (private.at(NEXT_LINK), private.at(CURRENT_LINK));
        self.sync_folder(&self.generation(number)?)?;
        self.remove_if_there(next)?;
        self.disk
            .symlink(Path::new(&number.to_string()), next)
            .and_then(|()| self.disk.rename(next, current))
            .and_then(|()| self.disk.sync_folder(private))
            .map_err(|error| failed(&current.path(), &error))
    }

    /// Removes what is neither in use nor to be gone on with: generations, links that lead nowhere, and the key that an earlier
    /// version kept beside the one in use.
    fn sweep(&self) -> Result<(), Failure> {
        let kept = self.pending()?.map(|pending| pending.number);
        for number in self.held.numbers()? {
            let is_known = Some(number) == self.held.current() || Some(number) == kept;
            if !is_known && !self.is_of_another_past(number)? {
                self.remove_generation(number)?;
            }
        }
        let (root, private) = (&self.held.root, &self.held.private);
        self.remove_if_there(private.at(NEXT_LINK))?;
        for name in FILES {
            let is_own_link = root.link(name).is_some_and(|target| target == link_target(name));
            if is_own_link
                && !self.in_use()?.map_or(Ok(false), |folder| folder.about(name).map(|it| it.is_some()))?
            {
                self.remove_if_there(root.at(name))?;
            }
        }
        self.remove_if_there(root.at(EARLIER_NEXT_KEY_FILE))
    }

    /// Whether a generation waits beyond the next one: an older state of the folder was put back over a newer one, and the key may
    /// be certified.
    fn is_of_another_past(&self, number: u64) -> Result<bool, Failure> {
        match self.held.generation(number)? {
            Some(generation) if number > self.held.next() => Ok(generation.about(STATE_FILE)?.is_some()),
            _ => Ok(false),
        }
    }

    /// Removes a generation: first what says that it can be gone on with, then its key, then the rest.
    fn remove_generation(&self, number: u64) -> Result<(), Failure> {
        let Some(generation) = self.held.generation(number)? else { return Ok(()) };
        self.remove_if_there(generation.at(STATE_FILE))?;
        self.remove_if_there(generation.at(KEY_FILE))?;
        for name in generation.names().map_err(|error| failed(generation.path(), &error))? {
            self.remove_if_there(generation.at(&name))?;
        }
        let name = number.to_string();
        match self.disk.remove_folder(self.held.private.at(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(generation.path(), &error)),
            _ => Ok(()),
        }
    }

    fn remove_if_there(&self, place: At<'_>) -> Result<(), Failure> {
        if place.folder.about(place.name)?.is_none() {
            return Ok(());
        }
        self.disk.remove_file(place).map_err(|error| failed(&place.path(), &error))
    }

    pub(super) fn sync_folder(&self, folder: &Directory) -> Result<(), Failure> {
        self.disk.sync_folder(folder).map_err(|error| failed(folder.path(), &error))
    }
}

/// A file of a folder, and who may read it: of one and the same, whatever takes its name meanwhile.
pub(super) fn read_copy(
    folder: &Directory,
    name: &str,
    bytes_max: usize,
) -> Result<Option<FileCopy>, Failure> {
    if folder.about(name)?.is_none() {
        return Ok(None);
    }
    let file = folder.open_file(name)?;
    let path = folder.at(name).path();
    let about = fstat(&file).map_err(|error| failed(&path, &error))?;
    let bytes = Zeroizing::new(file::read_open(file, &path, bytes_max)?);
    Ok(Some(FileCopy { bytes, access: FileAccess::of(&about) }))
}

/// Where an earlier version kept a new key until its certificate was there.
const EARLIER_NEXT_KEY_FILE: &str = "key.next.pem";
