//! Certificates put together: to-be-signed bytes and signature to DER, DER to PEM and back.

use super::CRL_BYTES_MAX;
use super::parse::{CertificateFault, decode_tbs};
use super::request::PEM_BYTES_MAX;
use crate::base::StrictSignature;
use alloc::string::String;
use alloc::vec::Vec;
use der::Encode;
use der::asn1::BitString;
use der::oid::db::rfc8410::ID_ED_25519;
use der::pem::{self as pem_codec, LineEnding};
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// What stands in a PEM block (RFC 7468).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemLabel {
    /// `CERTIFICATE`.
    Certificate,
    /// `CERTIFICATE REQUEST`; `NEW CERTIFICATE REQUEST` is read too.
    CertificateRequest,
    /// `X509 CRL`.
    RevocationList,
}

/// A text that is not the PEM that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleFault {
    /// Too much text.
    #[error("the PEM text has {bytes} bytes, at most {allowed} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
        /// How many there may be.
        allowed: usize,
    },
    /// Not one PEM block.
    #[error("not a PEM block: expected one -----BEGIN {}-----", .expected.text())]
    Malformed {
        /// What was looked for.
        expected: PemLabel,
    },
    /// PEM of something else.
    #[error("the PEM block is a {found:?}, expected a {:?}", .expected.text())]
    Label {
        /// What was looked for.
        expected: PemLabel,
        /// What was found.
        found: String,
    },
}

impl PemLabel {
    /// The words between `-----BEGIN ` and `-----`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::CertificateRequest => "CERTIFICATE REQUEST",
            Self::RevocationList => "X509 CRL",
        }
    }

    /// The longest text with such a block. Base64 takes four characters for three bytes, and a line end for 64.
    #[must_use]
    pub const fn text_bytes_max(self) -> usize {
        match self {
            Self::Certificate | Self::CertificateRequest => PEM_BYTES_MAX,
            Self::RevocationList => CRL_BYTES_MAX / 2 * 3,
        }
    }

    fn is(self, label: &str) -> bool {
        label == self.text() || (self == Self::CertificateRequest && label == "NEW CERTIFICATE REQUEST")
    }
}

/// The certificate with these to-be-signed bytes and this signature over them, in DER. Under whose key it should be is
/// for the caller.
///
/// # Errors
/// If the bytes are not a to-be-signed certificate in canonical DER, or the signature is over others.
pub fn certificate_der(tbs: &[u8], signature: &StrictSignature) -> Result<Vec<u8>, CertificateFault> {
    if !signature.is_over(tbs) {
        return Err(CertificateFault::OtherBytes);
    }
    framed(tbs, &signature.signature().0)
}

/// The certificate with these to-be-signed bytes and this signature, which is not verified.
pub(super) fn framed(tbs: &[u8], signature: &[u8; 64]) -> Result<Vec<u8>, CertificateFault> {
    let certificate = Certificate {
        tbs_certificate: decode_tbs(tbs)?,
        signature_algorithm: ed25519_algorithm(),
        signature: BitString::from_bytes(signature).map_err(|_| CertificateFault::Malformed)?,
    };
    certificate.to_der().map_err(|_| CertificateFault::Malformed)
}

/// How X.509 names Ed25519 (RFC 8410 §3).
pub(super) const fn ed25519_algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ID_ED_25519, parameters: None }
}

/// DER as PEM, in lines of 64 characters.
#[must_use]
pub fn pem(label: PemLabel, der: &[u8]) -> String {
    pem_codec::encode_string(label.text(), LineEnding::LF, der)
        .expect("a valid label and bytes below 4 GiB always encode")
}

/// The DER in one PEM block.
///
/// # Errors
/// If the text is too long, is not one PEM block, or holds something else.
pub fn from_pem(label: PemLabel, text: &str) -> Result<Vec<u8>, AssembleFault> {
    if text.len() > label.text_bytes_max() {
        return Err(AssembleFault::TooLong { bytes: text.len(), allowed: label.text_bytes_max() });
    }
    let (found, der) =
        pem_codec::decode_vec(text.as_bytes()).map_err(|_| AssembleFault::Malformed { expected: label })?;
    if !label.is(found) {
        return Err(AssembleFault::Label { expected: label, found: found.into() });
    }
    Ok(der)
}
