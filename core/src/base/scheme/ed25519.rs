//! Ed25519 under the rules of ZIP-215.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_zebra::{Signature, SigningKey, VerificationKey, VerificationKeyBytes, batch};
use rand_core::{CryptoRng, RngCore};

/// A secret key, ready to sign with. Wiped when dropped.
#[derive(Clone)]
pub(in crate::base) struct Signing(SigningKey);

impl Signing {
    pub(in crate::base) fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from(seed))
    }

    pub(in crate::base) fn public(&self) -> [u8; 32] {
        VerificationKeyBytes::from(&self.0).into()
    }

    pub(in crate::base) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Whether this is a point, and not one of small order, for which anyone can sign.
pub(in crate::base) fn is_key(public: &[u8; 32]) -> bool {
    CompressedEdwardsY(*public).decompress().is_some_and(|point| !point.is_small_order())
}

/// Whether a signature holds.
pub(in crate::base) fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerificationKey::try_from(*public)
        .and_then(|key| key.verify(&Signature::from_bytes(signature), message))
        .is_ok()
}

/// Signatures that are checked together.
#[derive(Default)]
pub(in crate::base) struct Batch(batch::Verifier);

impl Batch {
    pub(in crate::base) fn queue(&mut self, public: [u8; 32], message: &[u8; 32], signature: &[u8; 64]) {
        let signature = Signature::from_bytes(signature);
        self.0.queue((VerificationKeyBytes::from(public), signature, message));
    }

    /// Whether all of them hold.
    pub(in crate::base) fn verify(self, random: impl RngCore + CryptoRng) -> bool {
        self.0.verify(random).is_ok()
    }
}
