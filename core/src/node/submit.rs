//! This node as a member: operations gather, become a batch with four proofs, and are answered when ordered.
//!
//! One batch is outstanding at a time, under the member's next number; operations that come meanwhile go into
//! the next.

use super::abandon::Queued;
use super::block_time::AHEAD_MS_REPORTED;
use super::commit::Committed;
use super::foreign_batches::ForeignBatches;
use super::job::{Job, JobId, ProofOrder, Purpose};
use super::owner_queues::{OwnerQueues, WAITING_COUNT_MAX};
use super::timers::Timer;
use super::waiters::{WAITER_COUNT_MAX, Waiters};
use super::{Node, RequestId};
use crate::api::{ApiFault, FaultKind, Response, TraceEvent};
use crate::base::{MicroCaesar, Mono, PublicKey, Sequence, Size, reached};
use crate::hypermesh::committee::{KeyPurpose, first_count};
use crate::hypermesh::proof::{Diligence, FourProofSet, Statement};
use crate::state::{
    Action, Attest, BATCH_BYTES_MAX, BATCH_OPERATION_COUNT_MAX, Batch, CheckedBatch, CheckedOperation,
    Effect, OPERATION_BYTES_MAX, Operation, OperationBody, OperationId, Outcome, Receipt, Refusal,
    batch_root,
};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// A batch that was not included after this long is sent again: it may have been lost.
const RESEND_AFTER: Duration = Duration::from_millis(1000);
/// Each time it is sent again after twice as long, up to this: a mesh that is slow is not made faster by more batches.
const RESEND_AFTER_MAX: Duration = Duration::from_secs(8);
/// Room in a batch for its operations: the rest is for its proofs and surroundings.
pub(super) const BATCH_ROOM_BYTES_MAX: usize = BATCH_BYTES_MAX - 256 * 1024;
/// However short of room blocks are, a batch is made with as much as this: the longest operation fits.
const BATCH_ROOM_BYTES_MIN: usize = 2 * OPERATION_BYTES_MAX;
/// How long the operations that a node makes for itself may take.
const OWN_OPERATION_MS_LIFE: u64 = 5 * 60 * 1000;

/// Operations on their way.
#[derive(Default)]
pub(super) struct Submission {
    pub(super) queues: OwnerQueues,
    /// Clients' operations that are in no batch yet: whose they are, and when they came.
    pub(super) queued: BTreeMap<OperationId, Queued>,
    /// How many bytes of operations the next batch takes, if blocks are short of room.
    room_bytes: Option<usize>,
    pub(super) waiting: Waiters<OperationId, ()>,
    outstanding: Option<Outstanding>,
    pub(super) foreign: ForeignBatches,
}

impl Submission {
    /// An owner's operations that are on their way.
    pub(super) fn waiting_of(&self, owner: &PublicKey) -> impl Iterator<Item = &CheckedOperation> {
        let outstanding = self.outstanding.iter().flat_map(|outstanding| &outstanding.operations);
        let batched = outstanding.filter(|operation| operation.operation.body.owner == *owner);
        self.queues.of_owner(owner).chain(batched)
    }

    /// How many bytes of operations the next batch takes.
    pub(super) fn room_bytes(&self) -> usize {
        self.room_bytes.unwrap_or(BATCH_ROOM_BYTES_MAX)
    }

    /// Learns from a block how much room there is: twice what it took of a batch that it cut for want of room. Where it
    /// cut nothing, the next may be twice as long.
    fn learn_room(&mut self, included_bytes: usize, was_cut: bool) {
        let room = if was_cut { included_bytes } else { self.room_bytes() };
        let room = room.saturating_mul(2).max(BATCH_ROOM_BYTES_MIN);
        self.room_bytes = Some(room).filter(|room| *room < BATCH_ROOM_BYTES_MAX);
    }

