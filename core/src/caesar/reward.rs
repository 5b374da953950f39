//! What a block pays to those who decided its parent: a rate by time, so that many blocks pay no more than few.

use crate::base::MicroCaesar;

/// A thousandth of the reserve is paid out in a day of block time: the reserve times the milliseconds since the parent,
/// divided by this.
pub const REWARD_MS_DIVISOR: u64 = 1000 * 24 * 60 * 60 * 1000;
/// For no more than this since the parent: a mesh that stood still is not paid for standing still.
pub const REWARD_MS_MAX: u64 = 10 * 60 * 1000;

/// What each validator whose precommit stands in the parent's certificate gets out of the reserve.
///
/// The part of the reserve that is due is divided by the number of validators, not by how many signed: so nobody
/// gains by leaving another's precommit out, and what the absent would have had stays in the reserve with the remainder.
#[must_use]
pub const fn reward(reserve: MicroCaesar, ms_since_parent: u64, validators: u64) -> MicroCaesar {
    let ms = if ms_since_parent < REWARD_MS_MAX { ms_since_parent } else { REWARD_MS_MAX };
    // 2^64 times 600,000 fits 128 bits, and the quotient is below the reserve.
    let due = reserve.0 as u128 * ms as u128 / REWARD_MS_DIVISOR as u128;
    match (due as u64).checked_div(validators) {
        Some(share) => MicroCaesar(share),
        None => MicroCaesar::ZERO,
    }
}

const _: () = assert!(REWARD_MS_MAX < REWARD_MS_DIVISOR);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_thousandth_of_the_reserve_is_due_in_a_day() {
        let reserve = MicroCaesar(1_000_000 * MicroCaesar::ONE.0);
        let minute = reward(reserve, 60_000, 4);
        assert_eq!(minute.0 * 4 * 60 * 24, 999_999_360, "but for remainders");
        assert_eq!(
            reward(reserve, REWARD_MS_MAX + 1, 4),
            reward(reserve, REWARD_MS_MAX, 4),
            "nothing for a standstill"
        );
        assert_eq!(reward(MicroCaesar(3), 1000, 4), MicroCaesar::ZERO);
        assert_eq!(reward(MicroCaesar::ZERO, 1000, 4), MicroCaesar::ZERO);
        assert_eq!(reward(reserve, 1000, 0), MicroCaesar::ZERO);
    }

    proptest! {
        #[test]
        fn all_shares_together_are_within_the_rate(reserve: u64, ms: u64, validators in 1..100_u64) {
            let share = reward(MicroCaesar(reserve), ms, validators);
            let most = u128::from(reserve) * u128::from(REWARD_MS_MAX) / u128::from(REWARD_MS_DIVISOR);
            prop_assert!(u128::from(share.0) * u128::from(validators) <= most);
        }
    }
}
