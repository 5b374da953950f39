//! The folder of one certificate: which files it has, what they must have in common, and how they are read.
//!
//! All files change at one instant. What they hold lies in *generations*, folders with a number below `.hypermesh/`; the
//! files' own names are symbolic links through `.hypermesh/current`, itself a link to the generation in use, which one
//! `rename` replaces. Whoever opens `key.pem` and `cert.pem` therefore gets a pair, whenever the program or the machine
//! stops. Kubernetes publishes volumes in the same way (`atomic_writer.go`).
//!
//! - [`FolderWriter`] is the one way to change it, under a [lock](lock::FolderLock): it writes the next generation, switches,
//!   and makes a plain folder, as others write it, into one with generations.
//! - [`PendingGeneration`] is a generation that is not in use yet: what a command that was interrupted left for the next.
//! - [`Disk`] is every operation that this takes, one by one, in a [`Directory`](directory::Directory) that is held open: the folder
//!   may belong to somebody else, who must not lead a process of root elsewhere by links.
//!
//! Not here: whom the mesh certifies, and when a new key may be used ([`super::handover`]).

mod directory;
mod disk;
mod held;
mod lock;
mod pending;
mod plain;
mod renewal;
mod writer;

#[cfg(test)]
pub(super) use directory::{At, Directory};
#[cfg(test)]
pub(super) use disk::FileAccess;
pub(super) use disk::{Disk, RealDisk};
pub(super) use pending::{PendingGeneration, PendingState, Replaced};
pub(super) use renewal::{PORT_DEFAULT, Renewal};
pub(super) use writer::{FolderWriter, GenerationDraft};

use super::{request_file, subject};
use crate::client::is_for;
use crate::failure::{Exit, Failure};
use crate::file;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::trustchain::ca::{CertificateRequest, PEM_BYTES_MAX, SignedCertificate};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The folder of one certificate.
pub(super) struct Folder(PathBuf);

/// The certificate.
pub(super) const CERTIFICATE_FILE: &str = "cert.pem";
/// The issuing certificate.
pub(super) const CHAIN_FILE: &str = "chain.pem";
/// The certificate and after it the issuing certificate, as most servers want them.
pub(super) const FULL_CHAIN_FILE: &str = "fullchain.pem";
/// The root certificate.
pub(super) const ROOT_FILE: &str = "root.pem";
/// Who approved the certificate.
pub(super) const PROOF_FILE: &str = "cert.proof";
/// The private key, if it was made here.
pub(super) const KEY_FILE: &str = "key.pem";
/// The request, for renewal.
const REQUEST_FILE: &str = "request.pem";
/// What else a renewal asks for.
const RENEWAL_FILE: &str = "renewal.toml";
/// What the mesh gives.
const ISSUED_FILES: [&str; 5] = [CERTIFICATE_FILE, CHAIN_FILE, FULL_CHAIN_FILE, ROOT_FILE, PROOF_FILE];
/// All that change at one instant.
const FILES: [&str; 8] = [
    KEY_FILE,
    REQUEST_FILE,
    RENEWAL_FILE,
    CERTIFICATE_FILE,
    CHAIN_FILE,
    FULL_CHAIN_FILE,
    ROOT_FILE,
    PROOF_FILE,
];
/// By the first of these that is there it is told whose the folder is.
const ADMITTED_BY: [&str; 7] =
    [CERTIFICATE_FILE, REQUEST_FILE, CHAIN_FILE, FULL_CHAIN_FILE, ROOT_FILE, PROOF_FILE, RENEWAL_FILE];
