//! Batches that other members made and proved, and whose callers want to see them committed.

use crate::api::{ApiFault, ConsensusValidationResult, FaultKind, Response, refused};
use crate::base::{Digest, PublicKey, Sequence, Size};
use crate::hypermesh::proof::Diligence;
use crate::node::ask::Committed;
use crate::node::pool::Pool;
use crate::node::{RequestId, context::Context};
use crate::state::{Batch, BatchFault, Member, OperationId, Receipt};
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most batches of others that wait to be committed.
const FOREIGN_BATCH_COUNT_MAX: usize = 8192;
/// The most of one member's: it has one batch on its way, and proves it anew when its beacon has passed.
const FOREIGN_PER_MEMBER_COUNT_MAX: usize = 16;

/// Batches of others that requests wait for.
#[derive(Default)]
pub(in crate::node) struct ForeignBatches {
    by_id: BTreeMap<Digest, ForeignBatch>,
    /// Which of them each request waits for.
    by_request: BTreeMap<RequestId, Digest>,
}

struct ForeignBatch {
    /// Who waits for it. Whoever sends another's batch does not take its answer away.
    requests: Vec<RequestId>,
    member: PublicKey,
    sequence: Sequence,
    proof_hash: Digest,
    operations: Vec<OperationId>,
}

/// The most requests that wait for one batch.
const FOREIGN_REQUEST_COUNT_MAX: usize = 16;

/// Why no further batch is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum BatchLimitReached {
    /// The member has as many as one may.
    #[error("{FOREIGN_PER_MEMBER_COUNT_MAX} batches of this member are waiting here: wait for their results")]
    Member,
    /// As many requests as may be wait for this very batch.
    #[error("{FOREIGN_REQUEST_COUNT_MAX} requests are waiting for this batch here: wait for its result")]
    Batch,
    /// There are as many as there may be.
    #[error("too many batches are waiting here: try again")]
    All,
}

impl ForeignBatches {
    fn push(&mut self, id: Digest, batch: ForeignBatch) -> Result<(), BatchLimitReached> {
        if let Some(held) = self.by_id.get_mut(&id) {
            if held.requests.len() + batch.requests.len() > FOREIGN_REQUEST_COUNT_MAX {
                return Err(BatchLimitReached::Batch);
            }
            self.by_request.extend(batch.requests.iter().map(|request| (*request, id)));
            held.requests.extend(batch.requests);
            return Ok(());
        }
        let of_member = self.by_id.values().filter(|held| held.member == batch.member);
        if of_member.count() >= FOREIGN_PER_MEMBER_COUNT_MAX {
            return Err(BatchLimitReached::Member);
        }
        if self.by_id.len() >= FOREIGN_BATCH_COUNT_MAX {
            return Err(BatchLimitReached::All);
        }
        self.by_request.extend(batch.requests.iter().map(|request| (*request, id)));
        self.by_id.insert(id, batch);
        Ok(())
    }

    /// A request no longer waits. A batch without other waiting requests leaves its slot; it may still be ordered.
    pub(in crate::node) fn abandon(&mut self, request: RequestId) {
        if let Some(id) = self.by_request.remove(&request)
            && let Some(held) = self.by_id.get_mut(&id)
        {
            held.requests.retain(|waiting| *waiting != request);
            if held.requests.is_empty() {
                self.by_id.remove(&id);
            }
        }
    }

    /// Takes a batch out. Gives the requests that waited for it.
    fn take(&mut self, id: &Digest) -> Vec<RequestId> {
        let requests = self.by_id.remove(id).map(|batch| batch.requests).unwrap_or_default();
        for request in &requests {
            self.by_request.remove(request);
        }
        requests
    }

    /// Forgets all of them. Gives the requests that waited.
    pub(in crate::node) fn dismiss(&mut self) -> impl Iterator<Item = RequestId> + use<> {
        self.by_id.clear();
        core::mem::take(&mut self.by_request).into_keys()
    }

    pub(in crate::node) fn sizes(&self) -> [Size; 2] {
        let requests_max = self.by_id.len() * FOREIGN_REQUEST_COUNT_MAX;
        [
            Size::limited(
                "batches of others that requests wait for",
                self.by_id.len(),
                FOREIGN_BATCH_COUNT_MAX,
            ),
            Size::limited("requests that wait for batches of others", self.by_request.len(), requests_max),
        ]
    }
}

