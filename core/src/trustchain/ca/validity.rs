//! How long certificates hold, in block time: never past their issuer, and backdated against slow clocks.

use crate::base::UnixMillis;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How far a verifier's clock may lag behind the mesh: `notBefore` is backdated by this much.
pub const CLOCK_MS_TOLERANCE: u64 = 60_000;
/// How long a root certificate holds: ten years.
pub const ROOT_MS_LIFETIME: u64 = 3_652 * DAY_MS;
/// How long an issuing certificate holds: one year.
pub const ISSUING_MS_LIFETIME: u64 = 365 * DAY_MS;
/// How long a leaf certificate holds unless its request says otherwise: 24 hours.
pub const LEAF_MS_LIFETIME: u64 = DAY_MS;

const _: () = assert!(LEAF_MS_LIFETIME < ISSUING_MS_LIFETIME && ISSUING_MS_LIFETIME < ROOT_MS_LIFETIME);
const _: () = assert!(CLOCK_MS_TOLERANCE < LEAF_MS_LIFETIME);

/// The span in which a certificate holds, both ends included, in whole seconds as certificates write it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Validity {
    /// The first second.
    pub not_before: UnixMillis,
    /// The last second.
    pub not_after: UnixMillis,
}

impl Validity {
    /// From one second to another, each rounded down to whole seconds.
    #[must_use]
    pub const fn new(not_before: UnixMillis, not_after: UnixMillis) -> Self {
        Self { not_before: not_before.whole_seconds(), not_after: not_after.whole_seconds() }
    }

    /// A root certificate's, issued at this block time.
    #[must_use]
    pub const fn root(at: UnixMillis) -> Self {
        Self::new(at.minus(CLOCK_MS_TOLERANCE), at.plus(ROOT_MS_LIFETIME))
    }

    /// An issuing certificate's, issued at this block time, cut to its root's.
    #[must_use]
    pub fn issuing(at: UnixMillis, root: &Self) -> Self {
        Self::new(at.minus(CLOCK_MS_TOLERANCE), at.plus(ISSUING_MS_LIFETIME)).cut_to(root)
    }

    /// A leaf certificate's, issued at this block time for this long, cut to its issuer's.
    #[must_use]
    pub fn leaf(at: UnixMillis, lifetime_ms: u64, issuing: &Self) -> Self {
        Self::new(at.minus(CLOCK_MS_TOLERANCE), at.plus(lifetime_ms)).cut_to(issuing)
    }

    fn cut_to(self, issuer: &Self) -> Self {
        Self::new(self.not_before.max(issuer.not_before), self.not_after.min(issuer.not_after))
    }

    /// Whether this instant lies in the span.
    #[must_use]
    pub const fn contains(&self, at: UnixMillis) -> bool {
        self.not_before.seconds() <= at.seconds() && at.seconds() <= self.not_after.seconds()
    }

    /// Whether this span ends no later than its issuer's.
    #[must_use]
    pub const fn ends_within(&self, issuer: &Self) -> bool {
        self.not_after.seconds() <= issuer.not_after.seconds()
    }

    /// When to renew: at two thirds of the life.
    #[must_use]
    pub const fn renewal_due(&self) -> UnixMillis {
        let third = self.not_after.since(self.not_before) / 3;
        self.not_before.plus(third.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMillis = UnixMillis(1_796_000_000_500);

    #[test]
    fn a_leaf_is_backdated_and_never_outlives_its_issuer() {
        let issuing = Validity::issuing(AT, &Validity::root(AT));
        let leaf = Validity::leaf(AT.plus(3_600_000), LEAF_MS_LIFETIME, &issuing);
        assert_eq!(leaf.not_before, UnixMillis(1_796_003_540_000));
        assert_eq!(leaf.not_after, UnixMillis(1_796_090_000_000));
        let late = Validity::leaf(issuing.not_after.minus(5_000), LEAF_MS_LIFETIME, &issuing);
        assert_eq!(late.not_after, issuing.not_after);
        assert!(late.ends_within(&issuing));
    }

    #[test]
    fn both_ends_are_included() {
        let span = Validity::new(UnixMillis(2_999), UnixMillis(5_000));
        assert!(!span.contains(UnixMillis(1_999)));
        assert!(span.contains(UnixMillis(2_000)) && span.contains(UnixMillis(5_999)));
        assert!(!span.contains(UnixMillis(6_000)));
    }

    #[test]
    fn renewal_is_due_at_two_thirds() {
        assert_eq!(Validity::new(UnixMillis(0), UnixMillis(90_000)).renewal_due(), UnixMillis(60_000));
    }
}
