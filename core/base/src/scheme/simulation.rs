//! A group in which discrete logarithms are a division, and Schnorr signatures over it, so that a run in the simulator takes
//! its time for the protocol and not for the curve. **Anybody can forge these.**
//!
//! It is in every build, for the tests of what others build on it, and hidden from the documentation. What chooses it as the
//! scheme of keys is `--cfg hypermesh_simulation_crypto` alone.
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
pub(super) const COFACTOR: u64 = 8;

/// An element of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar(u64);

/// An element of the group: a part of prime order, and one of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    value: u64,
    small: u8,
}

impl Scalar {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(1);

    /// The hash of these parts, for a use of its own.
    #[must_use]
    pub fn hash(for_use: u8, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&[for_use; 32]);
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        let mut wide = [0; 16];
        hasher.finalize_xof().fill(&mut wide);
        Self::reduce(u128::from_le_bytes(wide))
    }

    /// A random one.
    #[must_use]
    pub fn random(random: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut wide = [0; 16];
        random.fill_bytes(&mut wide);
        Self::reduce(u128::from_le_bytes(wide))
    }

    /// The inverse; of zero, zero.
    #[must_use]
    pub fn invert(self) -> Self {
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

    /// The canonical encoding.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        encode(self.0, 0)
    }

    /// What these bytes are the canonical encoding of.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        decode(bytes).filter(|(_, small)| *small == 0).map(|(value, _)| Self(value))
    }

    fn reduce(wide: u128) -> Self {
        let remainder = wide % u128::from(ORDER);
        Self(u64::try_from(remainder).expect("what is left is below the order"))
    }
}

impl Element {
    /// The identity.
    pub const IDENTITY: Self = Self { value: 0, small: 0 };
    /// The generator.
    pub const GENERATOR: Self = Self { value: GENERATOR, small: 0 };
    /// One of small order: eight times it is the identity, and no fewer times.
    pub const SMALL: Self = Self { value: 0, small: 1 };

    /// Whether eight times this is the identity.
    #[must_use]
    pub const fn is_small_order(self) -> bool {
        self.value == 0
    }

    /// The scalar whose multiple of the generator this is, but for the part of small order.
    #[must_use]
    pub fn logarithm(self) -> Scalar {
        Scalar(self.value) * Scalar(GENERATOR).invert()
    }

    /// Whether this is a multiple of the generator.
    #[must_use]
    pub const fn is_torsion_free(self) -> bool {
        self.small == 0
    }

    /// The canonical encoding.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        encode(self.value, self.small)
    }

    /// What these bytes are the canonical encoding of.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
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

/// The challenge of a signature, also of a threshold signature.
pub const FOR_CHALLENGES: u8 = 3;

/// Whether a signature holds if both sides are multiplied by the cofactor.
#[must_use]
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    rest(public, message, signature).is_some_and(Element::is_small_order)
}

/// What is left of the response's multiple of the generator when commitment and key are taken away.
pub(super) fn rest(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<Element> {
    let (commitment, response) = signature.split_first_chunk::<32>()?;
    let key = Element::from_bytes(public)?;
    let nonce = Element::from_bytes(commitment)?;
    let response = Scalar::from_bytes(response.try_into().ok()?)?;
    let challenge = Scalar::hash(FOR_CHALLENGES, &[commitment, public, message]);
    Some(Element::GENERATOR * response - nonce - key * challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_takes_a_product_back() {
        let scalar = Scalar::hash(9, &[b"some"]);
        assert_eq!(scalar * scalar.invert(), Scalar::ONE);
        assert_eq!(scalar - scalar, Scalar::ZERO);
        assert_eq!(Scalar::ZERO.invert(), Scalar::ZERO);
    }
}