    pub(super) fn sizes(&self) -> Vec<Size> {
        // What was in a batch that was given up goes back into its owner's queue, whatever came meanwhile.
        let operations_max = WAITING_COUNT_MAX + BATCH_OPERATION_COUNT_MAX;
        let mut sizes = alloc::vec![
            Size::limited("operations that wait for a batch", self.queues.count(), operations_max),
            Size::limited("operations of clients that wait for a batch", self.queued.len(), operations_max),
            Size::limited("operations that requests wait for", self.waiting.thing_count(), operations_max),
            Size::limited("requests that wait for operations", self.waiting.count(), WAITER_COUNT_MAX),
        ];
        sizes.extend(self.foreign.sizes());
        sizes
    }
}

struct Outstanding {
    sequence: Sequence,
    beacon_index: u64,
    operations: Vec<CheckedOperation>,
    /// The job that makes its proofs.
    proving: JobId,
    /// The batch, once its proofs are made.
    batch: Option<Arc<CheckedBatch>>,
    /// How often it was sent again.
    resent: u32,
}

impl Node {
    /// Takes an operation from a client.
    pub(super) fn submit(&mut self, request: RequestId, operation: Operation, received: Mono) {
        let checked = match operation.check(&self.state.genesis_hash()) {
            Ok(checked) => checked,
            Err(fault) => return self.outbox.respond(request, Err(ApiFault::invalid(fault))),
        };
        if let Some(receipt) = self.state.get::<Receipt>(&checked.id) {
            reached!(self.marks, "a repeated operation is answered with its receipt");
            return self.answer(request, &receipt);
        }
        if let Some(fault) = self.quorum_missing() {
            reached!(self.marks, "an operation is refused for want of a quorum");
            return self.outbox.respond(request, Err(fault));
        }
        if let Some(fault) = self.understaked() {
            reached!(self.marks, "an operation is refused for want of a stake");
            return self.outbox.respond(request, Err(fault));
        }
        if self.submission.waiting.has(&checked.id) {
            reached!(self.marks, "an operation is asked for while it is on its way");
            return self.wait_for_operation(request, checked.id).unwrap_or_default();
        }
        if let Some(refusal) = self.foreseen_refusal(&checked) {
            let fault = if self.may_be_behind() {
                reached!(self.marks, "a node that may be behind does not refuse for good");
                self.unsure()
            } else {
                reached!(self.marks, "an operation is refused beforehand");
                self.refused_beforehand(&refusal)
            };
            return self.outbox.respond(request, Err(fault));
        }
        if let Err(full) = self.submission.queues.check_room(&checked.operation.body.owner) {
            return self.outbox.respond(request, Err(ApiFault::new(FaultKind::ResourceExhausted, full)));
        }
        if let Some(refusal) = self.overdraft(&checked) {
            reached!(self.marks, "an owner's waiting operations spend all that it has");
            let fault = match self.may_be_behind() {
                true => self.unsure(),
                false => ApiFault::refused(&refusal),
            };
            return self.outbox.respond(request, Err(fault));
        }
        if self.wait_for_operation(request, checked.id).is_some() {
            let queued = Queued { owner: checked.operation.body.owner, since: Some(received) };
            self.submission.queued.insert(checked.id, queued);
            self.submission.queues.push(checked);
            self.consider_batch();
        }
    }

    /// Lets a request wait for an operation. `None` if it is refused, because too many do.
    fn wait_for_operation(&mut self, request: RequestId, operation: OperationId) -> Option<()> {
        match self.submission.waiting.push(operation, request, ()) {
            Ok(()) => Some(()),
            Err(crowded) => {
                let fault = ApiFault::new(FaultKind::ResourceExhausted, crowded);
                self.outbox.respond(request, Err(fault));
                None
            }
        }
    }

