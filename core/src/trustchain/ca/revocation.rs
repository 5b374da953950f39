//! Revocation lists (RFC 5280 §5): the bytes that the committee signs, alike on every node, and signed lists read
//! back.
//!
//! `rcgen` writes them and `x509-cert` reads them. A list is complete (never a delta), version 2, with an authority key
//! identifier and a number, and nothing else. What stands in it, and when there is a new one, the state decides.
//!
//! There is one for each authority, because many verifiers want one for each certificate of a chain (OpenSSL's
//! `X509_V_FLAG_CRL_CHECK_ALL`, the default of Java and of most servers). The issuing key's names revoked leaf
//! certificates. The root key's is empty: an issuing certificate cannot be revoked, since all of them share the
//! committee's one issuing key.
//!
//! Whether a list is the *newest* cannot be seen from it: `nextUpdate` bounds how old it may be.

use super::assemble::ed25519_algorithm;
use super::build::{Recorder, calendar, encoding_fault};
use super::{BuildFault, CLOCK_MS_TOLERANCE, Issuer, SerialNumber};
use crate::base::{PublicKey, Signature, SignatureError, StrictSignature, UnixMillis};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use der::asn1::BitString;
use der::oid::AssociatedOid;
use der::{Decode, Encode};
use rcgen::{CertificateParams, CertificateRevocationListParams, KeyIdMethod, RevokedCertParams};
use serde::{Deserialize, Serialize};
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason};

/// The most certificates in a revocation list.
pub const REVOKED_COUNT_MAX: usize = 16_384;
/// The longest revocation list in DER: each entry takes at most 56 bytes.
pub const CRL_BYTES_MAX: usize = REVOKED_COUNT_MAX * ENTRY_BYTES_MAX + CRL_FRAME_BYTES_MAX;
/// How long a list holds: `nextUpdate` is this much after `thisUpdate`.
pub const CRL_MS_LIFETIME: u64 = 24 * 60 * 60 * 1000;
/// There is a new list at least this often, so that a verifier has half a list's life to fetch it.
pub const CRL_MS_PERIOD: u64 = CRL_MS_LIFETIME / 2;
/// An entry: serial number (18), date (17), reason (14), and the frames of both sequences.
const ENTRY_BYTES_MAX: usize = 56;
/// Everything in a list but its entries: issuer, dates, extensions, algorithm, signature.
const CRL_FRAME_BYTES_MAX: usize = 512;

/// How long a list of the root key holds: a year, the longest that the CA/Browser Forum lets a root's list hold (Baseline
/// Requirements §4.9.7).
pub const ROOT_CRL_MS_LIFETIME: u64 = 365 * 24 * 60 * 60 * 1000;
/// There is a new list of the root key this often.
pub const ROOT_CRL_MS_PERIOD: u64 = ROOT_CRL_MS_LIFETIME / 2;

const _: () = assert!(CRL_MS_PERIOD < CRL_MS_LIFETIME && ROOT_CRL_MS_PERIOD < ROOT_CRL_MS_LIFETIME);
// A client's answer is at most 2 MiB.
const _: () = assert!(CRL_BYTES_MAX < 1024 * 1024);

/// Why a certificate was revoked (RFC 5280 §5.3.1). A revocation is for good, so there is no `certificateHold`; and
/// nothing here is an authority's to be revoked for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RevocationReason {
    /// No reason was given.
    #[default]
    Unspecified,
    /// Somebody else may have the private key.
    KeyCompromise,
    /// The subject is no longer who it was.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The service is no more.
    CessationOfOperation,
    /// The subject may no longer bear the name.
    PrivilegeWithdrawn,
}

/// A text that names no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unsupported revocation reason {text:?}: use {} (RFC 5280 §5.3.1; certificateHold is not supported, \
    because revocation is permanent)",
    RevocationReason::names()
)]
pub struct InvalidReason {
    /// What was given.
    pub text: String,
}

