//! Gathering shares into a signature. Any node may do it, and none is trusted with it.
//!
//! A [`SigningSession`] asks as many signers as the threshold, those that its caller prefers. It ends with a
//! signature, with culprits, or in silence, and in the last two cases [`SigningSession::retry`] begins
//! another with others, as ROAST does: each retry leaves out who was caught and puts last who was silent, so
//! there is a signature as soon as a threshold of honest signers answers. The session before stays usable;
//! a late share may still complete it.
//!
//! What it does not do: keep time. When to call a signer silent is the caller's decision.

use super::KeyPurpose;
use super::commitments::{Commitment, CommitmentPool};
use super::evidence::ShareEvidence;
use super::keys::Committee;
use super::request::{NamedCommitment, ShareRequest, SignedShare, message_digest};
use crate::base::{PublicKey, Signature};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use frost_ed25519::round1::SigningCommitments;
use frost_ed25519::round2::SignatureShare;
use frost_ed25519::{CheaterDetection, Error, Identifier, SigningPackage, aggregate_custom};

/// The most bytes that a committee signs at once.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Too few signers of whom a commitment is at hand. Nothing was spent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of the {threshold} signers that it takes can be asked: wait for commitments of others", available.len())]
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
    /// The signature over the message. It was verified.
    Signed(Signature),
}

/// Why a share is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareFault {
    /// It answers another request.
    #[error("the share of {signer} answers another request")]
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
    /// Its signature does not hold: not the doing of the signer that it names.
    #[error("the share that claims to be of {signer} is not signed by it")]
    Forged {
        /// Whose it is said to be.
        signer: PublicKey,
    },
    /// There is a share of this signer already. The first counts.
    #[error("{signer} sent another share already")]
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
    #[error("good shares make no signature: the committee keys are inconsistent")]
    InconsistentKeys,
}

/// One attempt at a signature by one set of signers.
#[derive(Clone, Debug)]
pub struct SigningSession {
    committee: Arc<Committee>,
    message: Vec<u8>,
    request: ShareRequest,
    package: SigningPackage,
    shares: BTreeMap<PublicKey, SignedShare>,
    signature: Option<Signature>,
    culprits: BTreeSet<PublicKey>,
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
        let package = SigningPackage::new(decoded, &message);
        let (shares, culprits) = (BTreeMap::new(), BTreeSet::new());
        Ok(Self { committee, message, request, package, shares, signature: None, culprits })
    }

    /// Begins again with others: without the culprits of this session and those before it, and with the
    /// silent only if it takes them. This session stays as it is.
    ///
    /// # Errors
    /// If the pool has commitments of too few.
    pub fn retry(
        &self,
        preference: &[PublicKey],
        pool: &mut CommitmentPool,
    ) -> Result<Self, NotEnoughSigners> {
        let silent = self.missing();
        let honest = preference.iter().copied().filter(|signer| !self.culprits.contains(signer));
        let (last, first): (Vec<_>, Vec<_>) = honest.partition(|signer| silent.contains(signer));
        let (committee, purpose) = (Arc::clone(&self.committee), self.request.purpose);
        let mut session =
            Self::begin(committee, purpose, self.message.clone(), &[first, last].concat(), pool)?;
        session.culprits.clone_from(&self.culprits);
        Ok(session)
    }

    /// Takes a share. The last one gives the signature, or names the culprits.
    ///
    /// # Errors
    /// If the share is refused, or all are in and some are bad; see [`ShareFault`].
    pub fn receive(&mut self, share: SignedShare) -> Result<Progress, ShareFault> {
        let signer = share.signer;
        if share.session != self.session() {
            return Err(ShareFault::OtherSession { signer });
        }
        if !self.request.commitments.contains_key(&signer) {
            return Err(ShareFault::NotAsked { signer });
        }
        if self.shares.contains_key(&signer) {
            return Err(ShareFault::Repeated { signer });
        }
        share.verify().map_err(|_| ShareFault::Forged { signer })?;
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
    pub fn session(&self) -> crate::base::Digest {
        self.request.session()
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

    /// The signature, once there is one.
    #[must_use]
    pub const fn signature(&self) -> Option<Signature> {
        self.signature
    }

    fn finish(&mut self) -> Result<Signature, ShareFault> {
        let group = self.committee.group(self.request.purpose);
        let mut shares = BTreeMap::new();
        let mut bad = BTreeSet::new();
        for (signer, signed) in &self.shares {
            match (group.identifiers.get(signer), SignatureShare::deserialize(&signed.share)) {
                (Some(identifier), Ok(share)) => {
                    shares.insert(*identifier, share);
                }
                (Some(_) | None, Ok(_) | Err(_)) => {
                    bad.insert(*signer);
                }
            }
        }
        if !bad.is_empty() {
            return Err(self.accuse(bad));
        }
        let signature =
            match aggregate_custom(&self.package, &shares, &group.package, CheaterDetection::AllCheaters) {
                Ok(signature) => signature,
                Err(Error::InvalidSignatureShare { culprits }) => {
                    let named = group.identifiers.iter().filter(|(_, one)| culprits.contains(one));
                    let bad = named.map(|(signer, _)| *signer).collect();
                    return Err(self.accuse(bad));
                }
                Err(_) => return Err(ShareFault::InconsistentKeys),
            };
        let bytes = signature.serialize().ok().and_then(|bytes| bytes.try_into().ok());
        let signature = Signature(bytes.ok_or(ShareFault::InconsistentKeys)?);
        group.public.verify_bytes(&self.message, &signature).map_err(|_| ShareFault::InconsistentKeys)?;
        self.signature = Some(signature);
        Ok(signature)
    }

    fn accuse(&mut self, bad: BTreeSet<PublicKey>) -> ShareFault {
        let evidence = bad.iter().filter_map(|culprit| self.shares.get(culprit)).map(|share| ShareEvidence {
            request: self.request.clone(),
            message: self.message.clone(),
            share: share.clone(),
        });
        let fault = ShareFault::BadShares { evidence: evidence.collect() };
        self.culprits.extend(bad);
        fault
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
