//! A validator as signer: it hands out commitments, and answers a request with a share of the signature
//! over bytes that it derived itself.

use super::KeyPurpose;
use super::commitments::{
    Commitment, CommitmentOffer, NonceId, OFFER_COMMITMENT_COUNT_MAX, SignerIncarnation,
    outstanding_count_max,
};
use super::coordinator::MESSAGE_BYTES_MAX;
use super::evidence::decode_commitments;
use super::keys::Committee;
use super::nonces::{Nonce, NonceStock};
use super::request::{ShareRequest, SignedShare, message_digest};
use super::shares::{InvalidShares, KeyShares};
use super::suite::keys::KeyPackage;
use super::suite::{SigningPackage, round2};
use crate::base::{Entropy, EntropyRng, PublicKey, SecretKey};
#[cfg(hypermesh_planted)]
use crate::planted::{self, Bug};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// The most coordinators that one signer keeps nonces for.
pub const COORDINATOR_COUNT_MAX: usize = 256;

/// Why a signer gives no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignRefusal {
    /// The identity is not that of this signer: the caller's fault.
    #[error("the identity to sign the share with is not that of this signer")]
    OtherIdentity,
    /// The request does not name this signer.
    #[error("the request does not ask for a share of this signer")]
    NotAsked,
    /// The nonce was spent, was never this coordinator's, or belongs to a former life of this signer. The
    /// coordinator drops its stock of this signer and asks for a new offer.
    #[error("the nonce does not exist here: drop this signer's commitments and request new ones")]
    UnknownNonce,
    /// The request names the nonce but not the commitment that belongs to it. The nonce is spent.
    #[error("the commitment differs from the one that this signer sent")]
    OtherCommitment,
    /// The request belongs to other committee keys. The nonce is spent.
    #[error("the request is for other committee keys than the current ones")]
    OtherCommittee,
    /// The request names more or fewer signers than the threshold. The nonce is spent.
    #[error("the request names {count} signers: expected the threshold, {threshold}")]
    SignerCount {
        /// How many it names.
        count: usize,
        /// How many it should.
        threshold: usize,
    },
    /// The request is for other bytes than this signer derived. The nonce is spent.
    #[error("the request is for other bytes than those derived here from the committed state")]
    OtherMessage,
    /// The bytes are too many. The nonce is spent.
    #[error("{bytes} bytes to sign, at most {MESSAGE_BYTES_MAX} are allowed")]
    MessageTooLong {
        /// How many.
        bytes: usize,
    },
    /// Someone else's commitment is malformed, or it holds no share. The nonce is spent.
    #[error("the request names {signer} with an invalid commitment")]
    MalformedCommitment {
        /// Whose.
        signer: PublicKey,
    },
}

/// One life of a validator as signer.
///
/// [`Signer::offer`] until it gives `None`, whenever a coordinator connects or runs low; [`Signer::sign`] for
/// each request, once this node has derived the bytes; [`Signer::forget`] when a coordinator's connection is
/// made anew. A restart makes a new signer, and [`Signer::begin_anew`] is like one: all that was handed out is void.
pub struct Signer {
    committee: Arc<Committee>,
    me: PublicKey,
    incarnation: SignerIncarnation,
    packages: BTreeMap<KeyPurpose, KeyPackage>,
    stocks: BTreeMap<PublicKey, BTreeMap<KeyPurpose, NonceStock>>,
    next: NonceId,
    latest: Option<[u8; Commitment::POINT_BYTES]>,
}

