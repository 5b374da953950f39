//! Whether members still hold their plots: each beacon asks, and a ticket on chain answers.
//!
//! A member that has put no ticket on chain for [`AUDIT_MISSES_MAX`] beacons in a row is *suspended*: nobody takes its
//! batches, and it earns nothing. It loses none of its stake, for an absence proves no lie. The first good proof takes it
//! back: a batch of nothing but attestations is admitted as ever, and carries the ticket in full, because none stands.
//!
//! Nobody is asked while the mesh stands still: a beacon ends with a block. And nobody is charged for a beacon for which no
//! member's ticket came on chain: then the mesh, and not the members, was at fault, as when it stops within the time that
//! tickets have.

use crate::base::PublicKey;
use crate::state::{Action, Attest, Batch, Member, State, StateDraft};
use alloc::vec::Vec;

/// So many beacons in a row without a ticket on chain, and a member is suspended.
pub const AUDIT_MISSES_MAX: u32 = 3;

impl Member {
    /// Whether it has missed so many audits that its batches are not taken.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        self.missed_audits >= AUDIT_MISSES_MAX
    }
}

impl State {
    /// Whether a suspended member's batch does more than prove that it holds its plot.
    pub(in crate::state) fn asks_too_much(&self, batch: &Batch) -> bool {
        let suspended = self.get::<Member>(&batch.member).is_some_and(|member| member.is_suspended());
        suspended && !batch.operations.iter().all(|operation| operation.body.action == Action::Attest(Attest))
    }
}

impl StateDraft {
    /// Counts who has put no ticket on chain for a beacon that is over.
    pub(in crate::state) fn audit(&mut self, beacon_index: u64) {
        let members: Vec<(Vec<u8>, Member)> = self.state().rows::<Member>(Vec::new()).collect();
        if !members.iter().any(|(_, member)| member.tickets.contains_key(&beacon_index)) {
            return;
        }
        for (key, member) in members {
            let missed_audits = match member.tickets.contains_key(&beacon_index) {
                true => 0,
                false => member.missed_audits.saturating_add(1).min(AUDIT_MISSES_MAX),
            };
            if missed_audits != member.missed_audits {
                let key = PublicKey(key.try_into().expect("members are found by their keys"));
                self.put(&key, &Member { missed_audits, ..member });
            }
        }
    }
}
