//! Schnorr signatures over a group in which discrete logarithms are a division, so that a run in the simulator takes
//! its time for the protocol and not for the curve. **Anybody can forge these.**
//!
//! The field is that of the integers below 2⁶¹ - 1; the group is its addition, out of a generator, beside a group of order
//! eight. The algebra is that of Ed25519, so all that is built on it (key generation, threshold signatures, shares that are
//! good or bad, repair) runs the same code, to the same verdicts, on values of the same size. There are elements of small
//! and of mixed order as there, and both rules of verification: one multiplies by the cofactor, the other does not.

use core::ops::{Add, AddAssign, Mul, Sub};
use rand_core::{CryptoRng, RngCore};

/// The order of the field and of the group: a Mersenne prime.
const ORDER: u64 = (1 << 61) - 1;
/// The generator. Not one, so that a scalar is not taken for its point.
const GENERATOR: u64 = 0x0f1e_2d3c_4b5a_6978;
/// How many of 32 bytes a value takes. An element's part of small order takes the next; the rest are zero, or it is none.
const VALUE_BYTES: usize = 8;
/// How many elements of small order there are.
const COFACTOR: u64 = 8;

/// An element of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar(u64);

/// An element of the group: a part of prime order, and one of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    value: u64,
    small: u8,
}

impl Scalar {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const ONE: Self = Self(1);

    /// The hash of these parts, for a use of its own.
    pub(crate) fn hash(for_use: u8, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&[for_use; 32]);
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        let mut wide = [0; 16];
        hasher.finalize_xof().fill(&mut wide);
        Self::reduce(u128::from_le_bytes(wide))
    }

    /// A random one.
    pub(crate) fn random(random: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut wide = [0; 16];
        random.fill_bytes(&mut wide);
        Self::reduce(u128::from_le_bytes(wide))
    }

    /// The inverse; of zero, zero.
    pub(crate) fn invert(self) -> Self {
        let (mut power, mut exponent, mut inverse) = (self, ORDER - 2, Self::ONE);
        while exponent > 0 {
            if exponent & 1 == 1 {
                inverse = inverse * power;
            }
            power = power * power;
            exponent >>= 1;
        }
        inverse
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        encode(self.0, 0)
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        decode(bytes).filter(|(_, small)| *small == 0).map(|(value, _)| Self(value))
    }

    fn reduce(wide: u128) -> Self {
        let remainder = wide % u128::from(ORDER);
        Self(u64::try_from(remainder).expect("what is left is below the order"))
    }
}

impl Element {
    pub(crate) const IDENTITY: Self = Self { value: 0, small: 0 };
    pub(crate) const GENERATOR: Self = Self { value: GENERATOR, small: 0 };
    /// One of small order: eight times it is the identity, and no fewer times.
    #[cfg(any(test, hypermesh_simulation_crypto))]
    pub(crate) const SMALL: Self = Self { value: 0, small: 1 };

    /// Whether eight times this is the identity.
    pub(crate) const fn is_small_order(self) -> bool {
        self.value == 0
    }

    /// Whether this is a multiple of the generator.
    pub(crate) const fn is_torsion_free(self) -> bool {
        self.small == 0
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        encode(self.value, self.small)
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        decode(bytes).map(|(value, small)| Self { value, small })
    }
}

fn encode(value: u64, small: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (start, rest) = bytes.split_at_mut(VALUE_BYTES);
    start.copy_from_slice(&value.to_le_bytes());
    if let Some(byte) = rest.first_mut() {
        *byte = small;
    }
    bytes
}

fn decode(bytes: &[u8; 32]) -> Option<(u64, u8)> {
    let (value, rest) = bytes.split_first_chunk::<VALUE_BYTES>()?;
    let value = u64::from_le_bytes(*value);
    let (small, rest) = rest.split_first()?;
    let is_canonical = value < ORDER && u64::from(*small) < COFACTOR && rest.iter().all(|byte| *byte == 0);
    is_canonical.then_some((value, *small))
}

fn sum(one: u64, other: u64) -> u64 {
    // Both are below 2⁶¹.
    let sum = one + other;
    if sum >= ORDER { sum - ORDER } else { sum }
}

fn product(one: u64, other: u64) -> u64 {
    Scalar::reduce(u128::from(one) * u128::from(other)).0
}

