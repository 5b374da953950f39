//! The validators of a height: one vote each, in one order on every node.
//!
//! It does not check that the keys are usable points: that is done where a validator registers.

use crate::base::{Digest, Domain, PublicKey};
use crate::planted::{self, Bug};
use alloc::sync::Arc;
use alloc::vec::Vec;
use borsh::io::{Error, ErrorKind, Read, Result as IoResult, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

const VALIDATOR_SET: Domain = Domain::new("hypermesh v1 ordering validator set");

/// The most validators that a mesh may have.
pub const VALIDATORS_MAX: usize = 256;

/// The validators of a height, sorted by key, each with one vote. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PublicKey>", into = "Vec<PublicKey>")]
pub struct ValidatorSet(Arc<[PublicKey]>);

/// Keys that make no validator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValidatorSet {
    /// No validator at all.
    #[error("a validator set needs at least one validator")]
    Empty,
    /// More than [`VALIDATORS_MAX`].
    #[error("{count} validators, at most {VALIDATORS_MAX} are allowed")]
    TooMany {
        /// How many there were.
        count: usize,
    },
    /// One key twice.
    #[error("validator {validator} is in the set twice")]
    Duplicate {
        /// The key.
        validator: PublicKey,
    },
}

impl ValidatorSet {
    /// The set of these validators, in any order.
    ///
    /// # Errors
    /// If there is none, if there are too many, or if one stands there twice.
    pub fn new(validators: impl IntoIterator<Item = PublicKey>) -> Result<Self, InvalidValidatorSet> {
        let mut keys: Vec<PublicKey> = validators.into_iter().take(VALIDATORS_MAX + 1).collect();
        if keys.is_empty() {
            return Err(InvalidValidatorSet::Empty);
        }
        if keys.len() > VALIDATORS_MAX {
            return Err(InvalidValidatorSet::TooMany { count: keys.len() });
        }
        keys.sort_unstable();
        let twice = keys.iter().zip(keys.iter().skip(1)).find(|(key, next)| key == next);
        if let Some((validator, _)) = twice {
            return Err(InvalidValidatorSet::Duplicate { validator: *validator });
        }
        Ok(Self(keys.into()))
    }

    /// How many validators there are; never 0.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether this key is a validator's.
    #[must_use]
    pub fn contains(&self, validator: &PublicKey) -> bool {
        self.position(validator).is_some()
    }

    /// Where in the order of keys this validator stands, from 0.
    #[must_use]
    pub fn position(&self, validator: &PublicKey) -> Option<usize> {
        self.0.binary_search(validator).ok()
    }

    /// The validators, in order of their keys.
    #[must_use]
    pub fn as_slice(&self) -> &[PublicKey] {
        &self.0
    }

    /// The fewest votes that decide: more than two thirds.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.0.len() * 2 / 3 + usize::from(!planted::is(Bug::QuorumOffByOne))
    }

    /// How many validators may lie or be dead: f of at least 3f+1.
    #[must_use]
    pub fn tolerated_faults(&self) -> usize {
        (self.0.len() - 1) / 3
    }

    /// The fewest votes that justify a change of round: more than one third.
    pub(super) fn skip_threshold(&self) -> usize {
        self.0.len() / 3 + 1
    }

    /// The set's hash, which block headers carry.
    #[must_use]
    pub fn hash(&self) -> Digest {
        VALIDATOR_SET.hash_of(self)
    }
}

impl TryFrom<Vec<PublicKey>> for ValidatorSet {
    type Error = InvalidValidatorSet;

    fn try_from(keys: Vec<PublicKey>) -> Result<Self, InvalidValidatorSet> {
        Self::new(keys)
    }
}

impl From<ValidatorSet> for Vec<PublicKey> {
    fn from(set: ValidatorSet) -> Self {
        set.0.to_vec()
    }
}

impl BorshSerialize for ValidatorSet {
    fn serialize<W: Write>(&self, writer: &mut W) -> IoResult<()> {
        BorshSerialize::serialize(self.0.as_ref(), writer)
    }
}

impl BorshDeserialize for ValidatorSet {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let keys = Vec::<PublicKey>::deserialize_reader(reader)?;
        Self::new(keys).map_err(|_| Error::new(ErrorKind::InvalidData, "not a validator set"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DecodeError, decode, encode};

    fn keys(count: u16) -> Vec<PublicKey> {
        (0..count).map(|number| PublicKey(core::array::from_fn(|at| number.to_be_bytes()[at % 2]))).collect()
    }

    #[test]
    fn quorum_is_more_than_two_thirds_and_two_quorums_share_an_honest_validator() {
        let expected = [(1, 1, 0), (3, 3, 0), (4, 3, 1), (5, 4, 1), (6, 5, 1), (7, 5, 2), (100, 67, 33)];
        for (count, quorum, faults) in expected {
            let set = ValidatorSet::new(keys(count)).unwrap();
            assert_eq!((set.quorum(), set.tolerated_faults()), (quorum, faults), "n = {count}");
            assert!(2 * quorum - usize::from(count) > faults);
        }
    }

    #[test]
    fn sets_that_are_none_are_refused_at_the_limit_and_one_past_it() {
        let limit = u16::try_from(VALIDATORS_MAX).unwrap();
        assert_eq!(ValidatorSet::new([]), Err(InvalidValidatorSet::Empty));
        assert!(ValidatorSet::new(keys(limit)).is_ok());
        let refused = ValidatorSet::new(keys(limit + 1));
        assert_eq!(refused, Err(InvalidValidatorSet::TooMany { count: VALIDATORS_MAX + 1 }));
        let twice = [keys(2)[1], keys(2)[0], keys(2)[1]];
        assert_eq!(ValidatorSet::new(twice), Err(InvalidValidatorSet::Duplicate { validator: keys(2)[1] }));
    }

    #[test]
    fn the_set_is_sorted_and_its_hash_is_pinned() {
        let mut shuffled = keys(4);
        shuffled.reverse();
        let set = ValidatorSet::new(shuffled.clone()).unwrap();
        assert_eq!(set.as_slice(), keys(4));
        assert_eq!(set.hash(), ValidatorSet::new(keys(4)).unwrap().hash());
        assert_eq!(decode::<ValidatorSet>(&encode(&set), 1024), Ok(set.clone()));
        assert_eq!(decode::<ValidatorSet>(&encode(&shuffled), 1024), Err(DecodeError::NotCanonical));
        assert_eq!(
            alloc::format!("{}", set.hash()),
            "a99cbfd9cd0631af64932221b006f9ac0ae5eda1f001dee66d0514b1eff64342"
        );
    }
}
