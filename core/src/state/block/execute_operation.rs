//! What one operation does, or why it does not happen.
//!
//! Every rule is checked before the operation changes anything, so a refused one moves nothing but its fee. What was due
//! by its time already is carried out first where the rule depends on it.

use crate::base::PublicKey;
use crate::caesar::{Ledger, LedgerAccount, LedgerFault, Movement, MovementReason};
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::block::payable::{CarryingBatch, Unpaid};
use crate::state::operations::Caller;
use crate::state::{Action, CheckedOperation, Due, Outcome, Receipt, Refusal, StateDraft};

/// Carries out an operation that is paid for, and notes its receipt.
///
/// # Errors
/// If it may not be in a block here. Then nothing has changed.
pub(in crate::state) fn execute_operation(
    draft: &mut StateDraft,
    operation: &CheckedOperation,
    carrying: &mut CarryingBatch,
    position: BlockPosition,
) -> Result<Receipt, Unpaid> {
    let body = &operation.operation.body;
    let amount = draft.state().payable_by(operation, *carrying, position)?;
    if planted::is(Bug::FreeRetry)
        && let Some(receipt) = draft.state().get::<Receipt>(&operation.id)
    {
        drop(body.action.execute(draft, &Caller::from(operation), position));
        return Ok(receipt);
    }
    let (source, target) = (LedgerAccount::Account(body.owner), LedgerAccount::Reserve);
    let fee =
        Movement { source, target, amount, reason: MovementReason::Fee, operation: Some(operation.id.0) };
    pay(draft, fee, body.owner).map_err(Unpaid::Refused)?;
    if matches!(body.action, Action::Attest(_)) {
        carrying.attests = false;
    }
    let outcome = match body.action.execute(draft, &Caller::from(operation), position) {
        Ok(effect) => Outcome::Done(effect),
        Err(refusal) => Outcome::Refused(refusal),
    };
    let (height, time) = (position.height, position.time);
    let receipt = Receipt { operation: operation.id, owner: body.owner, height, time, fee: amount, outcome };
    draft.put(&operation.id, &receipt);
    draft.schedule(body.expires, Due::Receipt(operation.id));
    Ok(receipt)
}

pub(in crate::state) fn pay(
    draft: &mut StateDraft,
    movement: Movement,
    owner: PublicKey,
) -> Result<(), Refusal> {
    draft.carry_out(movement).map_err(|fault| match fault {
        LedgerFault::Insufficient { balance, needed } => Refusal::Funds { owner, balance, needed },
        LedgerFault::Overflow => unreachable!("no place can hold more than the supply, which fits"),
    })
}