impl Signer {
    /// A signer with no commitments handed out. The incarnation is drawn from `entropy`.
    ///
    /// # Errors
    /// If the shares are not this validator's in this committee; see [`InvalidShares`].
    pub fn new(
        me: PublicKey,
        committee: Arc<Committee>,
        shares: &KeyShares,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, InvalidShares> {
        let packages = shares.packages(&committee, &me)?;
        let mut incarnation = [0; 16];
        entropy.fill(&mut incarnation);
        let (incarnation, stocks) = (SignerIncarnation(incarnation), BTreeMap::new());
        Ok(Self { committee, me, incarnation, packages, stocks, next: NonceId(0), latest: None })
    }

    /// More commitments for a coordinator, up to [`OFFER_COMMITMENT_COUNT_MAX`] at a time and
    /// [`outstanding_count_max`] in all. `None` if it has all that it may have, or if
    /// [`COORDINATOR_COUNT_MAX`] others have theirs.
    ///
    /// # Panics
    /// If `entropy` gives the same twice in a row: to sign with that would give the key share away.
    pub fn offer(
        &mut self,
        coordinator: PublicKey,
        purpose: KeyPurpose,
        entropy: &mut dyn Entropy,
    ) -> Option<CommitmentOffer> {
        self.offer_some(coordinator, purpose, OFFER_COMMITMENT_COUNT_MAX, entropy)
    }

    /// The same, and no more than `count_max` at this time.
    ///
    /// # Panics
    /// As [`Signer::offer`] does.
    pub fn offer_some(
        &mut self,
        coordinator: PublicKey,
        purpose: KeyPurpose,
        count_max: usize,
        entropy: &mut dyn Entropy,
    ) -> Option<CommitmentOffer> {
        if !self.stocks.contains_key(&coordinator) && self.stocks.len() >= COORDINATOR_COUNT_MAX {
            return None;
        }
        let stock = self.stocks.entry(coordinator).or_default().entry(purpose).or_default();
        let room = outstanding_count_max(purpose).saturating_sub(stock.len()).min(count_max);
        if room == 0 {
            return None;
        }
        let package = self.packages.get(&purpose)?;
        let mut commitments = Vec::new();
        for _ in 0..room.min(OFFER_COMMITMENT_COUNT_MAX) {
            let nonce = Nonce::new(package.signing_share(), &mut EntropyRng(&mut *entropy));
            let id = self.next;
            let points = *nonce.points();
            assert!(self.latest != Some(points), "the given entropy was used before");
            (self.latest, self.next) = (Some(points), NonceId(id.0 + 1));
            #[cfg(hypermesh_planted)]
            if planted::is(Bug::NonceReused) && commitments.len() + 1 < OFFER_COMMITMENT_COUNT_MAX {
                stock.insert(self.next, nonce.again());
                commitments.push(Commitment { id, points });
                stock.insert(id, nonce);
                commitments.push(Commitment { id: self.next, points });
                self.next = NonceId(id.0 + 2);
                continue;
            }
            stock.insert(id, nonce);
            commitments.push(Commitment { id, points });
        }
        let oldest = stock.oldest().unwrap_or(self.next);
        Some(CommitmentOffer { purpose, incarnation: self.incarnation, oldest, commitments })
    }

    /// This signer's share of the signature over `message`, which the node derived from committed state.
    ///
    /// `coordinator` is who asks, as the channel authenticated it. The nonce that the request names is
    /// destroyed before the request is looked at any further, so that no nonce is ever mentioned twice; a
    /// refusal after that costs the coordinator a commitment and nobody anything else.
    ///
    /// # Errors
    /// If no share may be given; see [`SignRefusal`].
    pub fn sign(
        &mut self,
        coordinator: &PublicKey,
        request: &ShareRequest,
        message: &[u8],
        identity: &SecretKey,
    ) -> Result<SignedShare, SignRefusal> {
        if identity.public() != self.me {
            return Err(SignRefusal::OtherIdentity);
        }
        let named = request.commitments.get(&self.me).ok_or(SignRefusal::NotAsked)?;
        if named.incarnation != self.incarnation {
            return Err(SignRefusal::UnknownNonce);
        }
        let stock = self.stocks.get_mut(coordinator).and_then(|stocks| stocks.get_mut(&request.purpose));
        let skipped_count_max = outstanding_count_max(request.purpose) / 2;
        let nonce = stock.and_then(|stock| stock.take(named.id, skipped_count_max));
        let nonce = nonce.ok_or(SignRefusal::UnknownNonce)?;
        if *nonce.points() != named.points {
            return Err(SignRefusal::OtherCommitment);
        }
        self.check(request, message)?;
        let share = self.share(request, message, nonce)?;
        Ok(SignedShare::sign(request.session(), share, identity))
    }

    /// Begins another life: all nonces are destroyed, and all that was handed out is void.
    pub fn begin_anew(&mut self, entropy: &mut dyn Entropy) {
        self.stocks.clear();
        let mut incarnation = [0; 16];
        entropy.fill(&mut incarnation);
        self.incarnation = SignerIncarnation(incarnation);
    }

    /// Drops the nonces of a coordinator: when its connection was made anew or it left for good.
    pub fn forget(&mut self, coordinator: &PublicKey) {
        self.stocks.remove(coordinator);
    }

    /// Destroys the oldest nonces of a coordinator for a purpose, until there is room for `count` more. To be called
    /// when the commitments to them are known to be lost.
    pub fn make_room(&mut self, coordinator: &PublicKey, purpose: KeyPurpose, count: usize) {
        let stock = self.stocks.get_mut(coordinator).and_then(|stocks| stocks.get_mut(&purpose));
        if let Some(stock) = stock {
            stock.keep_newest(outstanding_count_max(purpose).saturating_sub(count));
        }
    }

    /// This life of the signer.
    #[must_use]
    pub const fn incarnation(&self) -> SignerIncarnation {
        self.incarnation
    }

    /// How many unspent commitments a coordinator has.
    #[must_use]
    pub fn outstanding_count(&self, coordinator: &PublicKey, purpose: KeyPurpose) -> usize {
        let stock = self.stocks.get(coordinator).and_then(|stocks| stocks.get(&purpose));
        stock.map_or(0, NonceStock::len)
    }

    fn check(&self, request: &ShareRequest, message: &[u8]) -> Result<(), SignRefusal> {
        let (count, threshold) = (request.commitments.len(), self.committee.threshold());
        if request.committee != self.committee.digest() {
            return Err(SignRefusal::OtherCommittee);
        }
        if count != threshold {
            return Err(SignRefusal::SignerCount { count, threshold });
        }
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(SignRefusal::MessageTooLong { bytes: message.len() });
        }
        match request.message == message_digest(message) {
            true => Ok(()),
            false => Err(SignRefusal::OtherMessage),
        }
    }

    fn share(&self, request: &ShareRequest, message: &[u8], nonce: Nonce) -> Result<[u8; 32], SignRefusal> {
        let malformed = |signer| SignRefusal::MalformedCommitment { signer };
        let secret = nonce.into_secret();
        let mine = Some((self.me, *secret.commitments()));
        let group = self.committee.group(request.purpose);
        let commitments = decode_commitments(group, request, mine).map_err(malformed)?;
        let package = SigningPackage::new(commitments, message);
        let key = self.packages.get(&request.purpose).ok_or(SignRefusal::NotAsked)?;
        let share = round2::sign(&package, &secret, key).map_err(|_| malformed(self.me))?;
        Ok(share.serialize().try_into().expect("a scalar has 32 bytes"))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({:?}, incarnation {:?})", self.me, self.incarnation)
    }
}
