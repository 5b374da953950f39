//! The folder of one certificate: which files stand in it, whose they are, and when they may be replaced.

use crate::client::is_for;
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use hypermesh_core::state::{LEAF_SECONDS_DEFAULT, ServicePort};
use hypermesh_core::trustchain::ca::{
    CertificateRequest, PEM_BYTES_MAX, PemLabel, SignedCertificate, SubjectKey, from_pem, pem, take_apart,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The folder of one certificate.
pub(super) struct Folder(PathBuf);

/// What a renewal asks for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    /// How long the certificate lives.
    pub(super) lifetime_seconds: u32,
    /// Where its services listen, as in `443/tcp`.
    pub(super) ports: Vec<String>,
}

/// The certificate.
pub(super) const CERTIFICATE_FILE: &str = "cert.pem";
/// The issuing certificate.
pub(super) const CHAIN_FILE: &str = "chain.pem";
/// The root certificate.
pub(super) const ROOT_FILE: &str = "root.pem";
/// Who approved the certificate.
pub(super) const PROOF_FILE: &str = "cert.proof";
/// The private key, if it was made here.
pub(super) const KEY_FILE: &str = "key.pem";
/// A new private key, until its certificate is there.
const NEXT_KEY_FILE: &str = "key.next.pem";
/// The request, for renewal.
const REQUEST_FILE: &str = "request.pem";
/// What else a renewal asks for.
const RENEWAL_FILE: &str = "renewal.toml";

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Refuses to replace files of a certificate with another key or other names.
    pub(super) fn admit(&self, request: &CertificateRequest) -> Result<(), Failure> {
        let names = [CERTIFICATE_FILE, REQUEST_FILE, CHAIN_FILE, ROOT_FILE, PROOF_FILE, RENEWAL_FILE];
        let Some(present) = names.into_iter().find(|name| self.path(name).exists()) else { return Ok(()) };
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
            "{} belongs to another key or other names: choose another folder, or replace it with --force",
            path.display()
        );
        Err(Failure::new(Exit::Input, message))
    }

    /// The certificate that stands here.
    pub(super) fn certificate(&self) -> Result<SignedCertificate, Failure> {
        read_certificate(&self.path(CERTIFICATE_FILE))
    }

    /// The file here that does not belong to the certificate, if one does not: the key, or the request. A key that may not be
    /// read here is not looked at: whoever watches certificates need not have it.
    pub(super) fn mismatch(&self, certificate: &SignedCertificate) -> Result<Option<&'static str>, Failure> {
        let denied = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
        let is_hidden = std::fs::File::open(self.path(KEY_FILE)).is_err_and(denied);
        if !is_hidden && let Some(key_pem) = self.key()? {
            let key = super::key::load(&key_pem).ok();
            let belongs = key.is_some_and(|key| {
                rcgen::PublicKeyData::der_bytes(&key) == certificate.subject_key.key_bytes()
            });
            if !belongs {
                return Ok(Some(KEY_FILE));
            }
        }
        let other = self.has_request() && !is_for(certificate, &self.request()?.1);
        Ok(other.then_some(REQUEST_FILE))
    }

    /// The issuing certificate that stands here, if one does.
    pub(super) fn issuing(&self) -> Result<Option<SignedCertificate>, Failure> {
        match self.path(CHAIN_FILE).exists() {
            true => read_certificate(&self.path(CHAIN_FILE)).map(Some),
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

    /// A new private key that waits for its certificate, PEM.
    pub(super) fn next_key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.path(NEXT_KEY_FILE);
        match path.exists() {
            true => file::read_text(&path, PEM_BYTES_MAX).map(|text| Some(Zeroizing::new(text))),
            false => Ok(None),
        }
    }

    /// Puts a new private key beside the one in use.
    pub(super) fn write_next_key(&self, key_pem: &str) -> Result<(), Failure> {
        file::write(&self.path(NEXT_KEY_FILE), key_pem.as_bytes(), Access::Private)
    }

    /// Puts the new private key in the place of the old one, if it is the one that was certified.
    pub(super) fn adopt_next_key(&self, certified: &SubjectKey) -> Result<(), Failure> {
        let Some(key_pem) = self.next_key()? else { return Ok(()) };
        let key = super::key::load(&key_pem)?;
        if rcgen::PublicKeyData::der_bytes(&key) != certified.key_bytes() {
            return Ok(());
        }
        let (next, place) = (self.path(NEXT_KEY_FILE), self.path(KEY_FILE));
        std::fs::rename(&next, &place).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot put {} in place: {error}", next.display()))
        })
    }

    pub(super) fn write_key(&self, key_pem: &str) -> Result<(), Failure> {
        file::make_folder(&self.0)?;
        file::write(&self.path(KEY_FILE), key_pem.as_bytes(), Access::Private)
    }

    /// Keeps what a renewal needs.
    pub(super) fn write_request(&self, csr: &[u8], renewal: &Renewal) -> Result<(), Failure> {
        file::make_folder(&self.0)?;
        let text = toml::to_string(renewal)
            .map_err(|error| Failure::new(Exit::Failed, format!("{RENEWAL_FILE}: {error}")))?;
        self.write(RENEWAL_FILE, &text)?;
        self.write(REQUEST_FILE, &pem(PemLabel::CertificateRequest, csr))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        file::write(&self.path(name), text.as_bytes(), Access::Public)
    }

    /// What a renewal asks for again; the defaults if nothing was kept.
    pub(super) fn renewal(&self) -> Result<Renewal, Failure> {
        let path = self.path(RENEWAL_FILE);
        if !path.exists() {
            return Ok(Renewal::default());
        }
        let text = file::read_text(&path, RENEWAL_BYTES_MAX)?;
        toml::from_str(&text)
            .map_err(|error| Failure::new(Exit::Input, format!("{}: {error}", path.display())))
    }
}

