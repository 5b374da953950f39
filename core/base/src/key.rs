//! Ed25519 keys and signatures. (In builds for simulations another scheme may stand in for it: see `scheme`.)
//!
//! There are two rules, and each signature is checked by one of them:
//!
//! - [`PublicKey::verify`], by ZIP-215: for what the mesh alone verifies (votes, operations, signature shares, proofs).
//!   Single and batch verification agree by it, so all validators accept the same blocks. Each of these is over a
//!   32-byte [`Digest`] made in a [`super::Domain`], so a signature for one use is never one for another.
//! - [`PublicKey::verify_strict`], by RFC 8032 as other implementations check it: for everything whose form a standard fixes
//!   (certificates, revocation lists, certificate requests, checkpoints and cosignatures). See [`super::StrictSignature`].
//!
//! Keys of small order and keys that are not canonically encoded are refused when they are parsed.

use super::scheme::{self, Signing};
use super::{Digest, Entropy};
use alloc::string::{String, ToString};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A public key: who someone is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 64]);

/// A secret key. Its memory is wiped when it is dropped, and it prints as nothing.
#[derive(Clone)]
pub struct SecretKey {
    seed: Zeroizing<[u8; 32]>,
    signing: Signing,
    public: PublicKey,
}

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct SignatureError;

/// A key that is not a point of the curve in canonical encoding, or one of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unusable Ed25519 public key: expected 64 hexadecimal digits of a point of full order")]
pub struct InvalidKey;

impl PublicKey {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Refuses what is not a point, encodings that are not canonical, and the points of small order, for which anyone
    /// can sign.
    ///
    /// # Errors
    /// If the key is one of those.
    pub fn check(&self) -> Result<(), InvalidKey> {
        if scheme::is_key(&self.0) { Ok(()) } else { Err(InvalidKey) }
    }

    /// Verifies a signature over a digest by ZIP-215: for votes, operations, shares and all else that only this code base
    /// verifies. A signature that others verify too is checked with [`Self::verify_strict`].
    ///
    /// # Errors
    /// If it does not hold.
    pub fn verify(&self, digest: &Digest, signature: &Signature) -> Result<(), SignatureError> {
        let verify = || scheme::verify(&self.0, &digest.0, &signature.0);
        #[cfg(hypermesh_verification_cache)]
        let holds =
            super::verdicts::recall(super::verdicts::Rule::Cofactored, self, &digest.0, signature, verify);
        #[cfg(not(hypermesh_verification_cache))]
        let holds = verify();
        if holds { Ok(()) } else { Err(SignatureError) }
    }
}

impl SecretKey {
    /// The key with this seed (RFC 8032 private key).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let signing = Signing::from_seed(seed);
        let public = PublicKey(signing.public());
        Self { seed: Zeroizing::new(seed), signing, public }
    }

    /// A new key.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed);
        Self::from_seed(*seed)
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// The seed, for the file that keeps it and for deriving further secrets in a domain of their own.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Signs a digest.
    #[must_use]
    pub fn sign(&self, digest: &Digest) -> Signature {
        self.sign_bytes(&digest.0)
    }

    /// Signs bytes whose form a standard fixes.
    #[must_use]
    pub fn sign_bytes(&self, message: &[u8]) -> Signature {
        Signature(self.signing.sign(message))
    }
}

/// Checks many signatures at once, which costs about half of checking each.
///
/// # Errors
/// If any of them does not hold; which one, only single verification tells.
pub fn verify_batch<'a>(
    items: impl IntoIterator<Item = (PublicKey, &'a Digest, Signature)>,
    entropy: &mut dyn Entropy,
) -> Result<(), SignatureError> {
    let mut batch = scheme::Batch::default();
    for (key, digest, signature) in items {
        batch.queue(key.0, &digest.0, &signature.0);
    }
    if batch.verify(super::EntropyRng(entropy)) { Ok(()) } else { Err(SignatureError) }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey(of {})", self.public)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidKey)?;
        let key = Self(bytes);
        key.check()?;
        Ok(key)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(<String as Deserialize>::deserialize(deserializer)?, &mut bytes)
            .map_err(|_| serde::de::Error::custom("expected 128 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_point_is_no_key() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey(identity).check(), Err(InvalidKey));
        assert_eq!(SecretKey::from_seed([7; 32]).public().check(), Ok(()));
    }

    #[cfg(not(hypermesh_simulation_crypto))]
    #[test]
    fn no_point_of_small_order_is_a_key() {
        for point in curve25519_dalek::constants::EIGHT_TORSION {
            assert_eq!(PublicKey(point.compress().to_bytes()).check(), Err(InvalidKey));
        }
        let mixed = curve25519_dalek::constants::ED25519_BASEPOINT_POINT
            + curve25519_dalek::constants::EIGHT_TORSION[1];
        assert_eq!(PublicKey(mixed.compress().to_bytes()).check(), Ok(()), "as ZIP-215 has it");
    }

    #[test]
    fn a_signature_holds_for_its_digest_alone() {
        let key = SecretKey::from_seed([3; 32]);
        let signature = key.sign(&Digest([1; 32]));
        assert_eq!(key.public().verify(&Digest([1; 32]), &signature), Ok(()));
        assert_eq!(key.public().verify(&Digest([2; 32]), &signature), Err(SignatureError));
    }
}
