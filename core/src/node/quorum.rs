//! Requests that wait for what cannot happen: without a quorum they are refused, in time and with the reason.
//!
//! An operation that has not left this node in a batch is dropped with its refusal, so that what its caller was
//! told stays true. One that has may yet be done by the others; it happens once, however often it is sent.

use super::timers::Timer;
use super::{Node, RequestId};
use crate::api::{ApiFault, Request, Response, STALE_HEARTBEATS};
use crate::base::Height;
use alloc::format;
use alloc::vec::Vec;

impl Node {
    /// Notes since when too few validators are linked.
    pub(super) fn note_links(&mut self) {
        let linked = self.connected.len() + 1 >= self.state.validators().quorum();
        self.cut_off = match (linked, self.cut_off) {
            (true, _) => None,
            (false, since) => since.or(Some(self.now.mono)),
        };
    }

    /// Why an operation is refused: this node has been cut off from a quorum for longer than links take to come back
    /// by themselves.
    fn undecidable(&self) -> Option<ApiFault> {
        let heartbeat = self.state.genesis_document().profile.heartbeat();
        let cut_off = self.now.mono.since(self.cut_off?);
        (cut_off > STALE_HEARTBEATS * heartbeat)
            .then(|| self.view.standstill(self.wall()))
            .flatten()
            .map(ApiFault::unavailable)
    }

    /// Whether others have decided what this node does not know yet, or may have: it has not heard from a quorum
    /// since it started, or more than f of those it heard from are ahead. What it does not find is then no proof that
    /// it does not exist.
    pub(super) fn may_be_behind(&self) -> bool {
        let validators = self.state.validators();
        let heard = || self.sync.heights().filter(|(peer, _)| self.connected.contains(peer));
        let ahead = heard().filter(|(_, height)| *height > self.state.height()).count();
        heard().count() + 1 < validators.quorum() || ahead > validators.tolerated_faults()
    }

    /// What is said instead of a refusal that rests on a state which may be old.
    pub(super) fn behind(&self) -> ApiFault {
        if let Some(standstill) = self.view.standstill(self.wall()) {
            return ApiFault::unavailable(standstill);
        }
        let Height(height) = self.state.height();
        ApiFault::unavailable(format!(
            "this node is catching up (height {height}) and does not know what was decided since: ask another, or \
             this one again in a moment"
        ))
    }

    /// Refuses what would have to be decided and cannot be. Says whether it did.
    pub(super) fn refuse_undecidable(&mut self, id: RequestId, request: &Request) -> bool {
        let decides = matches!(
            request,
            Request::IssueCertificate(_)
                | Request::RegisterName(_)
                | Request::SetRecords(_)
                | Request::Transfer(_)
                | Request::ValidateBatch(_)
        );
        let fault = decides.then(|| self.undecidable()).flatten();
        let refused = fault.is_some();
        if let Some(fault) = fault {
            self.outbox.respond(id, Err(fault));
        }
        refused
    }

    /// Looks after requests that wait, until none does.
    pub(super) fn watch_quorum(&mut self) {
        if self.has_callers() {
            let heartbeat = self.state.genesis_document().profile.heartbeat();
            self.timers.start(Timer::Quorum, self.now.mono.after(heartbeat));
        }
    }

    pub(super) fn on_quorum_timeout(&mut self) {
        if let Some(fault) = self.undecidable() {
            self.refuse_callers(&fault);
        }
        self.watch_quorum();
    }

    fn has_callers(&self) -> bool {
        self.submission.has_callers()
            || !self.signing.certificates.is_empty()
            || !self.signing.checkpoints.is_empty()
    }

    fn refuse_callers(&mut self, fault: &ApiFault) {
        let refuse = |what: &str| Err::<Response, _>(ApiFault::unavailable(format!("{what}: {fault}")));
        for (id, dropped) in self.submission.give_up_callers() {
            let what = match dropped {
                true => "not done, and it will not be unless it is asked for again",
                false => "not done yet; if it is asked for again as it was signed, it happens once",
            };
            self.outbox.respond(id, refuse(what));
        }
        for (serial, waited) in core::mem::take(&mut self.signing.certificates) {
            let what =
                format!("certificate {serial} is approved and logged but not signed yet, ask for it later");
            waited.requests.into_iter().for_each(|id| self.outbox.respond(id, refuse(&what)));
        }
        let checkpoints = core::mem::take(&mut self.signing.checkpoints);
        let callers: Vec<RequestId> = checkpoints.into_values().flatten().collect();
        callers.into_iter().for_each(|id| self.outbox.respond(id, refuse("no checkpoint is signed")));
    }
}
