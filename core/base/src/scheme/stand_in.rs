//! Keys and signatures over the [simulation](super::simulation)'s group, with the interface of the real ones. **Anybody can
//! forge these.**

use super::simulation::{Element, FOR_CHALLENGES, Scalar, rest, verify};
use rand_core::{CryptoRng, RngCore};

/// What hashes are for, beside challenges.
const FOR_SECRETS: u8 = 1;
const FOR_NONCES: u8 = 2;

/// A secret key.
#[derive(Clone)]
pub(crate) struct Signing {
    secret: Scalar,
    public: [u8; 32],
}

impl Signing {
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        let secret = Scalar::hash(FOR_SECRETS, &[&seed]);
        Self { secret, public: (Element::GENERATOR * secret).to_bytes() }
    }

    pub(crate) const fn public(&self) -> [u8; 32] {
        self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let nonce = Scalar::hash(FOR_NONCES, &[&self.secret.to_bytes(), message]);
        let commitment = (Element::GENERATOR * nonce).to_bytes();
        let challenge = Scalar::hash(FOR_CHALLENGES, &[&commitment, &self.public, message]);
        let response = (nonce + challenge * self.secret).to_bytes();
        let mut signature = [0; 64];
        let (first, second) = signature.split_at_mut(32);
        first.copy_from_slice(&commitment);
        second.copy_from_slice(&response);
        signature
    }
}

/// Whether this is an element of the group, and not one of small order, for which anyone can sign.
pub(crate) fn is_key(public: &[u8; 32]) -> bool {
    Element::from_bytes(public).is_some_and(|element| !element.is_small_order())
}

/// Whether a signature holds as it is, under a key that [`is_key`].
pub(crate) fn verify_strict(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    is_key(public) && rest(public, message, signature) == Some(Element::IDENTITY)
}

/// A signature under any key, as only this scheme lets anyone make one, whose commitment has a part of small order: it
/// holds by [`verify`], and not by [`verify_strict`].
pub(crate) fn forge_twisted(public: &[u8; 32], message: &[u8]) -> Option<[u8; 64]> {
    let logarithm = Element::from_bytes(public)?.logarithm();
    let nonce = Scalar::hash(FOR_NONCES, &[public, message]);
    let commitment = (Element::GENERATOR * nonce + Element::SMALL).to_bytes();
    let challenge = Scalar::hash(FOR_CHALLENGES, &[&commitment, public, message]);
    let response = (nonce + challenge * logarithm).to_bytes();
    let mut signature = [0; 64];
    let (first, second) = signature.split_at_mut(32);
    first.copy_from_slice(&commitment);
    second.copy_from_slice(&response);
    Some(signature)
}

/// Signatures that are checked together.
pub(crate) struct Batch(bool);

impl Default for Batch {
    fn default() -> Self {
        Self(true)
    }
}

impl Batch {
    pub(crate) fn queue(&mut self, public: [u8; 32], message: &[u8; 32], signature: &[u8; 64]) {
        self.0 &= verify(&public, message, signature);
    }

    /// Whether all of them hold. Draws as much randomness as a real batch would be free to: none.
    pub(crate) fn verify(self, _random: impl RngCore + CryptoRng) -> bool {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulation::COFACTOR;
    use super::*;

    /// There is none, and none is drawn.
    struct NoRandomness;

    impl RngCore for NoRandomness {
        fn next_u32(&mut self) -> u32 {
            unreachable!("a batch draws nothing")
        }

        fn next_u64(&mut self) -> u64 {
            unreachable!("a batch draws nothing")
        }

        fn fill_bytes(&mut self, _: &mut [u8]) {
            unreachable!("a batch draws nothing")
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), rand_core::Error> {
            unreachable!("a batch draws nothing")
        }
    }

    impl CryptoRng for NoRandomness {}

    #[test]
    fn every_bit_of_a_signature_counts() {
        let key = Signing::from_seed([1; 32]);
        let (public, signature) = (key.public(), key.sign(b"message"));
        assert!(is_key(&public) && verify(&public, b"message", &signature));
        assert!(!verify(&public, b"messagf", &signature));
        for bit in 0..512 {
            let mut forged = signature;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&public, b"message", &forged), "bit {bit}");
        }
        assert!(!is_key(&[0; 32]) && !is_key(&[7; 32]) && !is_key(&Element::SMALL.to_bytes()));
        let mut batch = Batch::default();
        let (digest, other) = ([2; 32], key.sign(&[2; 32]));
        batch.queue(public, &digest, &other);
        assert!(Batch(batch.0).verify(NoRandomness));
        batch.queue(public, &digest, &signature);
        assert!(!batch.verify(NoRandomness));
    }

    #[test]
    fn a_commitment_with_a_part_of_small_order_holds_by_one_rule_alone() {
        let key = Signing::from_seed([1; 32]);
        let (public, honest) = (key.public(), key.sign(b"message"));
        assert!(verify_strict(&public, b"message", &honest) && verify(&public, b"message", &honest));
        let twisted = forge_twisted(&public, b"message").unwrap();
        assert!(verify(&public, b"message", &twisted));
        assert!(!verify_strict(&public, b"message", &twisted));
        assert!(!verify(&public, b"other", &twisted));
        let mut times = Element::IDENTITY;
        for _ in 0..COFACTOR {
            times += Element::SMALL;
        }
        assert_eq!(times, Element::IDENTITY);
        assert_eq!(Element::SMALL - Element::SMALL, Element::IDENTITY);
        assert!(!verify_strict(&Element::SMALL.to_bytes(), b"message", &honest));
    }
}