/// A certificate in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RevokedEntry {
    /// Its serial number.
    pub serial: SerialNumber,
    /// When it was revoked: a block's time, in whole seconds as lists write it.
    pub at: UnixMillis,
    /// Why.
    pub reason: RevocationReason,
}

/// What a list says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevocationList {
    /// Its number, one more than that of the list before.
    pub number: u64,
    /// When it was made.
    pub this_update: UnixMillis,
    /// When there is a newer one at the latest.
    pub next_update: UnixMillis,
    /// What is revoked, in ascending order of serial numbers.
    pub entries: Vec<RevokedEntry>,
}

/// A list as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedRevocationList {
    /// The to-be-signed bytes, over which the signature is.
    pub tbs: Vec<u8>,
    /// The issuer's signature, not verified: see [`Self::signed_by`].
    pub signature: Signature,
    /// The issuer's distinguished name, in DER.
    pub issuer_name: Vec<u8>,
    /// The identifier of the key that signed it.
    pub authority_key_id: Vec<u8>,
    /// What it says.
    pub list: RevocationList,
}

/// Why a revocation list was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListFault {
    /// More than [`CRL_BYTES_MAX`].
    #[error("the revocation list has {bytes} bytes, at most {CRL_BYTES_MAX} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// Not a revocation list in DER, or one with bytes left over.
    #[error("not an X.509 revocation list in DER")]
    Malformed,
    /// A list, but not in its one DER encoding.
    #[error("the revocation list is not canonically encoded")]
    NotCanonical,
    /// A signature over other bytes than those of the list.
    #[error("the signature is over other bytes than those of the revocation list")]
    OtherBytes,
    /// A list that this authority would not have made.
    #[error("not a revocation list of this authority: {reason}")]
    Shape {
        /// What it has or lacks.
        reason: &'static str,
    },
}

impl Issuer {
    /// The to-be-signed bytes of a revocation list, for the issuing key to sign.
    ///
    /// # Errors
    /// If the network's name, the key or a date does not fit a list, or there are more than [`REVOKED_COUNT_MAX`]
    /// entries.
    pub fn crl_tbs(&self, list: &RevocationList) -> Result<Vec<u8>, BuildFault> {
        list_tbs(&self.issuing_params()?, self.issuing_key, list)
    }

    /// The to-be-signed bytes of the root key's revocation list of this number, made at this time, for the root key to sign.
    /// It holds as long as the root certificate at the longest.
    ///
    /// # Errors
    /// If the network's name, the key or a date does not fit a list.
    pub fn root_crl_tbs(&self, number: u64, at: UnixMillis) -> Result<Vec<u8>, BuildFault> {
        let list = RevocationList {
            number,
            this_update: at.minus(CLOCK_MS_TOLERANCE),
            next_update: at.plus(ROOT_CRL_MS_LIFETIME).min(self.root_validity.not_after),
            entries: Vec::new(),
        };
        list_tbs(&self.root_params()?, self.root_key, &list)
    }
}

