//! Which operations may be in a block: those that are paid for there.
//!
//! An operation that has expired, asks for too late an expiry, costs more than its owner allows, or whose owner cannot
//! pay its fee would take bytes, a receipt and a share of the load for nothing. So would a repeat. A proposer sees that
//! before it proposes, so a block with such an operation is invalid. It is left out of its batch instead, see
//! [`Omitted`](crate::state::Omitted): the member whose batch it is pays nothing for it and loses none of its other operations.

use crate::base::{MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::LedgerAccount;
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::{
    Action, CheckedBatch, CheckedOperation, Inadmissible, Member, OPERATION_MS_LIFE_MAX, OperationBody,
    Receipt, Refusal, State,
};

/// Why an operation may not be in a block at its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unpaid {
    /// It has its receipt.
    #[error("the operation was carried out before, and its receipt stands")]
    Repeated,
    /// An attestation that carries no ticket on chain.
    #[error(
        "an attestation is free only in a batch of its owner's own that puts a ticket on chain, and once in that"
    )]
    Attestation,
    /// It is out of its time, or nobody pays for it.
    #[error(transparent)]
    Refused(Refusal),
}

/// The batch that carries an operation, as far as that decides what is free.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct CarryingBatch {
    /// Who submitted it.
    pub(in crate::state) member: PublicKey,
    /// Whether it puts a ticket on chain and has no attestation yet.
    pub(in crate::state) attests: bool,
}

impl CarryingBatch {
    /// The batch with which an owner would carry its own operation on chain.
    pub(in crate::state) const fn of_owner(operation: &CheckedOperation) -> Self {
        Self { member: operation.operation.body.owner, attests: true }
    }
}

impl State {
    /// Whether an operation could be in the next block, if that had this time, and what it would pay beside rent.
    /// That the block's operations before it leave its owner enough is not asked.
    ///
    /// # Errors
    /// With what stands against it.
    pub fn payable(&self, operation: &CheckedOperation, time: UnixMillis) -> Result<MicroCaesar, Unpaid> {
        let position = BlockPosition { height: self.height().next(), time };
        self.payable_by(operation, CarryingBatch::of_owner(operation), position)
    }

    /// All that an operation takes from its owner's account in the next block, in millionths, if it is done: fee, rent and
    /// what it moves.
    #[must_use]
    pub fn cost(&self, operation: &CheckedOperation) -> u128 {
        let action = &operation.operation.body.action;
        let parts = [self.fee(action, operation.bytes), action.rent(self), action.amount()];
        parts.into_iter().map(|part| u128::from(part.0)).sum()
    }

    pub(in crate::state) fn payable_by(
        &self,
        operation: &CheckedOperation,
        carrying: CarryingBatch,
        position: BlockPosition,
    ) -> Result<MicroCaesar, Unpaid> {
        let body = &operation.operation.body;
        if self.get::<Receipt>(&operation.id).is_some() && !planted::is(Bug::FreeRetry) {
            return Err(Unpaid::Repeated);
        }
        if matches!(body.action, Action::Attest(_)) && !(carrying.attests && carrying.member == body.owner) {
            return Err(Unpaid::Attestation);
        }
        out_of_time(body, position.time)?;
        let amount = self.fee(&body.action, operation.bytes);
        let asked = amount.checked_add(body.action.rent(self)).unwrap_or(MicroCaesar(u64::MAX));
        if asked > body.fee_max {
            return Err(Unpaid::Refused(Refusal::FeeMax { asked, fee_max: body.fee_max }));
        }
        let (owner, balance) = (body.owner, self.balance(LedgerAccount::Account(body.owner)));
        if balance < amount {
            return Err(Unpaid::Refused(Refusal::Funds { owner, balance, needed: amount }));
        }
        Ok(amount)
    }

    /// Refuses a batch of which no operation could be in the next block, if that had this time.
    ///
    /// # Errors
    /// With what stands against its first.
    pub fn require_payable(&self, batch: &CheckedBatch, time: UnixMillis) -> Result<(), Inadmissible> {
        let position = BlockPosition { height: self.height().next(), time };
        let carrying = self.carrying_batch(batch);
        let mut first = None;
        for operation in &batch.operations {
            match self.payable_by(operation, carrying, position) {
                Ok(_) => return Ok(()),
                Err(reason) => {
                    first = first.or(Some(Inadmissible::Unpaid { operation: operation.id, reason }))
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// A batch as the one that carries its operations, before the first of them.
    pub(in crate::state) fn carrying_batch(&self, batch: &CheckedBatch) -> CarryingBatch {
        let member = batch.batch.member;
        let row = self.get::<Member>(&member);
        let stands = row.is_some_and(|row| row.tickets.contains_key(&batch.batch.beacon_index));
        CarryingBatch { member, attests: batch.batch.proofs.carries_ticket() && !stands }
    }
}

fn out_of_time(body: &OperationBody, time: UnixMillis) -> Result<(), Unpaid> {
    let expires = body.expires;
    if expires < time {
        return Err(Unpaid::Refused(Refusal::Expired { expires, time }));
    }
    match expires.since(time) > OPERATION_MS_LIFE_MAX {
        true => Err(Unpaid::Refused(Refusal::ExpiresTooLate { expires, time })),
        false => Ok(()),
    }
}
