//! What this node lacks to do its whole work, as it stands now: see [`crate::api::Condition`] for what each must promise.

use crate::api::{Condition, READY_CLOCK_MS_MAX, STALE_HEARTBEATS, Unmet, clock_behind};
use crate::base::{Height, Mono};
use crate::node::timers::Timer;
use crate::node::{Node, context::Context};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What readiness rests on besides what other parts of the node know.
#[derive(Default)]
pub(in crate::node) struct Readiness {
    /// When the last block was applied here, or the node started.
    progressed: Mono,
    /// Whether no block has come since for as long as it takes to call a state stale.
    stalled: bool,
}

impl Readiness {
    /// Notes that a block was applied, or that the node starts: from now on the next is waited for.
    pub(in crate::node) fn note_progress(&mut self, cx: &mut Context) {
        let heartbeat = cx.state.genesis_document().profile.heartbeat();
        self.progressed = cx.now.mono;
        self.stalled = false;
        cx.timers.set(Timer::Stall, cx.now.mono.after(heartbeat.saturating_mul(STALE_HEARTBEATS)));
    }

    /// No block has come for too long, by the monotonic clock: a wall clock that is wrong does not hide it.
    pub(in crate::node) fn on_timeout(&mut self, cx: &mut Context) {
        self.stalled = true;
        cx.publish();
    }

    /// That no block comes, if none does.
    pub(in crate::node) fn stall(&self, cx: &Context) -> Option<String> {
        let ahead = cx.state.time().since(cx.wall());
        self.stalled.then(|| {
            let waited = cx.now.mono.since(self.progressed).as_secs();
            let cause = match ahead {
                0 => "the others stand still, or this node is catching up".to_string(),
                ahead => format!(
                    "block time is {} s ahead of this node's clock: some clocks are wrong, or were",
                    ahead.div_ceil(1000)
                ),
            };
            format!("no block for more than {waited} s though a quorum is linked: {cause}")
        })
    }

    // --- keys, shares, certificates ---
}

impl Node {
    /// The conditions that do not hold.
    pub(in crate::node) fn unmet(&self) -> Vec<Unmet> {
        let checks = [
            (Condition::Clock, self.clock_fault()),
            (Condition::Quorum, (!self.cx.has_quorum()).then(|| self.cx.missing_words())),
            (Condition::Voting, self.voting_fault()),
            (Condition::Behind, self.behind_fault()),
            (Condition::Progress, self.cx.has_quorum().then(|| self.readiness.stall(&self.cx)).flatten()),
            (Condition::Keys, self.cx.state.committee().is_none().then(|| self.committee_status())),
            (Condition::Shares, self.shares_fault()),
            (Condition::Signers, self.signing.signers_fault(&self.cx)),
            (Condition::Certificates, self.signing.certificates_fault(&self.cx)),
            (Condition::Ticket, self.ticket_fault()),
            (Condition::Stake, self.cx.understaked().map(|fault| fault.message)),
        ];
        let unmet = |(condition, fault): (Condition, Option<String>)| Some(Unmet::new(condition, fault?));
        checks.into_iter().filter_map(unmet).collect()
    }

    // --- the clock ---

    /// Against block time, and against what the peers' clocks showed when they proposed.
    fn clock_fault(&self) -> Option<String> {
        if let Some(behind) = clock_behind(self.cx.state.time().since(self.cx.wall())) {
            return Some(behind);
        }
        let offset = self.ordering.clock_offset_ms(&self.cx)?;
        (offset.unsigned_abs() > READY_CLOCK_MS_MAX).then(|| {
            let side = if offset > 0 { "behind" } else { "ahead of" };
            format!("this node's clock is {} s {side} its peers': set it (NTP)", offset.unsigned_abs() / 1000)
        })
    }

    // --- ordering ---

    fn behind_fault(&self) -> Option<String> {
        let behind = self.cx.behind();
        (behind > 0).then(|| format!("{behind} blocks are missing here; they are being fetched"))
    }

