//! Commitments to nonces: what a signer hands out ahead of time, and a coordinator's held of them.
//!
//! A commitment is spent on one signature. The held is a matter of speed alone: losing any of it, on either
//! side, costs a repeated request and never safety.
//!
//! Both sides drop what they hold for each other whenever the connection between them is made anew
//! ([`CommitmentPool::forget`], [`super::Signer::forget`]), so offers that were lost with a connection do not
//! use up the quota.

use super::KeyPurpose;
use super::keys::{Committee, VALIDATOR_COUNT_MAX};
use super::suite::round1::{NonceCommitment, SigningCommitments};
use super::suite::{Group as _, SuiteGroup, decode_element};
use crate::base::PublicKey;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;

/// The most commitments in one offer, so that making one takes a few milliseconds at most.
pub const OFFER_COMMITMENT_COUNT_MAX: usize = 64;

const ISSUING_OUTSTANDING_COUNT_MAX: usize = 256;
const LOG_OUTSTANDING_COUNT_MAX: usize = 64;
const ROOT_OUTSTANDING_COUNT_MAX: usize = 8;
const ZONE_OUTSTANDING_COUNT_MAX: usize = 8;

/// The most unspent commitments that one signer hands to one coordinator, and that a coordinator keeps of
/// one signer, for one purpose.
#[must_use]
pub const fn outstanding_count_max(purpose: KeyPurpose) -> usize {
    match purpose {
        KeyPurpose::Issuing => ISSUING_OUTSTANDING_COUNT_MAX,
        KeyPurpose::Log => LOG_OUTSTANDING_COUNT_MAX,
        KeyPurpose::Root => ROOT_OUTSTANDING_COUNT_MAX,
        KeyPurpose::Zone => ZONE_OUTSTANDING_COUNT_MAX,
    }
}

/// How many commitments a coordinator gets at first for a purpose, before it has spent any: making them is most of
/// what a node does when it starts, and most are never used. A coordinator that spends them gets more at a time.
#[must_use]
pub const fn first_count(purpose: KeyPurpose) -> usize {
    match purpose {
        KeyPurpose::Issuing => 8,
        KeyPurpose::Log => 4,
        KeyPurpose::Root => 2,
        // Nothing that the zone key signs is asked for yet.
        KeyPurpose::Zone => 0,
    }
}

/// The life of a signer in memory: drawn at random when it starts. Nonces do not outlive it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct SignerIncarnation(pub [u8; 16]);

/// The number of a nonce, never used twice by one incarnation of a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct NonceId(pub u64);

/// The public half of a nonce.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commitment {
    /// Which nonce.
    pub id: NonceId,
    /// The hiding point and the binding point, compressed (RFC 9591 §5.1).
    pub points: [u8; Self::POINT_BYTES],
}

/// Commitments that a signer hands to a coordinator, to be used at once or later.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitmentOffer {
    /// What for.
    pub purpose: KeyPurpose,
    /// Whose: commitments of another incarnation of the same signer are void.
    pub incarnation: SignerIncarnation,
    /// The lowest number that is still good for this coordinator and purpose. The signer has no nonces for lower
    /// numbers any more, so commitments to them are void.
    pub oldest: NonceId,
    /// 1 to [`OFFER_COMMITMENT_COUNT_MAX`] of them, numbers rising.
    pub commitments: Vec<Commitment>,
}

impl Commitment {
    /// Two compressed points.
    pub const POINT_BYTES: usize = 64;

    #[cfg(test)]
    pub(super) fn encode_points(commitments: &SigningCommitments) -> [u8; Self::POINT_BYTES] {
        let expected = "a nonce that this node made itself is not zero";
        let points = [commitments.hiding().serialize(), commitments.binding().serialize()];
        let points = points.map(|point| point.expect(expected)).concat();
        points.try_into().expect("a point has 32 bytes")
    }

    /// The points, or `None` if one is the identity or no point at all.
    ///
    /// That they have prime order (RFC 9591 §3.1) is not checked: it would cost a third of all signing, and
    /// nothing rests on it. No secret is ever multiplied with another's points, so none leaks; and a point
    /// of mixed order makes the aggregate fail, and the share of *its own maker*, both of which are checked
    /// without the cofactor: the aggregate by [`crate::base::PublicKey::verify_strict`]. Keys are another matter: their
    /// points are checked.
    pub(super) fn decode_points(points: &[u8; Self::POINT_BYTES]) -> Option<SigningCommitments> {
        let decode = |point: &[u8]| {
            let point = decode_element(point.try_into().ok()?)?;
            (point != SuiteGroup::identity()).then(|| NonceCommitment::new(point))
        };
        let (hiding, binding) = points.split_at(32);
        Some(SigningCommitments::new(decode(hiding)?, decode(binding)?))
    }
}

impl CommitmentOffer {
    /// The most bytes that the encoding of an offer takes: a bound for decoding.
    pub const BYTES_MAX: usize = 1 + 16 + 8 + 4 + OFFER_COMMITMENT_COUNT_MAX * (8 + Commitment::POINT_BYTES);
}

