//! What members have at stake: put there, taken out with a delay, released.
//!
//! What is on its way out is slashed as the stake is, so that nobody takes it out of reach before a lie is proved.
//! A validator keeps the minimum at stake for as long as it is one. Amounts are never locked up by anybody but their
//! member.

use super::StateDraft;
use crate::base::{MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::{Ledger, LedgerAccount, Movement, MovementReason};
use crate::state::chain::row::Unbonding;
use alloc::vec::Vec;

impl StateDraft {
    /// Puts what was taken out of a member's stake up to a delay ago into its account.
    pub(super) fn release(&mut self, owner: PublicKey, until: UnixMillis) {
        let mut unbonding = self.state().unbonding(&owner);
        let due = unbonding.releases.iter().take_while(|release| release.time <= until);
        let due: Vec<MicroCaesar> = due.map(|release| release.amount).collect();
        if due.is_empty() {
            return; // It was slashed in the meantime.
        }
        unbonding.releases.drain(..due.len());
        self.put(&owner, &unbonding);
        for amount in due {
            let movement = Movement {
                source: LedgerAccount::Unbonding(owner),
                target: LedgerAccount::Account(owner),
                amount,
                reason: MovementReason::Release,
                operation: None,
            };
            self.carry_out(movement).expect("the parts of what is being unbonded add up to all of it");
        }
    }
}

impl super::State {
    /// What a member has taken out of its stake and cannot have yet.
    #[must_use]
    pub fn unbonding(&self, member: &PublicKey) -> Unbonding {
        self.get::<Unbonding>(member).unwrap_or_default()
    }
}
