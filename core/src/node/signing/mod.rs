//! Threshold signing, both sides: as coordinator this node gathers shares for what its clients wait for; as
//! signer it gives shares for bytes that it derived itself.

mod answer_times;
mod authority;
mod certificates;
mod checkpoint;
mod commitments;
mod coordinator;
mod derive;
mod finished;
mod needed;
mod pending_signatures;
mod revocation;
mod signer;
#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
pub(in crate::node) mod tests;
mod waiting;
mod work;

use crate::api::{IssuedCertificate, Response};
use crate::base::{Mono, PublicKey, Reader as _, Size, StrictSignature, Table, WriteBatch};
use crate::hypermesh::committee::{CommitmentPool, Committee, KeyPurpose, Signer};
use crate::node::ask::Committed;
use crate::node::context::Context;
use crate::node::message::TaskSignature;
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::waiters::{WAITER_COUNT_MAX, Waiters};
use crate::node::{Event, OpenFault, RequestId};
use crate::state::{ActiveCommittee, Block, SystemAction, SystemOperation};
use crate::trustchain::ca::SerialNumber;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use needed::NeededCheckpoints;

/// Which response a certificate is: several methods answer with one.
pub(in crate::node) type CertificateResponse = fn(IssuedCertificate) -> Response;

/// How many finished checkpoints are kept in memory.
const CHECKPOINTS_KEPT: usize = 64;

/// Signing, as coordinator and as signer.
#[derive(Default)]
pub(in crate::node) struct Signing {
    signer: Option<Signer>,
    stock: CommitmentPool,
    /// Peers that are linked and have offered commitments since: they hold key shares.
    offered: BTreeSet<PublicKey>,
    /// When those that have not were asked last.
    offers_asked: Mono,
    /// Commitments that were asked for and given.
    supply: commitments::Supply,
    /// Signatures under way.
    pending: pending_signatures::PendingSignatures,
    /// Purposes for which there are too few commitments for what is ready to be signed.
    starving: BTreeSet<KeyPurpose>,
    /// How long signers take to answer.
    answer_times: answer_times::AnswerTimes,
    /// When each signer was last found silent, if it has not answered since.
    silent: BTreeMap<PublicKey, Mono>,
    /// Tasks that were asked for in the step under way, in this order; they are taken up together at its end.
    pub(in crate::node) fresh: Vec<Task>,
    /// Tasks that were signed in the step under way, or cosigned; who waits for them is answered at its end.
    pub(in crate::node) touched: BTreeSet<Task>,
    /// Requests for blocks that this node has not applied yet.
    waiting: waiting::Waiting,
    /// Requests for shares that this node can give.
    work: work::Work,
    /// Who waits for a certificate, and as what it is answered; and who for a checkpoint.
    pub(in crate::node) certificates: Waiters<SerialNumber, CertificateResponse>,
    pub(in crate::node) checkpoints: Waiters<u64>,
    /// The checkpoints that answers with certificates need.
    pub(in crate::node) needed_checkpoints: NeededCheckpoints,
    /// Certificates that are signed and could not be put together yet: their checkpoint is lacking, or a row cannot be read.
    pub(in crate::node) incomplete: BTreeSet<SerialNumber>,
    /// When they are looked at again, whatever happens.
    pub(in crate::node) incomplete_due: Option<Mono>,
    /// Finished signatures: those that the whole mesh shares, and those that someone waits for.
    pub(in crate::node) finished: BTreeMap<Task, StrictSignature>,
    /// Cosignatures by log size and validator.
    cosignatures: BTreeMap<u64, BTreeMap<PublicKey, StrictSignature>>,
    /// Who gave a share for a checkpoint and no cosignature: asked last from then on.
    uncosigned: BTreeSet<(Task, PublicKey)>,
    /// The validators' signed confirmations of the committee's keys.
    pub(in crate::node) confirmations: BTreeMap<PublicKey, SystemOperation>,
    /// Tasks that the whole mesh shares and that are not signed yet, and since when this node knows of them.
    wanted_since: BTreeMap<Task, Mono>,
    /// Signatures for blocks that this node has not applied yet, one of each peer.
    early: BTreeMap<PublicKey, TaskSignature>,
    /// The issuing certificate that this node told of last.
    issuing_announced: Option<u32>,
    /// The revocation lists: what is to be signed, what is, and who waits for it.
    lists: revocation::Lists,
}