impl Pool {
    /// Takes a batch that another member made and proved, and that a caller wants to see committed.
    pub(in crate::node) fn submit_foreign(&mut self, cx: &mut Context, request: RequestId, batch: Batch) {
        let respond =
            |cx: &mut Context, result| cx.outbox.respond(request, Ok(Response::ValidateBatch(result)));
        let invalid = |fault: BatchFault| ConsensusValidationResult::Invalid {
            failed_proofs: Vec::new(),
            reason: fault.to_string(),
        };
        let genesis = cx.state.genesis_hash();
        if let Err(fault) = batch.check_form(&genesis) {
            return respond(cx, invalid(fault));
        }
        let next = cx.state.get::<Member>(&batch.member).map(|member| member.next_sequence);
        if next.is_some_and(|next| batch.sequence > next) {
            let reason =
                "another batch of this member comes first: submit that, or use its number".to_string();
            return respond(cx, ConsensusValidationResult::Pending { reason });
        }
        if let Some(fault) = cx.quorum_missing() {
            return cx.outbox.respond(request, Err(fault));
        }
        let time = cx.wall().max(cx.state.time());
        let admitted = cx.state.admit_proofs(&batch, time, Diligence::NameAll);
        if let Err(reason) = &admitted {
            cx.count_proofs(Err(reason));
        }
        let proof_hash = match admitted {
            Ok(proof_hash) => proof_hash,
            Err(reason) => return respond(cx, refused(&reason)),
        };
        let checked = match batch.check(&genesis) {
            Ok(checked) => Arc::new(checked),
            Err(fault) => return respond(cx, invalid(fault)),
        };
        if let Err(reason) = cx.state.require_payable(&checked, time) {
            return respond(cx, refused(&reason));
        }
        let foreign = ForeignBatch {
            requests: alloc::vec![request],
            member: checked.batch.member,
            sequence: checked.batch.sequence,
            proof_hash,
            operations: checked.operations.iter().map(|operation| operation.id).collect(),
        };
        if let Err(limit) = self.foreign.push(checked.id, foreign) {
            return cx.outbox.respond(request, Err(ApiFault::new(FaultKind::ResourceExhausted, limit)));
        }
        // Whoever asks again and again for one batch has it sent to the others once.
        if self.checked(&checked.batch).is_none() {
            cx.broadcast_batch(&checked);
        }
        self.take(cx, cx.identity.public(), checked);
    }

    /// Refuses those who wait for batches: these may still be ordered.
    pub(in crate::node) fn refuse_foreign(&mut self, cx: &mut Context, fault: &ApiFault) {
        for request in self.foreign.dismiss() {
            cx.outbox.respond(request, Err(fault.clone()));
        }
    }

    /// Answers for batches that a block has settled, and for those that can be in none any more.
    pub(in crate::node) fn settle_foreign(&mut self, cx: &mut Context, committed: &Committed) {
        if self.foreign.by_id.is_empty() {
            return;
        }
        let included: Vec<Digest> = committed.block.body.batches.iter().map(Batch::id).collect();
        let held = self.foreign.by_id.iter();
        let settled = held.filter_map(|(id, foreign)| {
            Some((*id, self.foreign_result(cx, committed, foreign, included.contains(id))?))
        });
        for (id, result) in settled.collect::<Vec<_>>() {
            for request in self.foreign.take(&id) {
                cx.respond_durably(request, Ok(Response::ValidateBatch(result.clone())));
            }
        }
    }