    fn voting_fault(&self) -> Option<String> {
        let abstains = self.cx.is_stopped()
            || self.recall.recall_missing(&self.cx) > 0
            || self.ordering.engine.abstains_through().is_some();
        abstains.then(|| self.voting_status())
    }

    /// Whether this node takes part in deciding, and if not, why.
    pub(in crate::node) fn voting_status(&self) -> String {
        if let Some(reason) = &self.cx.stopped {
            return alloc::format!("stopped: {reason}");
        }
        match (self.recall.recall_missing(&self.cx), self.ordering.engine.abstains_through()) {
            (0, None) if !self.cx.has_quorum() => self.cx.missing_words(),
            (0, None) => String::from("yes"),
            (0, Some(through)) => {
                alloc::format!("abstains through height {through}: its log of votes is not whole")
            }
            (missing, _) => {
                alloc::format!("waits until {missing} more validators say what it voted for last")
            }
        }
    }

    fn shares_fault(&self) -> Option<String> {
        self.cx.state.committee()?;
        (!self.cx.holds_shares_durably()).then(|| self.shares_status())
    }

    /// What becomes of key shares that this node lacks.
    fn shares_status(&self) -> String {
        if self.cx.holds_shares {
            return "the repaired key shares are being written".to_string();
        }
        format!("this node has no key shares: {}", self.share_repair.share_repair_in_words(&self.cx))
    }

    fn ticket_fault(&self) -> Option<String> {
        self.submission.usable_ticket(&self.cx).is_none().then(|| {
            let beacon = self.cx.state.beacon().index;
            format!(
                "no ticket for beacon {beacon} yet: the next beacon brings one if the deadline has passed"
            )
        })
    }

    // --- the committee, in words ---

    /// What the committee is at, in words.
    pub(in crate::node) fn committee_status(&self) -> String {
        if let Some(committee) = self.cx.state.committee() {
            let Height(height) = committee.height;
            let certificates = if self.signing.has_authority(&self.cx) {
                ""
            } else {
                ", signing the root and issuing certificates"
            };
            let shares = match self.cx.holds_shares {
                true => String::new(),
                false => {
                    alloc::format!(
                        "; this node lacks its key shares: {}",
                        self.share_repair.share_repair_in_words(&self.cx)
                    )
                }
            };
            return alloc::format!("active since height {height}{certificates}{shares}");
        }
        let generation = self.cx.state.generation();
        let all = self.cx.state.validators().count();
        let (step, done) = match generation.round1.len() {
            count if count < all => {
                ("waiting for commitments", generation.round1.keys().copied().collect::<Vec<_>>())
            }
            _ => ("waiting for confirmations", generation.confirmed.iter().copied().collect()),
        };
        let genesis = self.cx.state.genesis_document();
        let missing = genesis.validators.iter().filter(|validator| !done.contains(&validator.member.key));
        let missing: Vec<&str> = missing.map(|validator| validator.name.as_str()).collect();
        let attempt = generation.attempt;
        let before = generation.aborted.map_or_else(String::new, |(by, reason)| {
            let by = genesis.validators.iter().find(|validator| validator.member.key == by);
            let by = by.map_or("a validator", |validator| validator.name.as_str());
            alloc::format!(" (the attempt before was given up by {by}: {reason})")
        });
        alloc::format!("key generation {attempt}: {step} of {}{before}", missing.join(", "))
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::node::test_util::{context, mesh, pass};

    #[test]
    fn a_node_says_that_it_stands_still_when_no_block_came_for_too_long() {
        let mesh = mesh();
        let (mut cx, mut readiness) = (context(&mesh), Readiness::default());
        readiness.note_progress(&mut cx);
        assert_eq!(readiness.stall(&cx), None);
        let due = cx.timers.next().unwrap();
        assert_eq!(cx.timers.pop(due), Some(Timer::Stall));
        pass(&mut cx, due.0.div_ceil(1000));
        readiness.on_timeout(&mut cx);
        assert!(readiness.stall(&cx).is_some_and(|why| why.starts_with("no block for more than")));
        assert!(cx.publish_due);
        readiness.note_progress(&mut cx);
        assert_eq!(readiness.stall(&cx), None);
    }
}
