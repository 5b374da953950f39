//! Signatures that others verify too.
//!
//! X.509 certificates, revocation lists, certificate requests and signed notes are also verified by OpenSSL, GnuTLS,
//! aws-lc and Go. All of them check the equation of RFC 8032 §5.1.7 without the cofactor: they compute `sB - cA` and compare
//! its encoding with `R` byte by byte. ZIP-215, by which [`PublicKey::verify`] goes, multiplies by the cofactor and so
//! accepts signatures that they refuse: whoever adds a point of small order to `R` makes one. Here the rule is theirs.
//!
//! What a standard fixes is made of a [`StrictSignature`], which only verification by that rule can make: it cannot be
//! decoded, and it has no public constructor.
//!
//! The rule refuses keys that some of them accept: those of small order, under which one signature holds for many
//! messages, and those whose encoding is not canonical. No such key is certified or signs here.

use super::scheme;
use super::{Digest, Domain, PublicKey, Signature, SignatureError};
use core::fmt;

const MESSAGE: Domain = Domain::new("hypermesh v1 strictly signed message");

/// A signature that was verified by the rule of RFC 8032 as other implementations check it, and what it is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StrictSignature {
    key: PublicKey,
    message: Digest,
    signature: Signature,
}

impl PublicKey {
    /// Verifies a signature over bytes whose form a standard fixes, by the rule that other implementations use.
    ///
    /// # Errors
    /// If the key is of small order or not canonically encoded, if the scalar is not below the group's order, or if the
    /// point that the signature must have is not encoded exactly as in the signature.
    pub fn verify_strict(
        &self,
        message: &[u8],
        signature: &Signature,
    ) -> Result<StrictSignature, SignatureError> {
        let verify = || scheme::verify_strict(&self.0, message, &signature.0);
        #[cfg(hypermesh_verification_cache)]
        let holds = super::verdicts::recall(super::verdicts::Rule::Strict, self, message, signature, verify);
        #[cfg(not(hypermesh_verification_cache))]
        let holds = verify();
        if !holds {
            return Err(SignatureError);
        }
        Ok(StrictSignature {
            key: *self,
            message: StrictSignature::message_digest(message),
            signature: *signature,
        })
    }
}

/// A signature under any key, whose commitment has a part of small order: it holds by ZIP-215, and not by the strict rule.
/// For liars in simulations; only the scheme that stands in for Ed25519 lets anyone make one.
#[cfg(hypermesh_simulation_crypto)]
#[must_use]
pub fn forge_twisted(key: &PublicKey, message: &[u8]) -> Option<Signature> {
    scheme::stand_in::forge_twisted(&key.0, message).map(Signature)
}

impl StrictSignature {
    /// One that holds by ZIP-215: the bug that is planted. No other build can do this.
    ///
    /// # Errors
    /// If it does not hold.
    #[cfg(hypermesh_planted)]
    pub fn leniently(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<Self, SignatureError> {
        match scheme::verify(&key.0, message, &signature.0) {
            true => Ok(Self { key: *key, message: Self::message_digest(message), signature: *signature }),
            false => Err(SignatureError),
        }
    }

    /// How the bytes that were signed are named in [`Self::message`].
    #[must_use]
    pub fn message_digest(message: &[u8]) -> Digest {
        MESSAGE.hash(&[message])
    }

    /// Under which key it was verified.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// Over which bytes, by their [`Self::message_digest`].
    #[must_use]
    pub const fn message(&self) -> Digest {
        self.message
    }

    /// The signature as it travels.
    #[must_use]
    pub const fn signature(&self) -> Signature {
        self.signature
    }

    /// Whether it is over these bytes.
    #[must_use]
    pub fn is_over(&self, message: &[u8]) -> bool {
        self.message == Self::message_digest(message)
    }
}

impl fmt::Debug for StrictSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StrictSignature({:?} by {:?})", self.signature, self.key)
    }
}
