//! What key generation made, as everyone may know it: the group keys and each validator's public share.

use super::KeyPurpose;
use super::identifier::identifier;
use super::suite::keys::{PublicKeyPackage, VerifyingShare};
use super::suite::{Identifier, VerifyingKey};
use crate::base::{Digest, Domain, PublicKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The fewest validators that can hold a key in shares: FROST has no threshold of one.
pub const VALIDATOR_COUNT_MIN: usize = 2;
/// The most validators of a committee.
pub const VALIDATOR_COUNT_MAX: usize = 128;

const COMMITTEE: Domain = Domain::new("hypermesh v1 committee keys");

/// How many of `validator_count` validators sign together: ⌊2n/3⌋ + 1, the quorum of ordering.
#[must_use]
pub const fn threshold(validator_count: usize) -> usize {
    validator_count * 2 / 3 + 1
}

/// The public outcome of one key generation: four group keys, and who holds a share of them.
///
/// Two things make it trustworthy, and neither is in here: it follows from the round-1 packages on the chain
/// ([`super::derive_keys`]), and every validator confirmed its [`CommitteeKeys::digest`] on the chain. The
/// second is not a formality: a dealer who shows different validators different round-1 packages leaves them
/// with different group keys and *no error*; the digests tell.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitteeKeys {
    /// The genesis of the mesh that they were made for.
    pub genesis: Digest,
    /// The number of the attempt at key generation that made them.
    pub attempt: u32,
    /// How many validators sign together.
    pub threshold: u16,
    /// The group key for each purpose.
    pub keys: BTreeMap<KeyPurpose, GroupKey>,
}

/// One group key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupKey {
    /// The key that signatures verify under, an ordinary Ed25519 public key.
    pub public: PublicKey,
    /// By validator, the public half of its share: what a signature share is checked against.
    pub verifying_shares: BTreeMap<PublicKey, PublicKey>,
}

/// Committee keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// A purpose has no key.
    #[error("the committee keys have no key for {purpose}")]
    Missing {
        /// Which.
        purpose: KeyPurpose,
    },
    /// Too few or too many validators.
    #[error("{count} validators: expected {VALIDATOR_COUNT_MIN} to {VALIDATOR_COUNT_MAX}")]
    ValidatorCount {
        /// How many there were.
        count: usize,
    },
    /// The threshold is not the quorum of that many validators.
    #[error("the threshold is {threshold}: expected the quorum, {expected}")]
    Threshold {
        /// What stands there.
        threshold: u16,
        /// What should.
        expected: usize,
    },
    /// Two keys are shared by different validators.
    #[error("the key for {purpose} is held by other validators than the rest")]
    OtherValidators {
        /// Which.
        purpose: KeyPurpose,
    },
    /// A group key or public share is not a point of prime order.
    #[error("the key for {purpose} holds a point that is not one of prime order")]
    Point {
        /// Which.
        purpose: KeyPurpose,
    },
}

impl CommitteeKeys {
    /// More bytes than any encoding of committee keys takes: a bound for decoding.
    pub const BYTES_MAX: usize = 32 + 4 + 2 + 4 + 4 * (1 + 32 + 4 + VALIDATOR_COUNT_MAX * 64);

    /// What every validator confirms on the chain before the keys are used.
    #[must_use]
    pub fn digest(&self) -> Digest {
        COMMITTEE.hash_of(self)
    }

    /// The group key for a purpose; `None` only in keys that [`Committee::new`] refuses.
    #[must_use]
    pub fn public(&self, purpose: KeyPurpose) -> Option<PublicKey> {
        self.keys.get(&purpose).map(|key| key.public)
    }

    /// The validators that hold shares.
    pub fn validators(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values().next().into_iter().flat_map(|key| key.verifying_shares.keys())
    }

    fn check_shape(&self) -> Result<(), InvalidKeys> {
        let validators: BTreeSet<_> = self.validators().collect();
        let count = validators.len();
        for purpose in KeyPurpose::ALL {
            let key = self.keys.get(&purpose).ok_or(InvalidKeys::Missing { purpose })?;
            if !key.verifying_shares.keys().eq(validators.iter().copied()) {
                return Err(InvalidKeys::OtherValidators { purpose });
            }
        }
        if !(VALIDATOR_COUNT_MIN..=VALIDATOR_COUNT_MAX).contains(&count) {
            return Err(InvalidKeys::ValidatorCount { count });
        }
        match usize::from(self.threshold) == threshold(count) {
            true => Ok(()),
            false => Err(InvalidKeys::Threshold { threshold: self.threshold, expected: threshold(count) }),
        }
    }
}

/// Committee keys that were checked and decoded once, for signing and for verifying shares.
///
/// Checked: every purpose has a key, all are held by the same validators, the threshold is their quorum, and
/// every point has prime order. *Not* checked: that the public shares interpolate to the group key, which
/// follows from the key generation that the validators confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    keys: CommitteeKeys,
    digest: Digest,
    groups: BTreeMap<KeyPurpose, Group>,
}

/// One group key as FROST wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) public: PublicKey,
    pub(super) identifiers: BTreeMap<PublicKey, Identifier>,
    pub(super) package: PublicKeyPackage,
}

impl Committee {
    /// Checks and decodes committee keys. Costs about 0.1 ms a validator.
    ///
    /// # Errors
    /// If they cannot be used; see [`InvalidKeys`].
    pub fn new(keys: CommitteeKeys) -> Result<Self, InvalidKeys> {
        keys.check_shape()?;
        let mut groups = BTreeMap::new();
        for (purpose, key) in &keys.keys {
            let group = Group::decode(&keys, *purpose, key);
            groups.insert(*purpose, group.ok_or(InvalidKeys::Point { purpose: *purpose })?);
        }
        let digest = keys.digest();
        Ok(Self { keys, digest, groups })
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &CommitteeKeys {
        &self.keys
    }

    /// The digest of the keys, which requests and shares name.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How many validators sign together.
    #[must_use]
    pub fn threshold(&self) -> usize {
        usize::from(self.keys.threshold)
    }

    /// Whether this validator holds a share.
    #[must_use]
    pub fn has(&self, validator: &PublicKey) -> bool {
        self.groups.values().all(|group| group.identifiers.contains_key(validator))
    }

    /// The validators, in order.
    #[must_use]
    pub fn validators(&self) -> Vec<PublicKey> {
        self.keys.validators().copied().collect()
    }

    pub(super) fn group(&self, purpose: KeyPurpose) -> &Group {
        self.groups.get(&purpose).expect("a committee is made only with a key for every purpose")
    }
}

impl Group {
    fn decode(keys: &CommitteeKeys, purpose: KeyPurpose, key: &GroupKey) -> Option<Self> {
        let mut identifiers = BTreeMap::new();
        let mut verifying_shares = BTreeMap::new();
        for (validator, share) in &key.verifying_shares {
            let identifier = identifier(&keys.genesis, keys.attempt, purpose, validator);
            identifiers.insert(*validator, identifier);
            verifying_shares.insert(identifier, VerifyingShare::deserialize(share.as_bytes()).ok()?);
        }
        let public = VerifyingKey::deserialize(key.public.as_bytes()).ok()?;
        let package = PublicKeyPackage::new(verifying_shares, public, Some(keys.threshold));
        Some(Self { public: key.public, identifiers, package })
    }
}
