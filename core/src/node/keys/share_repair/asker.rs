//! The validator that lost its key shares: when it asks, whom, and what it does with what it gets.
//!
//! It asks only whom it is linked with, so a helper that is down costs nobody anything; and only when the chain would take the
//! request: no other validator's repair is under way, the pause after its last request is over, and its budget is not spent.
//! A request that does not come to its end is ended by its asker, which names whom it waited for in vain.

use super::status::ShareRepairStatus;
use super::{Event, OpenShareRepair, RepairAction, RepairOutcome, SystemAction};
use crate::base::{Mono, PublicKey, Table, WriteBatch, reached};
use crate::hypermesh::committee::{
    BlindedShares, Committee, KeyShares, RepairAsker, RepairFault, RepairSession, StoredShares,
};
use crate::node::ask::Ask;
use crate::node::context::Context;
use crate::node::context::shares_key;
use crate::node::keys::share_repair::ShareRepairPart;
use crate::state::ShareRepairs;
use alloc::boxed::Box;
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
pub(in crate::node) struct AskerState {
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
    pub(in crate::node) fn missing(&self, open: &OpenShareRepair) -> Vec<PublicKey> {
        match &self.part {
            Some(part) => part.missing(),
            None => open.helpers.iter().filter(|key| !open.commitments.contains_key(key)).copied().collect(),
        }
    }
}

impl ShareRepairPart {
    pub(in crate::node) fn seek_repair(
        &mut self,
        cx: &mut Context,
        committee: &Arc<Committee>,
        repairs: &ShareRepairs,
        session: Option<RepairSession>,
    ) {
        let me = cx.identity.public();
        match repairs.open.as_ref().zip(session).filter(|(open, _)| open.validator == me) {
            Some((open, session)) => self.follow_own_repair(cx, committee, open, session),
            None => self.ask_for_repair(cx, committee, repairs),
        }
    }

