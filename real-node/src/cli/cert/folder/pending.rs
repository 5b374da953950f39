//! A generation that is not in use yet: what it holds, and how far the command came that began it.

use super::super::issue::IssuedReport;
use super::super::subject;
use super::{CERTIFICATE_FILE, KEY_FILE, RENEWAL_FILE, REQUEST_FILE, Renewal, is_key_of, read_request};
use crate::failure::Failure;
use crate::file;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::Operation;
use hypermesh_core::trustchain::ca::{CertificateRequest, PEM_BYTES_MAX, SerialNumber, SignedCertificate};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A generation that is not in use yet.
pub(in crate::cli::cert) struct Pending {
    /// Its number.
    pub(super) number: u64,
    /// Its folder.
    pub(super) path: PathBuf,
    /// How far it is.
    pub(in crate::cli::cert) state: PendingState,
    /// The request in it, DER.
    pub(in crate::cli::cert) csr: Vec<u8>,
    /// What that asks for.
    pub(in crate::cli::cert) request: CertificateRequest,
}

/// How far a generation is. It is written whole or not at all, and the file goes when nothing is left to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::cert) struct PendingState {
    /// Whether its key is a new one, which nobody may meet before its TLSA record is known.
    pub(in crate::cli::cert) new_key: bool,
    /// The certificate whose place it takes, in a renewal.
    pub(in crate::cli::cert) replaces: Option<Replaced>,
    /// What the mesh was asked, or was about to be: the mesh does it once, however often it is sent.
    pub(in crate::cli::cert) operation: Option<Operation>,
    /// What the mesh gave, once all of it is in the files.
    pub(in crate::cli::cert) issued: Option<IssuedReport>,
    /// When it may be put in place; not known before the mesh has given it.
    pub(in crate::cli::cert) usable_from: UnixMillis,
}

/// A certificate whose place another takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::cert) struct Replaced {
    /// Its serial number.
    pub(in crate::cli::cert) serial_number: SerialNumber,
    /// Its last moment.
    pub(in crate::cli::cert) not_after: UnixMillis,
    /// Whether it is revoked.
    pub(in crate::cli::cert) is_revoked: bool,
    /// Whether it is to be revoked when the other is in place.
    pub(in crate::cli::cert) revoke: bool,
}

impl Pending {
    /// The generation in this folder, if there is one that a command can go on with.
    pub(super) fn read(path: &Path, number: u64) -> Result<Option<Self>, Failure> {
        let Some(state) = PendingState::read(path)? else { return Ok(None) };
        let Ok((csr, request)) = read_request(&path.join(REQUEST_FILE)) else { return Ok(None) };
        let pending = Self { number, path: path.to_owned(), state, csr, request };
        let belongs = pending.key()?.is_none_or(|key| is_key_of(&key, &pending.request));
        Ok(belongs.then_some(pending))
    }

    /// The certificate in it, once the mesh has given it.
    pub(in crate::cli::cert) fn certificate(&self) -> Result<Option<SignedCertificate>, Failure> {
        match self.state.issued {
            Some(_) => {
                subject::read(&self.path.join(CERTIFICATE_FILE)).map(|(_, certificate)| Some(certificate))
            }
            None => Ok(None),
        }
    }

    /// What else it asks for.
    pub(in crate::cli::cert) fn renewal(&self) -> Result<Renewal, Failure> {
        Renewal::read(&self.path.join(RENEWAL_FILE))
    }

    /// The private key in it, PEM. A key that may not be read here is none.
    pub(in crate::cli::cert) fn key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.path.join(KEY_FILE);
        if std::fs::File::open(&path).is_err() {
            return Ok(None);
        }
        file::read_text(&path, PEM_BYTES_MAX).map(|text| Some(Zeroizing::new(text)))
    }
}

impl PendingState {
    /// How far the generation in this folder is; `None` if nothing says so, or nothing that can be read.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = folder.join(STATE_FILE);
        match path.exists() {
            true => Ok(serde_json::from_str(&file::read_text(&path, STATE_BYTES_MAX)?).ok()),
            false => Ok(None),
        }
    }
}

/// The file that says how far a generation is.
pub(super) const STATE_FILE: &str = "state.json";
/// The longest such file: an operation of the longest request, as JSON, and room.
const STATE_BYTES_MAX: usize = 256 * 1024;
