//! As coordinator: gathers shares for what is asked of this node, from other signers where some fail.

use super::{SIGNER_TIMEOUT, Session};
use crate::api::TraceEvent;
use crate::base::{PublicKey, StrictSignature, Table, WriteBatch, reached};
use crate::hypermesh::committee::{
    KeyPurpose, Progress, ShareFault, ShareRequest, SignedShare, SigningSession,
};
use crate::node::message::{Message, ShareRequests, SharesSigned, TASK_COUNT_MAX};
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{Event, Node};
use crate::state::Offence;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

impl Node {
    /// Begins what was asked for in this step, so that one message to each signer carries all of it.
    pub(in crate::node) fn start_fresh(&mut self) {
        if self.signing.fresh.is_empty() {
            return;
        }
        let tasks: Vec<Task> = core::mem::take(&mut self.signing.fresh).into_iter().collect();
        self.start_tasks(&tasks);
        self.answer_waiting();
    }

    /// Begins to gather signatures for tasks that have none and are not under way.
    pub(in crate::node) fn start_tasks(&mut self, tasks: &[Task]) {
        let mut requests: BTreeMap<PublicKey, Vec<(Task, ShareRequest)>> = BTreeMap::new();
        for task in tasks {
            if self.signing.finished.contains_key(task) || self.signing.sessions.contains_key(task) {
                continue;
            }
            match self.begin_session(*task) {
                Some(session) => self.ask(*task, session, &mut requests),
                None => self.starve(*task),
            }
        }
        self.send_requests(requests);
    }

    pub(super) fn begin_session(&mut self, task: Task) -> Option<SigningSession> {
        let committee = self.signing.committee.clone()?;
        let message = match self.derive(task) {
            Ok(message) => message?,
            Err(fault) => {
                self.store_fault(&fault);
                return None;
            }
        };
        let mut preference = self.preference();
        preference.sort_by_key(|peer| self.signing.uncosigned.contains(&(task, *peer)));
        SigningSession::begin(committee, task.purpose(), message, &preference, &mut self.signing.stock).ok()
    }

    /// Whom to ask first: this node itself, then its peers that are linked, in turn with the height.
    pub(super) fn preference(&self) -> Vec<PublicKey> {
        let mut peers: Vec<PublicKey> = self.connected.iter().copied().collect();
        if let Some(turn) =
            usize::try_from(self.state.height().0).ok().and_then(|height| height.checked_rem(peers.len()))
        {
            peers.rotate_left(turn);
        }
        // One that is linked and far behind cannot derive what it is to sign.
        let absent = self.state.absent();
        peers.sort_by_key(|peer| absent.contains(peer));
        let others = self.peers().filter(|peer| !self.connected.contains(peer));
        core::iter::once(self.identity.public()).chain(peers).chain(others).collect()
    }

    pub(super) fn ask(
        &mut self,
        task: Task,
        session: SigningSession,
        requests: &mut BTreeMap<PublicKey, Vec<(Task, ShareRequest)>>,
    ) {
        for signer in session.signers() {
            requests.entry(*signer).or_default().push((task, session.request().clone()));
        }
        let of: Vec<PublicKey> = session.signers().copied().collect();
        self.note_signing(task, |on| TraceEvent::SharesAsked { on, of: of.clone() });
        self.signing.tasks.insert(session.session(), task);
        self.signing.sessions.insert(task, Session { session, begun: self.now.mono });
        self.timers.start(Timer::Signing, self.now.mono.after(SIGNER_TIMEOUT));
    }

    pub(super) fn send_requests(&mut self, requests: BTreeMap<PublicKey, Vec<(Task, ShareRequest)>>) {
        let height = self.state.height();
        let me = self.identity.public();
        let mut own = Vec::new();
        for (signer, requests) in requests {
            if signer == me {
                own = requests;
                continue;
            }
            for chunk in requests.chunks(TASK_COUNT_MAX) {
                let told = self.told_of_tasks(chunk);
                let requests = ShareRequests { height, requests: chunk.to_vec(), told };
                self.send(signer, &Message::Shares(requests));
            }
        }
        if !own.is_empty() {
            let spent: Vec<KeyPurpose> = own.iter().map(|(task, _)| task.purpose()).collect();
            let (signed, _unknown) = self.sign_shares(me, own);
            self.on_signed_shares(me, signed);
            self.offer_commitments(me, false, &spent);
        }
    }

