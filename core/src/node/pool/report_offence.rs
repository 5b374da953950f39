//! Submitting evidence of offences, and reporting the slashes that it led to.

use crate::base::{PublicKey, reached};
use crate::caesar::{LedgerAccount, Movement, MovementReason};
use crate::node::pool::Pool;
use crate::node::{Context, Event};
use crate::state::{Offence, SystemAction, SystemOperation};
use alloc::boxed::Box;

impl Pool {
    /// Submits evidence, unless what it shows is punished already, or is not to be.
    pub(in crate::node) fn report_offence(&mut self, cx: &mut Context, offence: Offence) {
        let me = cx.identity.public();
        // Nobody is made to accuse itself: a twin of this node is found by others.
        if offence.offender() == me || self.has_reported(&me, &offence) {
            return;
        }
        // What an offender may repeat at will (unlike a contradiction, of which ordering keeps few) is sent only while the
        // state would punish it: otherwise each lie would cost a broadcast of the bytes that it is about.
        let is_repeatable = offence.is_in_signing();
        let action = SystemAction::Accuse(Box::new(offence));
        let operation = SystemOperation::sign(cx.state.genesis_hash(), action, &cx.identity);
        if !is_repeatable || cx.state.accepts(&operation) {
            self.order_system(cx, operation, None);
        }
    }

    /// Whether evidence of a false claim of the same validator's waits for a block. One is enough to take its stake; a liar
    /// can make any number of claims, and each piece of evidence holds the bytes that were to be signed.
    fn has_reported(&self, me: &PublicKey, offence: &Offence) -> bool {
        let Offence::FalseClaim(evidence) = offence else { return false };
        let own = self.system.values().filter(|operation| operation.validator == *me);
        own.filter_map(|operation| match &operation.action {
            SystemAction::Accuse(waiting) => Some(waiting),
            _ => None,
        })
        .any(|waiting| {
            matches!(&**waiting, Offence::FalseClaim(other) if other.claim.validator == evidence.claim.validator)
        })
    }
}

impl Context {
    /// Reports the validators that a block has slashed.
    pub(in crate::node) fn announce_slashed(&mut self, movements: &[Movement]) {
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
}
