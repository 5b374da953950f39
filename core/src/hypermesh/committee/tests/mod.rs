//! A committee in one process: the real key generation, the real signers, and a coordinator.

mod claim;
mod encoding;
mod generation;
mod offers;
mod share_repair;
mod signing;

use super::*;
use crate::base::{Digest, Entropy, PublicKey, SecretKey, Signature, StrictSignature};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::sync::Mutex;

/// Entropy from a seed.
pub(super) struct Seeded(ChaCha20Rng);

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

pub(super) const GENESIS: Digest = Digest([0x67; 32]);

/// Two times the identity, which is no commitment.
pub(super) const NO_COMMITMENT: [u8; Commitment::POINT_BYTES] = {
    let mut points = [0; Commitment::POINT_BYTES];
    (points[0], points[32]) = (1, 1);
    points
};

/// `count` validators, in the order of their public keys.
pub(super) fn identities(count: usize) -> Vec<SecretKey> {
    let mut keys: Vec<_> =
        (1..=count).map(|seed| SecretKey::from_seed([u8::try_from(seed).unwrap(); 32])).collect();
    keys.sort_by_key(SecretKey::public);
    keys
}

pub(super) fn session(count: usize, attempt: u32) -> GenerationSession {
    let validators = identities(count).iter().map(SecretKey::public).collect();
    GenerationSession { genesis: GENESIS, attempt, validators }
}

/// Every validator's part in one key generation, round 1 done.
pub(super) struct Generation {
    pub(super) parts: BTreeMap<PublicKey, KeyGeneration>,
    pub(super) round1: BTreeMap<PublicKey, Round1>,
}

impl Generation {
    pub(super) fn begin(session: &GenerationSession, seed: u64) -> Self {
        let mut entropy = Seeded::new(seed);
        let (mut parts, mut round1) = (BTreeMap::new(), BTreeMap::new());
        for me in &session.validators {
            let (part, package) = KeyGeneration::begin(session.clone(), *me, &mut entropy).unwrap();
            parts.insert(*me, part);
            round1.insert(*me, package);
        }
        Self { parts, round1 }
    }

    /// Round 2: by receiver, what each other validator sends it.
    pub(super) fn deal(&mut self) -> BTreeMap<PublicKey, BTreeMap<PublicKey, Round2>> {
        let mut inboxes: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (sender, part) in &mut self.parts {
            let dealt = part.receive_round1(&self.round1).unwrap();
            assert!(dealt.generated.is_none());
            for (receiver, package) in dealt.packages {
                inboxes.entry(receiver).or_default().insert(*sender, package);
            }
        }
        inboxes
    }

    pub(super) fn finish(mut self) -> BTreeMap<PublicKey, Generated> {
        let mut outcomes = BTreeMap::new();
        for (receiver, inbox) in self.deal() {
            let part = self.parts.get_mut(&receiver).unwrap();
            let results: Vec<_> =
                inbox.into_iter().map(|(sender, package)| part.receive_round2(sender, package)).collect();
            let mut outcome: Vec<_> = results.into_iter().filter_map(Result::unwrap).collect();
            outcomes.insert(receiver, outcome.remove(0));
        }
        outcomes
    }
}

type Outcome = (CommitteeKeys, BTreeMap<PublicKey, KeyShares>);

/// The outcome of key generation among `count`, run once for each count.
pub(super) fn generated(count: usize) -> Outcome {
    static DONE: Mutex<BTreeMap<usize, Outcome>> = Mutex::new(BTreeMap::new());
    let mut done = DONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let run = || {
        let outcomes = Generation::begin(&session(count, 1), count as u64).finish();
        let keys = outcomes.values().next().unwrap().keys.clone();
        (keys, outcomes.into_iter().map(|(validator, outcome)| (validator, outcome.shares)).collect())
    };
    done.entry(count).or_insert_with(run).clone()
}

/// A committee with its signers, and a coordinator that holds commitments of all.
pub(super) struct Mesh {
    pub(super) committee: Arc<Committee>,
    pub(super) identities: BTreeMap<PublicKey, SecretKey>,
    pub(super) signers: BTreeMap<PublicKey, Signer>,
    pub(super) coordinator: PublicKey,
    pub(super) pool: CommitmentPool,
    pub(super) entropy: Seeded,
}

impl Mesh {
    pub(super) fn new(count: usize) -> Self {
        let (keys, shares) = generated(count);
        let committee = Arc::new(Committee::new(keys).unwrap());
        let identities: BTreeMap<_, _> =
            identities(count).into_iter().map(|identity| (identity.public(), identity)).collect();
        let mut entropy = Seeded::new(7);
        let signer = |(me, shares): (&PublicKey, &KeyShares)| {
            (*me, Signer::new(*me, Arc::clone(&committee), shares, &mut entropy).unwrap())
        };
        let signers = shares.iter().map(signer).collect();
        let coordinator = *identities.keys().next().unwrap();
        let pool = CommitmentPool::new();
        let mut mesh = Self { committee, identities, signers, coordinator, pool, entropy };
        mesh.stock(KeyPurpose::Issuing);
        mesh
    }

    /// One offer of every signer.
    pub(super) fn stock(&mut self, purpose: KeyPurpose) {
        for (signer, part) in &mut self.signers {
            if let Some(offer) = part.offer(self.coordinator, purpose, &mut self.entropy) {
                self.pool.accept_offer(&self.committee, *signer, offer).unwrap();
            }
        }
    }

    pub(super) fn validators(&self) -> Vec<PublicKey> {
        self.committee.validators()
    }

    pub(super) fn begin(&mut self, message: &[u8], preference: &[PublicKey]) -> SigningSession {
        let committee = Arc::clone(&self.committee);
        let message = message.to_vec();
        SigningSession::begin(committee, KeyPurpose::Issuing, message, preference, &mut self.pool).unwrap()
    }

    pub(super) fn share(
        &mut self,
        signer: &PublicKey,
        request: &ShareRequest,
        message: &[u8],
    ) -> Result<SignedShare, SignRefusal> {
        let part = self.signers.get_mut(signer).unwrap();
        part.sign(&self.coordinator, request, message, &self.identities[signer])
    }

    /// A share of a signer that cheats: signed by it, and not the right scalar.
    pub(super) fn bad_share(&mut self, signer: &PublicKey, session: &SigningSession) -> SignedShare {
        let mut scalar = [0; 32];
        scalar[0] = 5;
        SignedShare::sign(session.session(), scalar, &self.identities[signer])
    }

    /// Has everyone asked answer, except those in `but`.
    pub(super) fn answer(
        &mut self,
        session: &mut SigningSession,
        message: &[u8],
        but: &[PublicKey],
    ) -> Option<StrictSignature> {
        let asked: Vec<_> = session.signers().filter(|signer| !but.contains(signer)).copied().collect();
        let mut signature = None;
        for signer in asked {
            let share = self.share(&signer, &session.request().clone(), message).unwrap();
            if let Progress::Signed(done) = session.receive(share).unwrap() {
                signature = Some(done);
            }
        }
        signature
    }

    pub(super) fn public(&self) -> PublicKey {
        self.committee.keys().public(KeyPurpose::Issuing).unwrap()
    }
}