impl Signing {
    pub(in crate::node) fn sizes(&self, validators: usize) -> Vec<Size> {
        let (requests, checkpoints) = (self.certificates.count(), self.checkpoints.count());
        let waited = self.checkpoints.thing_count() + self.certificates.thing_count();
        let cosigned_max = CHECKPOINTS_KEPT + 1 + waited;
        let [asked, demand, renewed] = self.supply.counts();
        let purposes = KeyPurpose::ALL.len() * validators;
        let mut sizes = self.pending.sizes().to_vec();
        sizes.extend([
            Size::limited("peers that offered commitments", self.offered.len(), validators),
            self.answer_times.size(validators),
            Size::limited("signers that were silent", self.silent.len(), validators),
            Size::limited(
                "requests for shares that wait for their blocks",
                self.waiting.count(),
                self.waiting.count_max(validators),
            ),
            Size::limited(
                "requests for shares that wait for their turn",
                self.work.count(),
                validators * work::WORK_PER_COORDINATOR_COUNT_MAX,
            ),
            Size::limited("signers that were asked for commitments", asked, purposes),
            Size::limited("coordinators' needs of commitments", demand, purposes),
            Size::limited("coordinators that were given new commitments", renewed, validators),
            Size::limited("requests that wait for certificates", requests, WAITER_COUNT_MAX),
            Size::limited("requests that wait for checkpoints", checkpoints, WAITER_COUNT_MAX),
            Size::unstated("finished signatures", self.finished.len()),
            Size::limited("signed certificates that are incomplete", self.incomplete.len(), WAITER_COUNT_MAX),
            Size::limited("checkpoints with cosignatures", self.cosignatures.len(), cosigned_max),
            Size::unstated("signers without a cosignature", self.uncosigned.len()),
            Size::limited("signatures that came before their blocks", self.early.len(), validators),
        ]);
        sizes
    }

    /// Nobody waits for a certificate any more.
    pub(in crate::node) fn end_certificate(&mut self, serial: SerialNumber, until: Mono) {
        self.pending.desert(&Task::Leaf(serial), until);
        self.finished.remove(&Task::Leaf(serial));
        self.incomplete.remove(&serial);
        if let Some(size) = self.needed_checkpoints.remove(&serial) {
            self.end_checkpoint(size, until);
        }
    }

    /// Ends the signing of a checkpoint, unless somebody waits for it, or for a certificate that needs it.
    pub(in crate::node) fn end_checkpoint(&mut self, size: u64, until: Mono) {
        if !self.is_wanted(&Task::Checkpoint(size)) {
            self.pending.desert(&Task::Checkpoint(size), until);
        }
    }

    /// Whether somebody waits for a signature, or the whole mesh does.
    fn is_wanted(&self, task: &Task) -> bool {
        match task {
            Task::Root | Task::Issuing(_) | Task::RevocationList(_) | Task::RootRevocationList(_) => true,
            Task::Leaf(serial) => self.certificates.has(serial),
            Task::Checkpoint(size) => self.checkpoints.has(size) || self.needed_checkpoints.has(*size),
        }
    }

    /// Picks up what was signed before a restart.
    pub(in crate::node) fn load(&mut self, cx: &mut Context) -> Result<(), OpenFault> {
        // Also while the keys are being generated: who confirmed before a restart is not asked again after it.
        self.load_confirmations(cx)?;
        let Some(committee) = cx.state.committee() else { return Ok(()) };
        self.activate(cx, &committee);
        let issuing = cx.state.newest_issuing().into_iter().flat_map(|newest| 0..=newest);
        let root_lists = Self::shown_root_lists(cx).map(Task::RootRevocationList);
        for task in core::iter::once(Task::Root).chain(issuing.map(Task::Issuing)).chain(root_lists) {
            self.load_signature(cx, task)?;
        }
        self.load_revocation_list(cx)
    }

    fn load_confirmations(&mut self, cx: &mut Context) -> Result<(), OpenFault> {
        let committee = cx.state.committee();
        let attempt = committee.map_or_else(|| cx.state.generation().attempt, |active| active.attempt);
        for validator in cx.state.validators().as_slice().to_vec() {
            let key = confirmation_key(attempt, &validator);
            if let Some(row) = cx.store.get(Table::Signed, &key)? {
                let damaged = OpenFault::Damaged { what: "confirmation of the committee's keys" };
                let operation = crate::base::decode(&row, row.len()).map_err(|_| damaged)?;
                self.confirmations.insert(validator, operation);
            }
        }
        Ok(())
    }

    fn load_signature(&mut self, cx: &mut Context, task: Task) -> Result<(), OpenFault> {
        if let Some(row) = cx.store.get(Table::Signed, &task.key())? {
            self.take_stored(cx, task, &row);
        }
        Ok(())
    }