    fn follow_own_repair(
        &mut self,
        cx: &mut Context,
        committee: &Arc<Committee>,
        open: &OpenShareRepair,
        session: RepairSession,
    ) {
        let now = cx.now.mono;
        let asker = self.asker.take();
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
                    *self.blame.entry(*key).or_default() += 1;
                }
            }
            let reason = alloc::format!("the accused did not do their part within {REPAIR_TIMEOUT:?}");
            let outcome = RepairOutcome::GivenUp { accused: silent, reason };
            let action = RepairAction::End { validator: open.validator, number: open.number, outcome };
            cx.order_system(SystemAction::Repair(action));
        }
        self.asker = Some(asker);
    }

    /// Asks, if that is of use now. Repeated, it says the same until it is heard, or for so long that others may have come.
    fn ask_for_repair(&mut self, cx: &mut Context, committee: &Arc<Committee>, repairs: &ShareRepairs) {
        let ShareRepairStatus::Asking { helpers } = self.next_repair_step(cx, committee, repairs) else {
            self.asker = None;
            return;
        };
        let number = repairs.budget(&cx.identity.public()).next;
        let now = cx.now.mono;
        let is_linked = |key: &PublicKey| cx.connected.contains(key);
        let said = self.asker.as_ref().filter(|asker| {
            !asker.stands
                && asker.number == number
                && now.since(asker.since) < REPAIR_TIMEOUT
                && asker.helpers.iter().all(is_linked)
        });
        let helpers = match said {
            Some(asker) => asker.helpers.clone(),
            None => {
                self.asker = Some(AskerState::new(number, helpers.clone(), false, now));
                helpers
            }
        };
        let attempt = committee.keys().attempt;
        cx.order_system(SystemAction::Repair(RepairAction::Ask { attempt, number, helpers }));
    }

    /// What a validator without its shares, and without a request on the chain, does next.
    pub(in crate::node) fn next_repair_step(
        &self,
        cx: &Context,
        committee: &Committee,
        repairs: &ShareRepairs,
    ) -> ShareRepairStatus {
        let me = cx.identity.public();
        let time = cx.state.time();
        if let Some(open) = repairs.open.as_ref().filter(|_| !repairs.is_free(&me, time)) {
            return ShareRepairStatus::WaitsForTurn { validator: open.validator };
        }
        let budget = repairs.budget(&me);
        let next = budget.next_at(time);
        if next > time {
            return ShareRepairStatus::WaitsUntil { time: next };
        }
        match self.choose_helpers(cx, committee, budget.next) {
            Some(helpers) => ShareRepairStatus::Asking { helpers },
            None => ShareRepairStatus::WaitsForLinks { missing: Self::unlinked_of(cx, committee) },
        }
    }

    fn unlinked_of(cx: &Context, committee: &Committee) -> Vec<PublicKey> {
        let me = cx.identity.public();
        let others = committee.validators().into_iter();
        others.filter(|key| *key != me && !cx.connected.contains(key)).collect()
    }

    /// As many as it takes of those who are linked, first those who were not found wanting, in turn with the number.
    fn choose_helpers(&self, cx: &Context, committee: &Committee, number: u32) -> Option<Vec<PublicKey>> {
        let me = cx.identity.public();
        let mut others: Vec<PublicKey> =
            committee.validators().into_iter().filter(|key| *key != me).collect();
        let turn = usize::try_from(number).ok()?.checked_rem(others.len())?;
        others.rotate_left(turn);
        others.retain(|key| cx.connected.contains(key));
        others.sort_by_key(|key| self.blame.get(key).copied().unwrap_or_default());
        let mut chosen = others.get(..committee.threshold())?.to_vec();
        chosen.sort();
        Some(chosen)
    }

    /// A repair for this node that it has no need of: it was repaired and the word of that was lost, it came by its shares
    /// otherwise, or someone else holds its key and asks for its shares.
    pub(in crate::node) fn end_own_repair(&mut self, cx: &mut Context, open: Option<&OpenShareRepair>) {
        let me = cx.identity.public();
        let Some(open) = open.filter(|open| open.validator == me) else { return };
        let outcome = if self.repaired == Some(open.number) {
            RepairOutcome::Repaired
        } else {
            RepairOutcome::GivenUp {
                accused: Vec::new(),
                reason: "the validator holds its shares".to_string(),
            }
        };
        let action = RepairAction::End { validator: me, number: open.number, outcome };
        cx.order_system(SystemAction::Repair(action));
    }

    pub(in crate::node) fn on_repair_sum(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        package: BlindedShares,
    ) {
        let Some(asker) = &mut self.asker else { return };
        let Some(part) = &mut asker.part else { return };
        match part.receive(from, package) {
            Ok(None) => {}
            Ok(Some(shares)) => self.on_repaired(cx, shares),
            Err(fault @ RepairFault::Accused { .. }) => {
                let reason = alloc::format!("spoils the repair of key shares: {fault}");
                cx.outbox.event(Event::Culprit { validator: from, reason });
                let blame = self.blame.entry(from).or_default();
                *blame = blame.saturating_add(BLAME_OF_THE_CAUGHT);
                self.asker = None;
                if let Some(open) = cx.state.share_repairs().open {
                    self.give_up_repair(cx, &open, from, &fault.to_string());
                }
            }
            Err(RepairFault::InconsistentKeys) => {
                cx.outbox.event(Event::Broken { reason: RepairFault::InconsistentKeys.to_string() });
            }
            // Of another request: it was late.
            Err(_) => {}
        }
    }

    /// The shares are stored before the repair is called done: who says so can sign.
    fn on_repaired(&mut self, cx: &mut Context, shares: KeyShares) {
        let Some(asker) = self.asker.take() else { return };
        let Some(active) = cx.state.committee() else { return };
        let row = StoredShares { keys: active.keys.clone(), shares };
        let mut writes = WriteBatch::default();
        writes.put(Table::Shares, shares_key(active.attempt), row.to_bytes().to_vec());
        let token = cx.persist(writes);
        cx.await_shares(token);
        let validator = cx.identity.public();
        self.repaired = Some(asker.number);
        reached!(cx.marks, "key shares are repaired");
        cx.outbox.event(Event::SharesRepaired { number: asker.number });
        let outcome = RepairOutcome::Repaired;
        let action = RepairAction::End { validator, number: asker.number, outcome };
        cx.order_system_after(Some(token), SystemAction::Repair(action));
        cx.ask(Ask::ActivateCommittee(Box::new(active)));
    }
}
