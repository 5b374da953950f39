//! The repair of lost key shares, as this node takes part in it: as the one that lost its own, and as a helper. Requests
//! and commitments go over the chain; summands and sums between validators, over links that prove who speaks.
//!
//! A helper makes its summands once for each request, keeps them in memory, and ends the request if it restarts: what
//! it committed to it could not send any more. The asker keeps nothing secret and goes on after a restart. When it asks whom
//! is in [`asker`], and what it waits for in [`status`].

mod asker;
mod status;

pub use status::ShareRepairStatus;

use crate::base::{PublicKey, reached};
use crate::hypermesh::committee::{BlindedShares, Committee, RepairFault, RepairHelper, RepairSession};
use crate::node::ask::Committed;
use crate::node::message::Message;
use crate::node::timers::Timer;
use crate::node::{Event, context::Context};
use crate::state::{ABORT_REASON_BYTES_MAX, OpenShareRepair, RepairAction, RepairOutcome, SystemAction};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// What was said and not heard is said again after this long.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
/// Counts this node's requests that did not succeed.
pub(in crate::node) const SHARE_REPAIRS_FAILED: &str = "share_repairs_failed_total";

/// This node's part in repairs.
#[derive(Default)]
pub(in crate::node) struct ShareRepairPart {
    helper: Option<HelperState>,
    asker: Option<asker::AskerState>,
    /// The repair by which this node came by its shares.
    repaired: Option<u32>,
    /// Whom this node would rather not ask again, the more the less.
    blame: BTreeMap<PublicKey, u32>,
}

struct HelperState {
    helper: RepairHelper,
    /// What the asker is to get, once it is whole.
    sum: Option<BlindedShares>,
}

impl ShareRepairPart {
    /// Does what a repair asks of this node, after a block or a while.
    pub(in crate::node) fn proceed(&mut self, cx: &mut Context) {
        let Some(committee) = cx.committee.clone() else { return };
        let repairs = cx.state.share_repairs();
        let open = repairs.open.as_ref();
        let session = open.and_then(|open| session_of(&committee, open));
        match (open, &session) {
            (Some(open), Some(session)) if session.helpers().contains(&cx.identity.public()) => {
                self.help(cx, &committee, open, session);
            }
            _ => self.helper = None,
        }
        if cx.holds_shares {
            self.asker = None;
            self.end_own_repair(cx, open);
        } else {
            self.seek_repair(cx, &committee, &repairs, session);
        }
        if self.helper.is_some() || !cx.holds_shares {
            cx.timers.start(Timer::ShareRepair, cx.now.mono.after(REPEAT_AFTER));
        }
    }

    /// Says again what may have been lost.
    pub(in crate::node) fn on_timeout(&mut self, cx: &mut Context) {
        if let Some(state) = &self.helper {
            let validator = state.helper.session().validator();
            let sum = state.sum.clone();
            let helper = cx.identity.public();
            match cx.state.share_repairs().open {
                Some(open) if open.is_committed() => {
                    self.send_deltas(cx);
                    if let Some(sum) = sum {
                        cx.send(validator, &Message::RepairSum(sum));
                    }
                }
                Some(open) if !open.commitments.contains_key(&helper) => self.commit_to_repair(cx, &open),
                _ => {}
            }
        }
        self.proceed(cx);
    }

    // --- as helper ---

    fn help(
        &mut self,
        cx: &mut Context,
        committee: &Arc<Committee>,
        open: &OpenShareRepair,
        session: &RepairSession,
    ) {
        let me = cx.identity.public();
        let on_chain = open.commitments.get(&me);
        let mine = self.helper.as_ref().filter(|state| state.helper.session() == session);
        match (mine, on_chain) {
            (Some(state), Some(commitments)) if state.helper.commitments() != commitments => {
                self.give_up_repair(cx, open, me, "restarted while it helped");
            }
            (Some(state), Some(_)) => {
                if open.is_committed() && state.sum.is_none() {
                    self.send_deltas(cx);
                }
            }
            (Some(_), None) => {}
            (None, Some(_)) => self.give_up_repair(cx, open, me, "restarted while it helped"),
            (None, None) => self.begin_to_help(cx, committee, open, session),
        }
    }

    fn begin_to_help(
        &mut self,
        cx: &mut Context,
        committee: &Arc<Committee>,
        open: &OpenShareRepair,
        session: &RepairSession,
    ) {
        let me = cx.identity.public();
        let shares = cx.stored_shares(committee.keys().attempt).map(|(_, shares)| shares);
        let helper = shares.and_then(|shares| {
            RepairHelper::begin(session.clone(), committee, me, &shares, cx.entropy.as_mut()).ok()
        });
        match helper {
            Some(helper) => {
                self.helper = Some(HelperState { helper, sum: None });
                self.commit_to_repair(cx, open);
            }
            None => self.give_up_repair(cx, open, me, "holds no share of its own"),
        }
    }

