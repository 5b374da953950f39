//! Subject keys: which kinds of key a certificate may be issued for, and their one encoding.

use crate::base::{Digest, PublicKey};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use der::asn1::{Any, BitString, ObjectIdentifier};
use der::oid::db::{rfc5912, rfc8410};
use der::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// The longest SubjectPublicKeyInfo that is looked at. The longest that is taken, P-384, has 120 bytes.
const SPKI_BYTES_MAX: usize = 1024;
/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED_POINT: u8 = 4;

/// A kind of key that certificates are issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SubjectAlgorithm {
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// ECDSA on NIST P-256 (RFC 5480).
    EcdsaP256,
    /// ECDSA on NIST P-384 (RFC 5480).
    EcdsaP384,
}

/// A subject's public key: a SubjectPublicKeyInfo of a kind that is taken, in its one DER encoding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubjectKey {
    algorithm: SubjectAlgorithm,
    spki_der: Vec<u8>,
}

/// A key that no certificate is issued for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// Not a SubjectPublicKeyInfo in DER, or one with bytes left over.
    #[error("the public key is not a DER SubjectPublicKeyInfo")]
    Malformed,
    /// A kind of key that is not taken.
    #[error("{kind} keys are not supported: use Ed25519, P-256 or P-384")]
    Unsupported {
        /// The kind, by name where it has one and by object identifier where not.
        kind: String,
    },
    /// The right kind, but not a key of it: the wrong length, a compressed point, a point of small order.
    #[error("unusable {algorithm} key: the point must be uncompressed, on the curve and of full order")]
    Unusable {
        /// The kind that it claims to be.
        algorithm: SubjectAlgorithm,
    },
}

impl SubjectAlgorithm {
    /// How many bytes the key itself has, without its SubjectPublicKeyInfo.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::EcdsaP256 => 65,
            Self::EcdsaP384 => 97,
        }
    }
}

impl SubjectKey {
    /// The key in a SubjectPublicKeyInfo.
    ///
    /// Whether an ECDSA point lies on its curve shows only when a signature is checked with it, which
    /// [`super::CertificateRequest::from_csr`] does.
    ///
    /// # Errors
    /// If it is malformed, not in canonical DER, or of a kind that is not taken.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyFault> {
        if der.len() > SPKI_BYTES_MAX {
            return Err(KeyFault::Malformed);
        }
        let spki = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| KeyFault::Malformed)?;
        let algorithm = algorithm_of(&spki.algorithm)?;
        if spki.to_der().ok().as_deref() != Some(der) {
            return Err(KeyFault::Malformed);
        }
        let unusable = KeyFault::Unusable { algorithm };
        let bits = spki.subject_public_key.as_bytes().ok_or_else(|| unusable.clone())?;
        if bits.len() != algorithm.key_bytes() {
            return Err(unusable);
        }
        let usable = match algorithm {
            SubjectAlgorithm::Ed25519 => {
                <[u8; 32]>::try_from(bits).is_ok_and(|bytes| PublicKey(bytes).check().is_ok())
            }
            SubjectAlgorithm::EcdsaP256 | SubjectAlgorithm::EcdsaP384 => {
                bits.first() == Some(&UNCOMPRESSED_POINT)
            }
        };
        if usable { Ok(Self { algorithm, spki_der: der.to_vec() }) } else { Err(unusable) }
    }

    /// The kind of key.
    #[must_use]
    pub const fn algorithm(&self) -> SubjectAlgorithm {
        self.algorithm
    }

    /// The SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// SHA-256 of the SubjectPublicKeyInfo: what TLSA `3 1 1` publishes, and how a log entry names its issuer.
    #[must_use]
    pub fn spki_hash(&self) -> Digest {
        Digest(Sha256::digest(&self.spki_der).into())
    }

    /// The key itself: 32 bytes for Ed25519, an uncompressed point for the others.
    #[must_use]
    pub fn key_bytes(&self) -> &[u8] {
        let header = self.spki_der.len().saturating_sub(self.algorithm.key_bytes());
        self.spki_der.get(header..).unwrap_or_default()
    }

    /// The key as one that this code base verifies with; `None` unless it is Ed25519.
    #[must_use]
    pub fn ed25519(&self) -> Option<PublicKey> {
        match self.algorithm {
            SubjectAlgorithm::Ed25519 => self.key_bytes().try_into().ok().map(PublicKey),
            SubjectAlgorithm::EcdsaP256 | SubjectAlgorithm::EcdsaP384 => None,
        }
    }
}

