//! As coordinator: gathers shares for what is asked of this node, from other signers where some fail.

use super::answer_times::backed_off;
use crate::api::TraceEvent;
use crate::base::{Mono, PublicKey, StrictSignature, Table, WriteBatch, reached};
use crate::hypermesh::committee::{
    KeyPurpose, NotEnoughSigners, Progress, ShareFault, ShareRequest, SignedShare, SigningSession,
};
use crate::node::admission::Queue;
use crate::node::message::{Message, ShareRequests, SharesSigned, TASK_COUNT_MAX};
use crate::node::signing::Signing;
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{Event, context::Context};
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

impl Signing {
    /// Takes up what was asked for in this step.
    pub(in crate::node) fn start_fresh(&mut self, cx: &mut Context) {
        for task in core::mem::take(&mut self.fresh) {
            self.begin_task(cx, task);
        }
    }

    /// Takes up a task, unless it is under way. If it is signed already, whoever waits for it is answered.
    pub(super) fn begin_task(&mut self, cx: &mut Context, task: Task) {
        if self.finished.contains_key(&task) {
            self.touched.insert(task);
        } else {
            self.pending.begin(cx.now.mono, task);
        }
    }

    /// Whether something of signing can be done now.
    pub(in crate::node) fn has_signing_work(&self, cx: &Context) -> bool {
        !self.work.is_empty() || SERVED.iter().any(|purpose| self.may_attempt(cx, *purpose))
    }

    fn may_attempt(&self, cx: &Context, purpose: KeyPurpose) -> bool {
        let signing = self;
        cx.committee.is_some()
            && !signing.starving.contains(&purpose)
            && signing.pending.ready_count(purpose) > 0
    }

    /// Asks signers for what is ready, a slice of it, in one message to each. For how many tasks.
    pub(super) fn make_attempts(&mut self, cx: &mut Context) -> usize {
        if !SERVED.iter().any(|purpose| self.may_attempt(cx, *purpose)) {
            return 0;
        }
        let preference = self.preference(cx);
        let mut by_signer = ShareRequestsBySigner::new();
        let mut count = 0;
        for purpose in SERVED {
            let before = count;
            while count < ATTEMPT_SLICE_COUNT
                && self.may_attempt(cx, purpose)
                && let Some(task) = self.pending.next_ready(purpose)
            {
                if !self.is_supplied(cx, purpose, &preference) {
                    self.starve(cx, purpose);
                    break;
                }
                count += 1;
                self.attempt(cx, task, &preference, &mut by_signer);
            }
            if count > before {
                self.replace_lost(cx, purpose);
            }
        }
        self.send_requests(cx, by_signer);
        count
    }

    fn is_supplied(&self, cx: &Context, purpose: KeyPurpose, preference: &[PublicKey]) -> bool {
        let stock = &self.stock;
        let committee = cx.committee.as_ref();
        committee.is_some_and(|committee| stock.suffices(committee, purpose, preference))
    }

    /// Notes that tasks wait for commitments, and sees to it that they come.
    fn starve(&mut self, cx: &mut Context, purpose: KeyPurpose) {
        reached!(cx.marks, "commitments have run out");
        self.starving.insert(purpose);
        self.request_commitments(cx, purpose, self.pending.ready_count(purpose));
    }

