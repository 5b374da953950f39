//! The public half of key generation: round-1 packages, and the keys that follow from them.
//!
//! Round 1 is ordered on the chain, so everyone sees the same packages, and everyone, validator or not, can
//! compute the group keys from them ([`derive_keys`]).
//!
//! What it does *not* show: that the dealers sent each validator the right private share. Only the
//! receivers see that; hence every one of them confirms before the keys are used.

use super::KeyPurpose;
use super::fault::{Accusation, GenerationFault, GenerationFaultReason, InvalidSession};
use super::identifier::identifier;
use super::keys::{CommitteeKeys, GroupKey, VALIDATOR_COUNT_MAX, VALIDATOR_COUNT_MIN, threshold};
use super::suite::generation::round1;
use super::suite::keys::{PublicKeyPackage, VerifiableSecretSharingCommitment};
use super::suite::{Ciphersuite as _, Group as _, Identifier, Signature, Suite, SuiteGroup};
use crate::base::Signature as ProofBytes;
use crate::base::{Digest, Domain, PublicKey, encode};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

const SESSION: Domain = Domain::new("hypermesh v1 committee key generation");

/// One attempt at key generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationSession {
    /// The genesis of the mesh.
    pub genesis: Digest,
    /// The attempt's number. No two attempts of a mesh share one.
    pub attempt: u32,
    /// All validators, in order, each once.
    pub validators: Vec<PublicKey>,
}

/// A validator's round-1 package for all keys: goes on the chain, signed by its sender.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Round1 {
    /// The session that it was made for: [`GenerationSession::id`].
    pub session: Digest,
    /// What the validator deals, for each key.
    pub commitments: BTreeMap<KeyPurpose, DealerCommitment>,
}

/// A dealer's commitment to its secret polynomial, and the proof that it knows the polynomial's constant.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct DealerCommitment {
    /// As many points as the threshold: the commitments to the coefficients, constant first.
    pub coefficients: Vec<[u8; 32]>,
    /// A Schnorr proof of knowledge, bound to the dealer's identifier.
    pub proof: ProofBytes,
}

impl GenerationSession {
    /// What packages name, so that one which was late from another attempt is not taken for a fault.
    #[must_use]
    pub fn id(&self) -> Digest {
        let validators = encode(&self.validators);
        SESSION.hash(&[self.genesis.as_bytes(), &self.attempt.to_le_bytes(), &validators])
    }

    pub(super) fn check(&self) -> Result<(), InvalidSession> {
        let count = self.validators.len();
        if !(VALIDATOR_COUNT_MIN..=VALIDATOR_COUNT_MAX).contains(&count) {
            return Err(InvalidSession::ValidatorCount { count });
        }
        match self.validators.is_sorted_by(|one, next| one < next) {
            true => Ok(()),
            false => Err(InvalidSession::Unsorted),
        }
    }

    pub(super) fn threshold(&self) -> u16 {
        u16::try_from(threshold(self.validators.len())).expect("a session has at most 128 validators")
    }

    pub(super) fn has(&self, validator: &PublicKey) -> bool {
        self.validators.binary_search(validator).is_ok()
    }

    pub(super) fn identifier(&self, purpose: KeyPurpose, validator: &PublicKey) -> Identifier {
        identifier(&self.genesis, self.attempt, purpose, validator)
    }
}

impl Round1 {
    /// More bytes than any encoding of a round-1 package takes: a bound for decoding.
    pub const BYTES_MAX: usize = 32 + 4 + 4 * (1 + 4 + 32 * threshold(VALIDATOR_COUNT_MAX) + 64);

    /// Checks the package of one dealer by itself, as whoever puts it on the chain should. The proof speaks
    /// of the polynomial's constant alone: the other coefficients are the sender's by its signature on the
    /// chain, and whether they are those of its shares is seen in round 2.
    ///
    /// # Errors
    /// What the dealer did wrong.
    pub fn check(&self, session: &GenerationSession, dealer: &PublicKey) -> Result<(), Accusation> {
        self.decode(session, dealer).map(|_| ())
    }

    fn decode(
        &self,
        session: &GenerationSession,
        dealer: &PublicKey,
    ) -> Result<BTreeMap<KeyPurpose, round1::Package>, Accusation> {
        if self.session != session.id() {
            return Err(Accusation { purpose: None, reason: GenerationFaultReason::OtherSession });
        }
        let decoded = |purpose| {
            let commitment = self.commitments.get(&purpose).ok_or(GenerationFaultReason::Malformed)?;
            commitment.decode(usize::from(session.threshold()), session.identifier(purpose, dealer))
        };
        KeyPurpose::ALL
            .into_iter()
            .map(|purpose| match decoded(purpose) {
                Ok(package) => Ok((purpose, package)),
                Err(reason) => Err(Accusation { purpose: Some(purpose), reason }),
            })
            .collect()
    }
}

impl DealerCommitment {
    pub(super) fn of(package: &round1::Package) -> Self {
        let expected = "points that this node made itself are not the identity";
        let coefficients = package.commitment().serialize().expect(expected);
        let fixed = |point: Vec<u8>| point.try_into().expect("a point has 32 bytes");
        let proof = package.proof_of_knowledge().serialize().expect(expected);
        Self {
            coefficients: coefficients.into_iter().map(fixed).collect(),
            proof: ProofBytes(proof.try_into().expect("a Schnorr signature has 64 bytes")),
        }
    }

