//! The validator that lost its key shares: when it asks, whom, and what it does with what it gets.
//!
//! It asks only whom it is linked with, so a helper that is down costs nobody anything; and only when the chain would take the
//! request: no other validator's repair is under way, the pause after its last request is over, and its budget is not spent.
//! A request that does not come to its end is ended by its asker, which names whom it waited for in vain.

use super::status::ShareRepairStatus;
use super::{Event, Node, OpenShareRepair, RepairAction, RepairOutcome, SystemAction};
use crate::base::{Mono, PublicKey, Table, WriteBatch, reached};
use crate::hypermesh::committee::{
    BlindedShares, Committee, KeyShares, RepairAsker, RepairFault, RepairSession, StoredShares,
};
use crate::node::generation::shares_key;
use crate::state::ShareRepairs;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// A request that has not come to its end after this long is ended, and one that is not on the chain after this long is put
/// to others, if there are any.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(8);

/// Who was caught is asked last, after all whom others only accuse.
const BLAME_OF_THE_CAUGHT: u32 = 1 << 16;

/// A request of this node's.
pub(super) struct AskerState {
    number: u32,
    helpers: Vec<PublicKey>,
    /// Whether it stands on the chain.
    stands: bool,
    /// Since when it does, or has been on its way there.
    since: Mono,
    part: Option<RepairAsker>,
    /// Whether it is given up: that is said until the chain has it.
    given_up: bool,
}

impl AskerState {
    const fn new(number: u32, helpers: Vec<PublicKey>, stands: bool, since: Mono) -> Self {
        Self { number, helpers, stands, since, part: None, given_up: false }
    }

    /// Whose part in the request on the chain has not come.
    pub(super) fn missing(&self, open: &OpenShareRepair) -> Vec<PublicKey> {
        match &self.part {
            Some(part) => part.missing(),
            None => open.helpers.iter().filter(|key| !open.commitments.contains_key(key)).copied().collect(),
        }
    }
}

impl Node {
    pub(super) fn seek_repair(
        &mut self,
        committee: &Arc<Committee>,
        repairs: &ShareRepairs,
        session: Option<RepairSession>,
    ) {
        let me = self.identity.public();
        match repairs.open.as_ref().zip(session).filter(|(open, _)| open.validator == me) {
            Some((open, session)) => self.follow_own_repair(committee, open, session),
            None => self.ask_for_repair(committee, repairs),
        }
    }

    fn follow_own_repair(
        &mut self,
        committee: &Arc<Committee>,
        open: &OpenShareRepair,
        session: RepairSession,
    ) {
        let now = self.now.mono;
        let asker = self.share_repair.asker.take();
        let mut asker = asker
            .filter(|asker| asker.stands && asker.number == open.number)
            .unwrap_or_else(|| AskerState::new(open.number, open.helpers.clone(), true, now));
        if asker.part.is_none() && open.is_committed() {
            asker.part = RepairAsker::new(session, committee.clone(), &open.commitments);
        }
        if now.since(asker.since) >= REPAIR_TIMEOUT {
            let silent = asker.missing(open);
            if !asker.given_up {
                asker.given_up = true;
                for key in &silent {
                    *self.share_repair.blame.entry(*key).or_default() += 1;
                }
            }
            let reason = alloc::format!("the accused did not do their part within {REPAIR_TIMEOUT:?}");
            let outcome = RepairOutcome::GivenUp { accused: silent, reason };
            let action = RepairAction::End { validator: open.validator, number: open.number, outcome };
            self.say(SystemAction::Repair(action));
        }
        self.share_repair.asker = Some(asker);
    }

    /// Asks, if that is of use now. Repeated, it says the same until it is heard, or for so long that others may have come.
    fn ask_for_repair(&mut self, committee: &Arc<Committee>, repairs: &ShareRepairs) {
        let ShareRepairStatus::Asking { helpers } = self.next_repair_step(committee, repairs) else {
            self.share_repair.asker = None;
            return;
        };
        let number = repairs.budget(&self.identity.public()).next;
        let now = self.now.mono;
        let is_linked = |key: &PublicKey| self.connected.contains(key);
        let said = self.share_repair.asker.as_ref().filter(|asker| {
            !asker.stands
                && asker.number == number
                && now.since(asker.since) < REPAIR_TIMEOUT
                && asker.helpers.iter().all(is_linked)
        });
        let helpers = match said {
            Some(asker) => asker.helpers.clone(),
            None => {
                self.share_repair.asker = Some(AskerState::new(number, helpers.clone(), false, now));
                helpers
            }
        };
        let attempt = committee.keys().attempt;
        self.say(SystemAction::Repair(RepairAction::Ask { attempt, number, helpers }));
    }

