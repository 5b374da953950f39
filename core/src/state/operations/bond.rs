//! Bonding: a member puts an amount of its account at stake.

use super::{Caller, OperationFault, Rules, require_amount};
use crate::base::MicroCaesar;
use crate::caesar::{BOND_FEE, Ledger, Movement, Place, Reason};
use crate::state::block::execute::Moment;
use crate::state::block::perform::pay;
use crate::state::{Draft, Effect, Member, Refusal};
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

    fn perform(&self, draft: &mut Draft, caller: &Caller<'_>, _: Moment) -> Result<Effect, Refusal> {
        let owner = caller.owner;
        draft.state().get::<Member>(&owner).ok_or(Refusal::NotMember { owner })?;
        let movement = Movement {
            source: Place::Account(owner),
            target: Place::Stake(owner),
            amount: self.amount,
            reason: Reason::Bond,
            operation: Some(caller.operation.0),
        };
        pay(draft, movement, owner)?;
        Ok(Effect::Bonded { stake: draft.balance(Place::Stake(owner)) })
    }
}
