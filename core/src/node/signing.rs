//! Threshold signing, both sides: as coordinator this node gathers shares for what its clients wait for; as
//! signer it gives shares for bytes that it derived itself.

use super::commit::Committed;
use super::message::{
    CommitmentsOffered, Message, ShareRequests, SharesSigned, TASK_COUNT_MAX, TaskSignature,
};
use super::task::Task;
use super::timers::Timer;
use super::{Event, Node, OpenFault, RequestId};
use crate::base::{Digest, Mono, PublicKey, Reader as _, Signature, Table, WriteBatch};
use crate::hypermesh::committee::{
    CommitmentPool, Committee, KeyPurpose, OFFER_COMMITMENT_COUNT_MAX, Progress, ShareFault, ShareRequest,
    SignRefusal, SignedShare, Signer, SigningSession, outstanding_count_max,
};
use crate::state::{ActiveCommittee, Block, SystemAction, SystemOperation, Validator, cosigner_name};
use crate::trustchain::ca::SerialNumber;
use crate::trustchain::ct::{Cosigner, NoteSignature, SignedCheckpoint};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Signers that have not answered after this long are passed over for others.
const SIGNER_TIMEOUT: Duration = Duration::from_millis(300);
/// The root and issuing certificates are coordinated by the first validator; each next one steps in after this.
const AUTHORITY_STEP: Duration = Duration::from_millis(1500);
/// The most messages that wait for blocks that this node has not applied yet, of one coordinator.
const WAITING_PER_COORDINATOR_MAX: usize = 64;
/// How many finished checkpoints are kept in memory.
const CHECKPOINTS_KEPT: usize = 64;

/// Signing, as coordinator and as signer.
#[derive(Default)]
pub(super) struct Signing {
    pub(super) committee: Option<Arc<Committee>>,
    signer: Option<Signer>,
    stock: CommitmentPool,
    /// Sessions under way, by task.
    sessions: BTreeMap<Task, Session>,
    /// Their tasks, by the name that the shares bear.
    tasks: BTreeMap<Digest, Task>,
    /// Tasks that were asked for in the step under way; they are begun together at its end.
    pub(super) fresh: BTreeSet<Task>,
    /// Tasks that wait for commitments.
    starved: BTreeSet<Task>,
    /// Requests for blocks that this node has not applied yet.
    waiting: Vec<(PublicKey, ShareRequests)>,
    /// Who waits for a certificate or a checkpoint.
    pub(super) certificates: BTreeMap<SerialNumber, CertificateWaited>,
    pub(super) checkpoints: BTreeMap<u64, Vec<RequestId>>,
    /// Finished signatures: the root's and the issuing certificate's, and those that someone waits for.
    pub(super) finished: BTreeMap<Task, Signature>,
    /// Cosignatures by log size and validator.
    cosignatures: BTreeMap<u64, BTreeMap<PublicKey, Signature>>,
    /// The validators' signed confirmations of the committee's keys.
    pub(super) confirmations: BTreeMap<PublicKey, SystemOperation>,
    active_since: Mono,
}

/// Who waits for a certificate.
#[derive(Default)]
pub(super) struct CertificateWaited {
    pub(super) requests: Vec<RequestId>,
    /// The checkpoint that the answer needs, by the log's size.
    pub(super) log_size: Option<u64>,
}

struct Session {
    session: SigningSession,
    begun: Mono,
}

impl Node {
    /// Picks up what was signed before a restart.
    pub(super) fn load_signing(&mut self) -> Result<(), OpenFault> {
        let Some(committee) = self.state.committee() else { return Ok(()) };
        for validator in self.state.validators().as_slice().to_vec() {
            let key = confirmation_key(committee.attempt, &validator);
            if let Some(row) = self.store.get(Table::Signed, &key)? {
                let damaged = OpenFault::Damaged { what: "confirmation of the committee's keys" };
                let operation = crate::base::decode(&row, row.len()).map_err(|_| damaged)?;
                self.signing.confirmations.insert(validator, operation);
            }
        }
        self.activate(&committee);
        for task in [Task::Root, Task::Issuing] {
            self.load_signature(task)?;
        }
        Ok(())
    }

    fn load_signature(&mut self, task: Task) -> Result<(), OpenFault> {
        if let Some(row) = self.store.get(Table::Signed, &task.key())? {
            let damaged = OpenFault::Damaged { what: "signature" };
            let signature = Signature(row.try_into().map_err(|_| damaged)?);
            self.signing.finished.insert(task, signature);
        }
        Ok(())
    }

