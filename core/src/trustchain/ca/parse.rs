//! Certificates taken apart: bounded, canonical, and of one of this authority's shapes, or refused.
//!
//! The shape is that of RFC 5280 narrowed to what [`super::Issuer`] builds: version 3, Ed25519 signature, a
//! serial number of ours, no unique identifiers, each extension once, no critical one that is unknown. Whether
//! signatures, dates and names hold is for [`super::ChainCheck`].

use super::proof_extension::{CONSENSUS_PROOF, PROVEN_TBS_BYTES_MAX, split};
use super::{KeyFault, NameFault, ProofFault, SerialNumber, SubjectKey, SubjectNames, Validity};
use crate::base::{PublicKey, Signature, SignatureError, StrictSignature, UnixMillis};
use crate::trustchain::DomainName;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use der::flagset::FlagSet;
use der::oid::{AssociatedOid, db::rfc5280, db::rfc8410};
use der::{Decode, Encode};
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, NameConstraints,
    SubjectAltName, SubjectKeyIdentifier,
};

/// Room for the certificate's own frame: two sequences, the algorithm, the signature.
const FRAME_BYTES_MAX: usize = 96;
/// The longest certificate in DER.
pub const CERTIFICATE_BYTES_MAX: usize = PROVEN_TBS_BYTES_MAX + FRAME_BYTES_MAX;

/// The address and the mask of `::/0` (RFC 5280 §4.2.1.10).
const EVERY_IPV6: [u8; 32] = [0; 32];

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateRole {
    /// It signs other certificates.
    Authority {
        /// How many authorities may stand below it.
        path_length: u8,
        /// The zone that it may certify names in, as its name constraints say.
        zone: DomainName,
    },
    /// It is someone's, and these are the names.
    Leaf(SubjectNames),
}

/// A certificate of this authority's shapes, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedCertificate {
    /// The to-be-signed bytes, over which the signature is.
    pub tbs: Vec<u8>,
    /// The same without the proof: what state and log know.
    pub pre_tbs: Vec<u8>,
    /// The consensus proof, if it carries one.
    pub proof: Option<Vec<u8>>,
    /// The issuer's signature, not verified: see [`Self::signed_by`].
    pub signature: Signature,
    /// The serial number.
    pub serial: SerialNumber,
    /// How long it holds.
    pub validity: Validity,
    /// The certified key.
    pub subject_key: SubjectKey,
    /// What it is for.
    pub role: CertificateRole,
    /// The issuer's distinguished name, in DER.
    pub issuer_name: Vec<u8>,
    /// The subject's distinguished name, in DER.
    pub subject_name: Vec<u8>,
    /// The identifier of the key that signed it.
    pub authority_key_id: Vec<u8>,
    /// The identifier of the certified key.
    pub subject_key_id: Vec<u8>,
}

/// Why a certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// More than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate has {bytes} bytes, at most {CERTIFICATE_BYTES_MAX} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// Not a certificate in DER, or one with bytes left over.
    #[error("not an X.509 certificate in DER")]
    Malformed,
    /// A certificate, but not in its one DER encoding.
    #[error("the certificate is not canonically encoded")]
    NotCanonical,
    /// A certificate that this authority would not have made.
    #[error("not a certificate of this authority: {reason}")]
    Shape {
        /// What it has or lacks.
        reason: &'static str,
    },
    /// An extension that must be understood and is not.
    #[error("unknown critical extension {oid}")]
    UnknownCritical {
        /// Its object identifier.
        oid: String,
    },
    /// A signature over other bytes than those of the certificate.
    #[error("the signature is over other bytes than those of the certificate")]
    OtherBytes,
    /// A consensus proof that is not as it should be.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// A key that this authority does not certify.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// Names that this authority does not certify.
    #[error(transparent)]
    Names(#[from] NameFault),
}

