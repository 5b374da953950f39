//! Gathering shares into a signature. Any node may do it, and none is trusted with it.
//!
//! A [`SigningSession`] asks as many signers as the threshold, those that its caller prefers. It ends with a
//! signature, with culprits, or in silence, and in the last two cases [`SigningSession::retry`] begins
//! another with others, as ROAST does: each retry leaves out who was caught and puts last who was silent in
//! any session before. So each retry knows at least one faulty signer more, and with f of them there is a
//! signature after f + 1 sessions at most. The sessions before stay usable; a late share may still complete
//! one.
//!
//! What it does not do: keep time. When to call a signer silent is the caller's decision.

use super::KeyPurpose;
use super::commitments::{Commitment, CommitmentPool};
use super::evidence::{ShareEvidence, share_is_good};
use super::keys::Committee;
use super::request::{NamedCommitment, ShareRequest, SignedShare, message_digest};
use super::suite::round1::SigningCommitments;
use super::suite::round2::SignatureShare;
use super::suite::{CheaterDetection, Identifier, SigningPackage, aggregate_custom};
use crate::base::{Digest, PublicKey, Signature, StrictSignature};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most bytes that a committee signs at once.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Too few signers of whom a commitment is at hand. Nothing was spent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only {} of the {threshold} signers that are required have commitments: wait for commitments of \
    others", available.len())]
pub struct NotEnoughSigners {
    /// Those who could be asked.
    pub available: Vec<PublicKey>,
    /// How many it takes.
    pub threshold: usize,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Shares are missing: [`SigningSession::missing`].
    Waiting,
    /// The signature over the message. It was verified by the rule that others use.
    Signed(StrictSignature),
}

/// Why a share is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareFault {
    /// It answers another request.
    #[error("the share of {signer} belongs to another request")]
    OtherSession {
        /// Whose it is said to be.
        signer: PublicKey,
    },
    /// It is of someone who was not asked.
    #[error("{signer} was not asked for a share")]
    NotAsked {
        /// Whose.
        signer: PublicKey,
    },
    /// Shares whose signatures do not hold: not the doing of the signers that they name. They were dropped;
    /// the session goes on.
    #[error("{} shares are not signed by whom they name", signers.len())]
    Forged {
        /// Whose they are said to be.
        signers: BTreeSet<PublicKey>,
    },
    /// There is a share of this signer already, which it signed or which is the same. The first counts.
    #[error("{signer} already sent another share")]
    Repeated {
        /// Whose.
        signer: PublicKey,
    },
    /// All shares are in, and some are bad. The session cannot end well: retry.
    #[error("{} of the shares are bad: sign again without those who sent them", evidence.len())]
    BadShares {
        /// For each culprit, what proves it.
        evidence: Vec<ShareEvidence>,
    },
    /// Every share is good and the signature is not: the committee keys do not belong together.
    #[error("valid shares do not combine to a signature: the committee keys are inconsistent")]
    InconsistentKeys,
}

/// One attempt at a signature by one set of signers.
#[derive(Clone, Debug)]
pub struct SigningSession {
    committee: Arc<Committee>,
    message: Vec<u8>,
    request: ShareRequest,
    session: Digest,
    package: SigningPackage,
    shares: BTreeMap<PublicKey, SignedShare>,
    signature: Option<StrictSignature>,
    /// Caught, in this session or in those that it is a retry of.
    culprits: BTreeSet<PublicKey>,
    /// Silent in those that it is a retry of.
    silent: BTreeSet<PublicKey>,
}

