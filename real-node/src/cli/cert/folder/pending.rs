//! A generation that is not in use yet: what it holds, and how far the command came that began it.

use super::super::issue::IssuedReport;
use super::super::sent::SentOperation;
use super::super::subject;
use super::{CERTIFICATE_FILE, KEY_FILE, RENEWAL_FILE, REQUEST_FILE, Renewal, is_key_of, read_request};
use crate::failure::{Exit, Failure};
use crate::file;
use crate::moment;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::Operation;
use hypermesh_core::trustchain::ca::{CertificateRequest, PEM_BYTES_MAX, SerialNumber, SignedCertificate};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A generation that is not in use yet.
pub(in crate::cli::cert) struct PendingGeneration {
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
    /// What it was asked before, for the same key, of which it is not proved that it never happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli::cert) earlier: Vec<SentOperation>,
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

impl PendingGeneration {
    /// The generation in this folder, if there is one that a command can go on with.
    ///
    /// Its state is the last that is written of it, and the first that is removed. So where there is a state, the rest is there
    /// too, or is damaged: then a person has to look.
    pub(super) fn read(path: &Path, number: u64) -> Result<Option<Self>, Failure> {
        let unreadable = |name: &str, failure: &Failure| unreadable(path, name, &failure.message);
        let state = read_state(path).map_err(|failure| unreadable(STATE_FILE, &failure))?;
        let Some(state) = state else { return Ok(None) };
        let (csr, request) =
            read_request(&path.join(REQUEST_FILE)).map_err(|failure| unreadable(REQUEST_FILE, &failure))?;
        let pending = Self { number, path: path.to_owned(), state, csr, request };
        let key = pending.key().map_err(|failure| unreadable(KEY_FILE, &failure))?;
        match key.is_none_or(|key| is_key_of(&key, &pending.request)) {
            true => Ok(Some(pending)),
            false => {
                let file = path.join(KEY_FILE);
                let message = format!("{}: not the key that {REQUEST_FILE} beside it is for", file.display());
                Err(self::unreadable(path, KEY_FILE, &message))
            }
        }
    }

    /// Where it is.
    pub(in crate::cli::cert) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing is lost with its key: it has none, or the same one is in use.
    pub(in crate::cli::cert) fn has_key_of(&self, in_use: Option<&str>) -> Result<bool, Failure> {
        let path = self.path.join(KEY_FILE);
        if !path.try_exists().map_err(|error| file::failed(&path, &error))? {
            return Ok(true);
        }
        let key = Zeroizing::new(file::read_text(&path, PEM_BYTES_MAX)?);
        Ok(in_use == Some(key.as_str()))
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
    /// Of a generation that is begun: nothing was asked.
    pub(in crate::cli::cert) const fn begun(new_key: bool, replaces: Option<Replaced>) -> Self {
        let usable_from = UnixMillis(0);
        Self { new_key, replaces, operation: None, earlier: Vec::new(), issued: None, usable_from }
    }

    /// How far the generation in use is; `None` if nothing is left to do for it.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, Failure> {
        read_state(folder).map_err(|failure| {
            let message = format!(
                "{failure}: it says what is left to do after the certificate was replaced. Put it back as it was; or remove it, \
                 and revoke the certificate before with cert revoke if it is to be revoked"
            );
            Failure::new(failure.exit, message)
        })
    }

    /// All operations by which it may have got a certificate.
    pub(in crate::cli::cert) fn sent(&self) -> Vec<SentOperation> {
        let last = self.operation.as_ref().map(SentOperation::of);
        self.earlier.iter().copied().chain(last).collect()
    }

    /// Notes another operation for the same key, beside those that were sent before.
    pub(in crate::cli::cert) fn note(&mut self, operation: &Operation) -> Result<(), Failure> {
        let last = self.operation.as_ref().filter(|last| *last != operation).map(SentOperation::of);
        if last.is_some() && self.is_full() {
            let first = self.earlier.iter().map(|sent| sent.expires).min().unwrap_or(UnixMillis(0));
            let message = format!(
                "{} requests for a certificate of this key are pending, and the mesh may still grant each \
                of them: the first expires at {}; run the command again after that",
                EARLIER_COUNT_MAX + 1,
                moment::text(first)
            );
            return Err(Failure::new(Exit::Failed, message));
        }
        self.earlier.extend(last);
        self.operation = Some(operation.clone());
        Ok(())
    }

    /// Whether no more operations can be noted.
    pub(in crate::cli::cert) const fn is_full(&self) -> bool {
        self.earlier.len() >= EARLIER_COUNT_MAX
    }
}

/// How far the generation in this folder is, if a file says so.
fn read_state(folder: &Path) -> Result<Option<PendingState>, Failure> {
    let path = folder.join(STATE_FILE);
    if !path.try_exists().map_err(|error| file::failed(&path, &error))? {
        return Ok(None);
    }
    let text = file::read_text(&path, STATE_BYTES_MAX)?;
    let fault = |error| Failure::new(Exit::Input, format!("{}: {error}", path.display()));
    serde_json::from_str(&text).map(Some).map_err(fault)
}

/// That a generation is damaged. It may hold the one copy of a key that is certified.
fn unreadable(folder: &Path, name: &str, why: &str) -> Failure {
    let folder = folder.display();
    let message = format!(
        "{why}\na certificate may have been issued for the key in {folder}, so nothing there is removed. Put {name} back as it was; or \
         remove {folder}, which gives up what was begun there: `cert list --mine` shows whether it has a certificate, and \
         `cert revoke` revokes that"
    );
    Failure::new(Exit::Input, message)
}

/// The file that says how far a generation is.
pub(super) const STATE_FILE: &str = "state.json";
/// The longest such file: an operation of the longest request, as JSON, and room.
const STATE_BYTES_MAX: usize = 256 * 1024;
/// The most operations before the last that are noted for one key. One is added only when the last can no longer be sent.
const EARLIER_COUNT_MAX: usize = 16;
