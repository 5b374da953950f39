//! This node as a member: operations gather, become a batch with four proofs, and are answered when ordered.
//!
//! One batch is outstanding at a time, under the member's next number; operations that come meanwhile go into
//! the next.

mod abandon;
mod owner_queues;
mod ticket;
mod unpaid;

use crate::api::{ApiFault, FaultKind, Response, TraceEvent};
use crate::base::{Mono, PublicKey, Sequence, Size, reached};
use crate::hypermesh::committee::{KeyPurpose, first_count};
use crate::hypermesh::proof::{Diligence, FourProofSet, Plot, Statement};
use crate::node::ask::Ask;
use crate::node::ask::Committed;
use crate::node::context::AHEAD_MS_REPORTED;
use crate::node::job::{Job, JobId, ProofOrder, Purpose};
use crate::node::submission::abandon::Queued;
use crate::node::submission::owner_queues::{OwnerQueues, WAITING_COUNT_MAX};
use crate::node::submission::ticket::Tickets;
use crate::node::timers::Timer;
use crate::node::waiters::{WAITER_COUNT_MAX, Waiters};
use crate::node::{RequestId, context::Context};
use crate::state::{
    Action, Attest, BATCH_BYTES_MAX, BATCH_OPERATION_COUNT_MAX, Batch, CheckedBatch, CheckedOperation,
    Effect, OPERATION_BYTES_MAX, Operation, OperationId, Outcome, Receipt, Refusal, batch_root,
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
pub(in crate::node) const BATCH_ROOM_BYTES_MAX: usize = BATCH_BYTES_MAX - 256 * 1024;
/// However short of room blocks are, a batch is made with as much as this: the longest operation fits.
const BATCH_ROOM_BYTES_MIN: usize = 2 * OPERATION_BYTES_MAX;

/// Operations on their way.
pub(in crate::node) struct Submission {
    pub(in crate::node) queues: OwnerQueues,
    /// Clients' operations that are in no batch yet: whose they are, and when they came.
    pub(in crate::node) queued: BTreeMap<OperationId, Queued>,
    /// How many bytes of operations the next batch takes, if blocks are short of room.
    room_bytes: Option<usize>,
    pub(in crate::node) waiting: Waiters<OperationId, ()>,
    outstanding: Option<Outstanding>,
    /// This node's tickets.
    pub(in crate::node) tickets: Tickets,
    /// What they are proved with.
    pub(in crate::node) plot: Arc<Plot>,
}

impl Submission {
    pub(in crate::node) fn new(plot: Arc<Plot>) -> Self {
        Self {
            queues: OwnerQueues::default(),
            queued: BTreeMap::new(),
            room_bytes: None,
            waiting: Waiters::default(),
            outstanding: None,
            tickets: Tickets::default(),
            plot,
        }
    }

    /// An owner's operations that are on their way.
    pub(in crate::node) fn waiting_of(&self, owner: &PublicKey) -> impl Iterator<Item = &CheckedOperation> {
        let outstanding = self.outstanding.iter().flat_map(|outstanding| &outstanding.operations);
        let batched = outstanding.filter(|operation| operation.operation.body.owner == *owner);
        self.queues.of_owner(owner).chain(batched)
    }

    /// How many bytes of operations the next batch takes.
    pub(in crate::node) fn room_bytes(&self) -> usize {
        self.room_bytes.unwrap_or(BATCH_ROOM_BYTES_MAX)
    }

    /// Learns from a block how much room there is: twice what it took of a batch that it cut for want of room. Where it
    /// cut nothing, the next may be twice as long.
    fn learn_room(&mut self, included_bytes: usize, was_cut: bool) {
        let room = if was_cut { included_bytes } else { self.room_bytes() };
        let room = room.saturating_mul(2).max(BATCH_ROOM_BYTES_MIN);
        self.room_bytes = Some(room).filter(|room| *room < BATCH_ROOM_BYTES_MAX);
    }

    pub(in crate::node) fn sizes(&self) -> Vec<Size> {
        // What was in a batch that was given up goes back into its owner's queue, whatever came meanwhile.
        let operations_max = WAITING_COUNT_MAX + BATCH_OPERATION_COUNT_MAX;
        let mut sizes = alloc::vec![
            Size::limited("operations that wait for a batch", self.queues.count(), operations_max),
            Size::limited("operations of clients that wait for a batch", self.queued.len(), operations_max),
            Size::limited("operations that requests wait for", self.waiting.thing_count(), operations_max),
            Size::limited("requests that wait for operations", self.waiting.count(), WAITER_COUNT_MAX),
        ];
        sizes.push(self.tickets.size());
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

impl Context {
    pub(in crate::node) fn broadcast_batch(&mut self, batch: &CheckedBatch) {
        self.broadcast(&self.batch_message(batch));
        let ids = batch.operations.iter().map(|operation| operation.id);
        self.note_operations(ids, &TraceEvent::BatchSent { sequence: batch.batch.sequence });
    }
}

impl Submission {
    /// Takes an operation from a client.
    pub(in crate::node) fn submit(
        &mut self,
        cx: &mut Context,
        request: RequestId,
        operation: Operation,
        received: Mono,
    ) {
        let checked = match operation.check(&cx.state.genesis_hash()) {
            Ok(checked) => checked,
            Err(fault) => return cx.outbox.respond(request, Err(ApiFault::invalid(fault))),
        };
        if let Some(receipt) = cx.state.get::<Receipt>(&checked.id) {
            reached!(cx.marks, "a repeated operation is answered with its receipt");
            return Self::answer(cx, request, &receipt);
        }
        if let Some(fault) = cx.quorum_missing() {
            reached!(cx.marks, "an operation is refused for want of a quorum");
            return cx.outbox.respond(request, Err(fault));
        }
        if let Some(fault) = cx.understaked() {
            reached!(cx.marks, "an operation is refused for want of a stake");
            return cx.outbox.respond(request, Err(fault));
        }
        if self.waiting.has(&checked.id) {
            reached!(cx.marks, "an operation is asked for while it is on its way");
            return self.wait_for_operation(cx, request, checked.id).unwrap_or_default();
        }
        if let Some(refusal) = Self::foreseen_refusal(cx, &checked) {
            let fault = if cx.may_be_behind() {
                reached!(cx.marks, "a node that may be behind does not refuse for good");
                cx.unsure()
            } else {
                reached!(cx.marks, "an operation is refused beforehand");
                Self::refused_beforehand(cx, &refusal)
            };
            return cx.outbox.respond(request, Err(fault));
        }
        if let Err(full) = self.queues.check_room(&checked.operation.body.owner) {
            return cx.outbox.respond(request, Err(ApiFault::new(FaultKind::ResourceExhausted, full)));
        }
        if let Some(refusal) = self.overdraft(cx, &checked) {
            reached!(cx.marks, "an owner's waiting operations spend all that it has");
            let fault = match cx.may_be_behind() {
                true => cx.unsure(),
                false => ApiFault::refused(&refusal),
            };
            return cx.outbox.respond(request, Err(fault));
        }
        if self.wait_for_operation(cx, request, checked.id).is_some() {
            let queued = Queued { owner: checked.operation.body.owner, since: Some(received) };
            self.queued.insert(checked.id, queued);
            self.queues.push(checked);
            self.consider_batch(cx);
        }
    }

    /// Lets a request wait for an operation. `None` if it is refused, because too many do.
    fn wait_for_operation(
        &mut self,
        cx: &mut Context,
        request: RequestId,
        operation: OperationId,
    ) -> Option<()> {
        match self.waiting.push(operation, request, ()) {
            Ok(()) => Some(()),
            Err(crowded) => {
                let fault = ApiFault::new(FaultKind::ResourceExhausted, crowded);
                cx.outbox.respond(request, Err(fault));
                None
            }
        }
    }

    /// A refusal before ordering. Where an operation expired only because block time is ahead, that is the cause, and what
    /// the caller can do is different from what the refusal says.
    fn refused_beforehand(cx: &Context, refusal: &Refusal) -> ApiFault {
        let ahead_ms = cx.block_ms_ahead();
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
    pub(in crate::node) fn refuse_waiting(&mut self, cx: &mut Context, fault: &ApiFault) {
        // Those in a batch are remembered: whoever asks again does not put them there twice.
        for (request, ()) in self.waiting.dismiss() {
            cx.outbox.respond(request, Err(fault.clone()));
        }
        self.drop_queued();
    }

    /// Sees to it that there are commitments for the signatures that a batch will take.
    fn foresee_signatures(&mut self, cx: &mut Context, operations: &[CheckedOperation]) {
        let issues = |operation: &&CheckedOperation| {
            matches!(operation.operation.body.action, Action::IssueCertificate(_))
                && self.waiting.has(&operation.id)
        };
        let certificates = operations.iter().filter(issues).count();
        if certificates > first_count(KeyPurpose::Issuing) {
            cx.ask(Ask::RequestCommitments { purpose: KeyPurpose::Issuing, needed: certificates });
        }
    }

    /// Puts an operation of this node's own before the mesh.
    pub(in crate::node) fn submit_own(&mut self, cx: &mut Context, action: Action) {
        let operation = cx.own_operation(action);
        self.queues.push(operation);
        self.consider_batch(cx);
    }

    /// Whether nothing waits to be put into a batch.
    pub(in crate::node) fn is_idle(&self) -> bool {
        self.queues.is_empty() && self.outstanding.is_none()
    }

    /// Makes a batch out of what waits, if none is outstanding and the node has a ticket.
    pub(in crate::node) fn consider_batch(&mut self, cx: &mut Context) {
        if self.outstanding.is_some() || self.queues.is_empty() {
            return;
        }
        if cx.understaked().is_some() {
            return;
        }
        let Some(usable) = self.usable_ticket(cx) else {
            reached!(cx.marks, "operations wait for a ticket");
            return;
        };
        if usable.beacon_index != cx.state.beacon().index {
            reached!(cx.marks, "a batch is bound to the beacon before");
        }
        let operations = match cx.member().is_suspended() {
            // First of all it has to show that it still holds its plot.
            true => {
                reached!(cx.marks, "a suspended node attests first");
                alloc::vec![cx.own_operation(Action::Attest(Attest))]
            }
            false => self.gather(cx, usable.full),
        };
        if operations.is_empty() {
            return;
        }
        let sequence = cx.member().next_sequence;
        let statement = Statement {
            genesis: cx.state.genesis_hash(),
            member: cx.identity.public(),
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
            identity: cx.identity.clone(),
        });
        self.foresee_signatures(cx, &operations);
        let ids = operations.iter().map(|operation| operation.id);
        cx.note_operations(ids, &TraceEvent::Batched { sequence });
        let proving = cx.run(Purpose::Set, Job::ProveSet { order });
        self.outstanding =
            Some(Outstanding { sequence, beacon_index, operations, proving, batch: None, resent: 0 });
    }

    pub(in crate::node) fn on_proof_set(&mut self, cx: &mut Context, job: JobId, proofs: FourProofSet) {
        let (genesis, member) = (cx.state.genesis_hash(), cx.identity.public());
        // Proofs for a batch that was given up in the meantime fit no other.
        let Some(outstanding) = self.outstanding.as_mut().filter(|held| held.proving == job) else {
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
        match cx.state.genesis_document().exposes(&member, "hypermesh") {
            true => Self::send_batch(cx, checked, 0),
            false => Self::hand_over_batch(cx, checked),
        }
    }

    /// Has another node's service order a batch. If it is in no block in time, it is sent over this node's own links.
    fn hand_over_batch(cx: &mut Context, batch: Arc<CheckedBatch>) {
        let (trace, deadline) = cx.who_waits_for(&batch);
        cx.outbox.hand_over(batch.batch.clone(), trace, deadline);
        let ids = batch.operations.iter().map(|operation| operation.id);
        cx.note_operations(ids, &TraceEvent::BatchHandedOver { sequence: batch.batch.sequence });
        cx.timers.set(Timer::Submission, cx.now.mono.after(RESEND_AFTER));
    }

    fn send_batch(cx: &mut Context, batch: Arc<CheckedBatch>, resent: u32) {
        cx.broadcast_batch(&batch);
        let again = resend_after(resent, cx.jitter());
        cx.timers.set(Timer::Submission, cx.now.mono.after(again));
        cx.ask(Ask::OrderBatch(batch));
    }

    pub(in crate::node) fn on_timeout(&mut self, cx: &mut Context) {
        self.resume_submission(cx);
        let waits = self.outstanding.is_some() || !self.queues.is_empty();
        if waits {
            cx.timers.start(Timer::Submission, cx.now.mono.after(RESEND_AFTER));
        }
    }

    /// Sends the outstanding batch again, or makes it anew if its beacon has passed.
    pub(in crate::node) fn resume_submission(&mut self, cx: &mut Context) {
        match self.outstanding.take() {
            Some(Outstanding { batch: Some(batch), operations, sequence, beacon_index, proving, resent }) => {
                let time = cx.wall().max(cx.state.time());
                if cx.state.admit(&batch, time, Diligence::StopAtFirst).is_ok() {
                    reached!(cx.marks, "a batch is sent again");
                    let held = Some(batch.clone());
                    let resent = resent.saturating_add(1);
                    cx.count("hypermesh", "batches_resent_total", 1);
                    let kept =
                        Outstanding { batch: held, operations, sequence, beacon_index, proving, resent };
                    self.outstanding = Some(kept);
                    Self::send_batch(cx, batch, resent);
                } else {
                    reached!(cx.marks, "a batch is made anew");
                    self.put_back_payable(cx, operations);
                }
            }
            proving => self.outstanding = proving,
        }
        self.consider_batch(cx);
    }

    /// Answers what the block has settled, and goes on with what it has not.
    pub(in crate::node) fn after_block(&mut self, cx: &mut Context, committed: &Committed) {
        for receipt in &committed.receipts {
            self.settle(cx, receipt);
        }
        let next = cx.member().next_sequence;
        match self.outstanding.take() {
            Some(outstanding) if outstanding.sequence < next => {
                // Either it was included, or another batch took its number. What still has no receipt goes again.
                cx.timers.cancel(Timer::Submission);
                let left = self.put_back_payable(cx, outstanding.operations);
                let me = cx.identity.public();
                let own = outstanding.batch.as_ref().map(|batch| batch.id);
                let included = committed.block.body.batches.iter().find(|batch| batch.member == me);
                match included.filter(|batch| own == Some(batch.id())) {
                    Some(batch) => {
                        if left > 0 {
                            reached!(cx.marks, "a block takes a part of a batch");
                        }
                        let bytes = batch.operations.iter().map(Operation::bytes).sum();
                        self.learn_room(bytes, left > 0);
                    }
                    None => reached!(cx.marks, "a batch is overtaken by another of its number"),
                }
            }
            Some(Outstanding { batch: Some(batch), operations, .. })
                if cx.state.admit(&batch, cx.state.time(), Diligence::StopAtFirst).is_err() =>
            {
                self.put_back_payable(cx, operations);
            }
            other => self.outstanding = other,
        }
        self.consider_batch(cx);
    }

    /// Answers the requests whose operation was refused without a block.
    pub(in crate::node) fn settle_refused(
        &mut self,
        cx: &mut Context,
        operation: &OperationId,
        fault: &ApiFault,
    ) {
        for (request, _) in self.end(operation) {
            cx.respond_durably(request, Err(fault.clone()));
        }
    }

    pub(in crate::node) fn settle(&mut self, cx: &mut Context, receipt: &Receipt) {
        for (request, ()) in self.end(&receipt.operation) {
            Self::answer(cx, request, receipt);
        }
    }

    /// Answers a request whose operation has this receipt, once the block is durable: with the certificate once that is signed,
    /// if it is one that was approved, and else with the receipt.
    fn answer(cx: &mut Context, request: RequestId, receipt: &Receipt) {
        match &receipt.outcome {
            Outcome::Refused(refusal) => cx.respond_durably(request, Err(ApiFault::refused(refusal))),
            Outcome::Done(Effect::CertificateApproved { serial, .. }) => {
                cx.ask(Ask::AwaitCertificate { request, serial: *serial });
            }
            Outcome::Done(_) => cx.respond_durably(request, Ok(Response::Operation(receipt.clone()))),
        }
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
    #[cfg(not(hypermesh_simulation_crypto))]
    use crate::node::test_util::{context, mesh, pass};
    #[cfg(not(hypermesh_simulation_crypto))]
    use crate::state::tests::test_util::{alice, bob, plot_of, transfer};

    #[test]
    fn a_batch_is_sent_again_after_longer_and_longer_up_to_the_longest() {
        assert_eq!(resend_after(0, 0), RESEND_AFTER);
        assert_eq!(resend_after(2, 0), RESEND_AFTER * 4);
        assert_eq!(resend_after(u32::MAX, 0), RESEND_AFTER_MAX);
        assert_eq!(resend_after(u32::MAX, u16::MAX), RESEND_AFTER_MAX + RESEND_AFTER_MAX / 4);
    }

    #[test]
    #[cfg(not(hypermesh_simulation_crypto))]
    fn an_operation_waits_for_a_ticket_and_is_answered_with_its_receipt() {
        let mut mesh = mesh();
        let mut cx = context(&mesh);
        let mut submission = Submission::new(Arc::new(plot_of(&cx.identity.public())));
        let operation = mesh.operation(&alice(), transfer(&bob(), 1));
        let (id, received) = (operation.id(), cx.now.mono);
        submission.submit(&mut cx, RequestId(1), operation.clone(), received);
        submission.submit(&mut cx, RequestId(2), operation.clone(), received);
        assert!(!submission.is_idle() && cx.outbox.pop().is_none(), "both wait for one operation");
        let receipt = mesh.carry(alloc::vec![operation]).pop().unwrap();
        assert_eq!(receipt.operation, id);
        submission.settle(&mut cx, &receipt);
        let answered = core::iter::from_fn(|| cx.outbox.pop()).filter_map(|output| match output {
            crate::node::Output::Respond { id, response } => Some((id, response.is_ok())),
            _ => None,
        });
        assert_eq!(answered.collect::<Vec<_>>(), [(RequestId(1), true), (RequestId(2), true)]);
        assert!(submission.is_idle());
    }

    #[test]
    #[cfg(not(hypermesh_simulation_crypto))]
    fn an_operation_is_refused_while_a_quorum_is_missing() {
        let mut mesh = mesh();
        let mut cx = context(&mesh);
        let mut submission = Submission::new(Arc::new(plot_of(&cx.identity.public())));
        cx.connected.clear();
        cx.watch_quorum();
        pass(&mut cx, 6_000);
        let operation = mesh.operation(&alice(), transfer(&bob(), 1));
        let received = cx.now.mono;
        submission.submit(&mut cx, RequestId(1), operation, received);
        let Some(crate::node::Output::Respond { response: Err(fault), .. }) = cx.outbox.pop() else {
            panic!("refused")
        };
        assert_eq!(fault.kind, FaultKind::Unavailable);
        assert!(submission.is_idle());
    }
}
