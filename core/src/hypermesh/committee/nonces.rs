//! A signer's nonces for one coordinator and purpose.
//!
//! A nonce that serves two signatures gives the key share away. So a nonce lives in memory only, cannot be
//! copied (this type has no `Clone`, unlike FROST's), and leaves the stock at the first mention of its
//! number, whatever becomes of the request that mentioned it.

use super::commitments::{Commitment, NonceId};
use super::suite::keys::SigningShare;
use super::suite::round1::{self, SigningNonces};
use super::suite::{encode_element, multiply_generator};
use crate::base::EntropyRng;
use alloc::collections::BTreeMap;
use zeroize::Zeroizing;

/// FROST's, which can be copied.
type Scalar = Zeroizing<round1::Nonce>;

/// One secret nonce pair and its commitment. Moves, never copied; wiped when dropped.
///
/// FROST's own pair comes with its commitment ready to sign with, which costs two multiplications of a point; most
/// nonces are never spent. So the points are made here with the table of the generator's multiples, five times as
/// fast, and FROST makes them again for the nonces that it signs with.
pub(super) struct Nonce {
    hiding: Scalar,
    binding: Scalar,
    points: [u8; Commitment::POINT_BYTES],
}

impl Nonce {
    /// A new pair, hedged with the share (RFC 9591 §4.1).
    pub(super) fn new(share: &SigningShare, random: &mut EntropyRng<'_>) -> Self {
        let mut draw = || Zeroizing::new(round1::Nonce::new(share, random));
        let (hiding, binding) = (draw(), draw());
        let mut points = [0; Commitment::POINT_BYTES];
        let (first, second) = points.split_at_mut(Commitment::POINT_BYTES / 2);
        first.copy_from_slice(&point(&hiding));
        second.copy_from_slice(&point(&binding));
        Self { hiding, binding, points }
    }

    pub(super) const fn points(&self) -> &[u8; Commitment::POINT_BYTES] {
        &self.points
    }

    /// The same pair once more: the bug that is planted. No other build can do this.
    #[cfg(hypermesh_planted)]
    pub(super) fn again(&self) -> Self {
        Self { hiding: self.hiding.clone(), binding: self.binding.clone(), points: self.points }
    }

    /// The secret, for one signature: the nonce is gone with it.
    pub(super) fn into_secret(self) -> SigningNonces {
        SigningNonces::from_nonces(*self.hiding, *self.binding)
    }
}

/// The public half of a secret scalar, compressed.
fn point(scalar: &Scalar) -> [u8; 32] {
    encode_element(&multiply_generator(&scalar.to_scalar()))
}

/// The nonces whose commitments one coordinator holds, for one purpose.
#[derive(Default)]
pub(super) struct NonceStock {
    nonces: BTreeMap<NonceId, Nonce>,
}

impl NonceStock {
    pub(super) fn len(&self) -> usize {
        self.nonces.len()
    }

    /// The lowest number in stock.
    pub(super) fn oldest(&self) -> Option<NonceId> {
        self.nonces.first_key_value().map(|(id, _)| *id)
    }

    /// Destroys all but the newest.
    pub(super) fn keep_newest(&mut self, count: usize) {
        while self.nonces.len() > count {
            self.nonces.pop_first();
        }
    }

    pub(super) fn insert(&mut self, id: NonceId, nonce: Nonce) {
        let previous = self.nonces.insert(id, nonce);
        assert!(previous.is_none(), "a nonce's number is never given twice");
    }

    /// Takes a nonce out for good.
    ///
    /// A coordinator uses numbers in rising order, give or take the requests under way at once. What lies
    /// far below the number that it names was lost (a request that never came), and is dropped beyond
    /// `skipped_count_max`, so that losses do not use up the quota.
    pub(super) fn take(&mut self, id: NonceId, skipped_count_max: usize) -> Option<Nonce> {
        let nonce = self.nonces.remove(&id)?;
        let skipped = self.nonces.range(..id).count();
        for _ in skipped_count_max..skipped {
            self.nonces.pop_first();
        }
        Some(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::{Commitment, SigningShare};
    use crate::base::{Entropy, EntropyRng};
    use core::marker::PhantomData;
    use frost_core::round1::commit;

    struct Counter(u8);

    impl Entropy for Counter {
        fn fill(&mut self, buffer: &mut [u8]) {
            buffer.fill(self.0);
            self.0 += 1;
        }
    }

    struct Probe<T>(PhantomData<T>);
    trait Otherwise {
        const IS_CLONE: bool = false;
    }
    impl<T> Otherwise for Probe<T> {}
    impl<T: Clone> Probe<T> {
        const IS_CLONE: bool = true;
    }

    #[test]
    fn the_points_are_those_of_frost() {
        let share = SigningShare::deserialize(&[1; 32]).unwrap();
        let nonce = super::Nonce::new(&share, &mut EntropyRng(&mut Counter(7)));
        let points = *nonce.points();
        assert_eq!(Commitment::encode_points(nonce.into_secret().commitments()), points);
        let (theirs, _) = commit(&share, &mut EntropyRng(&mut Counter(7)));
        assert_eq!(Commitment::encode_points(theirs.commitments()), points);
    }

    #[test]
    fn a_nonce_cannot_be_copied() {
        const { assert!(Probe::<super::SigningNonces>::IS_CLONE, "the probe sees what can be") };
        const { assert!(!Probe::<super::Nonce>::IS_CLONE) };
        const { assert!(!Probe::<super::NonceStock>::IS_CLONE) };
    }
}