    /// Begins to sign with the committee's keys.
    pub(in crate::node) fn activate(&mut self, cx: &mut Context, active: &ActiveCommittee) {
        let Ok(committee) = Committee::new(active.keys.clone()) else { return };
        let committee = Arc::new(committee);
        let shares = cx.stored_shares(active.attempt).map(|(_, shares)| shares);
        let me = cx.identity.public();
        self.signer =
            shares.and_then(|shares| Signer::new(me, committee.clone(), &shares, cx.entropy.as_mut()).ok());
        cx.committee = Some(committee);
        self.issuing_announced = cx.state.newest_issuing();
        let holds_shares = self.signer.is_some();
        cx.holds_shares = holds_shares;
        cx.outbox.event(Event::CommitteeActive { height: active.height, holds_shares });
        // Those whose keys were active first asked in vain, and those whose will be later ask again.
        for peer in cx.connected.clone() {
            self.ask_for_commitments(cx, peer);
            self.offer_anew(cx, peer);
        }
        self.top_up(cx, me, &[]);
        self.starving.clear();
        cx.timers.bring_forward(Timer::Signing, cx.now.mono);
    }

    /// Keeps the confirmations that a block carries, because a trust bundle needs them. They become durable
    /// together with the block: it is the only time that this node sees them.
    pub(in crate::node) fn keep_confirmations(&mut self, block: &Block, writes: &mut WriteBatch) {
        for operation in &block.body.system {
            if let SystemAction::GenerationConfirm { attempt, .. } = &operation.action {
                let key = confirmation_key(*attempt, &operation.validator);
                writes.put(Table::Signed, key, crate::base::encode(operation));
                self.confirmations.insert(operation.validator, operation.clone());
            }
        }
    }

    /// The caller of a request disconnected: signatures that only this request needed are cancelled.
    pub(in crate::node) fn abandon_signatures(&mut self, cx: &mut Context, id: RequestId) {
        self.abandon_revocation_list(id);
        // As long as signers get to answer.
        let until = cx.now.mono.after(self.session_timeout(cx));
        cx.timers.bring_forward(Timer::Signing, until);
        let signing = &mut *self;
        let serial =
            signing.certificates.remove(id).filter(|serial| signing.certificates.is_deserted(serial));
        let size = signing.checkpoints.remove(id).filter(|size| signing.checkpoints.is_deserted(size));
        if let Some(serial) = serial {
            signing.certificates.take(&serial);
            signing.end_certificate(serial, until);
        }
        if let Some(size) = size {
            signing.checkpoints.take(&size);
            signing.end_checkpoint(size, until);
        }
    }

    pub(in crate::node) fn after_block(&mut self, cx: &mut Context, committed: &Committed) {
        if cx.committee.is_none()
            && let Some(active) = cx.state.committee()
        {
            self.activate(cx, &active);
        }
        self.forget_finished(cx);
        self.announce_issuing(cx);
        self.derive_revocation_list(cx);
        for (coordinator, requests) in self.waiting.take(committed.height) {
            self.on_share_requests(cx, coordinator, requests);
        }
        for (peer, signature) in core::mem::take(&mut self.early) {
            self.on_task_signature(cx, peer, signature);
        }
        self.ask_for_offers(cx);
        self.request_shared_signatures(cx, committed.block.header.time);
    }

    /// Does a slice of what there is to sign. What is left has its turn after what has come meanwhile: votes go first.
    pub(in crate::node) fn work_on_signing(&mut self, cx: &mut Context) {
        let attempted = self.make_attempts(cx);
        // Others' shares are on their way while this node gives its own.
        if attempted == 0 {
            let _given = self.give_shares(cx);
        }
        if self.has_signing_work(cx) {
            cx.timers.set(Timer::Work, Mono(cx.now.mono.0 + 1));
        }
    }

    /// Forgets finished signatures that nobody waits for any more.
    pub(in crate::node) fn forget_finished(&mut self, cx: &mut Context) {
        let signing = &mut *self;
        let newest = signing.cosignatures.keys().rev().nth(CHECKPOINTS_KEPT).copied().unwrap_or_default();
        let waited = |size: &u64| signing.checkpoints.has(size) || signing.needed_checkpoints.has(*size);
        signing.cosignatures.retain(|size, _| *size > newest || waited(size));
        signing.uncosigned.retain(|(task, _)| match task {
            Task::Checkpoint(size) => signing.cosignatures.contains_key(size),
            _ => false,
        });
        let certificates = &signing.certificates;
        let cosignatures = &signing.cosignatures;
        let list = signing.lists.newest_signed();
        let newest_root_list = cx.state.root_list_number().unwrap_or_default();
        signing.finished.retain(|task, _| match task {
            Task::Root | Task::Issuing(_) => true,
            Task::RevocationList(number) => Some(*number) == list,
            // The one before the newest is shown until that is signed.
            Task::RootRevocationList(number) => number + 1 >= newest_root_list,
            Task::Leaf(serial) => certificates.has(serial),
            Task::Checkpoint(size) => cosignatures.contains_key(size),
        });
    }
}

fn confirmation_key(attempt: u32, validator: &PublicKey) -> Vec<u8> {
    [b"confirmation/".as_slice(), &attempt.to_be_bytes(), &validator.0].concat()
}
