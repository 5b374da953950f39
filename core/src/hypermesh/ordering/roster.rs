//! The validators of a height, and whose turn it is to propose in each of its rounds.
//!
//! Who is absent, the host says, by a rule that must give the same answer on every node: it is a function of the
//! committed state. Absence takes the early turns from a validator, never its vote, and never its turn altogether.

use super::validators::ValidatorSet;
use super::vote::Round;
use crate::base::{Height, PublicKey};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

/// The validators of a height and the order in which they propose. Cloning is cheap.
///
/// In the first rounds those who are present take turns, by (height + round) modulo their number; then come those
/// who are absent; then it begins again. With nobody absent that is (height + round) modulo n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    validators: ValidatorSet,
    present: Arc<[PublicKey]>,
    absent: Arc<[PublicKey]>,
}

impl Roster {
    /// The roster in which these are absent, the longest absent first. Whoever would leave fewer than a quorum
    /// present counts as present, and whoever is no validator does not count.
    #[must_use]
    pub fn new(validators: ValidatorSet, absent: impl IntoIterator<Item = PublicKey>) -> Self {
        let absent_max = validators.count() - validators.quorum();
        let absent = absent.into_iter().filter(|key| validators.contains(key));
        let absent: Arc<[PublicKey]> = absent.take(absent_max).collect();
        let present = validators.as_slice().iter().filter(|key| !absent.contains(key)).copied();
        Self { present: present.collect(), validators, absent }
    }

    /// Who proposes in this round of this height.
    #[must_use]
    pub fn proposer(&self, height: Height, round: Round) -> PublicKey {
        let turn = usize::try_from(round.0).unwrap_or(usize::MAX) % self.validators.count();
        let order = match turn.checked_sub(self.present.len()) {
            Some(late) => self.absent.get(late),
            None => {
                let place = (u128::from(height.0) + turn as u128) % self.present.len() as u128;
                self.present.get(usize::try_from(place).expect("less than the number of those present"))
            }
        };
        *order.expect("a turn is less than the number of validators, who are present or absent")
    }

    /// Who is passed over in the first rounds.
    #[must_use]
    pub fn absent(&self) -> &[PublicKey] {
        &self.absent
    }
}

impl From<ValidatorSet> for Roster {
    fn from(validators: ValidatorSet) -> Self {
        Self::new(validators, Vec::new())
    }
}

impl Deref for Roster {
    type Target = ValidatorSet;

    fn deref(&self) -> &ValidatorSet {
        &self.validators
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u8) -> Vec<PublicKey> {
        (1..=count).map(|number| PublicKey([number; 32])).collect()
    }

    fn roster(count: u8, absent: &[u8]) -> Roster {
        let absent = absent.iter().map(|number| PublicKey([*number; 32]));
        Roster::new(ValidatorSet::new(keys(count)).unwrap(), absent)
    }

    fn turns(roster: &Roster, height: u64) -> Vec<u8> {
        (0..5).map(|round| roster.proposer(Height(height), Round(round)).0[0]).collect()
    }

    #[test]
    fn with_nobody_absent_validators_take_turns_by_height_and_round() {
        assert_eq!(turns(&roster(4, &[]), 1), [2, 3, 4, 1, 2]);
        assert_eq!(turns(&roster(4, &[]), 2), [3, 4, 1, 2, 3]);
        let last = roster(4, &[]).proposer(Height(u64::MAX), Round(u32::MAX));
        assert!(keys(4).contains(&last), "no overflow");
    }

    #[test]
    fn the_absent_come_last_and_come_in_every_height() {
        assert_eq!(turns(&roster(4, &[3]), 0), [1, 2, 4, 3, 1]);
        assert_eq!(turns(&roster(4, &[3]), 1), [2, 4, 1, 3, 2]);
        assert_eq!(turns(&roster(4, &[3]), 2), [4, 1, 2, 3, 4]);
    }

    #[test]
    fn a_quorum_is_always_present() {
        assert_eq!(roster(4, &[3, 1, 2]).absent(), [PublicKey([3; 32])]);
        assert_eq!(roster(7, &[7, 6, 5]).absent().len(), 2);
        assert_eq!(roster(4, &[9]).absent(), [], "a stranger is not absent");
    }
}
