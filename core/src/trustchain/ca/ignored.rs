//! What a request asks for and no certificate here has: named, so that whoever asked can tell.
//!
//! Only the key and the names of a request are taken. Nothing is refused for what else it asks, since `openssl req` asks for
//! much without being told to; but a server that relies on it has to know.

use super::request_outline::{Outline, RequestedExtension, name_of};
use super::{CertificateRequest, RequestFault};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use der::Decode;
use der::oid::db::{rfc4519, rfc5280};
use der::oid::{AssociatedOid, ObjectIdentifier};
use serde::Serialize;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::name::RdnSequence;

/// Something that a request asks for and its certificate does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IgnoredAttribute {
    /// What it is, such as `CA:TRUE`.
    pub what: String,
    /// Whether the request calls it critical: who does not know it should refuse the certificate.
    pub critical: bool,
}

impl CertificateRequest {
    /// What the request in DER that this was taken from asks for besides: what is critical first.
    ///
    /// # Errors
    /// If it is not a request that [`Self::from_csr`] takes.
    pub fn ignored_attributes(&self, csr: &[u8]) -> Result<Vec<IgnoredAttribute>, RequestFault> {
        let outline = Outline::of(csr)?;
        let extensions = outline.extensions()?;
        let asked = extensions.iter().filter_map(from_extension);
        let mut ignored_attributes: Vec<IgnoredAttribute> = asked.collect();
        ignored_attributes.sort_by_key(|one| !one.critical);
        ignored_attributes.extend(self.subject_fields(&outline));
        Ok(ignored_attributes)
    }

    /// What the subject says, but for a common name that is certified as a DNS name.
    fn subject_fields(&self, outline: &Outline<'_>) -> Vec<IgnoredAttribute> {
        let ignored_attributes = |what: String| IgnoredAttribute { what, critical: false };
        let Ok(subject) = RdnSequence::from_der(outline.subject.raw) else {
            return Vec::from([ignored_attributes("the subject, which cannot be read,".to_string())]);
        };
        let is_certified = |field: &AttributeTypeAndValue| {
            let value = core::str::from_utf8(field.value.value()).unwrap_or_default();
            field.oid == rfc4519::CN && self.names.dns().iter().any(|name| name.as_str() == value)
        };
        let fields = subject.0.iter().flat_map(|set| set.0.iter()).filter(|field| !is_certified(field));
        fields.map(|field| ignored_attributes(escaped(&alloc::format!("subject {field}")))).collect()
    }
}

impl fmt::Display for IgnoredAttribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

fn from_extension(extension: &RequestedExtension<'_>) -> Option<IgnoredAttribute> {
    let RequestedExtension { oid, is_critical, value } = extension;
    let unknown = || {
        let kind = if *is_critical { "critical extension" } else { "extension" };
        alloc::format!("{kind} {}", name_of(oid))
    };
    let what = match *oid {
        SubjectAltName::OID | SubjectKeyIdentifier::OID => None,
        BasicConstraints::OID => match BasicConstraints::from_der(value.value) {
            Ok(constraints) => constraints.ca.then(|| "CA:TRUE".to_string()),
            Err(_) => Some(unknown()),
        },
        KeyUsage::OID => {
            KeyUsage::from_der(value.value).map_or_else(|_| Some(unknown()), |it| other_usages(&it))
        }
        ExtendedKeyUsage::OID => {
            ExtendedKeyUsage::from_der(value.value).map_or_else(|_| Some(unknown()), |it| other_purposes(&it))
        }
        TLS_FEATURE => Some("must-staple (TLS feature)".to_string()),
        _ => Some(unknown()),
    };
    what.map(|what| IgnoredAttribute { what, critical: *is_critical })
}

fn other_usages(usage: &KeyUsage) -> Option<String> {
    let is_asked = |(flag, _): &&(KeyUsages, &str)| usage.0.contains(*flag);
    let names: Vec<&str> = USAGES_NOT_GIVEN.iter().filter(is_asked).map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| alloc::format!("key usage {}", names.join(" and ")))
}

fn other_purposes(purposes: &ExtendedKeyUsage) -> Option<String> {
    let given = [rfc5280::ID_KP_SERVER_AUTH, rfc5280::ID_KP_CLIENT_AUTH];
    let names: Vec<String> = purposes.0.iter().filter(|oid| !given.contains(oid)).map(name_of).collect();
    (!names.is_empty()).then(|| alloc::format!("extended key usage {}", names.join(" and ")))
}

/// The text, with what changes how a terminal shows the rest of a line written as an escape.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_ascii() {
            true => shown.push(character),
            false => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// RFC 7633 §6: a server with the certificate promises to staple OCSP answers, of which there are none here.
const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");

/// All but digitalSignature, which every certificate here has, by their names in RFC 5280 §4.2.1.3.
const USAGES_NOT_GIVEN: [(KeyUsages, &str); 8] = [
    (KeyUsages::NonRepudiation, "nonRepudiation"),
    (KeyUsages::KeyEncipherment, "keyEncipherment"),
    (KeyUsages::DataEncipherment, "dataEncipherment"),
    (KeyUsages::KeyAgreement, "keyAgreement"),
    (KeyUsages::KeyCertSign, "keyCertSign"),
    (KeyUsages::CRLSign, "cRLSign"),
    (KeyUsages::EncipherOnly, "encipherOnly"),
    (KeyUsages::DecipherOnly, "decipherOnly"),
];
