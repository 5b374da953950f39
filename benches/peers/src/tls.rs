//! A certificate for `localhost`, made anew by each server, and believed by those who read it from its folder.

use crate::Fault;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// What the certificate is for.
pub(crate) const HOST: &str = "localhost";
const CERTIFICATE: &str = "cert.pem";

/// Certificate and key, PEM. The certificate is also put into the folder.
pub(crate) fn make(folder: &Path) -> Result<(String, String), Fault> {
    let made = rcgen::generate_simple_self_signed([HOST.to_string()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    std::fs::write(folder.join(CERTIFICATE), &certificate)?;
    Ok((certificate, key))
}

/// The certificate that a server put into the folder.
pub(crate) fn read(folder: &Path) -> Result<String, Fault> {
    Ok(std::fs::read_to_string(folder.join(CERTIFICATE))?)
}

pub(crate) fn server(folder: &Path) -> Result<Arc<ServerConfig>, Fault> {
    let (certificate, key) = make(folder)?;
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    Ok(Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?))
}

pub(crate) fn client(folder: &Path) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(read(folder)?.as_bytes())?)?;
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
