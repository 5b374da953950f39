//! Movements of value: from where, to where, how much, why, and because of which operation.

use crate::base::{Digest, MicroCaesar, PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Where amounts stand.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LedgerAccount {
    /// Someone's account.
    Account(PublicKey),
    /// What fees go into and rewards come out of.
    Reserve,
    /// What a member has at stake.
    Stake(PublicKey),
    /// What a member has taken out of its stake and cannot have yet: it answers for its deeds till then.
    Unbonding(PublicKey),
    /// Where everything came from. It is empty ever since.
    Genesis,
}

/// Why an amount moves.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MovementReason {
    /// Genesis gave it.
    Genesis,
    /// An owner wants it.
    Transfer,
    /// An operation pays for itself.
    Fee,
    /// A validator's precommit stood in the parent's commit certificate.
    Reward,
    /// A member puts it at stake.
    Bond,
    /// A member takes it out of its stake.
    Unbond,
    /// What a member took out of its stake has waited long enough.
    Release,
    /// A validator provably broke the rules.
    Slash,
    /// A name is kept for a period.
    Rent,
}

/// An amount that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Movement {
    /// Out of here.
    pub source: LedgerAccount,
    /// Into here.
    pub target: LedgerAccount,
    /// How much.
    pub amount: MicroCaesar,
    /// Why.
    pub reason: MovementReason,
    /// Because of which operation, by its id; none if the mesh does it by rule.
    pub operation: Option<Digest>,
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

impl MovementReason {
    /// As it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Transfer => "transfer",
            Self::Fee => "fee",
            Self::Reward => "reward",
            Self::Bond => "bond",
            Self::Unbond => "unbond",
            Self::Release => "release",
            Self::Slash => "slash",
            Self::Rent => "rent",
        }
    }
}

/// Balances by place.
pub trait Ledger {
    /// What stands at a place.
    fn balance(&self, place: LedgerAccount) -> MicroCaesar;

    /// Sets what stands at a place. Only [`Ledger::carry_out`] calls it.
    fn set_balance(&mut self, place: LedgerAccount, balance: MicroCaesar);

    /// Takes note of a movement that was made. Only [`Ledger::carry_out`] calls it.
    fn note(&mut self, movement: Movement);

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
        self.note(movement);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Default)]
    struct ModelLedger(BTreeMap<LedgerAccount, MicroCaesar>, Vec<Movement>);

    impl Ledger for ModelLedger {
        fn balance(&self, place: LedgerAccount) -> MicroCaesar {
            self.0.get(&place).copied().unwrap_or_default()
        }

        fn set_balance(&mut self, place: LedgerAccount, balance: MicroCaesar) {
            self.0.insert(place, balance);
        }

        fn note(&mut self, movement: Movement) {
            self.1.push(movement);
        }
    }

    fn movement(source: LedgerAccount, target: LedgerAccount, amount: u64) -> Movement {
        Movement {
            source,
            target,
            amount: MicroCaesar(amount),
            reason: MovementReason::Transfer,
            operation: None,
        }
    }

    fn place(number: u8) -> LedgerAccount {
        if number == 0 { LedgerAccount::Reserve } else { LedgerAccount::Account(PublicKey([number; 32])) }
    }

    proptest! {
        #[test]
        fn no_movement_makes_or_loses_anything(moves in prop::collection::vec((0_u8..4, 0_u8..4, any::<u64>()), 0..40)) {
            let mut ledger = ModelLedger::default();
            for number in 0..4 {
                ledger.set_balance(place(number), MicroCaesar(1_000_000));
            }
            for (source, target, amount) in moves {
                let amount = MicroCaesar(amount % 1_500_000);
                let noted = ledger.1.len();
                let refused = ledger.carry_out(movement(place(source), place(target), amount.0)).is_err();
                let moved = !refused && source != target && amount != MicroCaesar::ZERO;
                prop_assert_eq!(ledger.1.len() - noted, usize::from(moved), "noted once, if it was made");
                prop_assert_eq!(ledger.0.values().map(|balance| balance.0).sum::<u64>(), 4_000_000);
                let short = refused && amount.0 <= 1_000_000 && ledger.balance(place(source)) >= amount;
                prop_assert!(!short, "a movement that could be made was refused");
            }
        }
    }

    #[test]
    fn a_movement_of_nothing_leaves_no_trace() {
        let mut ledger = ModelLedger::default();
        assert_eq!(ledger.carry_out(movement(place(1), place(2), 0)), Ok(()));
        assert!(ledger.0.is_empty() && ledger.1.is_empty());
    }

    #[test]
    fn a_movement_of_all_is_made_and_of_one_more_is_refused() {
        let mut ledger = ModelLedger::default();
        ledger.set_balance(LedgerAccount::Reserve, MicroCaesar(5));
        let movement = |amount| movement(LedgerAccount::Reserve, place(1), amount);
        let needed = LedgerFault::Insufficient { balance: MicroCaesar(5), needed: MicroCaesar(6) };
        assert_eq!(ledger.carry_out(movement(6)), Err(needed));
        assert_eq!(ledger.carry_out(movement(5)), Ok(()));
    }
}