impl SigningSession {
    /// Begins a session with the first signers in `preference` of whom the pool has a commitment. Send
    /// [`SigningSession::request`] to each of [`SigningSession::signers`], this node's own signer included.
    ///
    /// A signer whose commitment turns out to be malformed is passed over, and its stock dropped.
    ///
    /// # Errors
    /// If the pool has commitments of too few.
    ///
    /// # Panics
    /// If the message is longer than [`MESSAGE_BYTES_MAX`], which no signer would sign.
    pub fn begin(
        committee: Arc<Committee>,
        purpose: KeyPurpose,
        message: Vec<u8>,
        preference: &[PublicKey],
        pool: &mut CommitmentPool,
    ) -> Result<Self, NotEnoughSigners> {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "nobody signs more than MESSAGE_BYTES_MAX at once");
        let threshold = committee.threshold();
        let Chosen { commitments, decoded } = choose(&committee, purpose, preference, pool);
        if commitments.len() < threshold {
            return Err(NotEnoughSigners { available: commitments.into_keys().collect(), threshold });
        }
        commitments.keys().for_each(|signer| pool.spend(signer, purpose));
        let digest = message_digest(&message);
        let request = ShareRequest { committee: committee.digest(), purpose, message: digest, commitments };
        Ok(Self {
            package: SigningPackage::new(decoded, &message),
            session: request.session(),
            committee,
            message,
            request,
            shares: BTreeMap::new(),
            signature: None,
            culprits: BTreeSet::new(),
            silent: BTreeSet::new(),
        })
    }

    /// Begins again with others: without the culprits of this session and those before it, and with those
    /// who were silent only if it takes them. The shares that did come are checked one by one, so that who
    /// sent a bad one is left out too; see [`SigningSession::evidence`]. This session can still be completed.
    ///
    /// # Errors
    /// If the pool has commitments of too few.
    pub fn retry(
        &mut self,
        preference: &[PublicKey],
        pool: &mut CommitmentPool,
    ) -> Result<Self, NotEnoughSigners> {
        let (_forged, _bad) = (self.drop_forged(), self.accuse_bad());
        let silent: BTreeSet<_> = self.silent.union(&self.missing()).copied().collect();
        let honest = preference.iter().copied().filter(|signer| !self.culprits.contains(signer));
        let (last, first): (Vec<_>, Vec<_>) = honest.partition(|signer| silent.contains(signer));
        let (committee, purpose) = (Arc::clone(&self.committee), self.request.purpose);
        let preference = [first, last].concat();
        let session = Self::begin(committee, purpose, self.message.clone(), &preference, pool)?;
        Ok(Self { culprits: self.culprits.clone(), silent, ..session })
    }

    /// Takes a share. The last one gives the signature, or names the culprits.
    ///
    /// Who signed a share is looked into only when it matters: when there are two in one signer's name, or
    /// when together they make no signature.
    ///
    /// # Errors
    /// If the share is refused, or all are in and some are bad; see [`ShareFault`].
    pub fn receive(&mut self, share: SignedShare) -> Result<Progress, ShareFault> {
        let signer = share.signer;
        if share.session != self.session {
            return Err(ShareFault::OtherSession { signer });
        }
        if !self.request.commitments.contains_key(&signer) {
            return Err(ShareFault::NotAsked { signer });
        }
        if let Some(first) = self.shares.get(&signer) {
            if *first == share || first.verify().is_ok() {
                return Err(ShareFault::Repeated { signer });
            }
            share.verify().map_err(|_| ShareFault::Forged { signers: BTreeSet::from([signer]) })?;
        }
        self.shares.insert(signer, share);
        match self.missing().is_empty() {
            true => self.finish().map(Progress::Signed),
            false => Ok(Progress::Waiting),
        }
    }

    /// What to send to the signers.
    #[must_use]
    pub const fn request(&self) -> &ShareRequest {
        &self.request
    }

    /// The session's name, which the shares bear.
    #[must_use]
    pub const fn session(&self) -> Digest {
        self.session
    }

    /// Who is asked.
    pub fn signers(&self) -> impl Iterator<Item = &PublicKey> {
        self.request.commitments.keys()
    }

    /// Who has not answered.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<PublicKey> {
        self.signers().filter(|signer| !self.shares.contains_key(signer)).copied().collect()
    }

    /// Who was caught in this session and in those that it is a retry of.
    #[must_use]
    pub const fn culprits(&self) -> &BTreeSet<PublicKey> {
        &self.culprits
    }

    /// What proves the guilt of those who were caught in this session.
    #[must_use]
    pub fn evidence(&self) -> Vec<ShareEvidence> {
        let bad = self.shares.iter().filter(|(signer, _)| self.culprits.contains(signer));
        let evidence = bad.map(|(_, share)| ShareEvidence {
            request: self.request.clone(),
            message: self.message.clone(),
            share: share.clone(),
        });
        evidence.collect()
    }

    /// The signature, once there is one.
    #[must_use]
    pub const fn signature(&self) -> Option<StrictSignature> {
        self.signature
    }

    fn finish(&mut self) -> Result<StrictSignature, ShareFault> {
        let group = self.committee.group(self.request.purpose);
        let mut shares = BTreeMap::new();
        for (signer, signed) in &self.shares {
            if let (Some(identifier), Ok(share)) =
                (group.identifiers.get(signer), SignatureShare::deserialize(&signed.share))
            {
                shares.insert(*identifier, share);
            }
        }
        // Which of the shares are bad is looked into only if they make no signature.
        let aggregated = aggregate_custom(&self.package, &shares, &group.package, CheaterDetection::Disabled);
        let bytes = aggregated.and_then(|signature| signature.serialize()).ok();
        let signature = bytes.and_then(|bytes| bytes.try_into().ok()).map(Signature);
        let verified =
            signature.and_then(|signature| group.public.verify_strict(&self.message, &signature).ok());
        match verified {
            Some(signature) => {
                self.signature = Some(signature);
                Ok(signature)
            }
            None => Err(self.fault()),
        }
    }

    /// Why the shares make no signature.
    fn fault(&mut self) -> ShareFault {
        let signers = self.drop_forged();
        if !signers.is_empty() {
            return ShareFault::Forged { signers };
        }
        match self.accuse_bad() {
            0 => ShareFault::InconsistentKeys,
            _ => ShareFault::BadShares { evidence: self.evidence() },
        }
    }

    /// Drops the shares whose signature does not hold. Whose they were said to be.
    fn drop_forged(&mut self) -> BTreeSet<PublicKey> {
        let forged = self.shares.values().filter(|share| share.verify().is_err());
        let forged: BTreeSet<_> = forged.map(|share| share.signer).collect();
        self.shares.retain(|signer, _| !forged.contains(signer));
        forged
    }

    /// Adds to the culprits all whose share is bad. How many these are.
    fn accuse_bad(&mut self) -> usize {
        let group = self.committee.group(self.request.purpose);
        let is_bad = |share: &&SignedShare| share_is_good(group, &self.package, share) == Some(false);
        let bad: Vec<_> = self.shares.values().filter(is_bad).map(|share| share.signer).collect();
        self.culprits.extend(&bad);
        bad.len()
    }
}

/// The commitments that a session is to spend, as they travel and as FROST wants them.
#[derive(Default)]
struct Chosen {
    commitments: BTreeMap<PublicKey, NamedCommitment>,
    decoded: BTreeMap<Identifier, SigningCommitments>,
}

/// A commitment of each of the first signers of whom there is a good one, left in the pool.
fn choose(
    committee: &Committee,
    purpose: KeyPurpose,
    preference: &[PublicKey],
    pool: &mut CommitmentPool,
) -> Chosen {
    let identifiers = &committee.group(purpose).identifiers;
    let mut chosen = Chosen::default();
    for signer in preference {
        if chosen.commitments.len() == committee.threshold() {
            break;
        }
        let Some((incarnation, Commitment { id, points })) = pool.next(signer, purpose) else {
            continue;
        };
        match (identifiers.get(signer), Commitment::decode_points(&points)) {
            (Some(identifier), Some(decoded)) => {
                chosen.commitments.insert(*signer, NamedCommitment { incarnation, id, points });
                chosen.decoded.insert(*identifier, decoded);
            }
            (Some(_) | None, Some(_) | None) => pool.forget(signer),
        }
    }
    chosen
}
