//! TLS as STOQ uses it: version 1.3, ALPN `stoq/1`, a certificate from both ends.
//!
//! Certificates are nothing but keys here (see [`crate::identity`]). A server takes any caller that proves to
//! hold its key and hands the key on; who may do what is decided above. A client pins the key it expects.
//!
//! A session that is resumed does not show keys again: each end takes the other for who it was when the session was made,
//! which the ticket proves. So a client keeps tickets apart by whom it expects where, and links, which are for validators
//! alone, resume nothing.

use crate::endpoint::Expect;
use crate::env::{Env, WallClock};
use crate::identity::shown_key;
use crate::sessions::TlsSessions;
use crate::tickets::SessionTickets;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::quic::Suite;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme,
};
use std::sync::Arc;

/// SessionTickets that a caller is given with each connection: one takes the place of the one that it used.
const TICKETS_PER_CONNECTION: usize = 1;

/// The protocol's name in TLS (RFC 7301).
pub const ALPN: &[u8] = b"stoq/1";

/// What is common to all of an endpoint's connections.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    initial_suite: Suite,
    time: Arc<dyn TimeProvider>,
    certificate: Arc<SingleCertAndKey>,
    /// What callers may resume.
    pub(crate) sessions: Arc<TlsSessions>,
}

impl Tls {
    pub(crate) fn new(env: &Env) -> Result<Self, Error> {
        let provider = env.crypto.provider();
        let key = provider.key_provider.load_private_key(env.identity.private_key_der())?;
        let certificate = CertifiedKey::new(vec![env.identity.certificate_der()], key);
        Ok(Self {
            provider,
            initial_suite: env.crypto.initial_suite(),
            time: Arc::new(WallClock(env.clock.clone())),
            certificate: Arc::new(certificate.into()),
            sessions: Arc::new(TlsSessions::new(env.clock.clone())),
        })
    }

    pub(crate) fn server(&self) -> Result<Arc<QuicServerConfig>, Error> {
        let mut config = rustls::ServerConfig::builder_with_details(self.provider.clone(), self.time.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(self.verifier(None))
            .with_cert_resolver(self.certificate.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = self.sessions.clone();
        config.send_tls13_tickets = TICKETS_PER_CONNECTION;
        // QUIC knows this value and 0 (RFC 9001 §4.6.1); its flow control bounds the bytes.
        config.max_early_data_size = u32::MAX;
        let config = QuicServerConfig::with_initial(Arc::new(config), self.initial_suite);
        config.map(Arc::new).map_err(|error| Error::General(error.to_string()))
    }

    pub(crate) fn client(&self, expect: &Expect) -> Result<Arc<QuicClientConfig>, Error> {
        self.quic_client(self.rustls_client(expect)?)
    }

    /// As [`Self::client`], for a peer whose sessions are resumed with these tickets, and with no others.
    pub(crate) fn resuming_client(
        &self,
        expect: &Expect,
        tickets: Arc<SessionTickets>,
    ) -> Result<Arc<QuicClientConfig>, Error> {
        let mut config = self.rustls_client(expect)?;
        config.resumption = Resumption::store(tickets);
        config.enable_early_data = true;
        self.quic_client(config)
    }

    fn quic_client(&self, config: rustls::ClientConfig) -> Result<Arc<QuicClientConfig>, Error> {
        let config = QuicClientConfig::with_initial(Arc::new(config), self.initial_suite);
        config.map(Arc::new).map_err(|error| Error::General(error.to_string()))
    }

    pub(crate) fn rustls_client(&self, expect: &Expect) -> Result<rustls::ClientConfig, Error> {
        let mut config = rustls::ClientConfig::builder_with_details(self.provider.clone(), self.time.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(Some(expect.clone())))
            .with_client_cert_resolver(self.certificate.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// The one cipher suite that the provider lists; `None` if it leaves a choice.
    pub(crate) fn cipher_suite(&self) -> Option<&'static str> {
        match self.provider.cipher_suites.as_slice() {
            [suite] => suite.suite().as_str(),
            _ => None,
        }
    }

    /// The one key exchange group that the provider lists; `None` if it leaves a choice.
    pub(crate) fn key_exchange(&self) -> Option<&'static str> {
        match self.provider.kx_groups.as_slice() {
            [group] => group.name().as_str(),
            _ => None,
        }
    }

    fn verifier(&self, expect: Option<Expect>) -> Arc<KeyVerifier> {
        Arc::new(KeyVerifier { algorithms: self.provider.signature_verification_algorithms, expect })
    }
}

/// Takes a peer that shows one usable Ed25519 key, an expected one if there are any expectations, and signs
/// the handshake with it.
#[derive(Debug)]
struct KeyVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    expect: Option<Expect>,
}

impl KeyVerifier {
    fn verify(&self, end_entity: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        let key = shown_key(std::slice::from_ref(end_entity))?;
        if self.expect.as_ref().is_some_and(|expect| !expect.admits(&key)) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        // Anyone can sign for a key of small order, so it identifies nobody.
        key.check().map_err(|_| CertificateError::BadEncoding.into())
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signature.scheme != SignatureScheme::ED25519 {
            return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
        }
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for KeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
