//! A transfer: an amount from its owner's account to another.

use super::{Caller, OperationFault, Rules, require_amount, require_key};
use crate::base::{MicroCaesar, PublicKey};
use crate::caesar::{LedgerAccount, Movement, MovementReason, TRANSFER_FEE};
use crate::state::block::execute::BlockPosition;
use crate::state::block::execute_operation::pay;
use crate::state::{Effect, Refusal, StateDraft};
use crate::trustchain::ca::CertificateRequest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// An amount to an account.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Transfer {
    /// Whose account.
    pub to: PublicKey,
    /// How much, above zero.
    pub amount: MicroCaesar,
}

impl Rules for Transfer {
    const PRICE: Option<MicroCaesar> = Some(TRANSFER_FEE);

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        require_amount(self.amount)?;
        require_key(self.to).map(|()| None)
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
        let movement = Movement {
            source: LedgerAccount::Account(caller.owner),
            target: LedgerAccount::Account(self.to),
            amount: self.amount,
            reason: MovementReason::Transfer,
            operation: Some(caller.operation.0),
        };
        pay(draft, movement, caller.owner)?;
        Ok(Effect::Transferred)
    }
}
