//! Signatures whose commitment has a part of small order, for tests: they hold by ZIP-215, and by no rule of others.

use super::suite::keys::KeyPackage;
use super::{Committee, KeyPurpose, KeyShares};
use crate::base::{PublicKey, SecretKey, Signature};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use sha2::{Digest as _, Sha512};

/// A validator's own signature, twisted.
pub(crate) fn twisted_by(key: &SecretKey, message: &[u8]) -> Signature {
    let hash: [u8; 64] = Sha512::digest(key.seed()).into();
    let scalar = clamp_integer(*hash.first_chunk::<32>().unwrap());
    twisted(&Scalar::from_bytes_mod_order(scalar), &key.public(), message)
}

/// The signature of a committee whose shares are all in one place, twisted.
pub(crate) fn twisted_of(
    committee: &Committee,
    shares: &BTreeMap<PublicKey, KeyShares>,
    purpose: KeyPurpose,
    message: &[u8],
) -> Signature {
    let package = |(me, shares): (&PublicKey, &KeyShares)| {
        shares.packages(committee, me).unwrap().remove(&purpose).unwrap()
    };
    let packages: Vec<KeyPackage> = shares.iter().map(package).collect();
    let secret = frost_ed25519::keys::reconstruct(&packages).unwrap().to_scalar();
    twisted(&secret, &committee.keys().public(purpose).unwrap(), message)
}

fn twisted(secret: &Scalar, public: &PublicKey, message: &[u8]) -> Signature {
    let nonce = Scalar::from_bytes_mod_order_wide(&Sha512::digest(message).into());
    let commitment = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[1]).compress().to_bytes();
    let hash = Sha512::new().chain_update(commitment).chain_update(public.0).chain_update(message);
    let response = nonce + Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice(response.as_bytes());
    Signature(signature)
}
