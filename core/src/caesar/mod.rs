//! Caesar, the ledger: stake, fees, rewards. Who may take part, and what it costs.
//!
//! Amounts are integer millionths. Every movement takes from one place what it puts into another, so the
//! supply that genesis fixed is conserved by construction; [`Ledger`] counts both sides and says so.

use crate::base::{MicroCaesar, PublicKey};

/// The least that a member has at stake.
pub const STAKE_MINIMUM: MicroCaesar = MicroCaesar(1000 * MicroCaesar::ONE.0);
/// What issuing a certificate costs.
pub const ISSUE_FEE: MicroCaesar = MicroCaesar(10_000);
/// What registering a name costs.
pub const REGISTER_FEE: MicroCaesar = MicroCaesar(100_000);
/// What setting records costs.
pub const RECORDS_FEE: MicroCaesar = MicroCaesar(1_000);
/// What a transfer costs.
pub const TRANSFER_FEE: MicroCaesar = MicroCaesar(1_000);
/// What revoking a certificate costs.
pub const REVOKE_FEE: MicroCaesar = MicroCaesar(1_000);
/// Each block pays this part of the reserve to those whose precommits decided its parent.
pub const REWARD_DIVISOR: u64 = 10_000_000;

/// Where amounts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Someone's account.
    Account(PublicKey),
    /// What fees go into and rewards come out of.
    Reserve,
}

/// Why an amount moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// An owner wants it.
    Transfer,
    /// An operation pays for itself.
    Fee,
    /// A validator's precommit stood in the parent's commit certificate.
    Reward,
}

/// An amount that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Out of here.
    pub source: Place,
    /// Into here.
    pub target: Place,
    /// How much.
    pub amount: MicroCaesar,
    /// Why.
    pub reason: Reason,
}

/// A movement that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFault {
    /// The source holds too little.
    #[error(
        "the source holds {balance} and {needed} are needed",
        balance = balance.in_caesar(),
        needed = needed.in_caesar()
    )]
    Insufficient {
        /// What it holds.
        balance: MicroCaesar,
        /// What is needed.
        needed: MicroCaesar,
    },
    /// The target would hold more than 64 bits can say, which the supply rules out.
    #[error("the target cannot hold more")]
    Overflow,
}

/// Balances by place.
pub trait Ledger {
    /// What stands at a place.
    fn balance(&self, place: Place) -> MicroCaesar;

    /// Sets what stands at a place. Only [`Ledger::carry_out`] calls it.
    fn set_balance(&mut self, place: Place, balance: MicroCaesar);

    /// Carries out a movement: both sides, or nothing.
    ///
    /// # Errors
    /// If the source holds too little or the target could not hold it.
    fn carry_out(&mut self, movement: Movement) -> Result<(), LedgerFault> {
        let Movement { source, target, amount, .. } = movement;
        let balance = self.balance(source);
        let left = balance.checked_sub(amount);
        let left = left.ok_or(LedgerFault::Insufficient { balance, needed: amount })?;
        // A movement of nothing leaves no trace, or whatever is free would open accounts.
        if source == target || amount == MicroCaesar::ZERO {
            return Ok(());
        }
        let held = self.balance(target);
        let sum = held.checked_add(amount).ok_or(LedgerFault::Overflow)?;
        self.set_balance(source, left);
        self.set_balance(target, sum);
        Ok(())
    }
}

/// What each of `validators` gets out of a reserve for one block.
#[must_use]
pub const fn reward(reserve: MicroCaesar, validators: u64) -> MicroCaesar {
    match (reserve.0 / REWARD_DIVISOR).checked_div(validators) {
        Some(share) => MicroCaesar(share),
        None => MicroCaesar::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Book(BTreeMap<Place, MicroCaesar>);

    impl Ledger for Book {
        fn balance(&self, place: Place) -> MicroCaesar {
            self.0.get(&place).copied().unwrap_or_default()
        }

        fn set_balance(&mut self, place: Place, balance: MicroCaesar) {
            self.0.insert(place, balance);
        }
    }

    fn place(number: u8) -> Place {
        if number == 0 { Place::Reserve } else { Place::Account(PublicKey([number; 32])) }
    }

    proptest! {
        #[test]
        fn no_movement_makes_or_loses_anything(moves in prop::collection::vec((0_u8..4, 0_u8..4, any::<u64>()), 0..40)) {
            let mut book = Book::default();
            for number in 0..4 {
                book.set_balance(place(number), MicroCaesar(1_000_000));
            }
            for (source, target, amount) in moves {
                let amount = MicroCaesar(amount % 1_500_000);
                let movement = Movement { source: place(source), target: place(target), amount, reason: Reason::Transfer };
                let refused = book.carry_out(movement).is_err();
                prop_assert_eq!(book.0.values().map(|balance| balance.0).sum::<u64>(), 4_000_000);
                let short = refused && amount.0 <= 1_000_000 && book.balance(place(source)) >= amount;
                prop_assert!(!short, "a movement that could be made was refused");
            }
        }
    }

    #[test]
    fn a_movement_of_nothing_leaves_no_trace() {
        let mut book = Book::default();
        let movement =
            Movement { source: place(1), target: place(2), amount: MicroCaesar::ZERO, reason: Reason::Fee };
        assert_eq!(book.carry_out(movement), Ok(()));
        assert!(book.0.is_empty());
    }

    #[test]
    fn a_movement_of_all_is_made_and_of_one_more_is_refused() {
        let mut book = Book::default();
        book.set_balance(Place::Reserve, MicroCaesar(5));
        let movement = |amount| Movement {
            source: Place::Reserve,
            target: place(1),
            amount: MicroCaesar(amount),
            reason: Reason::Reward,
        };
        let needed = LedgerFault::Insufficient { balance: MicroCaesar(5), needed: MicroCaesar(6) };
        assert_eq!(book.carry_out(movement(6)), Err(needed));
        assert_eq!(book.carry_out(movement(5)), Ok(()));
    }
}
