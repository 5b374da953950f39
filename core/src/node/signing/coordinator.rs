//! As coordinator: gathers shares for what is asked of this node, from other signers where some fail.

use super::answer_times::backed_off;
use crate::api::TraceEvent;
use crate::base::{Mono, PublicKey, StrictSignature, Table, WriteBatch, reached};
use crate::hypermesh::committee::{
    KeyPurpose, NotEnoughSigners, Progress, ShareFault, ShareRequest, SignedShare, SigningSession,
};
use crate::node::admission::Queue;
use crate::node::message::{Message, ShareRequests, SharesSigned, TASK_COUNT_MAX};
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{Event, Node};
use crate::state::Offence;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

/// So many attempts are made in one turn: a few milliseconds' work, after which votes have theirs.
const ATTEMPT_SLICE_COUNT: usize = 32;
/// In which order purposes are served: certificates wait for checkpoints, and everything waits for the root.
const SERVED: [KeyPurpose; 4] = [KeyPurpose::Root, KeyPurpose::Log, KeyPurpose::Issuing, KeyPurpose::Zone];
/// A signer that was silent is asked after others for this long, unless a share of it comes.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// What a turn asks of each signer.
type ShareRequestsBySigner = BTreeMap<PublicKey, Vec<(Task, ShareRequest)>>;

impl Node {
    /// Takes up what was asked for in this step.
    pub(in crate::node) fn start_fresh(&mut self) {
        for task in core::mem::take(&mut self.signing.fresh) {
            self.begin_task(task);
        }
    }

    /// Takes up a task, unless it is under way. If it is signed already, whoever waits for it is answered.
    pub(super) fn begin_task(&mut self, task: Task) {
        if self.signing.finished.contains_key(&task) {
            self.signing.touched.insert(task);
        } else {
            self.signing.pending.begin(self.now.mono, task);
        }
    }

    /// Whether something of signing can be done now.
    pub(in crate::node) fn has_signing_work(&self) -> bool {
        !self.signing.work.is_empty() || SERVED.iter().any(|purpose| self.may_attempt(*purpose))
    }

    fn may_attempt(&self, purpose: KeyPurpose) -> bool {
        let signing = &self.signing;
        signing.committee.is_some()
            && !signing.starving.contains(&purpose)
            && signing.pending.ready_count(purpose) > 0
    }

    /// Asks signers for what is ready, a slice of it, in one message to each. For how many tasks.
    pub(super) fn make_attempts(&mut self) -> usize {
        if !SERVED.iter().any(|purpose| self.may_attempt(*purpose)) {
            return 0;
        }
        let preference = self.preference();
        let mut by_signer = ShareRequestsBySigner::new();
        let mut count = 0;
        for purpose in SERVED {
            let before = count;
            while count < ATTEMPT_SLICE_COUNT
                && self.may_attempt(purpose)
                && let Some(task) = self.signing.pending.next_ready(purpose)
            {
                if !self.is_supplied(purpose, &preference) {
                    self.starve(purpose);
                    break;
                }
                count += 1;
                self.attempt(task, &preference, &mut by_signer);
            }
            if count > before {
                self.replace_lost(purpose);
            }
        }
        self.send_requests(by_signer);
        count
    }

    fn is_supplied(&self, purpose: KeyPurpose, preference: &[PublicKey]) -> bool {
        let stock = &self.signing.stock;
        let committee = self.signing.committee.as_ref();
        committee.is_some_and(|committee| stock.suffices(committee, purpose, preference))
    }

    /// Notes that tasks wait for commitments, and sees to it that they come.
    fn starve(&mut self, purpose: KeyPurpose) {
        reached!(self.marks, "commitments have run out");
        self.signing.starving.insert(purpose);
        self.request_commitments(purpose, self.signing.pending.ready_count(purpose));
    }

