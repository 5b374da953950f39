//! PKCS#10 certificate requests (RFC 2986), of which only the key and the names are taken.
//!
//! Whatever else a request asks for (a subject, dates, being an authority) is passed over: that comes from the
//! profile. The signature proves that whoever made the request holds the key, and is always checked.

use super::assemble::{AssembleFault, PemLabel, from_pem};
use super::{KeyFault, NameFault, SAN_COUNT_MAX, SubjectAlgorithm, SubjectKey, SubjectNames};
use crate::base::Signature;
use borsh::{BorshDeserialize, BorshSerialize};
use der::Decode;
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::SubjectAltName;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::oid_registry::{
    OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ED25519, OID_X509_EXT_SUBJECT_ALT_NAME,
};
use x509_parser::prelude::{FromDer, X509Extension};

/// The longest request in DER.
pub const CSR_BYTES_MAX: usize = 4096;
/// The longest request or certificate in PEM.
pub const PEM_BYTES_MAX: usize = 3 * CSR_BYTES_MAX;

/// What is taken from a request: the key and the names.
///
/// One that was decoded rather than made by [`CertificateRequest::from_csr`] has names and a key of the right
/// form, but nothing says that anybody holds the key: carry the PKCS#10 bytes where that matters.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct CertificateRequest {
    /// The key to certify.
    pub subject_key: SubjectKey,
    /// The names to certify it for.
    pub names: SubjectNames,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// More than [`CSR_BYTES_MAX`].
    #[error(
        "the certificate request has {bytes} bytes where at most {CSR_BYTES_MAX} are allowed: \
         list at most {SAN_COUNT_MAX} names, and ask for several certificates if there are more"
    )]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// Not a PKCS#10 request in DER.
    #[error(
        "not a PKCS#10 certificate request in DER: it is empty, cut short or something else; make one with openssl req -new -outform DER"
    )]
    Malformed,
    /// A request with bytes behind it.
    #[error("{bytes} bytes follow the certificate request: send one request alone")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// Not PEM, or PEM of something else.
    #[error(transparent)]
    Pem(#[from] AssembleFault),
    /// A key that is not taken.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// A name that is not taken.
    #[error(transparent)]
    Names(#[from] NameFault),
    /// A signature scheme that is not taken.
    #[error("the request is signed with {scheme}: sign it with Ed25519, or ECDSA with SHA-256 or SHA-384")]
    SignatureScheme {
        /// The scheme's object identifier.
        scheme: alloc::string::String,
    },
    /// The request's own signature does not hold.
    #[error("the request's signature does not verify: it was altered, or not signed by the key it carries")]
    Signature,
    /// No subjectAltName. A common name is not enough (RFC 9525 §2).
    #[error(
        "the request has no subjectAltName, and a common name alone is not certified: \
         add one, as in openssl req -new -key KEY -subj / -addext \"subjectAltName=DNS:NAME,IP:ADDRESS\""
    )]
    NoSubjectAltName,
    /// More than one subjectAltName, or more than one list of requested extensions.
    #[error("the request has more than one subjectAltName or more than one list of extensions")]
    ManySubjectAltNames,
}

impl CertificateRequest {
    /// The key and the names in a DER PKCS#10 request, whose own signature is checked.
    ///
    /// # Errors
    /// If it is too long, malformed, not signed by the key in it, or if the key or a name is of a kind that is
    /// not taken.
    pub fn from_csr(der: &[u8]) -> Result<Self, RequestFault> {
        if der.len() > CSR_BYTES_MAX {
            return Err(RequestFault::TooLong { bytes: der.len() });
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| RequestFault::Malformed)?;
        if !rest.is_empty() {
            return Err(RequestFault::TrailingBytes { bytes: rest.len() });
        }
        let subject_key = SubjectKey::from_spki_der(request.certification_request_info.subject_pki.raw)?;
        check_signature(&request, &subject_key)?;
        let names = names_of(&request)?;
        Ok(Self { subject_key, names })
    }

    /// The same from PEM, as `openssl req` writes it.
    ///
    /// # Errors
    /// As [`Self::from_csr`], and if it is not one PEM block of a certificate request.
    pub fn from_pem(text: &str) -> Result<Self, RequestFault> {
        Self::from_csr(&from_pem(PemLabel::CertificateRequest, text)?)
    }
}

/// Ed25519 by the rule that other implementations use, ECDSA by the TLS library's.
fn check_signature(request: &X509CertificationRequest<'_>, key: &SubjectKey) -> Result<(), RequestFault> {
    let scheme = &request.signature_algorithm.algorithm;
    let scheme_fault = || Err(RequestFault::SignatureScheme { scheme: scheme.to_id_string() });
    match (key.algorithm(), key.ed25519()) {
        (SubjectAlgorithm::Ed25519, Some(public)) if *scheme == OID_SIG_ED25519 => {
            let bytes = <[u8; 64]>::try_from(request.signature_value.data.as_ref());
            let signature = Signature(bytes.map_err(|_| RequestFault::Signature)?);
            let signed = request.certification_request_info.raw;
            public.verify_strict(signed, &signature).map(|_| ()).map_err(|_| RequestFault::Signature)
        }
        (SubjectAlgorithm::EcdsaP256 | SubjectAlgorithm::EcdsaP384, _)
            if *scheme == OID_SIG_ECDSA_WITH_SHA256 || *scheme == OID_SIG_ECDSA_WITH_SHA384 =>
        {
            request.verify_signature().map_err(|_| RequestFault::Signature)
        }
        (SubjectAlgorithm::Ed25519 | SubjectAlgorithm::EcdsaP256 | SubjectAlgorithm::EcdsaP384, _) => {
            scheme_fault()
        }
    }
}

fn names_of(request: &X509CertificationRequest<'_>) -> Result<SubjectNames, RequestFault> {
    let attributes = request.certification_request_info.iter_attributes();
    let mut lists = attributes.filter_map(|attribute| match attribute.parsed_attribute() {
        ParsedCriAttribute::ExtensionRequest(list) => Some(&list.extensions),
        ParsedCriAttribute::ChallengePassword(_) | ParsedCriAttribute::UnsupportedAttribute => None,
    });
    let list = lists.next().ok_or(RequestFault::NoSubjectAltName)?;
    let is_san = |extension: &&X509Extension<'_>| extension.oid == OID_X509_EXT_SUBJECT_ALT_NAME;
    let mut extensions = list.iter().filter(is_san);
    let extension = extensions.next().ok_or(RequestFault::NoSubjectAltName)?;
    if lists.next().is_some() || extensions.next().is_some() {
        return Err(RequestFault::ManySubjectAltNames);
    }
    let names = SubjectAltName::from_der(extension.value).map_err(|_| RequestFault::Malformed)?;
    Ok(SubjectNames::from_general_names(&names.0)?)
}
