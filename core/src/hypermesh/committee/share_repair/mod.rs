//! Repair of the shares that one validator has lost, by a quorum of others: the repairable threshold scheme
//! (eprint 2017/1155, as FROST's `repairable` has it) for all four keys at once, made verifiable.
//!
//! The order of things:
//!
//! 1. The validator that lost its shares names its helpers, on the chain ([`RepairSession`]).
//! 2. Each helper splits its contribution λᵢsᵢ into one random summand δᵢⱼ for each helper j, and puts the public
//!    halves δᵢⱼG on the chain ([`RepairHelper::begin`], [`RepairCommitments`]): they must add up to λᵢ times its
//!    public share.
//! 3. When all commitments are there, δᵢⱼ goes from i to j over a confidential and authenticated channel, and j
//!    checks it against the chain ([`RepairHelper::receive`]).
//! 4. Each helper sends the sum σⱼ = Σᵢ δᵢⱼ to the validator, which checks it against the chain, adds all of them up
//!    and has its share again ([`RepairAsker`]).
//!
//! Why this gives nothing away: a σ is blinded by a random summand of every helper, and all of them together say no
//! more than their sum, which is the asker's own share. The public halves show points only, and only of what adds up
//! to what is public already. What the commitments are for: the scheme itself takes wrong sigmas for right ones, and
//! would not say whose. With them a wrong σ names its sender; a wrong δ is the receiver's word against the sender's.
//!
//! What is **not** here: that the asker is who it says (the chain knows its signature, the link its key), that a helper
//! serves one request once, and time.

mod asker;
mod helper;

pub use asker::RepairAsker;
pub use helper::RepairHelper;

use super::KeyPurpose;
use super::fault::{Accusation, GenerationFaultReason};
use super::identifier::identifier;
use super::keys::{CommitteeKeys, VALIDATOR_COUNT_MAX, threshold};
use super::secret::SecretScalar;
use super::suite::keys::VerifyingShare;
use super::suite::{Element, Group as _, Identifier, Suite, SuiteGroup, decode_element};
use crate::base::{Digest, Domain, PublicKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use frost_core::compute_lagrange_coefficient;
use serde::{Deserialize, Serialize};

const SESSION: Domain = Domain::new("hypermesh v1 committee share repair");

/// One request for repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairSession {
    keys: CommitteeKeys,
    committee: Digest,
    validator: PublicKey,
    number: u32,
    helpers: Vec<PublicKey>,
}

/// The public halves of a helper's summands: go on the chain, signed by the helper.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RepairCommitments {
    /// The request that they were made for: [`RepairSession::id`].
    pub session: Digest,
    /// For each key, a compressed point for each helper, in the helpers' order.
    pub points: BTreeMap<KeyPurpose, Vec<[u8; 32]>>,
}

/// Secret scalars, one for each key: a helper's summands for another helper, or its sum for the asker. For one
/// receiver alone. Wiped when dropped, printed as nothing.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub struct BlindedShares {
    session: Digest,
    scalars: BTreeMap<KeyPurpose, SecretScalar>,
}

/// A request that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRepair {
    /// The validator, or a helper, holds no share of these keys.
    #[error("{validator} holds no share of these committee keys")]
    NotAValidator {
        /// Who.
        validator: PublicKey,
    },
    /// The helpers are not in order, one stands there twice, or the asker itself does.
    #[error("the helpers are not other validators, sorted and distinct")]
    Helpers,
    /// It takes as many helpers as sign together.
    #[error("{count} helpers: expected {threshold}")]
    HelperCount {
        /// How many were named.
        count: usize,
        /// How many it takes.
        threshold: usize,
    },
    /// This node is not one of the helpers, or does not hold its own share.
    #[error("this node does not hold the share that the repair request is for")]
    NoShare,
}

/// Why what came of a helper is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RepairFault {
    /// A helper did not keep to the protocol. The request is over: a new one must be made, with others.
    #[error("{validator} {}", accusation.reason)]
    Accused {
        /// Who.
        validator: PublicKey,
        /// What it did.
        accusation: Accusation,
    },
    /// Came of someone who is not another helper of this request. Dropped.
    #[error("{from} does not help with this repair")]
    NotAHelper {
        /// The sender.
        from: PublicKey,
    },
    /// Belongs to another request, as what was late does. Dropped.
    #[error("{from} sent its part in another repair")]
    OtherSession {
        /// The sender.
        from: PublicKey,
    },
    /// All parts are good and together they are not the share: the committee keys do not belong together.
    #[error("valid parts do not combine to a share: the committee keys are inconsistent")]
    InconsistentKeys,
}