fn list_tbs(
    issuer: &CertificateParams,
    key: PublicKey,
    list: &RevocationList,
) -> Result<Vec<u8>, BuildFault> {
    if list.entries.len() > REVOKED_COUNT_MAX {
        return Err(BuildFault::TooManyRevoked { entries: list.entries.len() });
    }
    let revoked = |entry: &RevokedEntry| {
        Ok(RevokedCertParams {
            serial_number: rcgen::SerialNumber::from_slice(entry.serial.as_bytes()),
            revocation_time: calendar(entry.at)?,
            reason_code: entry.reason.code(),
            invalidity_date: None,
        })
    };
    let params = CertificateRevocationListParams {
        this_update: calendar(list.this_update)?,
        next_update: calendar(list.next_update)?,
        crl_number: rcgen::SerialNumber::from(list.number),
        issuing_distribution_point: None,
        revoked_certs: list.entries.iter().map(revoked).collect::<Result<_, BuildFault>>()?,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let recorder = Recorder::new(key);
    params.signed_by(&rcgen::Issuer::from_params(issuer, &recorder)).map_err(encoding_fault)?;
    Ok(recorder.recorded())
}

/// The revocation list with these to-be-signed bytes and this signature over them, in DER. Under whose key it should be
/// is for the caller.
///
/// # Errors
/// If the bytes are not a to-be-signed list in canonical DER, or the signature is over others.
pub fn crl_der(tbs: &[u8], signature: &StrictSignature) -> Result<Vec<u8>, RevocationListFault> {
    if !signature.is_over(tbs) {
        return Err(RevocationListFault::OtherBytes);
    }
    framed(tbs, &signature.signature().0)
}

fn framed(tbs: &[u8], signature: &[u8; 64]) -> Result<Vec<u8>, RevocationListFault> {
    let tbs_cert_list = TbsCertList::from_der(tbs).map_err(|_| RevocationListFault::Malformed)?;
    let list = CertificateList {
        tbs_cert_list,
        signature_algorithm: ed25519_algorithm(),
        signature: BitString::from_bytes(signature).map_err(|_| RevocationListFault::Malformed)?,
    };
    list.to_der().map_err(|_| RevocationListFault::Malformed)
}

/// Takes a DER revocation list apart.
///
/// # Errors
/// If it is too long, malformed, not canonical, or not of the shape that [`Issuer::crl_tbs`] gives it.
pub fn parse_crl(der: &[u8]) -> Result<SignedRevocationList, RevocationListFault> {
    if der.len() > CRL_BYTES_MAX {
        return Err(RevocationListFault::TooLong { bytes: der.len() });
    }
    let list = CertificateList::from_der(der).map_err(|_| RevocationListFault::Malformed)?;
    if list.to_der().ok().as_deref() != Some(der) {
        return Err(RevocationListFault::NotCanonical);
    }
    let inner = &list.tbs_cert_list;
    if inner.version != Version::V2 {
        return Err(shape("it is not version 2"));
    }
    if list.signature_algorithm != ed25519_algorithm() || inner.signature != ed25519_algorithm() {
        return Err(shape("it is not signed with Ed25519"));
    }
    let signature = list.signature.as_bytes().and_then(|bytes| bytes.try_into().ok());
    let (authority_key_id, number) = extensions(inner.crl_extensions.as_deref().unwrap_or_default())?;
    let next_update = inner.next_update.ok_or_else(|| shape("it has no nextUpdate"))?;
    let entries = inner.revoked_certificates.as_deref().unwrap_or_default();
    let entries = entries.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    if !entries.is_sorted_by(|a, b| a.serial < b.serial) {
        return Err(shape("its entries are not sorted and distinct"));
    }
    Ok(SignedRevocationList {
        tbs: inner.to_der().map_err(|_| RevocationListFault::Malformed)?,
        signature: Signature(signature.ok_or_else(|| shape("its signature is not 64 bytes"))?),
        issuer_name: inner.issuer.to_der().map_err(|_| RevocationListFault::Malformed)?,
        authority_key_id,
        list: RevocationList {
            number,
            this_update: instant(inner.this_update)?,
            next_update: instant(next_update)?,
            entries,
        },
    })
}

impl SignedRevocationList {
    /// Verifies the signature under a key, by the rule that other implementations use.
    ///
    /// # Errors
    /// If it does not hold.
    pub fn signed_by(&self, key: &PublicKey) -> Result<StrictSignature, SignatureError> {
        key.verify_strict(&self.tbs, &self.signature)
    }

    /// The list as it was taken apart, for tests of what is read and written.
    ///
    /// # Errors
    /// If its parts were changed so that they do not encode.
    #[cfg(any(test, hypermesh_fuzzing))]
    pub fn to_der(&self) -> Result<Vec<u8>, RevocationListFault> {
        framed(&self.tbs, &self.signature.0)
    }
}

impl RevocationList {
    /// The entry of a certificate, if it is revoked.
    #[must_use]
    pub fn entry(&self, serial: &SerialNumber) -> Option<&RevokedEntry> {
        let place = self.entries.binary_search_by_key(serial, |entry| entry.serial).ok()?;
        self.entries.get(place)
    }
}

/// The authority key identifier and the number, and nothing besides.
fn extensions(extensions: &[Extension]) -> Result<(Vec<u8>, u64), RevocationListFault> {
    let [authority, number] = extensions else {
        return Err(shape("its extensions are not an authority key identifier and a number"));
    };
    if authority.extn_id != AuthorityKeyIdentifier::OID || number.extn_id != CrlNumber::OID {
        return Err(shape("its extensions are not an authority key identifier and a number"));
    }
    let authority = AuthorityKeyIdentifier::from_der(authority.extn_value.as_bytes()).ok();
    let authority = authority.and_then(|identifier| identifier.key_identifier);
    let authority = authority.ok_or_else(|| shape("it has no authority key identifier"))?;
    let number =
        CrlNumber::from_der(number.extn_value.as_bytes()).map_err(|_| RevocationListFault::Malformed)?;
    let digits = number.0.as_bytes();
    if digits.len() > size_of::<u64>() {
        return Err(shape("its number is too long"));
    }
    let number = digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
    Ok((authority.into_bytes(), number))
}

fn entry(entry: &RevokedCert) -> Result<RevokedEntry, RevocationListFault> {
    let serial = SerialNumber::from_bytes(entry.serial_number.as_bytes());
    let reason = match entry.crl_entry_extensions.as_deref() {
        None => RevocationReason::Unspecified,
        Some([extension]) if extension.extn_id == CrlReason::OID => {
            let code = CrlReason::from_der(extension.extn_value.as_bytes());
            code.ok()
                .and_then(RevocationReason::of)
                .ok_or_else(|| shape("it has an unsupported revocation reason"))?
        }
        Some(_) => return Err(shape("an entry has an extension other than a reason")),
    };
    Ok(RevokedEntry {
        serial: serial.map_err(|_| shape("it has a serial number that is not one of this authority"))?,
        at: instant(entry.revocation_date)?,
        reason,
    })
}

fn instant(time: x509_cert::time::Time) -> Result<UnixMillis, RevocationListFault> {
    let milliseconds = u64::try_from(time.to_unix_duration().as_millis());
    milliseconds.map(UnixMillis).map_err(|_| RevocationListFault::Malformed)
}

const fn shape(reason: &'static str) -> RevocationListFault {
    RevocationListFault::Shape { reason }
}

impl RevocationReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// Its name in RFC 5280 §5.3.1.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Its code in a list; `unspecified` is said by saying nothing.
    const fn code(self) -> Option<rcgen::RevocationReason> {
        use rcgen::RevocationReason as Code;
        match self {
            Self::Unspecified => None,
            Self::KeyCompromise => Some(Code::KeyCompromise),
            Self::AffiliationChanged => Some(Code::AffiliationChanged),
            Self::Superseded => Some(Code::Superseded),
            Self::CessationOfOperation => Some(Code::CessationOfOperation),
            Self::PrivilegeWithdrawn => Some(Code::PrivilegeWithdrawn),
        }
    }

    const fn of(code: CrlReason) -> Option<Self> {
        match code {
            CrlReason::KeyCompromise => Some(Self::KeyCompromise),
            CrlReason::AffiliationChanged => Some(Self::AffiliationChanged),
            CrlReason::Superseded => Some(Self::Superseded),
            CrlReason::CessationOfOperation => Some(Self::CessationOfOperation),
            CrlReason::PrivilegeWithdrawn => Some(Self::PrivilegeWithdrawn),
            _ => None,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for RevocationReason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let is_it = |reason: &Self| reason.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(is_it).ok_or_else(|| InvalidReason { text: text.to_string() })
    }
}
