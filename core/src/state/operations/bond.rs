//! Bonding: a member puts an amount of its account at stake.

use super::{Caller, OperationFault, Rules, require_amount};
use crate::base::MicroCaesar;
use crate::caesar::{BOND_FEE, Ledger, LedgerAccount, Movement, MovementReason};
use crate::state::block::execute::BlockPosition;
use crate::state::block::execute_operation::pay;
use crate::state::{Effect, Member, Refusal, StateDraft};
use crate::trustchain::ca::CertificateRequest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// How much a member puts at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Bond {
    /// How much, above zero.
    pub amount: MicroCaesar,
}

impl Rules for Bond {
    const PRICE: Option<MicroCaesar> = Some(BOND_FEE);

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        require_amount(self.amount).map(|()| None)
    }

    fn amount(&self) -> MicroCaesar {
        self.amount
    }

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        _: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let owner = caller.owner;
        draft.state().get::<Member>(&owner).ok_or(Refusal::NotMember { owner })?;
        let movement = Movement {
            source: LedgerAccount::Account(owner),
            target: LedgerAccount::Stake(owner),
            amount: self.amount,
            reason: MovementReason::Bond,
            operation: Some(caller.operation.0),
        };
        pay(draft, movement, owner)?;
        Ok(Effect::Bonded { stake: draft.balance(LedgerAccount::Stake(owner)) })
    }
}
