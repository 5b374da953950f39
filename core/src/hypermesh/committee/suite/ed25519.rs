//! FROST(Ed25519, SHA-512), RFC 9591 §6.1.

use super::Element;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use frost_core::Scalar;

pub(in super::super) use frost_ed25519::Ed25519Sha512 as Suite;

/// The compressed point.
pub(in super::super) fn encode_element(element: &Element) -> [u8; 32] {
    element.compress().to_bytes()
}

/// A point of the curve, of whichever order; the identity too.
pub(in super::super) fn decode_element(bytes: &[u8; 32]) -> Option<Element> {
    CompressedEdwardsY(*bytes).decompress()
}

/// The generator times a scalar, in constant time, out of the table of its multiples: five times as fast as FROST's way.
pub(in super::super) fn multiply_generator(scalar: &Scalar<Suite>) -> Element {
    EdwardsPoint::mul_base(scalar)
}