    fn commit_to_repair(&mut self, cx: &mut Context, open: &OpenShareRepair) {
        let Some(state) = &self.helper else { return };
        let commitments = state.helper.commitments().clone();
        let action = RepairAction::Commit { validator: open.validator, number: open.number, commitments };
        cx.order_system(SystemAction::Repair(action));
    }

    fn send_deltas(&mut self, cx: &mut Context) {
        let Some(state) = &self.helper else { return };
        for (to, package) in state.helper.deltas().collect::<Vec<_>>() {
            cx.send(to, &Message::RepairDeltas(package));
        }
    }

    pub(in crate::node) fn on_repair_deltas(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        package: BlindedShares,
    ) {
        // What comes before this node has everyone's commitments is sent again.
        let Some(open) = cx.state.share_repairs().open.filter(OpenShareRepair::is_committed) else { return };
        let Some(committed) = open.commitments.get(&from) else { return };
        let Some(state) = &mut self.helper else { return };
        match state.helper.receive(from, package, committed) {
            Ok(None) => {}
            Ok(Some(sum)) => {
                state.sum = Some(sum.clone());
                cx.send(open.validator, &Message::RepairSum(sum));
            }
            Err(fault @ RepairFault::Accused { .. }) => {
                self.give_up_repair(cx, &open, from, &fault.to_string());
            }
            // Of another request: it was late.
            Err(_) => {}
        }
    }

    fn give_up_repair(&mut self, cx: &mut Context, open: &OpenShareRepair, accused: PublicKey, reason: &str) {
        self.helper = None;
        let mut reason = String::from(reason);
        while reason.len() > ABORT_REASON_BYTES_MAX {
            reason.pop();
        }
        let outcome = RepairOutcome::GivenUp { accused: alloc::vec![accused], reason };
        let action = RepairAction::End { validator: open.validator, number: open.number, outcome };
        cx.order_system(SystemAction::Repair(action));
    }

    pub(in crate::node) fn after_block(&mut self, cx: &mut Context, committed: &Committed) {
        for operation in &committed.block.body.system {
            let SystemAction::Repair(action) = &operation.action else { continue };
            match action {
                RepairAction::Ask { number, .. } => {
                    let event = Event::RepairBegan { validator: operation.validator, number: *number };
                    cx.outbox.event(event);
                }
                RepairAction::Commit { .. } => {}
                RepairAction::End { validator, number, outcome } => {
                    self.on_repair_ended(cx, operation.validator, (*validator, *number), outcome);
                }
            }
        }
        self.proceed(cx);
    }

    fn on_repair_ended(
        &mut self,
        cx: &mut Context,
        by: PublicKey,
        request: (PublicKey, u32),
        outcome: &RepairOutcome,
    ) {
        let (validator, number) = request;
        let me = cx.identity.public();
        let given_up = match outcome {
            RepairOutcome::Repaired => None,
            RepairOutcome::GivenUp { accused, reason } => {
                reached!(cx.marks, "a repair of key shares is given up");
                if validator == me {
                    cx.count("hypermesh", SHARE_REPAIRS_FAILED, 1);
                }
                let both = accused.iter().chain(core::iter::once(&by));
                if validator == me && by != me {
                    self.asker = None;
                    for key in both.filter(|key| **key != me) {
                        *self.blame.entry(*key).or_default() += 1;
                    }
                }
                let accused: Vec<String> = accused.iter().map(ToString::to_string).collect();
                Some(alloc::format!("{reason} (said by {by}, accused: {})", accused.join(", ")))
            }
        };
        cx.outbox.event(Event::RepairEnded { validator, number, given_up });
    }
}

fn session_of(committee: &Committee, open: &OpenShareRepair) -> Option<RepairSession> {
    let keys = committee.keys().clone();
    RepairSession::new(keys, open.validator, open.number, open.helpers.clone()).ok()
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::node::ask::Ask;
    use crate::node::test_util::{context, mesh};

    #[test]
    fn a_node_without_its_shares_asks_linked_validators_for_repair_and_others_do_not() {
        let mesh = mesh();
        let (mut cx, mut part) = (context(&mesh), ShareRepairPart::default());
        part.proceed(&mut cx);
        assert!(cx.asks.is_empty(), "there is no committee yet");
        cx.committee = Some(Arc::new(Committee::new(mesh.state.committee().unwrap().keys).unwrap()));
        cx.holds_shares = true;
        part.proceed(&mut cx);
        assert!(cx.asks.is_empty(), "it lacks nothing");
        cx.holds_shares = false;
        part.proceed(&mut cx);
        let Some(Ask::OrderSystem { operation, after: None }) = cx.asks.pop_front() else {
            panic!("it asks")
        };
        let SystemAction::Repair(RepairAction::Ask { number: 0, helpers, .. }) = operation.action else {
            panic!("for repair")
        };
        assert!(helpers.iter().all(|helper| cx.connected.contains(helper)));
        let mut alone = context(&mesh);
        alone.committee = cx.committee;
        alone.connected.clear();
        ShareRepairPart::default().proceed(&mut alone);
        assert!(alone.asks.is_empty(), "there is nobody to ask");
    }
}