/// Where the generations are.
const PRIVATE_FOLDER: &str = ".hypermesh";
/// The link there to the generation in use.
const CURRENT_LINK: &str = "current";

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where the generations are.
    fn private(&self) -> PathBuf {
        self.path(PRIVATE_FOLDER)
    }

    fn generation(&self, number: u64) -> PathBuf {
        self.private().join(number.to_string())
    }

    /// The number of the generation in use; `None` in a folder without one.
    fn current(&self) -> Option<u64> {
        number_of(std::fs::read_link(self.private().join(CURRENT_LINK)).ok()?.to_str()?)
    }

    /// The number of the generation that comes after the one in use.
    fn next(&self) -> u64 {
        self.current().map_or(1, |number| number.saturating_add(1))
    }

    /// Whether a command has begun to write here, finished or not.
    pub(super) fn is_begun(&self) -> bool {
        self.private().is_dir()
    }

    /// What `read` makes of the files, all of one generation: it is called again if they change meanwhile.
    pub(super) fn steady<T>(&self, read: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        for _ in 1..READ_ATTEMPTS {
            let before = self.current();
            let outcome = read();
            if self.current() == before {
                return outcome;
            }
        }
        read()
    }

    /// What the next `cert renew` finds of one that was interrupted or left to wait, if it may go on at this moment.
    pub(super) fn unfinished(&self, at: UnixMillis) -> Option<&'static str> {
        let Ok(next) = PendingGeneration::read(&self.generation(self.next()), self.next()) else {
            return Some("a renewal was interrupted, and the files that it left cannot be read");
        };
        let next = next?;
        match next.state.issued {
            None => Some("a renewal was interrupted"),
            Some(_) if next.state.usable_from <= at => Some("its successor waits to be put in place"),
            Some(_) => None,
        }
    }

    /// Refuses to replace files of a certificate with another key or other names.
    pub(super) fn admit(&self, request: &CertificateRequest) -> Result<(), Failure> {
        let is_of_other_key = self.key()?.is_some_and(|key| !is_key_of(&key, request));
        let present = match is_of_other_key {
            true => Some(KEY_FILE),
            false => ADMITTED_BY.into_iter().find(|name| self.path(name).exists()),
        };
        let Some(present) = present else { return Ok(()) };
        let same = match present {
            CERTIFICATE_FILE => self.certificate().ok().is_some_and(|found| is_for(&found, request)),
            REQUEST_FILE => self.request().ok().is_some_and(|(_, found)| found == *request),
            _ => false,
        };
        if same {
            return Ok(());
        }
        let path = self.path(present);
        let message = format!(
            "{} holds a certificate of another key or other names: choose another folder, or replace the \
            certificate with --force",
            path.display()
        );
        Err(Failure::new(Exit::Input, message))
    }

    /// Refuses files that are links to elsewhere: they could not change together with the others. What is
    /// written afterwards follows none that comes later.
    pub(super) fn refuse_foreign(&self) -> Result<(), Failure> {
        for name in FILES {
            let path = self.path(name);
            let Ok(about) = path.symlink_metadata() else { continue };
            let foreign = match about.is_symlink() && self.is_own_link(name) {
                true => Some(self.0.join(link_target(name))).filter(|path| !is_file_or_absent(path)),
                false => Some(path).filter(|_| !about.is_file()),
            };
            let Some(path) = foreign else { continue };
            let what = match std::fs::read_link(&path) {
                Ok(target) => format!("a symbolic link to {}", target.display()),
                Err(_) => "not a file".to_owned(),
            };
            let message = format!(
                "{} is {what}, but the files of a certificate are replaced together: remove it, and link \
                programs that use it to {} instead",
                path.display(),
                self.path(name).display()
            );
            return Err(Failure::new(Exit::Input, message));
        }
        Ok(())
    }

    /// Whether a file is the link through the generation in use that it should be.
    fn is_own_link(&self, name: &str) -> bool {
        std::fs::read_link(self.path(name)).is_ok_and(|target| target == link_target(name))
    }

    /// The certificate that stands here.
    pub(super) fn certificate(&self) -> Result<SignedCertificate, Failure> {
        subject::read(&self.path(CERTIFICATE_FILE)).map(|(_, certificate)| certificate)
    }

    /// The file here that does not belong to the certificate, if one does not: the key, or the request. A key that may not be
    /// read here is not looked at: whoever watches certificates need not have it.
    pub(super) fn mismatch(&self, certificate: &SignedCertificate) -> Result<Option<&'static str>, Failure> {
        let denied = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
        let is_hidden = std::fs::File::open(self.path(KEY_FILE)).is_err_and(denied);
        if !is_hidden
            && let Some(key_pem) = self.key()?
            && !super::key::load(&key_pem).is_ok_and(|key| super::key::is_of(&key, &certificate.subject_key))
        {
            return Ok(Some(KEY_FILE));
        }
        let other = self.has_request() && !is_for(certificate, &self.request()?.1);
        Ok(other.then_some(REQUEST_FILE))
    }

    /// The issuing certificate that stands here, if one does.
    pub(super) fn issuing(&self) -> Result<Option<SignedCertificate>, Failure> {
        match self.path(CHAIN_FILE).exists() {
            true => subject::read(&self.path(CHAIN_FILE)).map(|(_, certificate)| Some(certificate)),
            false => Ok(None),
        }
    }

    /// The request that stands here, DER, and what it asks for.
    pub(super) fn request(&self) -> Result<(Vec<u8>, CertificateRequest), Failure> {
        read_request(&self.path(REQUEST_FILE))
    }

    pub(super) fn has_request(&self) -> bool {
        self.path(REQUEST_FILE).exists()
    }

    /// The private key that stands here, PEM.
    pub(super) fn key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.path(KEY_FILE);
        match path.exists() {
            true => file::read_text(&path, PEM_BYTES_MAX).map(|text| Some(Zeroizing::new(text))),
            false => Ok(None),
        }
    }

    /// What a renewal asks for again; the defaults if nothing was kept.
    pub(super) fn renewal(&self) -> Result<Renewal, Failure> {
        let path = self.path(RENEWAL_FILE);
        if path.exists() { Renewal::read(&path) } else { Ok(Renewal::default()) }
    }
}

/// Whether a file, and no link, is there, or nothing.
fn is_file_or_absent(path: &Path) -> bool {
    path.symlink_metadata().map_or(true, |about| about.is_file())
}

/// The number of the generation that has this name, if it is the name of one.
fn number_of(name: &str) -> Option<u64> {
    name.parse().ok().filter(|number: &u64| number.to_string() == name)
}

/// Where the link of a file leads.
fn link_target(name: &str) -> PathBuf {
    [PRIVATE_FOLDER, CURRENT_LINK, name].iter().collect()
}

/// Whether a private key, PEM, is the one that a request is for.
pub(super) fn is_key_of(key_pem: &str, request: &CertificateRequest) -> bool {
    super::key::load(key_pem).is_ok_and(|key| super::key::is_of(&key, &request.subject_key))
}

/// The certificate request in a file, PEM or DER: its DER, and what it asks for. Its signature is checked.
pub(super) fn read_request(path: &Path) -> Result<(Vec<u8>, CertificateRequest), Failure> {
    request_file::read(path).map(|file| (file.csr, file.request))
}

/// How often files are read again that change while they are read.
const READ_ATTEMPTS: u32 = 16;
