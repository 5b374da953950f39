//! Who a node is: an Ed25519 key, shown to peers as a self-signed certificate, because TLS wants one.
//!
//! The certificate says nothing but the key. Its name, serial number and dates are fixed, so its bytes follow
//! from the key alone, and neither its own signature nor its dates are ever checked: the handshake proves
//! that the peer holds the key, and the caller pins the key (or, on the server's side, learns it).

use aws_lc_rs::digest::{SHA256, digest};
use hypermesh_base::{Digest, PublicKey, SecretKey};
use rcgen::{CertificateParams, DistinguishedName, DnType, SerialNumber, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use std::fmt;

/// A node's key and the certificate that shows it.
#[derive(Clone)]
pub struct Identity {
    secret: SecretKey,
    certificate: CertificateDer<'static>,
}

impl Identity {
    /// The identity of whoever holds this key.
    #[must_use]
    pub fn new(secret: SecretKey) -> Self {
        let signer = Signer { secret: &secret, public: secret.public() };
        let certificate = parameters()
            .self_signed(&signer)
            .expect("a certificate of fixed fields and an Ed25519 key encodes");
        Self { certificate: certificate.der().clone(), secret }
    }

    /// The identity whose key is in this PEM (PKCS#8 as RFC 8410 has it), such as `hypermesh cert issue` and OpenSSL
    /// write it.
    ///
    /// # Errors
    /// If it holds no Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, NotEd25519> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| NotEd25519)?;
        let seed = key.secret_pkcs8_der().strip_prefix(PKCS8_PREFIX.as_slice()).ok_or(NotEd25519)?;
        Ok(Self::new(SecretKey::from_seed(seed.try_into().map_err(|_| NotEd25519)?)))
    }

    /// The public key that peers know this node by.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.secret.public()
    }

    /// The certificate that peers see, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(crate) const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    pub(crate) fn certificate_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The key as PKCS#8 (RFC 8410 §7), the form in which TLS takes it.
    pub(crate) fn private_key_der(&self) -> PrivateKeyDer<'static> {
        let mut der = PKCS8_PREFIX.to_vec();
        der.extend_from_slice(self.secret.seed());
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.key())
    }
}

/// A PEM that holds no Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no Ed25519 key in PKCS#8: make one with `hypermesh cert issue --key-type ed25519` or `openssl genpkey`"
)]
pub struct NotEd25519;

/// The SHA-256 of a key's SubjectPublicKeyInfo: what a TLSA record `3 1 1` holds (RFC 6698 §2.1.3).
pub(crate) fn spki_hash(key: &PublicKey) -> Digest {
    let spki = [SPKI_PREFIX.as_slice(), key.as_bytes()].concat();
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &spki).as_ref());
    Digest(hash)
}

/// The key that a peer's certificates show: exactly one certificate, of bounded size, with an Ed25519 key.
///
/// That the peer holds the key, the handshake's signature says; this does not.
pub(crate) fn shown_key(certificates: &[CertificateDer<'_>]) -> Result<PublicKey, Error> {
    let [certificate] = certificates else {
        return Err(CertificateError::BadEncoding.into());
    };
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::BadEncoding.into());
    }
    let subject_public_key_info = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    let key = subject_public_key_info.strip_prefix(SPKI_PREFIX.as_slice());
    let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
    key.map(PublicKey).ok_or_else(|| CertificateError::BadEncoding.into())
}

fn parameters() -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "stoq identity");
    let mut parameters = CertificateParams::default();
    parameters.not_before = date_time_ymd(2000, 1, 1);
    // RFC 5280 §4.1.2.5: no well-defined expiration date.
    parameters.not_after = date_time_ymd(9999, 12, 31);
    parameters.serial_number = Some(SerialNumber::from(1_u64));
    parameters.distinguished_name = name;
    parameters
}

/// The core's key as rcgen asks for it.
struct Signer<'a> {
    secret: &'a SecretKey,
    public: PublicKey,
}

impl rcgen::PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.secret.sign_bytes(message).0.to_vec())
    }
}

/// The most bytes of a peer's certificate. An identity's own has about 250.
const CERTIFICATE_BYTES_MAX: usize = 1024;
/// What comes before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// What comes before the 32 bytes of the seed in a PKCS#8 private key (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(seed: u8) -> Identity {
        Identity::new(SecretKey::from_seed([seed; 32]))
    }

    #[test]
    fn the_certificate_shows_the_key_and_follows_from_it() {
        let one = identity(1);
        assert_eq!(shown_key(&[one.certificate_der()]), Ok(one.key()));
        assert_eq!(one.certificate(), identity(1).certificate());
        assert_ne!(one.certificate(), identity(2).certificate());
    }

    #[test]
    fn a_key_is_read_as_openssl_writes_it_and_no_other_kind_is() {
        let one = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n\
                   -----END PRIVATE KEY-----\n";
        assert_eq!(Identity::from_pem(one).unwrap().key(), identity(1).key());
        // An X25519 key differs in its object identifier.
        for wrong in
            [&one.replace("AwBQYDK2Vw", "AwBQYDK2Vu"), &one.replace("EBAQEB\n", "EBAQEBAQEB\n"), "", "seed"]
        {
            assert!(Identity::from_pem(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_certificate_of_another_kind_of_key_shows_none() {
        let mut certificate = identity(1).certificate().to_vec();
        let start = certificate.windows(12).position(|window| window == SPKI_PREFIX).unwrap();
        certificate[start + 8] = 0x6e; // the object identifier of X25519
        assert!(shown_key(&[CertificateDer::from(certificate)]).is_err());
    }

    #[test]
    fn exactly_one_certificate_of_bounded_size_is_taken() {
        let one = identity(1).certificate_der();
        assert!(shown_key(&[]).is_err());
        assert!(shown_key(&[one.clone(), one]).is_err());
        let long = CertificateDer::from(vec![0x30; CERTIFICATE_BYTES_MAX + 1]);
        assert_eq!(shown_key(&[long]), Err(CertificateError::BadEncoding.into()));
    }

    #[test]
    fn no_bytes_panic_the_parser() {
        proptest::proptest!(|(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300))| {
            drop(shown_key(&[CertificateDer::from(bytes)]));
        });
    }
}