    /// Begins to sign with the committee's keys.
    fn activate(&mut self, active: &ActiveCommittee) {
        let Ok(committee) = Committee::new(active.keys.clone()) else { return };
        let committee = Arc::new(committee);
        let shares = self.stored_shares(active.attempt).map(|(_, shares)| shares);
        let me = self.identity.public();
        self.signing.signer =
            shares.and_then(|shares| Signer::new(me, committee.clone(), &shares, self.entropy.as_mut()).ok());
        self.signing.committee = Some(committee);
        self.signing.active_since = self.now.mono;
        let holds_shares = self.signing.signer.is_some();
        self.outbox.event(Event::CommitteeActive { height: active.height, holds_shares });
        // Those whose keys were active first asked in vain, and those whose will be later ask again.
        for peer in self.connected.clone() {
            self.ask_for_commitments(peer);
            self.offer_anew(peer);
        }
        self.offer_commitments(me, false, 0);
        self.timers.start(Timer::Signing, self.now.mono);
    }

    /// Keeps the confirmations that a block carries, because a trust bundle needs them. They become durable
    /// together with the block: it is the only time that this node sees them.
    pub(super) fn keep_confirmations(&mut self, block: &Block, writes: &mut WriteBatch) {
        for operation in &block.body.system {
            if let SystemAction::GenerationConfirm { attempt, .. } = &operation.action {
                let key = confirmation_key(*attempt, &operation.validator);
                writes.put(Table::Signed, key, crate::base::encode(operation));
                self.signing.confirmations.insert(operation.validator, operation.clone());
            }
        }
    }

    pub(super) fn signing_after(&mut self, committed: &Committed) {
        if self.signing.committee.is_none()
            && let Some(active) = self.state.committee()
        {
            self.activate(&active);
        }
        let waiting = core::mem::take(&mut self.signing.waiting);
        for (coordinator, requests) in waiting {
            self.on_share_requests(coordinator, requests);
        }
        let _height = committed.height;
    }

    // --- commitments ---

    /// Tells a peer that this node holds none of its commitments any more.
    pub(super) fn ask_for_commitments(&mut self, peer: PublicKey) {
        self.signing.stock.forget(&peer);
        self.send(peer, &Message::WantCommitments);
    }

    pub(super) fn on_want_commitments(&mut self, coordinator: PublicKey) {
        self.offer_anew(coordinator);
    }

    /// Voids what a coordinator holds of this node's commitments, and gives it others.
    fn offer_anew(&mut self, coordinator: PublicKey) {
        let Some(signer) = &mut self.signing.signer else { return };
        signer.forget(&coordinator);
        self.offer_commitments(coordinator, true, 0);
    }

    /// Fills up what a coordinator holds of this node's commitments, if it is running low, the more the more it
    /// has just spent: making them takes long, and most coordinators need few.
    fn offer_commitments(&mut self, coordinator: PublicKey, anew: bool, spent: usize) {
        let Some(signer) = &mut self.signing.signer else { return };
        let mut offers = Vec::new();
        for purpose in KeyPurpose::ALL {
            let wanted = outstanding_count_max(purpose).min(OFFER_COMMITMENT_COUNT_MAX + 2 * spent);
            if signer.outstanding_count(&coordinator, purpose) * 2 > wanted {
                continue;
            }
            while signer.outstanding_count(&coordinator, purpose) < wanted
                && let Some(offer) = signer.offer(coordinator, purpose, self.entropy.as_mut())
            {
                offers.push(offer);
            }
        }
        if offers.is_empty() {
            return;
        }
        let offered = CommitmentsOffered { anew, offers };
        if coordinator == self.identity.public() {
            self.on_commitments(coordinator, offered);
        } else {
            self.send(coordinator, &Message::Commitments(offered));
        }
    }

    pub(super) fn on_commitments(&mut self, from: PublicKey, offered: CommitmentsOffered) {
        let Some(committee) = self.signing.committee.clone() else { return };
        if offered.anew {
            self.signing.stock.forget(&from);
        }
        for offer in offered.offers {
            if let Err(fault) = self.signing.stock.accept_offer(&committee, from, offer) {
                self.outbox.event(Event::PeerFault { peer: from, reason: fault.to_string() });
            }
        }
        let starved: Vec<Task> = core::mem::take(&mut self.signing.starved).into_iter().collect();
        self.start_tasks(&starved);
    }