    /// Asks signers for one task: the first time those that this node prefers, then others, since those asked before were
    /// silent or lied.
    fn attempt(&mut self, task: Task, preference: &[PublicKey], by_signer: &mut ShareRequestsBySigner) {
        let now = self.now.mono;
        let Some(held) = self.signing.pending.get(&task) else { return };
        let (since, retries) = (held.since, held.retries);
        let mut preference = preference.to_vec();
        preference.retain(|peer| !held.caught.contains(peer));
        let due = now.after(backed_off(self.session_timeout(), retries, self.jitter()));
        if !self.signing.uncosigned.is_empty() {
            preference.sort_by_key(|peer| self.signing.uncosigned.contains(&(task, *peer)));
        }
        let session = match self.signing.pending.newest_attempt(&task) {
            Some(newest) => {
                reached!(self.marks, "a signature is tried again with other signers");
                Some(newest.retry(&preference, &mut self.signing.stock))
            }
            None => {
                let begun = self.begin_session(task, &preference);
                let is_for_clients = matches!(task, Task::Leaf(_) | Task::Checkpoint(_));
                if retries == 0 && is_for_clients && matches!(begun, Some(Ok(_))) {
                    self.admission.note_delay(now, Queue::Signing, since);
                }
                begun
            }
        };
        match session {
            Some(Ok(session)) => {
                for signer in session.signers() {
                    by_signer.entry(*signer).or_default().push((task, session.request().clone()));
                }
                let of: Vec<PublicKey> = session.signers().copied().collect();
                self.note_signing(task, |on| TraceEvent::SharesAsked { on, of: of.clone() });
                self.signing.pending.note_attempt(now, task, session, due);
            }
            Some(Err(_)) => {
                // Those who are left after the culprits have too few commitments.
                self.signing.pending.postpone(task, due);
                self.request_commitments(task.purpose(), 1);
            }
            // The state does not know of it yet, or the store failed.
            None => self.signing.pending.postpone(task, due),
        }
        self.timers.bring_forward(Timer::Signing, due);
    }

    fn begin_session(
        &mut self,
        task: Task,
        preference: &[PublicKey],
    ) -> Option<Result<SigningSession, NotEnoughSigners>> {
        let committee = self.signing.committee.clone()?;
        let message = match self.derive(task) {
            Ok(message) => message?,
            Err(fault) => {
                self.store_fault(&fault);
                return None;
            }
        };
        let stock = &mut self.signing.stock;
        Some(SigningSession::begin(committee, task.purpose(), message, preference, stock))
    }

    /// Whom to ask first: this node itself, then its peers that are linked, in turn with the height.
    fn preference(&self) -> Vec<PublicKey> {
        let mut peers: Vec<PublicKey> = self.connected.iter().copied().collect();
        if let Some(turn) =
            usize::try_from(self.state.height().0).ok().and_then(|height| height.checked_rem(peers.len()))
        {
            peers.rotate_left(turn);
        }
        // One that is linked and far behind cannot derive what it is to sign, and one that was silent may be again.
        let absent = self.state.absent();
        let silent = |peer: &PublicKey| {
            self.signing.silent.get(peer).is_some_and(|since| self.now.mono.since(*since) < SILENT_FOR)
        };
        peers.sort_by_key(|peer| (absent.contains(peer), silent(peer)));
        let others = self.peers().filter(|peer| !self.connected.contains(peer));
        core::iter::once(self.identity.public()).chain(peers).chain(others).collect()
    }

    fn send_requests(&mut self, by_signer: ShareRequestsBySigner) {
        let height = self.state.height();
        let me = self.identity.public();
        for (signer, requests) in by_signer {
            if signer == me {
                for (task, request) in requests {
                    self.signing.work.push(self.now.mono, me, task, request);
                }
                continue;
            }
            for chunk in requests.chunks(TASK_COUNT_MAX) {
                let traces = self.traces_of_tasks(chunk);
                let requests = ShareRequests { height, requests: chunk.to_vec(), traces };
                self.send(signer, &Message::Shares(requests));
            }
        }
    }

    // --- shares ---

    pub(in crate::node) fn on_signed_shares(&mut self, from: PublicKey, signed: SharesSigned) {
        for (size, signature) in signed.cosignatures.into_iter().take(TASK_COUNT_MAX) {
            self.take_cosignature(from, size, signature);
        }
        for share in signed.shares.into_iter().take(TASK_COUNT_MAX) {
            if share.signer == from {
                self.take_share(share);
            }
        }
    }

