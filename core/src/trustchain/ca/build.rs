//! To-be-signed certificates (RFC 5280 §4.1): the bytes that the committee signs, alike on every node.
//!
//! `rcgen` writes them. It asks a key for a signature over them; the key that it is given here holds no secret
//! and only keeps what it was asked to sign.
//!
//! The root certifies the issuing certificate and nothing below it signs further. Both authorities carry name
//! constraints: DNS names within the zone, and no address but IPv6. There is none for URIs, since webpki refuses
//! every URI under one; that a SPIFFE ID lies in the zone is checked before it is signed, and by
//! [`super::ChainCheck`].

use super::{CertificateRequest, SubjectNames};
use super::{KeyFault, NameFault, SerialNumber, SubjectAlgorithm, SubjectKey, Validity};
use crate::base::{Digest, PublicKey, UnixMillis};
use crate::trustchain::DomainName;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::cell::RefCell;
use core::net::{IpAddr, Ipv6Addr};
use der::oid::AssociatedOid as _;
use der::{Decode as _, Encode as _};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, PublicKeyData, SanType, SignatureAlgorithm,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use x509_cert::TbsCertificate;

/// The longest to-be-signed certificate, its proof aside.
pub const TBS_BYTES_MAX: usize = 2048;
/// The longest name of a network (RFC 5280 appendix A, `ub-organization-name`).
pub const NETWORK_BYTES_MAX: usize = 64;
/// The longest common name (RFC 5280 appendix A, `ub-common-name`); a longer DNS name stands in the SAN alone.
const COMMON_NAME_BYTES_MAX: usize = 64;

const ROOT_COMMON_NAME: &str = "HyperMesh Root CA";
const ISSUING_COMMON_NAME: &str = "HyperMesh Issuing CA";
/// Below the root stands one more authority.
const ROOT_PATH_LENGTH: u8 = 1;
/// Below the issuing certificate stand leaves alone.
const ISSUING_PATH_LENGTH: u8 = 0;
/// The prefix of all IPv6 addresses, `::/0`.
const EVERY_IPV6: CidrSubnet = CidrSubnet::V6([0; 16], [0; 16]);

/// The authority of a mesh: its names, its two keys and how long each is certified.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Issuer {
    /// The network's name, which stands in every authority's subject as its organisation.
    pub network: String,
    /// The zone that the authority speaks for.
    pub zone: DomainName,
    /// The committee's key for the root.
    pub root_key: PublicKey,
    /// How long the root certificate holds.
    pub root_validity: Validity,
    /// The committee's key for issuing.
    pub issuing_key: PublicKey,
    /// How long the issuing certificate holds.
    pub issuing_validity: Validity,
}

/// What differs from one leaf certificate to the next, beside what its request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafParameters {
    /// The serial number, from the operation's id.
    pub serial: SerialNumber,
    /// How long it holds: [`Validity::leaf`] of the block's time.
    pub validity: Validity,
}

/// Why no to-be-signed bytes were made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildFault {
    /// The network's name is empty, too long, or has control characters.
    #[error(
        "network name {name:?} does not fit a certificate: use 1 to {NETWORK_BYTES_MAX} printable characters"
    )]
    Network {
        /// The name.
        name: String,
    },
    /// A committee key that is no usable key.
    #[error("a key of the authority is unusable: {0}")]
    AuthorityKey(KeyFault),
    /// The certificate would end after its issuer's.
    #[error("the certificate would outlive its issuer: renew the issuer first")]
    OutlivesIssuer,
    /// The certificate would end before it begins, as when its issuer has expired.
    #[error("the certificate's lifetime would be zero: its issuer has expired")]
    Empty,
    /// An instant that certificates cannot write.
    #[error("time {milliseconds} ms lies past the year 9999")]
    Time {
        /// Milliseconds since 1970.
        milliseconds: u64,
    },
    /// A name outside the zone.
    #[error(transparent)]
    Names(#[from] NameFault),
    /// More than a revocation list takes.
    #[error("{entries} certificates are revoked, and a list holds at most {}", super::REVOKED_COUNT_MAX)]
    TooManyRevoked {
        /// How many.
        entries: usize,
    },
    /// More than [`TBS_BYTES_MAX`].
    #[error("the certificate would have {bytes} bytes, at most {TBS_BYTES_MAX} are allowed")]
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// The encoder refused.
    #[error("the certificate could not be encoded: {reason}")]
    Encoding {
        /// What the encoder said.
        reason: String,
    },
}

