//! What members have at stake: put there, taken out with a delay, released.
//!
//! What is on its way out is slashed as the stake is, so that nobody takes it out of reach before a lie is proved.
//! A validator keeps the minimum at stake for as long as it is one. Amounts are never locked up by anybody but their
//! member.

use super::execute::Moment;
use super::row::{Release, Unbonding};
use super::{Bond, CheckedOperation, Draft, Due, Effect, Member, Refusal, Unbond};
use crate::base::{MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::{Ledger, Movement, Place, Reason, STAKE_MINIMUM, UNBONDING_COUNT_MAX};
use alloc::vec::Vec;

impl Draft {
    /// Puts an amount of a member's account at stake.
    pub(super) fn bond(&mut self, operation: &CheckedOperation, bond: &Bond) -> Result<Effect, Refusal> {
        let owner = operation.operation.body.owner;
        self.state().get::<Member>(&owner).ok_or(Refusal::NotMember { owner })?;
        let movement = Movement {
            source: Place::Account(owner),
            target: Place::Stake(owner),
            amount: bond.amount,
            reason: Reason::Bond,
            operation: Some(operation.id.0),
        };
        super::perform::pay(self, movement, owner)?;
        Ok(Effect::Bonded { stake: self.balance(Place::Stake(owner)) })
    }

    /// Takes an amount out of a member's stake; a later block puts it into the account.
    pub(super) fn unbond(
        &mut self,
        operation: &CheckedOperation,
        unbond: &Unbond,
        moment: Moment,
    ) -> Result<Effect, Refusal> {
        let owner = operation.operation.body.owner;
        self.release(owner, moment.time.minus(1));
        let member = self.state().get::<Member>(&owner).ok_or(Refusal::NotMember { owner })?;
        let is_validator = self.state().validators().contains(&owner);
        let least = if is_validator { STAKE_MINIMUM } else { MicroCaesar::ZERO };
        let left = member.stake.checked_sub(unbond.amount).filter(|left| *left >= least);
        let left = left.ok_or(Refusal::Stake { owner, stake: member.stake, least })?;
        let parts = self.state().unbonding(&owner).releases.len();
        if parts >= UNBONDING_COUNT_MAX {
            return Err(Refusal::UnbondingFull { count: u32::try_from(parts).unwrap_or(u32::MAX) });
        }
        let movement = Movement {
            source: Place::Stake(owner),
            target: Place::Unbonding(owner),
            amount: unbond.amount,
            reason: Reason::Unbond,
            operation: Some(operation.id.0),
        };
        self.carry_out(movement).expect("a stake holds what was just found in it");
        let time = moment.time.plus(self.state().genesis_document().profile.unbonding_ms_delay());
        let mut unbonding = self.state().unbonding(&owner);
        unbonding.releases.push(Release { time, amount: unbond.amount });
        self.put(&owner, &unbonding);
        self.schedule(time, Due::Release(owner));
        Ok(Effect::Unbonding { stake: left, release: time })
    }

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
                source: Place::Unbonding(owner),
                target: Place::Account(owner),
                amount,
                reason: Reason::Release,
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