/// Takes a DER certificate apart.
///
/// # Errors
/// If it is too long, malformed, not canonical, or not of one of this authority's shapes.
pub fn parse_certificate(der: &[u8]) -> Result<SignedCertificate, CertificateFault> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateFault::TooLong { bytes: der.len() });
    }
    let certificate = Certificate::from_der(der).map_err(|_| CertificateFault::Malformed)?;
    if certificate.to_der().ok().as_deref() != Some(der) {
        return Err(CertificateFault::NotCanonical);
    }
    let inner = &certificate.tbs_certificate;
    check_frame(&certificate)?;
    let signature = certificate.signature.as_bytes().and_then(|bytes| bytes.try_into().ok());
    let tbs = encoded(inner)?;
    let (pre_tbs, proof) = split(&tbs)?;
    let extensions = Extensions::of(inner)?;
    Ok(SignedCertificate {
        pre_tbs,
        proof,
        tbs,
        signature: Signature(signature.ok_or_else(|| shape("its signature is not 64 bytes"))?),
        serial: SerialNumber::from_bytes(inner.serial_number.as_bytes())
            .map_err(|_| shape("its serial number is not one of this authority"))?,
        validity: validity_of(inner)?,
        subject_key: SubjectKey::from_spki_der(&encoded(&inner.subject_public_key_info)?)?,
        role: extensions.role()?,
        issuer_name: encoded(&inner.issuer)?,
        subject_name: encoded(&inner.subject)?,
        authority_key_id: extensions.authority_key_id()?,
        subject_key_id: extensions.subject_key_id()?,
    })
}

impl SignedCertificate {
    /// Verifies the signature under a key, by the rule that other implementations use.
    ///
    /// # Errors
    /// If it does not hold.
    pub fn signed_by(&self, key: &PublicKey) -> Result<StrictSignature, SignatureError> {
        key.verify_strict(&self.tbs, &self.signature)
    }

    /// The certificate as it was taken apart, for tests of what is read and written.
    ///
    /// # Errors
    /// If its parts were changed so that they do not encode.
    #[cfg(any(test, hypermesh_fuzzing))]
    pub fn to_der(&self) -> Result<Vec<u8>, CertificateFault> {
        super::assemble::framed(&self.tbs, &self.signature.0)
    }
}

/// What the certificate with these to-be-signed bytes is for: of a log's entry, which holds no more of it.
///
/// # Errors
/// If they are too long, malformed, not canonical, or not of one of this authority's shapes.
pub fn role_of_tbs(tbs: &[u8]) -> Result<CertificateRole, CertificateFault> {
    Extensions::of(&decode_tbs(tbs)?)?.role()
}

/// To-be-signed bytes decoded, if they are canonical.
pub(super) fn decode_tbs(tbs: &[u8]) -> Result<TbsCertificate, CertificateFault> {
    if tbs.len() > PROVEN_TBS_BYTES_MAX {
        return Err(CertificateFault::TooLong { bytes: tbs.len() });
    }
    let certificate = TbsCertificate::from_der(tbs).map_err(|_| CertificateFault::Malformed)?;
    if encoded(&certificate)? == tbs { Ok(certificate) } else { Err(CertificateFault::NotCanonical) }
}

fn check_frame(certificate: &Certificate) -> Result<(), CertificateFault> {
    let inner = &certificate.tbs_certificate;
    if inner.version != Version::V3 {
        return Err(shape("it is not version 3"));
    }
    let is_ed25519 = |algorithm: &x509_cert::spki::AlgorithmIdentifierOwned| {
        algorithm.oid == rfc8410::ID_ED_25519 && algorithm.parameters.is_none()
    };
    if !is_ed25519(&certificate.signature_algorithm) || !is_ed25519(&inner.signature) {
        return Err(shape("it is not signed with Ed25519"));
    }
    if inner.issuer_unique_id.is_some() || inner.subject_unique_id.is_some() {
        return Err(shape("it has unique identifiers"));
    }
    Ok(())
}

fn validity_of(inner: &TbsCertificate) -> Result<Validity, CertificateFault> {
    let instant = |time: x509_cert::time::Time| {
        let milliseconds = u64::try_from(time.to_unix_duration().as_millis());
        milliseconds.map(UnixMillis).map_err(|_| CertificateFault::Malformed)
    };
    Ok(Validity {
        not_before: instant(inner.validity.not_before)?,
        not_after: instant(inner.validity.not_after)?,
    })
}

/// The extensions of one certificate, each known to stand once.
struct Extensions<'a>(&'a [Extension]);

impl<'a> Extensions<'a> {
    /// Every extension that [`super::Issuer`] writes.
    const KNOWN: [der::asn1::ObjectIdentifier; 8] = [
        AuthorityKeyIdentifier::OID,
        SubjectKeyIdentifier::OID,
        SubjectAltName::OID,
        KeyUsage::OID,
        ExtendedKeyUsage::OID,
        BasicConstraints::OID,
        NameConstraints::OID,
        CONSENSUS_PROOF,
    ];

