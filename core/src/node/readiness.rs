//! What this node lacks to do its whole work, as it stands now: see [`crate::api::Condition`] for what each must promise.

use super::timers::Timer;
use super::{Node, PersistToken};
use crate::api::{Condition, READY_CLOCK_MS_MAX, STALE_HEARTBEATS, Unmet, clock_behind};
use crate::base::{Mono, UnixMillis};
use crate::node::task::Task;
use crate::trustchain::ca::LEAF_MS_LIFETIME;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What readiness rests on besides what other parts of the node know.
#[derive(Default)]
pub(super) struct Readiness {
    /// The write of key shares that were repaired: until it is durable, a loss of power takes them again.
    shares_token: PersistToken,
    /// When the last block was applied here, or the node started.
    progressed: Mono,
    /// Whether no block has come since for as long as it takes to call a state stale.
    stalled: bool,
}

impl Node {
    /// The conditions that do not hold.
    pub(super) fn unmet(&self) -> Vec<Unmet> {
        let checks = [
            (Condition::Clock, self.clock_fault()),
            (Condition::Quorum, (!self.has_quorum()).then(|| self.missing_words())),
            (Condition::Voting, self.voting_fault()),
            (Condition::Behind, self.behind_fault()),
            (Condition::Progress, self.has_quorum().then(|| self.stall()).flatten()),
            (Condition::Keys, self.state.committee().is_none().then(|| self.committee_status())),
            (Condition::Shares, self.shares_fault()),
            (Condition::Signers, self.signers_fault()),
            (Condition::Certificates, self.certificates_fault()),
            (Condition::Ticket, self.ticket_fault()),
            (Condition::Stake, self.understaked().map(|fault| fault.message)),
        ];
        let unmet = |(condition, fault): (Condition, Option<String>)| Some(Unmet::new(condition, fault?));
        checks.into_iter().filter_map(unmet).collect()
    }

    // --- the clock ---

    /// Against block time, and against what the peers' clocks showed when they proposed.
    fn clock_fault(&self) -> Option<String> {
        if let Some(behind) = clock_behind(self.state.time().since(self.wall())) {
            return Some(behind);
        }
        let offset = self.clock_offset_ms()?;
        (offset.unsigned_abs() > READY_CLOCK_MS_MAX).then(|| {
            let side = if offset > 0 { "behind" } else { "ahead of" };
            format!("this node's clock is {} s {side} its peers': set it (NTP)", offset.unsigned_abs() / 1000)
        })
    }

    // --- ordering ---

    fn voting_fault(&self) -> Option<String> {
        let abstains =
            self.is_stopped() || self.recall_missing() > 0 || self.engine.abstains_through().is_some();
        abstains.then(|| self.voting_status())
    }

    fn behind_fault(&self) -> Option<String> {
        let behind = self.behind();
        (behind > 0).then(|| format!("{behind} blocks are missing here; they are being fetched"))
    }

    /// Notes that a block was applied, or that the node starts: from now on the next is waited for.
    pub(super) fn note_progress(&mut self) {
        let heartbeat = self.state.genesis_document().profile.heartbeat();
        self.readiness.progressed = self.now.mono;
        self.readiness.stalled = false;
        self.timers.set(Timer::Stall, self.now.mono.after(heartbeat.saturating_mul(STALE_HEARTBEATS)));
    }

    /// No block has come for too long, by the monotonic clock: a wall clock that is wrong does not hide it.
    pub(super) fn on_stall_timeout(&mut self) {
        self.readiness.stalled = true;
        self.publish();
    }

    /// That no block comes, if none does.
    pub(super) fn stall(&self) -> Option<String> {
        let ahead = self.state.time().since(self.wall());
        self.readiness.stalled.then(|| {
            let waited = self.now.mono.since(self.readiness.progressed).as_secs();
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

    /// Key shares of this node wait to become durable with this write.
    pub(super) fn await_shares(&mut self, token: PersistToken) {
        self.readiness.shares_token = token;
    }

    /// Whether this node holds its key shares, and a loss of power would not take them.
    pub(super) fn holds_shares_durably(&self) -> bool {
        self.holds_shares() && self.outbox.is_durable(self.readiness.shares_token)
    }

    /// Says that the node is ready once its shares are durable.
    pub(super) fn shares_after(&mut self, durable: PersistToken) {
        if self.readiness.shares_token != PersistToken::default() && self.readiness.shares_token <= durable {
            self.readiness.shares_token = PersistToken::default();
            self.publish();
        }
    }

    fn shares_fault(&self) -> Option<String> {
        self.state.committee()?;
        (!self.holds_shares_durably()).then(|| self.shares_status())
    }

    /// What becomes of key shares that this node lacks.
    fn shares_status(&self) -> String {
        if self.holds_shares() {
            return "the repaired key shares are being written".to_string();
        }
        format!("this node has no key shares: {}", self.share_repair_in_words())
    }

    /// The last moment of the root certificate, once it is signed.
    pub(super) fn root_not_after(&self) -> Option<UnixMillis> {
        let signed = self.signing.finished.contains_key(&Task::Root);
        signed.then(|| self.state.issuer()).flatten().map(|issuer| issuer.root_validity.not_after)
    }

    /// The last moment of the newest issuing certificate that is signed.
    pub(super) fn issuing_not_after(&self) -> Option<UnixMillis> {
        let signed = |number: &u32| self.signing.finished.contains_key(&Task::Issuing(*number));
        let newest = (0..=self.state.newest_issuing()?).rev().find(signed)?;
        Some(self.state.issuer_at(newest)?.issuing_validity.not_after)
    }

    fn certificates_fault(&self) -> Option<String> {
        self.state.committee()?;
        let needed = self.state.time().max(self.wall()).plus(LEAF_MS_LIFETIME);
        let fault = |which: &str, ends: Option<UnixMillis>| match ends {
            None => Some(format!("the {which} certificate is not signed yet")),
            Some(ends) if ends < needed => Some(format!(
                "the {which} certificate ends at {ends}, before a certificate of the default lifetime would"
            )),
            Some(_) => None,
        };
        fault("root", self.root_not_after()).or_else(|| fault("issuing", self.issuing_not_after()))
    }

    // --- the member ---

    fn ticket_fault(&self) -> Option<String> {
        self.usable_ticket().is_none().then(|| {
            let beacon = self.state.beacon().index;
            format!(
                "no ticket for beacon {beacon} yet: the next beacon brings one if the deadline has passed"
            )
        })
    }
}
