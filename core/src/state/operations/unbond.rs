//! Unbonding: a member takes an amount out of its stake, and has it after a delay.

use super::{Caller, OperationFault, Rules, require_amount};
use crate::base::MicroCaesar;
use crate::caesar::{
    BOND_FEE, Ledger, LedgerAccount, Movement, MovementReason, STAKE_MINIMUM, UNBONDING_COUNT_MAX,
};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::Release;
use crate::state::{Due, Effect, Member, Refusal, StateDraft};
use crate::trustchain::ca::CertificateRequest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// How much a member takes out of its stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Unbond {
    /// How much, above zero.
    pub amount: MicroCaesar,
}

impl Rules for Unbond {
    const PRICE: Option<MicroCaesar> = Some(BOND_FEE);

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        require_amount(self.amount).map(|()| None)
    }

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let owner = caller.owner;
        // What is due by now makes room for this part.
        draft.release(owner, position.time.minus(1));
        let member = draft.state().get::<Member>(&owner).ok_or(Refusal::NotMember { owner })?;
        let is_validator = draft.state().validators().contains(&owner);
        let least = if is_validator { STAKE_MINIMUM } else { MicroCaesar::ZERO };
        let left = member.stake.checked_sub(self.amount).filter(|left| *left >= least);
        let left = left.ok_or(Refusal::Stake { owner, stake: member.stake, least })?;
        let parts = draft.state().unbonding(&owner).releases.len();
        if parts >= UNBONDING_COUNT_MAX {
            return Err(Refusal::UnbondingFull { count: u32::try_from(parts).unwrap_or(u32::MAX) });
        }
        let movement = Movement {
            source: LedgerAccount::Stake(owner),
            target: LedgerAccount::Unbonding(owner),
            amount: self.amount,
            reason: MovementReason::Unbond,
            operation: Some(caller.operation.0),
        };
        draft.carry_out(movement).expect("a stake holds what was just found in it");
        let time = position.time.plus(draft.state().genesis_document().profile.unbonding_ms_delay());
        let mut unbonding = draft.state().unbonding(&owner);
        unbonding.releases.push(Release { time, amount: self.amount });
        draft.put(&owner, &unbonding);
        draft.schedule(time, Due::Release(owner));
        Ok(Effect::Unbonding { stake: left, release: time })
    }
}
