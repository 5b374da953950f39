//! PKCS#10 certificate requests (RFC 2986), of which only the key and the names are taken.
//!
//! Whatever else a request asks for (a subject, usages, being an authority) is passed over: that comes from the profile, and
//! [`CertificateRequest::ignored_attributes`] names it. The signature proves that whoever made the request holds the key, and is
//! always checked.
//!
//! Faults are looked for in the order in which their owner has to mend them: a key of another kind first, since no other
//! mend is of use with it, and the signature last.

use super::assemble::{AssembleFault, PemLabel, from_pem};
use super::request_outline::{Element, Outline};
use super::{KeyFault, NameFault, SAN_COUNT_MAX, SubjectAlgorithm, SubjectKey, SubjectNames};
use crate::base::Signature;
use crate::trustchain::DomainName;
use alloc::string::{String, ToString};
use borsh::{BorshDeserialize, BorshSerialize};
use der::oid::AssociatedOid;
use der::{Decode, Tag, TagNumber};
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;

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
        "the certificate request has {bytes} bytes, at most {CSR_BYTES_MAX} are allowed: list at most \
        {SAN_COUNT_MAX} names, and request several certificates if there are more"
    )]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// Not a PKCS#10 request in DER.
    #[error(
        "not a PKCS#10 certificate request in DER: at byte {byte}, expected {expected}; make one with openssl req -new -outform DER"
    )]
    Malformed {
        /// Where it ceases to be one, from 0.
        byte: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The beginning of a request.
    #[error(
        "not a PKCS#10 certificate request in DER: it is truncated to {bytes} of {expected} bytes; copy \
        all of it, or make one with openssl req -new -outform DER"
    )]
    CutShort {
        /// How many bytes there were.
        bytes: usize,
        /// How many it says that it has.
        expected: usize,
    },
    /// A request with bytes behind it.
    #[error("{bytes} bytes follow the certificate request: send only one request")]
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
    /// A version that PKCS#10 does not have.
    #[error("the request's version is {version}: PKCS#10 has only version 0 (v1)")]
    Version {
        /// The version.
        version: String,
    },
    /// Names that are not taken together.
    #[error(transparent)]
    Names(#[from] NameFault),
    /// A name that is not taken.
    #[error("entry {entry} of subjectAltName: {fault}")]
    Name {
        /// Which, from 1.
        entry: usize,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// A subjectAltName that is no list of names.
    #[error(
        "subjectAltName is not a list of names in DER (at byte {byte}){}: encode it with openssl req \
        -addext or a similar tool",
        .text.as_ref().map_or_else(String::new, |text| alloc::format!(", but the text {text:?}"))
    )]
    SubjectAltName {
        /// Where it ceases to be one, from 0.
        byte: usize,
        /// What stands there, if it is a text.
        text: Option<String>,
    },
    /// A name that does not parse.
    #[error("entry {entry} of subjectAltName, at byte {byte}, is not a name in DER (RFC 5280 §4.2.1.6)")]
    MalformedName {
        /// Which, from 1.
        entry: usize,
        /// Where it begins, from 0.
        byte: usize,
    },
    /// A name with characters that its kind does not have.
    #[error(
        "entry {entry} of subjectAltName, {text:?}, has characters outside ASCII: {}",
        .ascii.as_ref().map_or_else(
            || "DNS names are given as A-labels (xn--…), and URIs are in ASCII".to_string(),
            |ascii| alloc::format!("DNS names are given as A-labels, this one as {ascii}")
        )
    )]
    NotAscii {
        /// Which, from 1.
        entry: usize,
        /// The name.
        text: String,
        /// What it has to be, if it is the DNS name that it seems to be.
        ascii: Option<DomainName>,
    },
    /// A signature scheme that is not taken.
    #[error("the request is signed with {scheme}: sign it with Ed25519, or ECDSA with SHA-256 or SHA-384")]
    SignatureScheme {
        /// The scheme's object identifier.
        scheme: String,
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
    /// Attributes left out, and with them the names.
    #[error(
        "the request has no attributes field, which PKCS#10 requires even when it is empty, and so no \
        subjectAltName: make a new request, for example with openssl req -new -key KEY -subj / -addext \
        \"subjectAltName=DNS:NAME,IP:ADDRESS\""
    )]
    NoAttributes,
    /// More than one attribute with a list of requested extensions.
    #[error("the request has more than one extensionRequest: put all extensions into one")]
    ManyExtensionRequests,
    /// No or several lists of extensions in their attribute.
    #[error("extensionRequest has {count} values, expected one: put all extensions into one list")]
    ExtensionRequestValues {
        /// How many there were.
        count: usize,
    },
    /// The same extension twice.
    #[error("the request asks for the extension {extension} twice: name it once")]
    RepeatedExtension {
        /// Which.
        extension: String,
    },
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
        let outline = Outline::of(der)?;
        let subject_key = SubjectKey::from_spki_der(outline.spki.raw)?;
        outline.check_version()?;
        let extensions = outline.extensions()?;
        let san = extensions.iter().find(|extension| extension.oid == SubjectAltName::OID);
        let names = names_of(&san.ok_or(RequestFault::NoSubjectAltName)?.value)?;
        let (_, request) = X509CertificationRequest::from_der(der)
            .map_err(|_| RequestFault::Malformed { byte: 0, expected: "a certification request" })?;
        check_signature(&request, &subject_key)?;
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