    pub(in crate::node) fn on_signed_shares(&mut self, from: PublicKey, signed: SharesSigned) {
        for (size, signature) in signed.cosignatures.into_iter().take(TASK_COUNT_MAX) {
            self.take_cosignature(from, size, signature);
        }
        for share in signed.shares.into_iter().take(TASK_COUNT_MAX) {
            if share.signer == from {
                self.take_share(share);
            }
        }
        self.answer_waiting();
    }

    pub(super) fn take_share(&mut self, share: SignedShare) {
        let Some(task) = self.signing.tasks.get(&share.session).copied() else { return };
        let Some(held) = self.signing.sessions.get_mut(&task) else { return };
        let peer = share.signer;
        let received = held.session.receive(share);
        if received.is_ok() {
            self.note_signing(task, |on| TraceEvent::ShareCame { on, from: peer });
        }
        let Some(held) = self.signing.sessions.get_mut(&task) else { return };
        match received {
            // A share that comes twice is a message that came twice: the first counts.
            Ok(Progress::Waiting) | Err(ShareFault::Repeated { .. }) => {}
            Ok(Progress::Signed(signature)) => {
                let signers: Vec<PublicKey> = held.session.signers().copied().collect();
                self.end_session(task);
                match self.lacking_cosignatures(task, &signers) {
                    lacking if lacking.is_empty() => self.finish_task(task, signature),
                    lacking => self.cosign_with_others(task, lacking),
                }
            }
            Err(ShareFault::BadShares { evidence }) => {
                reached!(self.marks, "a signer is caught");
                let culprits = held.session.culprits().clone();
                for validator in culprits {
                    let reason = alloc::format!(
                        "sent a bad signature share, which it signed; {} in all",
                        evidence.len()
                    );
                    self.note_signing(task, |on| TraceEvent::ShareBad { on, from: validator });
                    self.outbox.event(Event::Culprit { validator, reason });
                }
                for share in evidence {
                    self.accuse(Offence::BadShare(share));
                }
                self.retry(task);
            }
            Err(fault @ ShareFault::InconsistentKeys) => {
                let reason = fault.to_string();
                self.outbox.event(Event::Broken { reason });
            }
            Err(fault) => {
                let reason = fault.to_string();
                self.outbox.event(Event::PeerFault { peer, reason });
            }
        }
    }

    pub(super) fn end_session(&mut self, task: Task) -> Option<Session> {
        let held = self.signing.sessions.remove(&task)?;
        self.signing.tasks.remove(&held.session.session());
        Some(held)
    }

    /// Asks other signers: those asked before were silent or lied.
    pub(super) fn retry(&mut self, task: Task) {
        let Some(mut held) = self.end_session(task) else { return };
        reached!(self.marks, "a signature is tried again with other signers");
        self.count("hypermesh", "signing_retries_total", 1);
        // A peer that answers may have been passed over for one that does not, because its commitments were lost.
        self.feed(&[task]);
        let preference = self.preference();
        match held.session.retry(&preference, &mut self.signing.stock) {
            Ok(session) => {
                let mut requests = BTreeMap::new();
                self.ask(task, session, &mut requests);
                self.send_requests(requests);
            }
            Err(_) => self.starve(task),
        }
    }

    /// Notes that a task waits for commitments, and sees to it that they are asked for.
    pub(super) fn starve(&mut self, task: Task) {
        reached!(self.marks, "commitments have run out");
        self.signing.starved.insert(task);
        self.timers.start(Timer::Signing, self.now.mono.after(SIGNER_TIMEOUT));
    }

