//! A signer's nonces for one coordinator and purpose.
//!
//! A nonce that serves two signatures gives the key share away. So a nonce lives in memory only, cannot be
//! copied (this type has no `Clone`, unlike FROST's), and leaves the stock at the first mention of its
//! number, whatever becomes of the request that mentioned it.

use super::commitments::{Commitment, NonceId};
use alloc::collections::BTreeMap;
use frost_ed25519::round1::SigningNonces;

/// One secret nonce pair and its commitment. Moves, never copied; wiped when dropped.
pub(super) struct Nonce {
    secret: SigningNonces,
    points: [u8; Commitment::POINT_BYTES],
}

impl Nonce {
    pub(super) fn new(secret: SigningNonces) -> Self {
        let points = Commitment::encode_points(secret.commitments());
        Self { secret, points }
    }

    pub(super) const fn points(&self) -> &[u8; Commitment::POINT_BYTES] {
        &self.points
    }

    /// The secret, for one signature: the nonce is gone with it.
    pub(super) fn into_secret(self) -> SigningNonces {
        self.secret
    }
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
    use core::marker::PhantomData;

    struct Probe<T>(PhantomData<T>);
    trait Otherwise {
        const IS_CLONE: bool = false;
    }
    impl<T> Otherwise for Probe<T> {}
    impl<T: Clone> Probe<T> {
        const IS_CLONE: bool = true;
    }

    #[test]
    fn a_nonce_cannot_be_copied() {
        const { assert!(Probe::<super::SigningNonces>::IS_CLONE, "the probe sees what can be") };
        const { assert!(!Probe::<super::Nonce>::IS_CLONE) };
        const { assert!(!Probe::<super::NonceStock>::IS_CLONE) };
    }
}