/// Why a coordinator refuses an offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferFault {
    /// The sender holds no share.
    #[error("{from} offers commitments but holds no share of these committee keys")]
    NotASigner {
        /// The sender.
        from: PublicKey,
    },
    /// An offer of none, or of more than an offer may hold.
    #[error("{from} offers {count} commitments: expected 1 to {OFFER_COMMITMENT_COUNT_MAX}")]
    Count {
        /// The sender.
        from: PublicKey,
        /// How many.
        count: usize,
    },
    /// Numbers that do not rise within the offer and over the offers of one incarnation.
    #[error("{from} offers a commitment twice or out of order")]
    Repeated {
        /// The sender.
        from: PublicKey,
    },
}

/// A coordinator's held of commitments, by signer and purpose. Bounded by the committee and the quotas.
#[derive(Clone, Debug, Default)]
pub struct CommitmentPool {
    signers: BTreeMap<(PublicKey, KeyPurpose), SignerCommitments>,
}

#[derive(Clone, Debug)]
struct SignerCommitments {
    incarnation: SignerIncarnation,
    last: NonceId,
    commitments: VecDeque<Commitment>,
}

const _: () = assert!(VALIDATOR_COUNT_MAX * ISSUING_OUTSTANDING_COUNT_MAX <= 1 << 15);

impl CommitmentPool {
    /// An empty held.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an offer that came from `from` over an authenticated channel. A new incarnation of the signer
    /// voids all that is held of the old one, for every purpose; and what is below the offer's `oldest` is dropped.
    /// The points are checked when they are used.
    ///
    /// Beyond the quota the oldest give way. An honest signer goes beyond it only when it has destroyed the nonces of
    /// old ones and the word of that was lost, so the newest are the ones that are good.
    ///
    /// # Errors
    /// If the offer breaks a rule; see [`OfferFault`]. The held then stays as it was.
    pub fn accept_offer(
        &mut self,
        committee: &Committee,
        from: PublicKey,
        offer: CommitmentOffer,
    ) -> Result<(), OfferFault> {
        if !committee.has(&from) {
            return Err(OfferFault::NotASigner { from });
        }
        let count = offer.commitments.len();
        if !(1..=OFFER_COMMITMENT_COUNT_MAX).contains(&count) {
            return Err(OfferFault::Count { from, count });
        }
        let CommitmentOffer { purpose, incarnation, oldest, commitments } = offer;
        let held = self.signers.get(&(from, purpose)).filter(|held| held.incarnation == incarnation);
        let previous = held.map(|held| held.last);
        let ids: Vec<_> = previous.into_iter().chain(commitments.iter().map(|one| one.id)).collect();
        if !ids.is_sorted_by(|one, next| one < next) {
            return Err(OfferFault::Repeated { from });
        }
        let Some(last) = ids.last().copied() else { return Err(OfferFault::Count { from, count }) };
        self.signers.retain(|(signer, _), held| *signer != from || held.incarnation == incarnation);
        let fresh = SignerCommitments { incarnation, last, commitments: VecDeque::new() };
        let held = self.signers.entry((from, purpose)).or_insert(fresh);
        held.last = last;
        held.commitments.retain(|commitment| commitment.id >= oldest);
        held.commitments.extend(commitments);
        let excess = held.commitments.len().saturating_sub(outstanding_count_max(purpose));
        held.commitments.drain(..excess);
        Ok(())
    }

    /// Drops all that is held of a signer: when its connection was made anew, when it refuses a request
    /// because it does not know the nonce, or when it left the committee.
    pub fn forget(&mut self, signer: &PublicKey) {
        self.signers.retain(|(held, _), _| held != signer);
    }

    /// How many unspent commitments are held of a signer for a purpose.
    #[must_use]
    pub fn held_count(&self, signer: &PublicKey, purpose: KeyPurpose) -> usize {
        self.signers.get(&(*signer, purpose)).map_or(0, |held| held.commitments.len())
    }

    /// Whether there are commitments of as many of these signers as a signature takes. Nothing is decoded, so a
    /// session may still find that one is malformed.
    #[must_use]
    pub fn suffices(&self, committee: &Committee, purpose: KeyPurpose, signers: &[PublicKey]) -> bool {
        let usable = |signer: &&PublicKey| self.held_count(signer, purpose) > 0 && committee.has(signer);
        signers.iter().filter(usable).take(committee.threshold()).count() == committee.threshold()
    }

    /// The next commitment of a signer, left in place.
    pub(super) fn next(
        &self,
        signer: &PublicKey,
        purpose: KeyPurpose,
    ) -> Option<(SignerIncarnation, Commitment)> {
        let held = self.signers.get(&(*signer, purpose))?;
        Some((held.incarnation, *held.commitments.front()?))
    }

    /// Takes out the next commitment of a signer.
    pub(super) fn spend(&mut self, signer: &PublicKey, purpose: KeyPurpose) {
        if let Some(held) = self.signers.get_mut(&(*signer, purpose)) {
            held.commitments.pop_front();
        }
    }
}

impl fmt::Debug for SignerIncarnation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Commitment({})", self.id.0)
    }
}