impl Issuer {
    /// The root certificate's to-be-signed bytes, for the root key to sign: self-signed, path length 1.
    ///
    /// # Errors
    /// If the network's name, a key or the validity does not fit a certificate.
    pub fn root_tbs(&self, serial: SerialNumber) -> Result<Vec<u8>, BuildFault> {
        let params = self.root_params()?;
        let subject = SubjectKey::from(self.root_key);
        self.by_root(params, &subject, &LeafParameters { serial, validity: self.root_validity })
    }

    /// The issuing certificate's to-be-signed bytes, for the root key to sign: path length 0.
    ///
    /// # Errors
    /// As [`Self::root_tbs`], and if it would outlive the root.
    pub fn issuing_tbs(&self, serial: SerialNumber) -> Result<Vec<u8>, BuildFault> {
        if !self.issuing_validity.ends_within(&self.root_validity) {
            return Err(BuildFault::OutlivesIssuer);
        }
        let params = self.issuing_params()?;
        let subject = SubjectKey::from(self.issuing_key);
        self.by_root(params, &subject, &LeafParameters { serial, validity: self.issuing_validity })
    }

    /// A leaf certificate's to-be-signed bytes, for the issuing key to sign. These are the *pre-certificate
    /// bytes*: what state and log know, before [`super::with_proof`] adds the proof.
    ///
    /// # Errors
    /// If a name lies outside the zone, or the certificate would outlive its issuer or hold for no time.
    pub fn leaf_tbs(
        &self,
        request: &CertificateRequest,
        parameters: &LeafParameters,
    ) -> Result<Vec<u8>, BuildFault> {
        request.names.within(&self.zone)?;
        if !parameters.validity.ends_within(&self.issuing_validity) {
            return Err(BuildFault::OutlivesIssuer);
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = leaf_subject(&request.names);
        params.subject_alt_names = alternative_names(&request.names)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        record(&mut params, &request.subject_key, &self.issuing_params()?, self.issuing_key, parameters)
    }

    /// What stands in the issuing certificate, and so in whatever its key signs.
    pub(super) fn issuing_params(&self) -> Result<CertificateParams, BuildFault> {
        self.authority(ISSUING_COMMON_NAME, ISSUING_PATH_LENGTH)
    }

    /// What stands in the root certificate, and so in whatever its key signs.
    pub(super) fn root_params(&self) -> Result<CertificateParams, BuildFault> {
        self.authority(ROOT_COMMON_NAME, ROOT_PATH_LENGTH)
    }

    /// How a log entry names the root as issuer: [`SubjectKey::spki_hash`] of its key.
    #[must_use]
    pub fn root_key_hash(&self) -> Digest {
        SubjectKey::from(self.root_key).spki_hash()
    }

    /// How a log entry names the issuing certificate as issuer: [`SubjectKey::spki_hash`] of its key.
    #[must_use]
    pub fn issuing_key_hash(&self) -> Digest {
        SubjectKey::from(self.issuing_key).spki_hash()
    }

    fn by_root(
        &self,
        mut params: CertificateParams,
        subject: &SubjectKey,
        parameters: &LeafParameters,
    ) -> Result<Vec<u8>, BuildFault> {
        for key in [&SubjectKey::from(self.root_key), subject] {
            SubjectKey::from_spki_der(key.spki_der()).map_err(BuildFault::AuthorityKey)?;
        }
        let root = self.root_params()?;
        basic_constraints_first(&record(&mut params, subject, &root, self.root_key, parameters)?)
    }

    fn authority(&self, common_name: &str, path_length: u8) -> Result<CertificateParams, BuildFault> {
        let fits = (1..=NETWORK_BYTES_MAX).contains(&self.network.len());
        if !fits || self.network.chars().any(char::is_control) {
            return Err(BuildFault::Network { name: self.network.clone() });
        }
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, self.network.as_str());
        name.push(DnType::CommonName, common_name);
        let mut params = CertificateParams::default();
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![
                GeneralSubtree::DnsName(self.zone.as_str().to_string()),
                GeneralSubtree::IpAddress(EVERY_IPV6),
            ],
            excluded_subtrees: vec![],
        });
        Ok(params)
    }
}