    // --- coordinator ---

    /// Begins what was asked for in this step, so that one message to each signer carries all of it.
    pub(super) fn start_fresh(&mut self) {
        if self.signing.fresh.is_empty() {
            return;
        }
        let tasks: Vec<Task> = core::mem::take(&mut self.signing.fresh).into_iter().collect();
        self.start_tasks(&tasks);
        self.answer_waiting();
    }

    /// Begins to gather signatures for tasks that have none and are not under way.
    pub(super) fn start_tasks(&mut self, tasks: &[Task]) {
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

    fn begin_session(&mut self, task: Task) -> Option<SigningSession> {
        let committee = self.signing.committee.clone()?;
        let message = match self.derive(task) {
            Ok(message) => message?,
            Err(fault) => {
                self.store_fault(&fault);
                return None;
            }
        };
        let preference = self.preference();
        SigningSession::begin(committee, task.purpose(), message, &preference, &mut self.signing.stock).ok()
    }

    /// Whom to ask first: this node itself, then its peers that are linked, in turn with the height.
    fn preference(&self) -> Vec<PublicKey> {
        let mut peers: Vec<PublicKey> = self.connected.iter().copied().collect();
        if let Some(turn) =
            usize::try_from(self.state.height().0).ok().and_then(|height| height.checked_rem(peers.len()))
        {
            peers.rotate_left(turn);
        }
        let others = self.peers().filter(|peer| !self.connected.contains(peer));
        core::iter::once(self.identity.public()).chain(peers).chain(others).collect()
    }

    fn ask(
        &mut self,
        task: Task,
        session: SigningSession,
        requests: &mut BTreeMap<PublicKey, Vec<(Task, ShareRequest)>>,
    ) {
        for signer in session.signers() {
            requests.entry(*signer).or_default().push((task, session.request().clone()));
        }
        self.signing.tasks.insert(session.session(), task);
        self.signing.sessions.insert(task, Session { session, begun: self.now.mono });
        self.timers.start(Timer::Signing, self.now.mono.after(SIGNER_TIMEOUT));
    }

    fn send_requests(&mut self, requests: BTreeMap<PublicKey, Vec<(Task, ShareRequest)>>) {
        let height = self.state.height();
        let me = self.identity.public();
        let mut own = Vec::new();
        for (signer, requests) in requests {
            if signer == me {
                own = requests;
                continue;
            }
            for chunk in requests.chunks(TASK_COUNT_MAX) {
                self.send(signer, &Message::Shares(ShareRequests { height, requests: chunk.to_vec() }));
            }
        }
        if !own.is_empty() {
            let spent = own.len();
            let signed = self.sign_shares(me, own);
            self.on_signed_shares(me, signed);
            self.offer_commitments(me, false, spent);
        }
    }

    pub(super) fn on_signed_shares(&mut self, from: PublicKey, signed: SharesSigned) {
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

    fn take_share(&mut self, share: SignedShare) {
        let Some(task) = self.signing.tasks.get(&share.session).copied() else { return };
        let Some(held) = self.signing.sessions.get_mut(&task) else { return };
        match held.session.receive(share) {
            Ok(Progress::Waiting) => {}
            Ok(Progress::Signed(signature)) => {
                self.end_session(task);
                self.finish_task(task, signature);
            }
            Err(ShareFault::BadShares { evidence }) => {
                let culprits = held.session.culprits().clone();
                for validator in culprits {
                    let reason = alloc::format!(
                        "sent a bad signature share, which it signed; {} in all",
                        evidence.len()
                    );
                    self.outbox.event(Event::Culprit { validator, reason });
                }
                self.retry(task);
            }
            Err(fault) => {
                let reason = fault.to_string();
                self.outbox.event(Event::Broken { reason });
            }
        }
    }

    fn end_session(&mut self, task: Task) -> Option<Session> {
        let held = self.signing.sessions.remove(&task)?;
        self.signing.tasks.remove(&held.session.session());
        Some(held)
    }

    /// Asks other signers: those asked before were silent or lied.
    fn retry(&mut self, task: Task) {
        let Some(mut held) = self.end_session(task) else { return };
        self.count("hypermesh", "signing_retries_total", 1);
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
    fn starve(&mut self, task: Task) {
        self.signing.starved.insert(task);
        self.timers.start(Timer::Signing, self.now.mono.after(SIGNER_TIMEOUT));
    }

    pub(super) fn on_signing_timeout(&mut self) {
        let now = self.now.mono;
        let late = |held: &&Task| {
            self.signing.sessions.get(held).is_some_and(|session| now.since(session.begun) >= SIGNER_TIMEOUT)
        };
        let late: Vec<Task> = self.signing.sessions.keys().filter(late).copied().collect();
        late.into_iter().for_each(|task| self.retry(task));
        let starved: Vec<Task> = core::mem::take(&mut self.signing.starved).into_iter().collect();
        if !starved.is_empty() {
            self.feed(&starved);
            self.start_tasks(&starved);
        }
        self.consider_authority();
        let busy = !self.signing.sessions.is_empty() || !self.signing.starved.is_empty();
        if busy || (self.signing.committee.is_some() && !self.has_authority()) {
            self.timers.start(Timer::Signing, now.after(SIGNER_TIMEOUT));
        }
    }

    /// Asks for commitments those of whom none are left: an offer may have been lost.
    fn feed(&mut self, starved: &[Task]) {
        let me = self.identity.public();
        self.offer_commitments(me, false, starved.len());
        for peer in self.connected.clone() {
            let empty = |task: &Task| self.signing.stock.held_count(&peer, task.purpose()) == 0;
            if starved.iter().any(empty) {
                self.ask_for_commitments(peer);
            }
        }
    }

    fn finish_task(&mut self, task: Task, signature: Signature) {
        self.signing.starved.remove(&task);
        self.signing.finished.insert(task, signature);
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, task.key(), signature.0);
        let _token = self.persist(writes);
        if matches!(task, Task::Root | Task::Issuing) {
            self.broadcast(&Message::Signature(TaskSignature { task, signature }));
            self.publish();
        }
        if let Task::Leaf(serial) = task {
            self.count("trustchain", "certificates_signed_total", 1);
            self.outbox.event(Event::Issued { serial, height: self.state.height() });
        }
    }

    // --- the root and issuing certificates ---

    /// Whether both are signed.
    pub(super) fn has_authority(&self) -> bool {
        [Task::Root, Task::Issuing].iter().all(|task| self.signing.finished.contains_key(task))
    }

    /// One validator coordinates, so that the whole mesh shows the same bytes; the next steps in if it does not.
    fn consider_authority(&mut self) {
        if self.signing.committee.is_none() || self.has_authority() {
            return;
        }
        let rank = self.state.validators().position(&self.identity.public()).unwrap_or_default();
        let turn = AUTHORITY_STEP.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
        if self.now.mono.since(self.signing.active_since) >= turn {
            self.start_tasks(&[Task::Root, Task::Issuing]);
        }
    }

    pub(super) fn send_authority(&mut self, peer: PublicKey) {
        for task in [Task::Root, Task::Issuing] {
            if let Some(signature) = self.signing.finished.get(&task).copied() {
                self.send(peer, &Message::Signature(TaskSignature { task, signature }));
            }
        }
    }

    pub(super) fn on_task_signature(&mut self, from: PublicKey, given: TaskSignature) {
        let TaskSignature { task, signature } = given;
        let wanted = matches!(task, Task::Root | Task::Issuing) && !self.signing.finished.contains_key(&task);
        let key =
            self.signing.committee.as_ref().and_then(|committee| committee.keys().public(task.purpose()));
        let (true, Some(key), Ok(Some(message))) = (wanted, key, self.derive(task)) else { return };
        if key.verify_bytes(&message, &signature).is_err() {
            let reason = "sent a signature that does not hold".to_string();
            return self.outbox.event(Event::PeerFault { peer: from, reason });
        }
        self.end_session(task);
        self.signing.starved.remove(&task);
        self.signing.finished.insert(task, signature);
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, task.key(), signature.0);
        let _token = self.persist(writes);
        self.publish();
        self.answer_waiting();
    }

    // --- signer ---

    pub(super) fn on_share_requests(&mut self, coordinator: PublicKey, requests: ShareRequests) {
        if requests.requests.len() > TASK_COUNT_MAX {
            return;
        }
        if requests.height > self.state.height() {
            let held = self.signing.waiting.iter().filter(|(from, _)| *from == coordinator).count();
            if held < WAITING_PER_COORDINATOR_MAX {
                self.signing.waiting.push((coordinator, requests));
            }
            return;
        }
        let spent = requests.requests.len();
        let signed = self.sign_shares(coordinator, requests.requests);
        if !signed.shares.is_empty() {
            self.send(coordinator, &Message::SignedShares(signed));
        }
        self.offer_commitments(coordinator, false, spent);
    }

    /// Shares for the tasks whose bytes this node can derive itself, and cosignatures for the checkpoints.
    fn sign_shares(&mut self, coordinator: PublicKey, requests: Vec<(Task, ShareRequest)>) -> SharesSigned {
        let mut signed = SharesSigned { shares: Vec::new(), cosignatures: Vec::new() };
        for (task, request) in requests {
            let message = match self.derive(task) {
                Ok(Some(message)) if request.purpose == task.purpose() => message,
                Ok(_) => continue,
                Err(fault) => {
                    self.store_fault(&fault);
                    continue;
                }
            };
            let Some(signer) = &mut self.signing.signer else { continue };
            match signer.sign(&coordinator, &request, &message, &self.identity) {
                Ok(share) => signed.shares.push(share),
                // The request crossed the offer that voided its commitments: nobody's fault.
                Err(SignRefusal::UnknownNonce) => continue,
                Err(refusal) => {
                    let reason = refusal.to_string();
                    self.outbox.event(Event::PeerFault { peer: coordinator, reason });
                    continue;
                }
            }
            if let Task::Checkpoint(size) = task {
                signed.cosignatures.extend(self.cosign(size).map(|signature| (size, signature)));
            }
        }
        signed
    }

    // --- checkpoints ---

    fn cosign(&self, size: u64) -> Option<Signature> {
        let checkpoint = self.checkpoint(size)?;
        let message = checkpoint.cosignature_message(self.cosignature_seconds());
        Some(self.identity.sign_bytes(message.as_bytes()))
    }

    /// Cosignatures carry the time at which the committee began: the same on every node, and no promise of when.
    fn cosignature_seconds(&self) -> u64 {
        self.state.committee().map_or(0, |committee| committee.time.seconds())
    }

    fn take_cosignature(&mut self, from: PublicKey, size: u64, signature: Signature) {
        let Some(checkpoint) = self.checkpoint(size) else { return };
        let message = checkpoint.cosignature_message(self.cosignature_seconds());
        if from.verify_bytes(message.as_bytes(), &signature).is_ok() {
            self.signing.cosignatures.entry(size).or_default().insert(from, signature);
        }
    }

    /// The checkpoint at a size as a signed note, once the log key and a quorum have signed it.
    pub(super) fn checkpoint_note(&self, size: u64) -> Option<alloc::string::String> {
        let checkpoint = self.checkpoint(size)?;
        let signature = self.signing.finished.get(&Task::Checkpoint(size))?;
        let cosignatures = self.signing.cosignatures.get(&size)?;
        if cosignatures.len() < self.state.validators().quorum() {
            return None;
        }
        let log_key = self.signing.committee.as_ref()?.keys().public(KeyPurpose::Log)?;
        let zone = self.state.genesis_document().zone.clone();
        let mut signatures =
            alloc::vec![NoteSignature::by_log(&checkpoint.origin, &log_key, signature).ok()?];
        for (validator, signature) in cosignatures {
            let row = self.state.get::<Validator>(validator)?;
            let cosigner = Cosigner { name: cosigner_name(&row.name, &zone), key: *validator };
            signatures
                .push(NoteSignature::by_cosigner(&cosigner, self.cosignature_seconds(), signature).ok()?);
        }
        SignedCheckpoint { checkpoint, signatures }.to_note().ok()
    }

    /// Forgets finished signatures that nobody waits for any more.
    pub(super) fn forget_finished(&mut self) {
        let signing = &mut self.signing;
        let newest = signing.cosignatures.keys().rev().nth(CHECKPOINTS_KEPT).copied().unwrap_or_default();
        let needed: BTreeSet<u64> = signing.certificates.values().filter_map(|held| held.log_size).collect();
        let waited = |size: &u64| signing.checkpoints.contains_key(size) || needed.contains(size);
        signing.cosignatures.retain(|size, _| *size > newest || waited(size));
        let certificates = &signing.certificates;
        let cosignatures = &signing.cosignatures;
        signing.finished.retain(|task, _| match task {
            Task::Root | Task::Issuing => true,
            Task::Leaf(serial) => certificates.contains_key(serial),
            Task::Checkpoint(size) => cosignatures.contains_key(size),
        });
    }
}

fn confirmation_key(attempt: u32, validator: &PublicKey) -> Vec<u8> {
    [b"confirmation/".as_slice(), &attempt.to_be_bytes(), &validator.0].concat()
}
