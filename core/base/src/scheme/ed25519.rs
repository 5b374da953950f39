//! Ed25519, under the rule of ZIP-215 and under that of RFC 8032 without the cofactor.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_zebra::{Signature, SigningKey, VerificationKey, VerificationKeyBytes, batch};
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest as _, Sha512};

/// A secret key, ready to sign with. Wiped when dropped.
#[derive(Clone)]
pub(crate) struct Signing(SigningKey);

impl Signing {
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from(seed))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        VerificationKeyBytes::from(&self.0).into()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Whether this is a point in its canonical encoding, and not one of small order, for which anyone can sign.
pub(crate) fn is_key(public: &[u8; 32]) -> bool {
    decode_key(public).is_some()
}

/// The point of a key that [`is_key`].
fn decode_key(public: &[u8; 32]) -> Option<EdwardsPoint> {
    let encoded = CompressedEdwardsY(*public);
    encoded.decompress().filter(|point| point.compress() == encoded && !point.is_small_order())
}

/// Whether a signature holds by ZIP-215.
pub(crate) fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerificationKey::try_from(*public)
        .and_then(|key| key.verify(&Signature::from_bytes(signature), message))
        .is_ok()
}

/// Whether a signature holds by RFC 8032 §5.1.7, checked without the cofactor as BoringSSL, aws-lc, OpenSSL and Go do.
pub(crate) fn verify_strict(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    holds_strictly(public, message, signature).unwrap_or(false)
}

fn holds_strictly(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<bool> {
    let (commitment, response) = signature.split_first_chunk::<32>()?;
    let response = Scalar::from_canonical_bytes(response.try_into().ok()?).into_option()?;
    let key = decode_key(public)?;
    let hash = Sha512::new().chain_update(commitment).chain_update(public).chain_update(message);
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&challenge, &-key, &response);
    // Comparing encodings also refuses a commitment that is no point, or not canonically encoded.
    Some(expected.compress().as_bytes() == commitment)
}

/// Signatures that are checked together, by ZIP-215.
#[derive(Default)]
pub(crate) struct Batch(batch::Verifier);

impl Batch {
    pub(crate) fn queue(&mut self, public: [u8; 32], message: &[u8; 32], signature: &[u8; 64]) {
        let signature = Signature::from_bytes(signature);
        self.0.queue((VerificationKeyBytes::from(public), signature, message));
    }

    /// Whether all of them hold.
    pub(crate) fn verify(self, random: impl RngCore + CryptoRng) -> bool {
        self.0.verify(random).is_ok()
    }
}
