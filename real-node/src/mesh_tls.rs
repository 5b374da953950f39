//! TLS with certificates of a mesh: the one place where a program gets a rustls verifier that knows them.
//!
//! A verifier comes out of a trust bundle and the revocation lists of both authorities, all checked here. It refuses whatever is
//! revoked, and everything once a list has run out: fetch a new one (`trustchain/get_crl`, or `hypermesh cert crl`) and make a new
//! verifier at least as often as the list says.
//!
//! rustls looks at the chain, the names, the time and the list. That consensus approved and logged a certificate is not
//! looked at in a handshake: see [`hypermesh_core::trust::verify_certificate`].

use hypermesh_core::base::UnixMillis;
use hypermesh_core::trust::{ListRefusal, TrustBundle};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::sync::Arc;

/// What verifiers of a mesh's certificates are made of.
#[derive(Clone, Debug)]
pub struct MeshTls {
    roots: Arc<RootCertStore>,
    lists: [CertificateRevocationListDer<'static>; 2],
    next_update: UnixMillis,
}

/// Why there is no verifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeshTlsFault {
    /// The trust bundle or a revocation list shows nothing.
    #[error(transparent)]
    List(#[from] ListRefusal),
    /// rustls takes the root or a list for unusable.
    #[error("rustls does not take them: {reason}")]
    Unusable {
        /// What it says.
        reason: String,
    },
}

impl MeshTls {
    /// Verifiers for certificates of the bundle's mesh that are not in these revocation lists, DER: the issuing key's, and the
    /// root key's.
    ///
    /// # Errors
    /// If the bundle anchors nothing, or not these lists.
    pub fn new(bundle: &TrustBundle, crl_der: &[u8], root_crl_der: &[u8]) -> Result<Self, MeshTlsFault> {
        let issuing = bundle.verify_revocation_list(crl_der)?;
        let root = bundle.verify_root_revocation_list(root_crl_der)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(bundle.root_der.clone())).map_err(unusable)?;
        let lists = [crl_der, root_crl_der].map(|der| CertificateRevocationListDer::from(der.to_vec()));
        let next_update = issuing.list().next_update.min(root.list().next_update);
        Ok(Self { roots: Arc::new(roots), lists, next_update })
    }

    /// When the first of the lists runs out, and with it every verifier made here.
    #[must_use]
    pub const fn next_update(&self) -> UnixMillis {
        self.next_update
    }

    /// For clients, who verify servers.
    ///
    /// # Errors
    /// If rustls does not take the lists.
    pub fn server_verifier(&self) -> Result<Arc<WebPkiServerVerifier>, MeshTlsFault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider);
        let builder = builder.with_crls(self.lists.clone()).enforce_revocation_expiration();
        builder.build().map_err(unusable)
    }

    /// For servers, who verify clients.
    ///
    /// # Errors
    /// If rustls does not take the lists.
    pub fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, MeshTlsFault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(self.roots.clone(), provider);
        let builder = builder.with_crls(self.lists.clone()).enforce_revocation_expiration();
        builder.build().map_err(unusable)
    }
}

fn unusable(error: impl std::fmt::Display) -> MeshTlsFault {
    MeshTlsFault::Unusable { reason: error.to_string() }
}
