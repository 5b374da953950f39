//! Fees that follow the load: every price is multiplied by a rate, which rises after full blocks and falls after empty ones.
//!
//! As with the base fee of EIP-1559, but of operations rather than of gas, into the reserve rather than burnt, and with
//! both ends fixed: the rate never falls below [`FEE_RATE_FLOOR`], at which the prices are those of the list, nor rises
//! above [`FEE_RATE_CEILING`]. The rate of a block is in its parent's state, so whoever signs an operation knows it; and
//! each operation says the most that its owner pays.
//!
//! The listed prices cover [`FEE_BYTES_INCLUDED`] bytes; every further one costs [`FEE_PER_BYTE`]. Blocks are kept for ever.

use crate::base::MicroCaesar;

/// The lowest rate, in thousandths: the prices as listed.
pub const FEE_RATE_FLOOR: u64 = 1_000;
/// The highest rate, in thousandths: a hundred times the prices as listed.
pub const FEE_RATE_CEILING: u64 = 100_000;
/// From one block to the next the rate changes by at most this part of itself, but for rounding.
pub const FEE_RATE_CHANGE_DIVISOR: u64 = 8;

/// The bytes of an encoded operation that its listed price covers: most operations are shorter.
pub const FEE_BYTES_INCLUDED: usize = 1024;
/// What each further byte costs, at the rate like all prices: a thousandth of a Caesar a kilobyte, as much as setting
/// a short record set.
pub const FEE_PER_BYTE: MicroCaesar = MicroCaesar(1);

const _: () = assert!(FEE_RATE_FLOOR < FEE_RATE_CEILING && FEE_RATE_FLOOR >= FEE_RATE_CHANGE_DIVISOR);

/// The rate after a block with so many operations, where `target` are as many as leave it as it is.
#[must_use]
pub fn next_fee_rate(rate: u64, operations: u64, target: u64) -> u64 {
    let (rate, target) = (rate.clamp(FEE_RATE_FLOOR, FEE_RATE_CEILING), target.max(1));
    let distance = operations.abs_diff(target).min(target);
    // All of it fits: the rate is bounded, and the distance is no more than the target.
    let change =
        u128::from(rate) * u128::from(distance) / u128::from(target) / u128::from(FEE_RATE_CHANGE_DIVISOR);
    let change = u64::try_from(change).unwrap_or(FEE_RATE_CEILING).max(u64::from(distance > 0));
    let next = if operations > target { rate.saturating_add(change) } else { rate.saturating_sub(change) };
    next.clamp(FEE_RATE_FLOOR, FEE_RATE_CEILING)
}

/// A listed price with that of the bytes of an operation of this length.
#[must_use]
pub const fn with_bytes(price: MicroCaesar, bytes: usize) -> MicroCaesar {
    let charged = bytes.saturating_sub(FEE_BYTES_INCLUDED) as u64;
    MicroCaesar(price.0.saturating_add(charged.saturating_mul(FEE_PER_BYTE.0)))
}

/// A listed price at a rate, rounded down.
#[must_use]
pub fn at_rate(price: MicroCaesar, rate: u64) -> MicroCaesar {
    let fee = u128::from(price.0) * u128::from(rate) / u128::from(FEE_RATE_FLOOR);
    MicroCaesar(u64::try_from(fee).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rate_rises_by_an_eighth_after_twice_the_target_and_falls_by_one_after_nothing() {
        assert_eq!(next_fee_rate(8_000, 200, 100), 9_000);
        assert_eq!(next_fee_rate(8_000, 4_096, 100), 9_000, "and no faster, however full");
        assert_eq!(next_fee_rate(8_000, 150, 100), 8_500);
        assert_eq!(next_fee_rate(8_000, 100, 100), 8_000);
        assert_eq!(next_fee_rate(8_000, 0, 100), 7_000);
        assert_eq!(next_fee_rate(8_000, 101, 1_000_000_000), 7_001, "a little is at least one");
        assert_eq!(next_fee_rate(FEE_RATE_FLOOR, 0, 100), FEE_RATE_FLOOR);
        assert_eq!(next_fee_rate(FEE_RATE_CEILING, 200, 100), FEE_RATE_CEILING);
        assert_eq!(next_fee_rate(0, 100, 0), FEE_RATE_FLOOR + FEE_RATE_FLOOR / 8);
    }

    #[test]
    fn a_price_at_the_floor_is_the_listed_one() {
        assert_eq!(at_rate(MicroCaesar(10_000), FEE_RATE_FLOOR), MicroCaesar(10_000));
        assert_eq!(at_rate(MicroCaesar(10_000), 1_125), MicroCaesar(11_250));
        assert_eq!(at_rate(MicroCaesar(u64::MAX), FEE_RATE_CEILING), MicroCaesar(u64::MAX));
    }

    #[test]
    fn bytes_cost_from_one_past_those_that_the_price_covers() {
        let price = |bytes| with_bytes(MicroCaesar(1_000), bytes).0;
        assert_eq!(price(0), 1_000);
        assert_eq!(price(FEE_BYTES_INCLUDED), 1_000);
        assert_eq!(price(FEE_BYTES_INCLUDED + 1), 1_000 + FEE_PER_BYTE.0);
        assert_eq!(price(64 * 1024), 1_000 + 63 * 1024 * FEE_PER_BYTE.0);
        assert_eq!(with_bytes(MicroCaesar(u64::MAX), usize::MAX), MicroCaesar(u64::MAX));
    }

    proptest! {
        #[test]
        fn no_block_moves_the_rate_further_than_it_may(rate: u64, operations: u64, target: u64) {
            let before = rate.clamp(FEE_RATE_FLOOR, FEE_RATE_CEILING);
            let after = next_fee_rate(rate, operations, target);
            prop_assert!((FEE_RATE_FLOOR..=FEE_RATE_CEILING).contains(&after));
            prop_assert!(after.abs_diff(before) <= (before / FEE_RATE_CHANGE_DIVISOR).max(1));
            match operations.cmp(&target.max(1)) {
                core::cmp::Ordering::Less => prop_assert!(after < before || before == FEE_RATE_FLOOR),
                core::cmp::Ordering::Equal => prop_assert_eq!(after, before),
                core::cmp::Ordering::Greater => prop_assert!(after > before || before == FEE_RATE_CEILING),
            }
        }
    }
}