    /// A refusal before ordering. Where an operation expired only because block time is ahead, that is the cause, and what
    /// the caller can do is different from what the refusal says.
    fn refused_beforehand(&self, refusal: &Refusal) -> ApiFault {
        let ahead_ms = self.block_ms_ahead();
        let fault = ApiFault::refused(refusal);
        let message = match refusal {
            Refusal::Expired { .. } if ahead_ms > AHEAD_MS_REPORTED => format!(
                "{refusal}. The block time is {} s ahead of this node's clock, because the clocks of more than a third of \
                 the validators were ahead: until real time catches up, sign with an expiry after the block time in the \
                 status",
                ahead_ms / 1000
            ),
            _ => return fault,
        };
        ApiFault { message, ..fault }
    }

    /// Refuses what waits to be ordered. Operations that are in no batch yet are dropped, since nobody waits for them any
    /// more. Those that are in one stay: they may still be ordered.
    pub(super) fn refuse_waiting(&mut self, fault: &ApiFault) {
        // Those in a batch are remembered: whoever asks again does not put them there twice.
        let waiting = self.submission.waiting.dismiss().into_iter();
        let foreign = self.submission.foreign.dismiss();
        let requests = waiting.map(|(request, _)| request).chain(foreign);
        for request in requests.collect::<Vec<_>>() {
            self.outbox.respond(request, Err(fault.clone()));
        }
        self.submission.drop_queued();
    }

    /// Sees to it that there are commitments for the signatures that a batch will take.
    fn foresee_signatures(&mut self, operations: &[CheckedOperation]) {
        let issues = |operation: &&CheckedOperation| {
            matches!(operation.operation.body.action, Action::IssueCertificate(_))
                && self.submission.waiting.has(&operation.id)
        };
        let certificates = operations.iter().filter(issues).count();
        if certificates > first_count(KeyPurpose::Issuing) {
            self.request_commitments(KeyPurpose::Issuing, certificates);
        }
    }

    /// Puts an operation of this node's own before the mesh.
    pub(super) fn submit_own(&mut self, action: Action) {
        let operation = self.own_operation(action);
        self.submission.queues.push(operation);
        self.consider_batch();
    }

    pub(super) fn own_operation(&mut self, action: Action) -> CheckedOperation {
        let mut nonce = [0; 8];
        self.entropy.as_mut().fill(&mut nonce);
        let body = OperationBody {
            genesis: self.state.genesis_hash(),
            owner: self.identity.public(),
            nonce: u64::from_le_bytes(nonce),
            expires: self.wall().max(self.state.time()).plus(OWN_OPERATION_MS_LIFE),
            fee_max: MicroCaesar::ZERO,
            action,
        };
        let operation = body.sign(&self.identity).check(&self.state.genesis_hash());
        operation.expect("a node's own operations are well-formed")
    }

    /// Whether nothing waits to be put into a batch.
    pub(super) fn is_idle(&self) -> bool {
        self.submission.queues.is_empty() && self.submission.outstanding.is_none()
    }

    /// Makes a batch out of what waits, if none is outstanding and the node has a ticket.
    pub(super) fn consider_batch(&mut self) {
        if self.submission.outstanding.is_some() || self.submission.queues.is_empty() {
            return;
        }
        if self.understaked().is_some() {
            return;
        }
        let Some(usable) = self.usable_ticket() else {
            reached!(self.marks, "operations wait for a ticket");
            return;
        };
        if usable.beacon_index != self.state.beacon().index {
            reached!(self.marks, "a batch is bound to the beacon before");
        }
        let operations = match self.member().is_suspended() {
            // First of all it has to show that it still holds its plot.
            true => {
                reached!(self.marks, "a suspended node attests first");
                alloc::vec![self.own_operation(Action::Attest(Attest))]
            }
            false => self.gather(usable.full),
        };
        if operations.is_empty() {
            return;
        }
        let sequence = self.member().next_sequence;
        let statement = Statement {
            genesis: self.state.genesis_hash(),
            member: self.identity.public(),
            sequence,
            batch_root: batch_root(operations.iter().map(|operation| operation.id)),
            beacon_index: usable.beacon_index,
        };
        let beacon_index = usable.beacon_index;
        let order = Box::new(ProofOrder {
            ticket: usable.ticket,
            full: usable.full,
            statement,
            beacon: usable.beacon,
            difficulty: usable.difficulty,
            identity: self.identity.clone(),
        });
        self.foresee_signatures(&operations);
        let ids = operations.iter().map(|operation| operation.id);
        self.note_operations(ids, &TraceEvent::Batched { sequence });
        let proving = self.run(Purpose::Set, Job::ProveSet { order });
        self.submission.outstanding =
            Some(Outstanding { sequence, beacon_index, operations, proving, batch: None, resent: 0 });
    }

