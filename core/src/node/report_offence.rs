//! Submitting evidence of offences, and reporting the slashes that it led to.

use super::{Event, Node};
use crate::api::ApiFault;
use crate::base::{MicroCaesar, reached};
use crate::caesar::{LedgerAccount, Movement, MovementReason, STAKE_MINIMUM};
use crate::state::{Offence, State, SystemAction, SystemOperation};
use alloc::boxed::Box;

impl Node {
    /// Submits evidence, unless what it shows is punished already, or is not to be.
    pub(super) fn report_offence(&mut self, offence: Offence) {
        // Nobody is made to accuse itself: a twin of this node is found by others.
        if offence.offender() == self.identity.public() {
            return;
        }
        // What an offender may repeat at will (unlike a contradiction, of which ordering keeps few) is sent only while the
        // state would punish it: otherwise each lie would cost a broadcast of the bytes that it is about.
        let is_repeatable = offence.is_in_signing();
        let action = SystemAction::Accuse(Box::new(offence));
        let operation = SystemOperation::sign(self.state.genesis_hash(), action, &self.identity);
        if !is_repeatable || self.state.accepts(&operation) {
            self.put_forward(operation);
        }
    }

    /// Reports the validators that a block has slashed.
    pub(super) fn announce_slashed(&mut self, movements: &[Movement]) {
        for Movement { source, amount, reason, operation, .. } in movements {
            let (
                LedgerAccount::Stake(validator) | LedgerAccount::Unbonding(validator),
                MovementReason::Slash,
            ) = (source, reason)
            else {
                continue;
            };
            reached!(self.marks, "a validator is slashed");
            self.count("caesar", "slashed_microcaesar_total", amount.0);
            let (validator, amount, evidence) = (*validator, *amount, operation.unwrap_or_default());
            self.outbox.event(Event::Slashed { validator, amount, evidence });
        }
    }

    /// Why this node's batches are not admitted, if its stake is too small for that.
    pub(super) fn understaked(&self) -> Option<ApiFault> {
        let stake = stake_of(&self.state, &self.identity.public());
        (stake < STAKE_MINIMUM).then(|| {
            let message = alloc::format!(
                "this node has {} at stake, and without {} nobody takes its batches: ask another node; its operator can \
                 bond more through one",
                stake.in_caesar(),
                STAKE_MINIMUM.in_caesar()
            );
            ApiFault::unavailable(message)
        })
    }
}

fn stake_of(state: &State, member: &crate::base::PublicKey) -> MicroCaesar {
    state.balance(LedgerAccount::Stake(*member))
}