impl Add for Scalar {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(sum(self.0, other.0))
    }
}

impl Sub for Scalar {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(sum(self.0, ORDER - other.0))
    }
}

impl Mul for Scalar {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(product(self.0, other.0))
    }
}

/// An element of the group of order eight.
fn reduced(small: u64) -> u8 {
    u8::try_from(small % COFACTOR).expect("what is left is below the cofactor")
}

impl Add for Element {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let small = reduced(u64::from(self.small) + u64::from(other.small));
        Self { value: sum(self.value, other.value), small }
    }
}

impl AddAssign for Element {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Element {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let small = reduced(u64::from(self.small) + COFACTOR - u64::from(other.small));
        Self { value: sum(self.value, ORDER - other.value), small }
    }
}

impl Mul<Scalar> for Element {
    type Output = Self;

    fn mul(self, scalar: Scalar) -> Self {
        // As on the curve: the scalar's representative below the order acts on both parts.
        let small = reduced(u64::from(self.small) * (scalar.0 % COFACTOR));
        Self { value: product(self.value, scalar.0), small }
    }
}

/// What hashes are for. The committee's are told apart by others.
const FOR_SECRETS: u8 = 1;
const FOR_NONCES: u8 = 2;
/// The challenge of a signature, also of a threshold signature.
pub(crate) const FOR_CHALLENGES: u8 = 3;

/// A secret key.
#[derive(Clone)]
pub(in crate::base) struct Signing {
    secret: Scalar,
    public: [u8; 32],
}

impl Signing {
    pub(in crate::base) fn from_seed(seed: [u8; 32]) -> Self {
        let secret = Scalar::hash(FOR_SECRETS, &[&seed]);
        Self { secret, public: (Element::GENERATOR * secret).to_bytes() }
    }

    pub(in crate::base) const fn public(&self) -> [u8; 32] {
        self.public
    }

    pub(in crate::base) fn sign(&self, message: &[u8]) -> [u8; 64] {
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
pub(in crate::base) fn is_key(public: &[u8; 32]) -> bool {
    Element::from_bytes(public).is_some_and(|element| !element.is_small_order())
}

/// Whether a signature holds if both sides are multiplied by the cofactor.
pub(crate) fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    rest(public, message, signature).is_some_and(Element::is_small_order)
}

/// Whether a signature holds as it is, under a key that [`is_key`].
pub(in crate::base) fn verify_strict(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    is_key(public) && rest(public, message, signature) == Some(Element::IDENTITY)
}

/// What is left of the response's multiple of the generator when commitment and key are taken away.
fn rest(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<Element> {
    let (commitment, response) = signature.split_first_chunk::<32>()?;
    let key = Element::from_bytes(public)?;
    let nonce = Element::from_bytes(commitment)?;
    let response = Scalar::from_bytes(response.try_into().ok()?)?;
    let challenge = Scalar::hash(FOR_CHALLENGES, &[commitment, public, message]);
    Some(Element::GENERATOR * response - nonce - key * challenge)
}

/// A signature under any key, as only this scheme lets anyone make one, whose commitment has a part of small order: it
/// holds by [`verify`], and not by [`verify_strict`].
#[cfg(any(test, hypermesh_simulation_crypto))]
pub(in crate::base) fn forge_twisted(public: &[u8; 32], message: &[u8]) -> Option<[u8; 64]> {
    let logarithm = Scalar(Element::from_bytes(public)?.value) * Scalar(GENERATOR).invert();
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
pub(in crate::base) struct Batch(bool);

impl Default for Batch {
    fn default() -> Self {
        Self(true)
    }
}

impl Batch {
    pub(in crate::base) fn queue(&mut self, public: [u8; 32], message: &[u8; 32], signature: &[u8; 64]) {
        self.0 &= verify(&public, message, signature);
    }

    /// Whether all of them hold. Draws as much randomness as a real batch would be free to: none.
    pub(in crate::base) fn verify(self, _random: impl RngCore + CryptoRng) -> bool {
        self.0
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn an_inverse_takes_a_product_back() {
        let scalar = Scalar::hash(9, &[b"some"]);
        assert_eq!(scalar * scalar.invert(), Scalar::ONE);
        assert_eq!(scalar - scalar, Scalar::ZERO);
        assert_eq!(Scalar::ZERO.invert(), Scalar::ZERO);
    }
}