    /// What became of a batch, if that is known.
    fn foreign_result(
        &self,
        cx: &Context,
        committed: &Committed,
        foreign: &ForeignBatch,
        is_included: bool,
    ) -> Option<ConsensusValidationResult> {
        let invalid = |reason: &str| {
            let reason = reason.to_string();
            Some(ConsensusValidationResult::Invalid { failed_proofs: Vec::new(), reason })
        };
        if is_included {
            let receipts = foreign.operations.iter().filter_map(|id| {
                let fresh = committed.receipts.iter().find(|receipt| receipt.operation == *id).cloned();
                fresh.or_else(|| cx.state.get::<Receipt>(id))
            });
            let receipts = receipts.collect();
            let (proof_hash, height) = (foreign.proof_hash, Some(committed.height));
            return Some(ConsensusValidationResult::Valid { proof_hash, height, receipts });
        }
        let member = cx.state.get::<Member>(&foreign.member);
        if member.is_some_and(|member| member.next_sequence > foreign.sequence) {
            return invalid("another batch of this member was decided under its number");
        }
        if self.batches.contains_key(&foreign.member) {
            return None;
        }
        invalid(
            "the batch can be in no block any more: its beacon has passed, or none of its operations would be paid for",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(member: u8, request: u64) -> ForeignBatch {
        let (member, sequence) = (PublicKey([member; 32]), Sequence(0));
        ForeignBatch {
            requests: alloc::vec![RequestId(request)],
            member,
            sequence,
            proof_hash: Digest::ZERO,
            operations: Vec::new(),
        }
    }

    fn id(number: usize) -> Digest {
        let mut id = Digest::ZERO;
        id.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
        id
    }

    fn counts(held: &ForeignBatches) -> (usize, usize) {
        (held.by_id.len(), held.by_request.len())
    }

    #[test]
    fn a_member_has_as_many_batches_waiting_as_may_be_and_leaves_room_for_others() {
        let mut held = ForeignBatches::default();
        for number in 0..FOREIGN_PER_MEMBER_COUNT_MAX {
            assert_eq!(held.push(id(number), batch(1, number as u64)), Ok(()));
        }
        assert_eq!(held.push(id(100), batch(1, 100)), Err(BatchLimitReached::Member));
        assert_eq!(held.push(id(101), batch(2, 101)), Ok(()));
        held.abandon(RequestId(100));
        assert_eq!(held.push(id(100), batch(1, 100)), Err(BatchLimitReached::Member), "that one was refused");
        held.abandon(RequestId(3));
        assert_eq!(held.push(id(100), batch(1, 100)), Ok(()), "a request that left gives its place up");
    }

    #[test]
    fn who_sends_the_batch_of_another_again_does_not_take_its_answer_away() {
        let mut held = ForeignBatches::default();
        let most = FOREIGN_REQUEST_COUNT_MAX as u64;
        for request in 0..most {
            assert_eq!(held.push(id(1), batch(1, request)), Ok(()));
        }
        assert_eq!(held.push(id(1), batch(1, most)), Err(BatchLimitReached::Batch));
        assert_eq!(held.dismiss().count(), FOREIGN_REQUEST_COUNT_MAX);
    }

    #[test]
    fn one_request_that_leaves_takes_nobody_elses_answer_away() {
        let mut held = ForeignBatches::default();
        for (number, request) in [(1, 1), (1, 2), (2, 3)] {
            assert_eq!(held.push(id(number), batch(1, request)), Ok(()));
        }
        held.abandon(RequestId(1));
        held.abandon(RequestId(1));
        assert_eq!(counts(&held), (2, 2));
        assert_eq!(held.take(&id(1)), [RequestId(2)]);
        assert_eq!(counts(&held), (1, 1));
        held.abandon(RequestId(2));
        held.abandon(RequestId(3));
        assert_eq!(counts(&held), (0, 0));
    }

    #[test]
    fn batches_of_all_members_hold_their_limit_and_not_one_past_it() {
        let mut held = ForeignBatches::default();
        for number in 0..FOREIGN_BATCH_COUNT_MAX {
            let mut one = batch(0, number as u64);
            one.member.0[..8].copy_from_slice(&(number as u64 / 8).to_be_bytes());
            assert_eq!(held.push(id(number), one), Ok(()));
        }
        let next = FOREIGN_BATCH_COUNT_MAX as u64;
        assert_eq!(held.push(id(FOREIGN_BATCH_COUNT_MAX), batch(250, next)), Err(BatchLimitReached::All));
        assert_eq!(held.dismiss().count(), FOREIGN_BATCH_COUNT_MAX);
        assert_eq!(held.push(id(0), batch(250, 0)), Ok(()));
    }
}