impl From<PublicKey> for SubjectKey {
    fn from(key: PublicKey) -> Self {
        let algorithm = AlgorithmIdentifierOwned { oid: rfc8410::ID_ED_25519, parameters: None };
        let subject_public_key = BitString::from_bytes(&key.0).expect("32 bytes fit a bit string");
        let spki_der = SubjectPublicKeyInfoOwned { algorithm, subject_public_key }
            .to_der()
            .expect("a key of fixed size always encodes");
        Self { algorithm: SubjectAlgorithm::Ed25519, spki_der }
    }
}

fn algorithm_of(algorithm: &AlgorithmIdentifierOwned) -> Result<SubjectAlgorithm, KeyFault> {
    let unsupported = |kind: &str| Err(KeyFault::Unsupported { kind: kind.to_string() });
    match algorithm.oid {
        rfc8410::ID_ED_25519 if algorithm.parameters.is_none() => Ok(SubjectAlgorithm::Ed25519),
        rfc8410::ID_ED_25519 => Err(KeyFault::Malformed),
        rfc5912::ID_EC_PUBLIC_KEY => match algorithm.parameters.as_ref().map(Any::decode_as) {
            Some(Ok(rfc5912::SECP_256_R_1)) => Ok(SubjectAlgorithm::EcdsaP256),
            Some(Ok(rfc5912::SECP_384_R_1)) => Ok(SubjectAlgorithm::EcdsaP384),
            Some(Ok(rfc5912::SECP_521_R_1)) => unsupported("P-521"),
            Some(Ok::<ObjectIdentifier, _>(other)) => unsupported(&curve_name(other)),
            Some(Err(_)) => unsupported("elliptic-curve (with explicit curve parameters)"),
            None => Err(KeyFault::Malformed),
        },
        rfc5912::RSA_ENCRYPTION | rfc5912::ID_RSASSA_PSS => unsupported("RSA"),
        rfc8410::ID_ED_448 => unsupported("Ed448"),
        rfc8410::ID_X_25519 => unsupported("X25519"),
        other => unsupported(&other.to_string()),
    }
}

fn curve_name(curve: ObjectIdentifier) -> String {
    /// certicom-arc 0 10 (SEC 2 §A.2.1), which no RFC's table has.
    const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
    if curve == SECP256K1 { "secp256k1".to_string() } else { alloc::format!("elliptic-curve {curve}") }
}

impl fmt::Display for SubjectAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256 => "P-256",
            Self::EcdsaP384 => "P-384",
        })
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.algorithm, hex::encode(self.key_bytes()))
    }
}

impl BorshSerialize for SubjectKey {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        BorshSerialize::serialize(&self.spki_der, writer)
    }
}

impl BorshDeserialize for SubjectKey {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let der = <Vec<u8> as BorshDeserialize>::deserialize_reader(reader)?;
        Self::from_spki_der(&der)
            .map_err(|_| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "not a subject key"))
    }
}

impl TryFrom<String> for SubjectKey {
    type Error = KeyFault;

    fn try_from(text: String) -> Result<Self, KeyFault> {
        Self::from_spki_der(&hex::decode(text).map_err(|_| KeyFault::Malformed)?)
    }
}

impl From<SubjectKey> for String {
    fn from(key: SubjectKey) -> Self {
        hex::encode(key.spki_der)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SecretKey, decode, encode};

    #[test]
    fn an_ed25519_key_keeps_its_bytes_through_every_form() {
        let public = SecretKey::from_seed([9; 32]).public();
        let key = SubjectKey::from(public);
        assert_eq!(key.ed25519(), Some(public));
        assert_eq!(SubjectKey::from_spki_der(key.spki_der()), Ok(key.clone()));
        assert_eq!(decode::<SubjectKey>(&encode(&key), 64), Ok(key.clone()));
        assert_eq!(SubjectKey::try_from(String::from(key.clone())), Ok(key));
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let key = SubjectKey::from(PublicKey(identity));
        let fault = KeyFault::Unusable { algorithm: SubjectAlgorithm::Ed25519 };
        assert_eq!(SubjectKey::from_spki_der(key.spki_der()), Err(fault));
        assert!(decode::<SubjectKey>(&encode(&key), 64).is_err());
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut der = SubjectKey::from(SecretKey::from_seed([9; 32]).public()).spki_der().to_vec();
        der.push(0);
        assert_eq!(SubjectKey::from_spki_der(&der), Err(KeyFault::Malformed));
    }
}