    /// Asks signers for one task: the first time those that this node prefers, then others, since those asked before were
    /// silent or lied.
    fn attempt(
        &mut self,
        cx: &mut Context,
        task: Task,
        preference: &[PublicKey],
        by_signer: &mut ShareRequestsBySigner,
    ) {
        let now = cx.now.mono;
        let Some(held) = self.pending.get(&task) else { return };
        let (since, retries) = (held.since, held.retries);
        let mut preference = preference.to_vec();
        preference.retain(|peer| !held.caught.contains(peer));
        let due = now.after(backed_off(self.session_timeout(cx), retries, cx.jitter()));
        if !self.uncosigned.is_empty() {
            preference.sort_by_key(|peer| self.uncosigned.contains(&(task, *peer)));
        }
        let session = match self.pending.newest_attempt(&task) {
            Some(newest) => {
                reached!(cx.marks, "a signature is tried again with other signers");
                Some(newest.retry(&preference, &mut self.stock))
            }
            None => {
                let begun = self.begin_session(cx, task, &preference);
                let is_for_clients = matches!(task, Task::Leaf(_) | Task::Checkpoint(_));
                if retries == 0 && is_for_clients && matches!(begun, Some(Ok(_))) {
                    cx.admission.note_delay(now, Queue::Signing, since);
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
                cx.note_signing(task, |on| TraceEvent::SharesAsked { on, of: of.clone() });
                self.pending.note_attempt(now, task, session, due);
            }
            Some(Err(_)) => {
                // Those who are left after the culprits have too few commitments.
                self.pending.postpone(task, due);
                self.request_commitments(cx, task.purpose(), 1);
            }
            // The state does not know of it yet, or the store failed.
            None => self.pending.postpone(task, due),
        }
        cx.timers.bring_forward(Timer::Signing, due);
    }

    fn begin_session(
        &mut self,
        cx: &mut Context,
        task: Task,
        preference: &[PublicKey],
    ) -> Option<Result<SigningSession, NotEnoughSigners>> {
        let committee = cx.committee.clone()?;
        let message = match self.derive(cx, task) {
            Ok(message) => message?,
            Err(fault) => {
                cx.store_fault(&fault);
                return None;
            }
        };
        let stock = &mut self.stock;
        Some(SigningSession::begin(committee, task.purpose(), message, preference, stock))
    }

    /// Whom to ask first: this node itself, then its peers that are linked, in turn with the height.
    fn preference(&self, cx: &Context) -> Vec<PublicKey> {
        let mut peers: Vec<PublicKey> = cx.connected.iter().copied().collect();
        if let Some(turn) =
            usize::try_from(cx.state.height().0).ok().and_then(|height| height.checked_rem(peers.len()))
        {
            peers.rotate_left(turn);
        }
        // One that is linked and far behind cannot derive what it is to sign, and one that was silent may be again.
        let absent = cx.state.absent();
        let silent = |peer: &PublicKey| {
            self.silent.get(peer).is_some_and(|since| cx.now.mono.since(*since) < SILENT_FOR)
        };
        peers.sort_by_key(|peer| (absent.contains(peer), silent(peer)));
        let others = cx.peers().filter(|peer| !cx.connected.contains(peer));
        core::iter::once(cx.identity.public()).chain(peers).chain(others).collect()
    }

    fn send_requests(&mut self, cx: &mut Context, by_signer: ShareRequestsBySigner) {
        let height = cx.state.height();
        let me = cx.identity.public();
        for (signer, requests) in by_signer {
            if signer == me {
                for (task, request) in requests {
                    self.work.push(cx.now.mono, me, task, request);
                }
                continue;
            }
            for chunk in requests.chunks(TASK_COUNT_MAX) {
                let traces = cx.traces_of_tasks(chunk);
                let requests = ShareRequests { height, requests: chunk.to_vec(), traces };
                cx.send(signer, &Message::Shares(requests));
            }
        }
    }

    // --- shares ---

    pub(in crate::node) fn on_signed_shares(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        signed: SharesSigned,
    ) {
        for (size, signature) in signed.cosignatures.into_iter().take(TASK_COUNT_MAX) {
            self.take_cosignature(cx, from, size, signature);
        }
        for share in signed.shares.into_iter().take(TASK_COUNT_MAX) {
            if share.signer == from {
                self.take_share(cx, share);
            }
        }
    }

    fn take_share(&mut self, cx: &mut Context, share: SignedShare) {
        let (now, me) = (cx.now.mono, cx.identity.public());
        let Some((task, held)) = self.pending.attempt(&share.session) else { return };
        let peer = share.signer;
        let took = now.since(held.begun);
        let received = held.session.receive(share);
        let signers: Vec<PublicKey> = held.session.signers().copied().collect();
        let culprits = held.session.culprits().clone();
        if received.is_ok() {
            if peer != me {
                self.answer_times.note(peer, took);
                self.silent.remove(&peer);
            }
            cx.note_signing(task, |on| TraceEvent::ShareCame { on, from: peer });
        }
        match received {
            // A share that comes twice is a message that came twice: the first counts.
            Ok(Progress::Waiting) | Err(ShareFault::Repeated { .. }) => {}
            Ok(Progress::Signed(signature)) => match self.lacking_cosignatures(cx, task, &signers) {
                lacking if lacking.is_empty() => {
                    self.pending.end(&task);
                    self.finish_task(cx, task, signature);
                }
                lacking => self.cosign_with_others(cx, task, lacking),
            },
            Err(ShareFault::BadShares { evidence }) => {
                reached!(cx.marks, "a signer is caught");
                for validator in culprits.iter().copied() {
                    let reason = alloc::format!(
                        "sent a bad signature share, which it signed; {} in all",
                        evidence.len()
                    );
                    cx.note_signing(task, |on| TraceEvent::ShareBad { on, from: validator });
                    cx.outbox.event(Event::Culprit { validator, reason });
                }
                for share in evidence {
                    cx.report_offence(Offence::BadShare(share));
                }
                // At once, and with others: they are not slow.
                cx.count("hypermesh", "signing_retries_total", 1);
                self.pending.catch(task, culprits);
            }
            Err(fault @ ShareFault::InconsistentKeys) => {
                let reason = fault.to_string();
                cx.outbox.event(Event::Broken { reason });
            }
            Err(fault) => {
                let reason = fault.to_string();
                cx.outbox.event(Event::PeerFault { peer, reason });
            }
        }
    }

    // --- time ---

    /// After which time a session is tried again, if it was not yet.
    pub(in crate::node) fn session_timeout(&self, cx: &Context) -> Duration {
        let threshold = cx.committee.as_ref().map_or(1, |committee| committee.threshold());
        self.answer_times.timeout(threshold.saturating_sub(1))
    }

    pub(in crate::node) fn on_timeout(&mut self, cx: &mut Context) {
        let now = cx.now.mono;
        for task in self.pending.overdue(now, ATTEMPT_SLICE_COUNT) {
            if !self.is_wanted(&task) {
                self.pending.end(&task);
                continue;
            }
            let newest = self.pending.newest_attempt(&task);
            let silent = newest.map(|session| session.missing()).unwrap_or_default();
            if !silent.is_empty() {
                cx.count("hypermesh", "signing_retries_total", 1);
            }
            self.silent.extend(silent.into_iter().map(|peer| (peer, now)));
        }
        for purpose in self.starving.clone() {
            match self.pending.ready_count(purpose) {
                0 => _ = self.starving.remove(&purpose),
                waiting => self.request_commitments(cx, purpose, waiting),
            }
        }
        self.consider_shared(cx);
        self.complete_again(cx);
        let again = self.incomplete_due;
        let next = [self.pending.next_due(), self.next_commitments_retry(cx), self.next_shared(cx), again];
        if let Some(next) = next.into_iter().flatten().min() {
            cx.timers.bring_forward(Timer::Signing, next.max(Mono(now.0 + 1)));
        }
    }

    // --- ends ---

    /// Keeps a finished signature, on disk too.
    pub(super) fn keep_signature(&mut self, cx: &mut Context, task: Task, signature: StrictSignature) {
        self.wanted_since.remove(&task);
        self.pending.end_replaced_by(task);
        self.touched.insert(task);
        self.finished.insert(task, signature);
        if let Task::RevocationList(number) = task {
            return self.keep_revocation_list(cx, number, &signature);
        }
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, task.key(), signature.signature().0);
        let _token = cx.persist(writes);
    }

    pub(super) fn finish_task(&mut self, cx: &mut Context, task: Task, signature: StrictSignature) {
        cx.note_signing(task, |on| TraceEvent::Aggregated { on });
        self.keep_signature(cx, task, signature);
        if task.is_shared() {
            if let Some(message) = Self::vouch(cx, task, &signature) {
                cx.broadcast(&message);
            }
            cx.publish();
        }
        if let Task::Leaf(serial) = task {
            cx.count("trustchain", "certificates_signed_total", 1);
            cx.outbox.event(Event::Issued { serial, height: cx.state.height() });
        }
    }

    /// Ends what nobody waits for any more: its certificates are in the log, and whoever asks for one has it signed then.
    pub(in crate::node) fn end_unwanted(&mut self) {
        let unwanted: Vec<Task> =
            self.pending.tasks().filter(|task| !self.is_wanted(task)).copied().collect();
        unwanted.iter().for_each(|task| self.pending.end(task));
    }
}