    /// What a validator without its shares, and without a request on the chain, does next.
    pub(super) fn next_repair_step(
        &self,
        committee: &Committee,
        repairs: &ShareRepairs,
    ) -> ShareRepairStatus {
        let me = self.identity.public();
        let time = self.state.time();
        if let Some(open) = repairs.open.as_ref().filter(|_| !repairs.is_free(&me, time)) {
            return ShareRepairStatus::WaitsForTurn { validator: open.validator };
        }
        let budget = repairs.budget(&me);
        let next = budget.next_at(time);
        if next > time {
            return ShareRepairStatus::WaitsUntil { time: next };
        }
        match self.choose_helpers(committee, budget.next) {
            Some(helpers) => ShareRepairStatus::Asking { helpers },
            None => ShareRepairStatus::WaitsForLinks { missing: self.unlinked_of(committee) },
        }
    }

    fn unlinked_of(&self, committee: &Committee) -> Vec<PublicKey> {
        let me = self.identity.public();
        let others = committee.validators().into_iter();
        others.filter(|key| *key != me && !self.connected.contains(key)).collect()
    }

    /// As many as it takes of those who are linked, first those who were not found wanting, in turn with the number.
    fn choose_helpers(&self, committee: &Committee, number: u32) -> Option<Vec<PublicKey>> {
        let me = self.identity.public();
        let mut others: Vec<PublicKey> =
            committee.validators().into_iter().filter(|key| *key != me).collect();
        let turn = usize::try_from(number).ok()?.checked_rem(others.len())?;
        others.rotate_left(turn);
        others.retain(|key| self.connected.contains(key));
        others.sort_by_key(|key| self.share_repair.blame.get(key).copied().unwrap_or_default());
        let mut chosen = others.get(..committee.threshold())?.to_vec();
        chosen.sort();
        Some(chosen)
    }

    /// A repair for this node that it has no need of: it was repaired and the word of that was lost, it came by its shares
    /// otherwise, or someone else holds its key and asks for its shares.
    pub(super) fn end_own_repair(&mut self, open: Option<&OpenShareRepair>) {
        let me = self.identity.public();
        let Some(open) = open.filter(|open| open.validator == me) else { return };
        let outcome = if self.share_repair.repaired == Some(open.number) {
            RepairOutcome::Repaired
        } else {
            RepairOutcome::GivenUp {
                accused: Vec::new(),
                reason: "the validator holds its shares".to_string(),
            }
        };
        let action = RepairAction::End { validator: me, number: open.number, outcome };
        self.say(SystemAction::Repair(action));
    }

    pub(in crate::node) fn on_repair_sum(&mut self, from: PublicKey, package: BlindedShares) {
        let Some(asker) = &mut self.share_repair.asker else { return };
        let Some(part) = &mut asker.part else { return };
        match part.receive(from, package) {
            Ok(None) => {}
            Ok(Some(shares)) => self.on_repaired(shares),
            Err(fault @ RepairFault::Accused { .. }) => {
                let reason = alloc::format!("spoils the repair of key shares: {fault}");
                self.outbox.event(Event::Culprit { validator: from, reason });
                let blame = self.share_repair.blame.entry(from).or_default();
                *blame = blame.saturating_add(BLAME_OF_THE_CAUGHT);
                self.share_repair.asker = None;
                if let Some(open) = self.state.share_repairs().open {
                    self.give_up_repair(&open, from, &fault.to_string());
                }
            }
            Err(RepairFault::InconsistentKeys) => {
                self.outbox.event(Event::Broken { reason: RepairFault::InconsistentKeys.to_string() });
            }
            // Of another request: it was late.
            Err(_) => {}
        }
    }

    /// The shares are stored before the repair is called done: who says so can sign.
    fn on_repaired(&mut self, shares: KeyShares) {
        let Some(asker) = self.share_repair.asker.take() else { return };
        let Some(active) = self.state.committee() else { return };
        let row = StoredShares { keys: active.keys.clone(), shares };
        let mut writes = WriteBatch::default();
        writes.put(Table::Shares, shares_key(active.attempt), row.to_bytes().to_vec());
        let token = self.persist(writes);
        self.await_shares(token);
        let validator = self.identity.public();
        self.share_repair.repaired = Some(asker.number);
        reached!(self.marks, "key shares are repaired");
        self.outbox.event(Event::SharesRepaired { number: asker.number });
        let outcome = RepairOutcome::Repaired;
        let action = RepairAction::End { validator, number: asker.number, outcome };
        self.say_after(token, SystemAction::Repair(action));
        self.activate(&active);
    }
}