impl RepairSession {
    /// A request by `validator`, its `number`th, to these helpers: as many as sign together, in order, without itself.
    ///
    /// # Errors
    /// If it cannot be served; see [`InvalidRepair`].
    pub fn new(
        keys: CommitteeKeys,
        validator: PublicKey,
        number: u32,
        helpers: Vec<PublicKey>,
    ) -> Result<Self, InvalidRepair> {
        let holders: BTreeSet<PublicKey> = keys.validators().copied().collect();
        let stranger = core::iter::once(&validator).chain(&helpers).find(|key| !holders.contains(key));
        if let Some(validator) = stranger {
            return Err(InvalidRepair::NotAValidator { validator: *validator });
        }
        if !helpers.is_sorted_by(|one, next| one < next) || helpers.contains(&validator) {
            return Err(InvalidRepair::Helpers);
        }
        let (count, threshold) = (helpers.len(), usize::from(keys.threshold));
        match count == threshold {
            true => Ok(Self { committee: keys.digest(), keys, validator, number, helpers }),
            false => Err(InvalidRepair::HelperCount { count, threshold }),
        }
    }

    /// What packages name. No two requests of a mesh share one.
    #[must_use]
    pub fn id(&self) -> Digest {
        SESSION.hash_of(&(self.committee, self.validator, self.number, &self.helpers))
    }

    /// Whose shares are repaired.
    #[must_use]
    pub const fn validator(&self) -> PublicKey {
        self.validator
    }

    /// Who helps, in order.
    #[must_use]
    pub fn helpers(&self) -> &[PublicKey] {
        &self.helpers
    }

    fn identifier(&self, purpose: KeyPurpose, validator: &PublicKey) -> Identifier {
        identifier(&self.keys.genesis, self.keys.attempt, purpose, validator)
    }

    fn position(&self, helper: &PublicKey) -> Option<usize> {
        self.helpers.binary_search(helper).ok()
    }

    /// What a helper's summands must add up to: λ times its public share.
    fn contribution(&self, purpose: KeyPurpose, helper: &PublicKey) -> Option<Element> {
        // Of which order the point is, is not looked at: what is checked against it is compared exactly, so a point with a
        // part of small order only makes its maker's own summand wrong.
        let public = decode_element(&self.keys.keys.get(&purpose)?.verifying_shares.get(helper)?.0)?;
        let all = self.helpers.iter().map(|helper| self.identifier(purpose, helper)).collect();
        let asker = self.identifier(purpose, &self.validator);
        let own = self.identifier(purpose, helper);
        let lambda = compute_lagrange_coefficient::<Suite>(&all, Some(asker), own).ok()?;
        Some(public * lambda)
    }
}

impl RepairCommitments {
    /// More bytes than any encoding of commitments takes: a bound for decoding.
    pub const BYTES_MAX: usize = 32 + 4 + 4 * (1 + 4 + 32 * threshold(VALIDATOR_COUNT_MAX));

    /// Checks that these are of this request, and add up to what the helper has to contribute. Costs about 4 µs a
    /// helper and key.
    ///
    /// # Errors
    /// What the helper did wrong.
    pub fn check(&self, session: &RepairSession, helper: &PublicKey) -> Result<(), Accusation> {
        if self.session != session.id() {
            return Err(Accusation { purpose: None, reason: GenerationFaultReason::OtherSession });
        }
        for purpose in KeyPurpose::ALL {
            let accuse = |reason| Accusation { purpose: Some(purpose), reason };
            let points = self.points.get(&purpose).filter(|points| points.len() == session.helpers.len());
            let points = points.ok_or(accuse(GenerationFaultReason::Malformed))?;
            let points: Option<Vec<Element>> = points.iter().map(decode_element).collect();
            let sum = points
                .ok_or(accuse(GenerationFaultReason::Malformed))?
                .into_iter()
                .fold(SuiteGroup::identity(), |sum, one| sum + one);
            if session.contribution(purpose, helper) != Some(sum) {
                return Err(accuse(GenerationFaultReason::InvalidShare));
            }
        }
        match self.points.len() == KeyPurpose::ALL.len() {
            true => Ok(()),
            false => Err(Accusation { purpose: None, reason: GenerationFaultReason::Malformed }),
        }
    }

    fn of(&self, purpose: KeyPurpose, position: usize) -> Option<&[u8; 32]> {
        self.points.get(&purpose)?.get(position)
    }
}

impl BlindedShares {
    /// The most bytes in an encoding: a bound for decoding.
    pub const BYTES_MAX: usize = 32 + 4 + KeyPurpose::ALL.len() * (1 + 32);

    /// Checks each scalar against the public half that it must have.
    fn check(&self, half: impl Fn(KeyPurpose) -> Option<[u8; 32]>) -> Result<(), Accusation> {
        for purpose in KeyPurpose::ALL {
            let accuse = |reason| Accusation { purpose: Some(purpose), reason };
            let scalar = self.scalars.get(&purpose).ok_or(accuse(GenerationFaultReason::Malformed))?;
            let public = public_half(scalar).ok_or(accuse(GenerationFaultReason::Malformed))?;
            if half(purpose) != Some(public) {
                return Err(accuse(GenerationFaultReason::InvalidShare));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for BlindedShares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlindedShares(for repair {:?})", self.session)
    }
}

/// The point of a secret scalar; `None` for zero and for what is no scalar.
fn public_half(scalar: &SecretScalar) -> Option<[u8; 32]> {
    VerifyingShare::from(scalar.signing_share()?).serialize().ok()?.try_into().ok()
}