    pub(in crate::node) fn on_signing_timeout(&mut self) {
        let now = self.now.mono;
        let late = |held: &&Task| {
            self.signing.sessions.get(held).is_some_and(|session| now.since(session.begun) >= SIGNER_TIMEOUT)
        };
        let mut late: Vec<Task> = self.signing.sessions.keys().filter(late).copied().collect();
        let mut starved: Vec<Task> = core::mem::take(&mut self.signing.starved).into_iter().collect();
        // Serial numbers follow from what clients sign, so their order must not decide who gets the commitments.
        self.signing.turn = self.signing.turn.wrapping_add(1);
        begin_at(&mut late, self.signing.turn);
        begin_at(&mut starved, self.signing.turn);
        late.into_iter().for_each(|task| self.retry(task));
        starved.extend(core::mem::take(&mut self.signing.starved));
        if !starved.is_empty() {
            self.feed(&starved);
            self.start_tasks(&starved);
        }
        self.consider_shared();
        let busy = !self.signing.sessions.is_empty() || !self.signing.starved.is_empty();
        if busy || !self.signing.wanted_since.is_empty() {
            self.timers.start(Timer::Signing, now.after(SIGNER_TIMEOUT));
        }
    }

    /// Asks for commitments those of whom none are left: an offer may have been lost, or a request that spent one was
    /// never signed. This node itself too: a share of its own that it could not derive has cost a commitment.
    pub(super) fn feed(&mut self, tasks: &[Task]) {
        let me = self.identity.public();
        let stock = &self.signing.stock;
        let none_left =
            |peer: &PublicKey| tasks.iter().any(|task| stock.held_count(peer, task.purpose()) == 0);
        let empty: Vec<PublicKey> = self.connected.iter().filter(|peer| none_left(peer)).copied().collect();
        if none_left(&me) {
            reached!(self.marks, "this node's own commitments have run out");
            self.offer_anew(me);
        } else {
            let purposes: Vec<KeyPurpose> = tasks.iter().map(|task| task.purpose()).collect();
            self.offer_commitments(me, false, &purposes);
        }
        for peer in empty {
            self.ask_for_commitments(peer);
        }
    }

    /// Keeps a finished signature, on disk too.
    pub(super) fn keep_signature(&mut self, task: Task, signature: StrictSignature) {
        self.signing.starved.remove(&task);
        self.signing.wanted_since.remove(&task);
        self.signing.finished.insert(task, signature);
        if let Task::RevocationList(number) = task {
            return self.keep_revocation_list(number, &signature);
        }
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, task.key(), signature.signature().0);
        let _token = self.persist(writes);
    }

    pub(super) fn finish_task(&mut self, task: Task, signature: StrictSignature) {
        self.note_signing(task, |on| TraceEvent::Aggregated { on });
        self.keep_signature(task, signature);
        if task.is_shared() {
            if let Some(message) = self.vouch(task, &signature) {
                self.broadcast(&message);
            }
            self.publish();
        }
        if let Task::Leaf(serial) = task {
            self.count("trustchain", "certificates_signed_total", 1);
            self.outbox.event(Event::Issued { serial, height: self.state.height() });
        }
    }
}

/// Rotates tasks so that each comes first in its turn.
fn begin_at(tasks: &mut [Task], turn: usize) {
    if let Some(first) = turn.checked_rem(tasks.len()) {
        tasks.rotate_left(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trustchain::ca::SerialNumber;
    use alloc::collections::BTreeSet;

    #[test]
    fn every_task_comes_first_in_its_turn_whatever_its_serial_number() {
        let serial = |byte| SerialNumber::from_operation(&crate::base::Digest([byte; 32]));
        let tasks: BTreeSet<Task> = (1..=5).map(|byte| Task::Leaf(serial(byte))).collect();
        let first = |turn| {
            let mut tasks: Vec<Task> = tasks.iter().copied().collect();
            begin_at(&mut tasks, turn);
            tasks[0]
        };
        assert_eq!((0..5).map(first).collect::<BTreeSet<_>>(), tasks);
        begin_at(&mut [], 3);
    }
}