    fn of(certificate: &'a TbsCertificate) -> Result<Self, CertificateFault> {
        let extensions = certificate.extensions.as_deref().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for extension in extensions {
            if !seen.insert(extension.extn_id) {
                return Err(shape("it has an extension twice"));
            }
            if extension.critical && !Self::KNOWN.contains(&extension.extn_id) {
                return Err(CertificateFault::UnknownCritical { oid: extension.extn_id.to_string() });
            }
        }
        Ok(Self(extensions))
    }

    fn get<T: Decode<'a> + AssociatedOid>(&self) -> Result<Option<T>, CertificateFault> {
        let extension = self.0.iter().find(|extension| extension.extn_id == T::OID);
        let value = extension.map(|extension| T::from_der(extension.extn_value.as_bytes()));
        value.transpose().map_err(|_| CertificateFault::Malformed)
    }

    fn role(&self) -> Result<CertificateRole, CertificateFault> {
        let constraints = self.get::<BasicConstraints>()?;
        let constraints = constraints.ok_or_else(|| shape("it has no basic constraints"))?;
        let usage = self.get::<KeyUsage>()?.ok_or_else(|| shape("it has no key usage"))?;
        if constraints.ca {
            return self.authority(&constraints, &usage);
        }
        if constraints.path_len_constraint.is_some() {
            return Err(shape("a leaf has a path length"));
        }
        if usage.0 != FlagSet::from(KeyUsages::DigitalSignature) {
            return Err(shape("a leaf's key usage is not digitalSignature alone"));
        }
        let purposes = self.get::<ExtendedKeyUsage>()?.map(|usage| usage.0).unwrap_or_default();
        if purposes != [rfc5280::ID_KP_SERVER_AUTH, rfc5280::ID_KP_CLIENT_AUTH] {
            return Err(shape("a leaf's extended key usage is not serverAuth and clientAuth"));
        }
        if self.get::<NameConstraints>()?.is_some() {
            return Err(shape("a leaf has name constraints"));
        }
        let names = self.get::<SubjectAltName>()?.ok_or_else(|| shape("a leaf has no subjectAltName"))?;
        let subject = SubjectNames::from_general_names(&names.0)?;
        if subject.count() != names.0.len() {
            return Err(NameFault::Repeated.into());
        }
        Ok(CertificateRole::Leaf(subject))
    }

    fn authority(
        &self,
        constraints: &BasicConstraints,
        usage: &KeyUsage,
    ) -> Result<CertificateRole, CertificateFault> {
        let path_length = constraints.path_len_constraint;
        if usage.0 != KeyUsages::KeyCertSign | KeyUsages::CRLSign {
            return Err(shape("an authority's key usage is not keyCertSign and cRLSign"));
        }
        Ok(CertificateRole::Authority {
            path_length: path_length.ok_or_else(|| shape("an authority has no path length"))?,
            zone: self.zone()?,
        })
    }

    /// Name constraints are the zone and all of IPv6, nothing else.
    fn zone(&self) -> Result<DomainName, CertificateFault> {
        let constraints = self.get::<NameConstraints>()?;
        let constraints = constraints.ok_or_else(|| shape("an authority has no name constraints"))?;
        let other = || shape("an authority's name constraints are not one zone and all of IPv6");
        let permitted = constraints.permitted_subtrees.unwrap_or_default();
        let [names, addresses] = permitted.as_slice() else { return Err(other()) };
        let (GeneralName::DnsName(zone), GeneralName::IpAddress(prefix)) = (&names.base, &addresses.base)
        else {
            return Err(other());
        };
        let whole =
            [names, addresses].iter().all(|subtree| subtree.minimum == 0 && subtree.maximum.is_none());
        if !whole || prefix.as_bytes() != EVERY_IPV6 || constraints.excluded_subtrees.is_some() {
            return Err(other());
        }
        zone.as_str().parse().map_err(|_| other())
    }

    fn subject_key_id(&self) -> Result<Vec<u8>, CertificateFault> {
        let identifier = self.get::<SubjectKeyIdentifier>()?.map(|id| id.0.into_bytes());
        identifier.ok_or_else(|| shape("it has no subject key identifier"))
    }

    fn authority_key_id(&self) -> Result<Vec<u8>, CertificateFault> {
        let identifier = self.get::<AuthorityKeyIdentifier>()?.and_then(|id| id.key_identifier);
        identifier
            .map(der::asn1::OctetString::into_bytes)
            .ok_or_else(|| shape("it has no authority key identifier"))
    }
}

fn encoded(value: &impl Encode) -> Result<Vec<u8>, CertificateFault> {
    value.to_der().map_err(|_| CertificateFault::Malformed)
}

const fn shape(reason: &'static str) -> CertificateFault {
    CertificateFault::Shape { reason }
}
