//! A transfer: an amount from its owner's account to another.

use super::{Caller, OperationFault, Rules, require_amount, require_key};
use crate::base::{MicroCaesar, PublicKey};
use crate::caesar::{Movement, Place, Reason, TRANSFER_FEE};
use crate::state::block::execute::Moment;
use crate::state::block::perform::pay;
use crate::state::{Draft, Effect, Refusal};
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

    fn perform(&self, draft: &mut Draft, caller: &Caller<'_>, _: Moment) -> Result<Effect, Refusal> {
        let movement = Movement {
            source: Place::Account(caller.owner),
            target: Place::Account(self.to),
            amount: self.amount,
            reason: Reason::Transfer,
            operation: Some(caller.operation.0),
        };
        pay(draft, movement, caller.owner)?;
        Ok(Effect::Transferred)
    }
}