    pub(super) fn on_proof_set(&mut self, job: JobId, proofs: FourProofSet) {
        let (genesis, member) = (self.state.genesis_hash(), self.identity.public());
        // Proofs for a batch that was given up in the meantime fit no other.
        let Some(outstanding) = self.submission.outstanding.as_mut().filter(|held| held.proving == job)
        else {
            return;
        };
        let batch = Batch {
            genesis,
            member,
            sequence: outstanding.sequence,
            beacon_index: outstanding.beacon_index,
            operations: outstanding.operations.iter().map(|checked| checked.operation.clone()).collect(),
            omitted: Vec::new(),
            proofs,
        };
        let checked = Arc::new(CheckedBatch::of_checked(batch, outstanding.operations.clone()));
        outstanding.batch = Some(Arc::clone(&checked));
        match self.state.genesis_document().exposes(&member, "hypermesh") {
            true => self.send_batch(checked, 0),
            false => self.hand_over_batch(checked),
        }
    }

    /// Has another node's service order a batch. If it is in no block in time, it is sent over this node's own links.
    fn hand_over_batch(&mut self, batch: Arc<CheckedBatch>) {
        let (trace, deadline) = self.who_waits_for(&batch);
        self.outbox.hand_over(batch.batch.clone(), trace, deadline);
        let ids = batch.operations.iter().map(|operation| operation.id);
        self.note_operations(ids, &TraceEvent::BatchHandedOver { sequence: batch.batch.sequence });
        self.timers.set(Timer::Submission, self.now.mono.after(RESEND_AFTER));
    }

    fn send_batch(&mut self, batch: Arc<CheckedBatch>, resent: u32) {
        self.broadcast_batch(&batch);
        let again = resend_after(resent, self.jitter());
        self.timers.set(Timer::Submission, self.now.mono.after(again));
        self.pool_batch(self.identity.public(), batch);
    }

    pub(super) fn broadcast_batch(&mut self, batch: &CheckedBatch) {
        self.broadcast(&self.batch_message(batch));
        let ids = batch.operations.iter().map(|operation| operation.id);
        self.note_operations(ids, &TraceEvent::BatchSent { sequence: batch.batch.sequence });
    }

    pub(super) fn on_submission_timeout(&mut self) {
        self.resume_submission();
        let waits = self.submission.outstanding.is_some() || !self.submission.queues.is_empty();
        if waits {
            self.timers.start(Timer::Submission, self.now.mono.after(RESEND_AFTER));
        }
    }

    /// Sends the outstanding batch again, or makes it anew if its beacon has passed.
    pub(super) fn resume_submission(&mut self) {
        match self.submission.outstanding.take() {
            Some(Outstanding { batch: Some(batch), operations, sequence, beacon_index, proving, resent }) => {
                let time = self.wall().max(self.state.time());
                if self.state.admit(&batch, time, Diligence::StopAtFirst).is_ok() {
                    reached!(self.marks, "a batch is sent again");
                    let held = Some(batch.clone());
                    let resent = resent.saturating_add(1);
                    self.count("hypermesh", "batches_resent_total", 1);
                    let kept =
                        Outstanding { batch: held, operations, sequence, beacon_index, proving, resent };
                    self.submission.outstanding = Some(kept);
                    self.send_batch(batch, resent);
                } else {
                    reached!(self.marks, "a batch is made anew");
                    self.put_back(operations);
                }
            }
            proving => self.submission.outstanding = proving,
        }
        self.consider_batch();
    }

