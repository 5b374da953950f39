//! What operations cost now, and how that follows the load.

use super::row::FeeRate;
use super::{Action, Draft, State};
use crate::base::MicroCaesar;
use crate::caesar::{
    ANNOUNCE_FEE, BOND_FEE, ISSUE_FEE, NAME_RENT, RECLAIM_FEE, RECORDS_FEE, REGISTER_FEE, RENEW_FEE,
    REVOKE_FEE, TRANSFER_FEE, at_rate, next_fee_rate, with_bytes,
};

/// What an operation of so many bytes costs its owner at the floor of the fees, rent apart. What is free has no price for
/// bytes either: its length is bounded by what it is.
#[must_use]
pub const fn listed_fee(action: &Action, bytes: usize) -> MicroCaesar {
    let price = match action {
        Action::Attest => return MicroCaesar::ZERO,
        Action::IssueCertificate(_) => ISSUE_FEE,
        Action::RegisterName(_) => REGISTER_FEE,
        Action::SetRecords(_) => RECORDS_FEE,
        Action::Transfer(_) => TRANSFER_FEE,
        Action::RevokeCertificate(_) => REVOKE_FEE,
        Action::Bond(_) | Action::Unbond(_) => BOND_FEE,
        Action::RenewName(_) => RENEW_FEE,
        Action::ReclaimName(_) => RECLAIM_FEE,
        Action::AnnounceService(_) | Action::WithdrawService(_) => ANNOUNCE_FEE,
    };
    with_bytes(price, bytes)
}

impl State {
    /// What the listed prices are multiplied by in the next block.
    #[must_use]
    pub fn fee_rate(&self) -> FeeRate {
        self.get::<FeeRate>(&()).unwrap_or_default()
    }

    /// What an operation of so many bytes costs its owner in the next block, rent apart.
    #[must_use]
    pub fn fee(&self, action: &Action, bytes: usize) -> MicroCaesar {
        at_rate(listed_fee(action, bytes), self.fee_rate().thousandths)
    }

    /// The rent that an action pays, if it is done.
    #[must_use]
    pub fn rent(&self, action: &Action) -> MicroCaesar {
        let top = match action {
            Action::RegisterName(register) => register.name.parent().as_ref() == self.zone_of(&register.name),
            Action::RenewName(_) => true,
            _ => false,
        };
        if top { NAME_RENT } else { MicroCaesar::ZERO }
    }
}

impl Draft {
    /// Sets the rate for the next block, after one with so many operations that paid.
    pub(super) fn follow_load(&mut self, operations: usize) {
        let before = self.state().fee_rate();
        let target = self.state().genesis_document().profile.fee_target_operations();
        let thousandths = next_fee_rate(before.thousandths, operations as u64, target);
        if thousandths != before.thousandths {
            self.put(&(), &FeeRate { thousandths });
        }
    }
}