fn leaf_subject(names: &SubjectNames) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(name) = names.dns().first().filter(|name| name.as_str().len() <= COMMON_NAME_BYTES_MAX) {
        subject.push(DnType::CommonName, name.as_str());
    }
    subject
}

fn alternative_names(names: &SubjectNames) -> Result<Vec<SanType>, BuildFault> {
    let text = |text: &str| text.try_into().map_err(encoding_fault);
    let dns = names.dns().iter().map(|name| Ok(SanType::DnsName(text(name.as_str())?)));
    let ipv6 = names.ipv6().iter().map(|address: &Ipv6Addr| Ok(SanType::IpAddress(IpAddr::V6(*address))));
    let spiffe = names.spiffe().into_iter().map(|uri| Ok(SanType::URI(text(uri)?)));
    dns.chain(ipv6).chain(spiffe).collect()
}

/// Completes the parameters, has them encoded, and gives back what was to be signed.
fn record(
    params: &mut CertificateParams,
    subject: &SubjectKey,
    issuer: &CertificateParams,
    issuer_key: PublicKey,
    parameters: &LeafParameters,
) -> Result<Vec<u8>, BuildFault> {
    let Validity { not_before, not_after } = parameters.validity;
    if not_after.seconds() <= not_before.seconds() {
        return Err(BuildFault::Empty);
    }
    params.not_before = calendar(not_before)?;
    params.not_after = calendar(not_after)?;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(parameters.serial.as_bytes()));
    params.use_authority_key_identifier_extension = true;
    let recorder = Recorder::new(issuer_key);
    params.signed_by(subject, &rcgen::Issuer::from_params(issuer, &recorder)).map_err(encoding_fault)?;
    let tbs = recorder.recorded();
    if tbs.len() > TBS_BYTES_MAX {
        return Err(BuildFault::TooLong { bytes: tbs.len() });
    }
    Ok(tbs)
}

/// The same to-be-signed certificate with its basic constraints before all other extensions: wolfSSL judges name constraints
/// by what it has read until then, and takes those of no certificate that does not say before them that it is an authority.
fn basic_constraints_first(tbs: &[u8]) -> Result<Vec<u8>, BuildFault> {
    let fault = |fault: der::Error| BuildFault::Encoding { reason: fault.to_string() };
    let mut certificate = TbsCertificate::from_der(tbs).map_err(fault)?;
    if let Some(extensions) = &mut certificate.extensions {
        extensions.sort_by_key(|extension| extension.extn_id != x509_cert::ext::pkix::BasicConstraints::OID);
    }
    certificate.to_der().map_err(fault)
}

pub(super) fn calendar(at: UnixMillis) -> Result<OffsetDateTime, BuildFault> {
    let seconds = i64::try_from(at.seconds()).ok();
    let instant = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    instant.ok_or(BuildFault::Time { milliseconds: at.0 })
}

pub(super) fn encoding_fault(fault: rcgen::Error) -> BuildFault {
    BuildFault::Encoding { reason: fault.to_string() }
}

/// A key without a secret, which keeps what it is asked to sign.
pub(super) struct Recorder {
    key: SubjectKey,
    tbs: RefCell<Vec<u8>>,
}

impl Recorder {
    pub(super) fn new(key: PublicKey) -> Self {
        Self { key: SubjectKey::from(key), tbs: RefCell::new(Vec::new()) }
    }

    /// What it was asked to sign.
    pub(super) fn recorded(&self) -> Vec<u8> {
        self.tbs.take()
    }
}

impl PublicKeyData for Recorder {
    fn der_bytes(&self) -> &[u8] {
        self.key.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(&self.key)
    }
}

impl rcgen::SigningKey for Recorder {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        *self.tbs.borrow_mut() = message.to_vec();
        Ok(Vec::new())
    }
}

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        self.key_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match Self::algorithm(self) {
            SubjectAlgorithm::Ed25519 => &rcgen::PKCS_ED25519,
            SubjectAlgorithm::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            SubjectAlgorithm::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        }
    }
}