    /// Decoding refuses points of small or mixed order and the identity.
    fn decode(&self, threshold: usize, dealer: Identifier) -> Result<round1::Package, GenerationFaultReason> {
        if self.coefficients.len() != threshold {
            return Err(GenerationFaultReason::Malformed);
        }
        let commitment = VerifiableSecretSharingCommitment::deserialize(&self.coefficients)
            .map_err(|_| GenerationFaultReason::Malformed)?;
        let proof = Signature::deserialize(&self.proof.0).map_err(|_| GenerationFaultReason::Malformed)?;
        match self.proof_holds(dealer, &proof) {
            Some(true) => Ok(round1::Package::new(commitment, proof)),
            Some(false) => Err(GenerationFaultReason::InvalidProof),
            None => Err(GenerationFaultReason::Malformed),
        }
    }

    /// Checks `R = μG - cφ₀` with `c = HDKG(identifier ‖ φ₀ ‖ R)` (FROST, figure 1, round 1, step 5).
    fn proof_holds(&self, dealer: Identifier, proof: &Signature) -> Option<bool> {
        let constant = self.coefficients.first()?;
        let (commitment, _) = self.proof.0.split_at_checked(32)?;
        let preimage = [dealer.serialize().as_slice(), constant, commitment].concat();
        let challenge = Suite::HDKG(&preimage)?;
        let constant = SuiteGroup::deserialize(constant).ok()?;
        Some(*proof.R() == SuiteGroup::generator() * *proof.z() - constant * challenge)
    }
}

/// The group keys that follow from everyone's round-1 packages. Any node can compute them, and a validator
/// whose key generation ends has computed the same.
///
/// # Errors
/// [`GenerationFault::Accused`] names every validator whose package is missing or wrong,
/// [`GenerationFault::NotAValidator`] a package from outside the session, and
/// [`GenerationFault::OutOfOrder`] a session that could not be run.
pub fn derive_keys(
    session: &GenerationSession,
    all: &BTreeMap<PublicKey, Round1>,
) -> Result<CommitteeKeys, GenerationFault> {
    session.check().map_err(|_| GenerationFault::OutOfOrder)?;
    Transcript::check(session, all).map(|transcript| transcript.keys)
}

/// Everyone's round-1 packages, checked and decoded, and the keys that follow.
pub(super) struct Transcript {
    pub(super) packages: BTreeMap<KeyPurpose, BTreeMap<Identifier, round1::Package>>,
    pub(super) keys: CommitteeKeys,
}

impl Transcript {
    pub(super) fn check(
        session: &GenerationSession,
        all: &BTreeMap<PublicKey, Round1>,
    ) -> Result<Self, GenerationFault> {
        if let Some(stranger) = all.keys().find(|sender| !session.has(sender)) {
            return Err(GenerationFault::NotAValidator { from: *stranger });
        }
        let mut accusations = BTreeMap::new();
        let mut packages: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for dealer in &session.validators {
            let missing = Accusation { purpose: None, reason: GenerationFaultReason::Missing };
            match all.get(dealer).ok_or(missing).and_then(|package| package.decode(session, dealer)) {
                Ok(decoded) => {
                    for (purpose, package) in decoded {
                        let identifier = session.identifier(purpose, dealer);
                        packages.entry(purpose).or_default().insert(identifier, package);
                    }
                }
                Err(accusation) => {
                    accusations.insert(*dealer, accusation);
                }
            }
        }
        if !accusations.is_empty() {
            return Err(GenerationFault::Accused { accusations });
        }
        let mut keys = BTreeMap::new();
        for (purpose, packages) in &packages {
            let degenerate =
                Accusation { purpose: Some(*purpose), reason: GenerationFaultReason::DegenerateKey };
            let everyone = || session.validators.iter().map(|dealer| (*dealer, degenerate)).collect();
            let key = group_key(session, *purpose, packages);
            keys.insert(*purpose, key.ok_or_else(|| GenerationFault::Accused { accusations: everyone() })?);
        }
        let (genesis, attempt, threshold) = (session.genesis, session.attempt, session.threshold());
        Ok(Self { packages, keys: CommitteeKeys { genesis, attempt, threshold, keys } })
    }
}

/// The group key and public shares: the sum of the dealers' commitments, evaluated at zero and at each
/// validator's identifier. `None` if one of them is the identity.
fn group_key(
    session: &GenerationSession,
    purpose: KeyPurpose,
    packages: &BTreeMap<Identifier, round1::Package>,
) -> Option<GroupKey> {
    let commitments = packages.iter().map(|(dealer, package)| (*dealer, package.commitment())).collect();
    let package = PublicKeyPackage::from_dkg_commitments(&commitments).ok()?;
    let fixed = |point: Vec<u8>| point.try_into().ok().map(PublicKey);
    let public = fixed(package.verifying_key().serialize().ok()?)?;
    public.check().ok()?;
    let mut verifying_shares = BTreeMap::new();
    for validator in &session.validators {
        let share = package.verifying_shares().get(&session.identifier(purpose, validator))?;
        verifying_shares.insert(*validator, fixed(share.serialize().ok()?)?);
    }
    Some(GroupKey { public, verifying_shares })
}