/// The names in the octet string of a subjectAltName.
fn names_of(octets: &Element<'_>) -> Result<SubjectNames, RequestFault> {
    let no_list = |byte| RequestFault::SubjectAltName { byte, text: printable(octets.value) };
    let (lists, fault) = octets.elements_until_fault();
    let list = match lists.as_slice() {
        [list] if fault.is_none() && list.tag == Tag::Sequence => list,
        others => return Err(no_list(others.first().map_or(octets.at, |first| first.at))),
    };
    let (elements, fault) = list.elements_until_fault();
    let count = elements.len();
    if count > SAN_COUNT_MAX {
        return Err(NameFault::TooMany { count }.into());
    }
    let mut names = SubjectNames::none();
    for (entry, element) in (1..).zip(&elements) {
        let name = GeneralName::from_der(element.raw).map_err(|_| unreadable(entry, element))?;
        names.add(&name).map_err(|fault| RequestFault::Name { entry, fault })?;
    }
    if let Some(byte) = fault {
        return Err(RequestFault::MalformedName { entry: count + 1, byte });
    }
    Ok(names.checked()?)
}

/// Why an element is no name that could be read: it is of a kind that is not taken, or text in another encoding than ASCII.
fn unreadable(entry: usize, element: &Element<'_>) -> RequestFault {
    if let Some(kind) = other_kind(element.tag) {
        return RequestFault::Name { entry, fault: NameFault::OtherKind { kind } };
    }
    let is_text = [TagNumber::N1, TagNumber::N2, TagNumber::N6].map(context).contains(&element.tag);
    if !is_text || element.value.is_ascii() {
        return RequestFault::MalformedName { entry, byte: element.at };
    }
    let text = String::from_utf8_lossy(element.value).into_owned();
    let ascii = if element.tag == context(TagNumber::N2) { text.parse().ok() } else { None };
    RequestFault::NotAscii { entry, text, ascii }
}

/// The kind of a name that is not taken, whatever it says.
const fn other_kind(tag: Tag) -> Option<&'static str> {
    let Tag::ContextSpecific { number, .. } = tag else { return None };
    match number {
        TagNumber::N0 => Some("otherName"),
        TagNumber::N3 => Some("x400Address"),
        TagNumber::N4 => Some("directoryName"),
        TagNumber::N5 => Some("ediPartyName"),
        TagNumber::N8 => Some("registeredID"),
        _ => None,
    }
}

const fn context(number: TagNumber) -> Tag {
    Tag::ContextSpecific { constructed: false, number }
}

fn printable(bytes: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_string())
}