    fn take_share(&mut self, share: SignedShare) {
        let (now, me) = (self.now.mono, self.identity.public());
        let Some((task, held)) = self.signing.pending.attempt(&share.session) else { return };
        let peer = share.signer;
        let took = now.since(held.begun);
        let received = held.session.receive(share);
        let signers: Vec<PublicKey> = held.session.signers().copied().collect();
        let culprits = held.session.culprits().clone();
        if received.is_ok() {
            if peer != me {
                self.signing.answer_times.note(peer, took);
                self.signing.silent.remove(&peer);
            }
            self.note_signing(task, |on| TraceEvent::ShareCame { on, from: peer });
        }
        match received {
            // A share that comes twice is a message that came twice: the first counts.
            Ok(Progress::Waiting) | Err(ShareFault::Repeated { .. }) => {}
            Ok(Progress::Signed(signature)) => match self.lacking_cosignatures(task, &signers) {
                lacking if lacking.is_empty() => {
                    self.signing.pending.end(&task);
                    self.finish_task(task, signature);
                }
                lacking => self.cosign_with_others(task, lacking),
            },
            Err(ShareFault::BadShares { evidence }) => {
                reached!(self.marks, "a signer is caught");
                for validator in culprits.iter().copied() {
                    let reason = alloc::format!(
                        "sent a bad signature share, which it signed; {} in all",
                        evidence.len()
                    );
                    self.note_signing(task, |on| TraceEvent::ShareBad { on, from: validator });
                    self.outbox.event(Event::Culprit { validator, reason });
                }
                for share in evidence {
                    self.report_offence(Offence::BadShare(share));
                }
                // At once, and with others: they are not slow.
                self.count("hypermesh", "signing_retries_total", 1);
                self.signing.pending.catch(task, culprits);
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

    // --- time ---

    /// After which time a session is tried again, if it was not yet.
    pub(in crate::node) fn session_timeout(&self) -> Duration {
        let threshold = self.signing.committee.as_ref().map_or(1, |committee| committee.threshold());
        self.signing.answer_times.timeout(threshold.saturating_sub(1))
    }

    /// Any number, which no other node draws at the same time.
    pub(in crate::node) fn jitter(&mut self) -> u16 {
        let mut bytes = [0; 2];
        self.entropy.as_mut().fill(&mut bytes);
        u16::from_le_bytes(bytes)
    }

    pub(in crate::node) fn on_signing_timeout(&mut self) {
        let now = self.now.mono;
        for task in self.signing.pending.overdue(now, ATTEMPT_SLICE_COUNT) {
            if !self.signing.is_wanted(&task) {
                self.signing.pending.end(&task);
                continue;
            }
            let newest = self.signing.pending.newest_attempt(&task);
            let silent = newest.map(|session| session.missing()).unwrap_or_default();
            if !silent.is_empty() {
                self.count("hypermesh", "signing_retries_total", 1);
            }
            self.signing.silent.extend(silent.into_iter().map(|peer| (peer, now)));
        }
        for purpose in self.signing.starving.clone() {
            match self.signing.pending.ready_count(purpose) {
                0 => _ = self.signing.starving.remove(&purpose),
                waiting => self.request_commitments(purpose, waiting),
            }
        }
        self.consider_shared();
        self.complete_again();
        let again = self.signing.incomplete_due;
        let next =
            [self.signing.pending.next_due(), self.next_commitments_retry(), self.next_shared(), again];
        if let Some(next) = next.into_iter().flatten().min() {
            self.timers.bring_forward(Timer::Signing, next.max(Mono(now.0 + 1)));
        }
    }

    // --- ends ---

    /// Keeps a finished signature, on disk too.
    pub(super) fn keep_signature(&mut self, task: Task, signature: StrictSignature) {
        self.signing.wanted_since.remove(&task);
        self.signing.pending.end_replaced_by(task);
        self.signing.touched.insert(task);
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

    /// Ends what nobody waits for any more: its certificates are in the log, and whoever asks for one has it signed then.
    pub(in crate::node) fn end_unwanted(&mut self) {
        let unwanted: Vec<Task> =
            self.signing.pending.tasks().filter(|task| !self.signing.is_wanted(task)).copied().collect();
        unwanted.iter().for_each(|task| self.signing.pending.end(task));
    }
}