impl Default for Renewal {
    fn default() -> Self {
        Self { lifetime_seconds: LEAF_SECONDS_DEFAULT, ports: vec![PORT_DEFAULT.to_owned()] }
    }
}

impl Renewal {
    /// The ports, in order, each once.
    pub(super) fn services(&self) -> Result<Vec<ServicePort>, Failure> {
        let parse = |text: &String| {
            text.parse().map_err(|fault| Failure::new(Exit::Input, format!("port {text:?}: {fault}")))
        };
        let mut services: Vec<ServicePort> = self.ports.iter().map(parse).collect::<Result<_, _>>()?;
        services.sort_unstable();
        services.dedup();
        Ok(services)
    }
}

/// The certificate in a file, PEM.
fn read_certificate(path: &Path) -> Result<SignedCertificate, Failure> {
    let fault =
        |reason: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {reason}", path.display()));
    let text = file::read_text(path, PEM_BYTES_MAX)?;
    let der = from_pem(PemLabel::Certificate, &text).map_err(|error| fault(&error))?;
    take_apart(&der).map_err(|error| fault(&error))
}

/// The certificate request in a file, PEM or DER: its DER, and what it asks for. Its signature is checked.
pub(super) fn read_request(path: &Path) -> Result<(Vec<u8>, CertificateRequest), Failure> {
    let fault =
        |reason: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {reason}", path.display()));
    let bytes = file::read(path, PEM_BYTES_MAX)?;
    let der = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => {
            from_pem(PemLabel::CertificateRequest, text).map_err(|error| fault(&error))?
        }
        _ => bytes,
    };
    let request = CertificateRequest::from_csr(&der).map_err(|error| fault(&error))?;
    Ok((der, request))
}

/// Where a service listens unless something else is said.
pub(super) const PORT_DEFAULT: &str = "443/tcp";
/// The longest file of what a renewal asks for.
const RENEWAL_BYTES_MAX: usize = 4096;