    /// Answers what the block has settled, and goes on with what it has not.
    pub(super) fn submission_after(&mut self, committed: &Committed) {
        self.settle_foreign(committed);
        for receipt in &committed.receipts {
            self.settle(receipt);
        }
        let next = self.member().next_sequence;
        match self.submission.outstanding.take() {
            Some(outstanding) if outstanding.sequence < next => {
                // Either it was included, or another batch took its number. What still has no receipt goes again.
                self.timers.cancel(Timer::Submission);
                let left = self.put_back(outstanding.operations);
                let me = self.identity.public();
                let own = outstanding.batch.as_ref().map(|batch| batch.id);
                let included = committed.block.body.batches.iter().find(|batch| batch.member == me);
                match included.filter(|batch| own == Some(batch.id())) {
                    Some(batch) => {
                        if left > 0 {
                            reached!(self.marks, "a block takes a part of a batch");
                        }
                        let bytes = batch.operations.iter().map(Operation::bytes).sum();
                        self.submission.learn_room(bytes, left > 0);
                    }
                    None => reached!(self.marks, "a batch is overtaken by another of its number"),
                }
            }
            Some(Outstanding { batch: Some(batch), operations, .. })
                if self.state.admit(&batch, self.state.time(), Diligence::StopAtFirst).is_err() =>
            {
                self.put_back(operations);
            }
            other => self.submission.outstanding = other,
        }
        self.consider_batch();
    }

    /// Answers the requests whose operation was refused without a block.
    pub(super) fn settle_refused(&mut self, operation: &OperationId, fault: &ApiFault) {
        for (request, _) in self.submission.end(operation) {
            self.respond_durably(request, Err(fault.clone()));
        }
    }

    pub(super) fn settle(&mut self, receipt: &Receipt) {
        for (request, ()) in self.submission.end(&receipt.operation) {
            self.answer(request, receipt);
        }
    }

    /// Answers a request whose operation has this receipt, once the block is durable: with the certificate once that is signed,
    /// if it is one that was approved, and else with the receipt.
    fn answer(&mut self, request: RequestId, receipt: &Receipt) {
        match &receipt.outcome {
            Outcome::Refused(refusal) => self.respond_durably(request, Err(ApiFault::refused(refusal))),
            Outcome::Done(Effect::CertificateApproved { serial, .. }) => {
                self.await_certificate(request, *serial, Response::IssueCertificate);
            }
            Outcome::Done(_) => self.respond_durably(request, Ok(Response::Operation(receipt.clone()))),
        }
    }

    /// Answers once everything that was written so far is durable.
    pub(super) fn respond_durably(&mut self, id: RequestId, response: Result<Response, ApiFault>) {
        let token = self.outbox.last_token();
        self.outbox.after(token, super::Output::Respond { id, response });
    }
}

/// After which time a batch that was sent again so often is sent once more. `jitter` is any number, drawn anew each time.
fn resend_after(resent: u32, jitter: u16) -> Duration {
    let doubled = RESEND_AFTER.saturating_mul(1 << resent.min(RESEND_DOUBLINGS_MAX)).min(RESEND_AFTER_MAX);
    doubled + doubled / 4 * u32::from(jitter) / u32::from(u16::MAX)
}

/// After so many times the wait grows no more.
const RESEND_DOUBLINGS_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sent_again_after_longer_and_longer_up_to_the_longest() {
        assert_eq!(resend_after(0, 0), RESEND_AFTER);
        assert_eq!(resend_after(2, 0), RESEND_AFTER * 4);
        assert_eq!(resend_after(u32::MAX, 0), RESEND_AFTER_MAX);
        assert_eq!(resend_after(u32::MAX, u16::MAX), RESEND_AFTER_MAX + RESEND_AFTER_MAX / 4);
    }
}
