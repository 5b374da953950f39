//! Requests whose callers have left: work that was done for them alone ends.
//!
//! An operation that is in no batch yet is taken out of its owner's queue. One that is in a batch may still be ordered, and
//! is then executed like any other: nobody can take it back. What is executed and not signed is not signed now; whoever
//! asks for the certificate has it signed then.

use crate::base::{Mono, PublicKey};
use crate::node::admission::Queue;
use crate::node::submission::Submission;
use crate::node::{RequestId, context::Context};
use crate::state::{CheckedOperation, OperationId};
use alloc::vec::Vec;

/// A client's operation that is in no batch yet.
pub(in crate::node) struct Queued {
    pub(in crate::node) owner: PublicKey,
    /// Since when it waits for its first batch; none if it was in one already.
    pub(in crate::node) since: Option<Mono>,
}

impl Submission {
    /// The caller of a request has left. Returns whether an operation was removed from its queue because of that.
    pub(in crate::node) fn abandon(&mut self, request: RequestId) -> bool {
        let deserted = self.waiting.remove(request).filter(|operation| self.waiting.is_deserted(operation));
        let Some(operation) = deserted.filter(|operation| self.leave_line(operation)) else { return false };
        self.waiting.take(&operation);
        true
    }

    /// An operation has its receipt, or was refused for good: it is not to be in a batch any more. Gives who waits for it.
    pub(in crate::node) fn end(&mut self, operation: &OperationId) -> Vec<(RequestId, ())> {
        self.leave_line(operation);
        self.waiting.take(operation)
    }

    /// Takes a client's operation out of its owner's queue. Whether it was there.
    fn leave_line(&mut self, operation: &OperationId) -> bool {
        let Some(Queued { owner, .. }) = self.queued.remove(operation) else { return false };
        self.queues.remove(&owner, operation);
        true
    }

    /// Drops clients' operations that are in no batch.
    pub(in crate::node) fn drop_queued(&mut self) {
        let queued = core::mem::take(&mut self.queued);
        self.queues.retain(|operation| !queued.contains_key(&operation.id));
        for operation in queued.keys() {
            self.waiting.take(operation);
        }
    }

    /// Puts operations that were in a batch back into their owners' queues, but for those that nobody waits for any more.
    pub(in crate::node) fn put_back(&mut self, operations: Vec<CheckedOperation>) {
        let (deserted, wanted): (Vec<_>, Vec<_>) =
            operations.into_iter().partition(|operation| self.waiting.is_deserted(&operation.id));
        for operation in deserted {
            self.waiting.take(&operation.id);
        }
        for operation in wanted.iter().filter(|operation| self.waiting.has(&operation.id)) {
            let queued = Queued { owner: operation.operation.body.owner, since: None };
            self.queued.insert(operation.id, queued);
        }
        self.queues.put_back(wanted);
    }

    /// Notes that operations have left their owners' queues: how long they waited there.
    pub(in crate::node) fn note_gathered(&mut self, cx: &mut Context, operations: &[CheckedOperation]) {
        for operation in operations {
            if let Some(Queued { since: Some(since), .. }) = self.queued.remove(&operation.id) {
                cx.admission.note_delay(cx.now.mono, Queue::Batch, since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PublicKey;
    use crate::state::tests::test_util::{Mesh, alice, bob, plot_of, transfer};
    use alloc::sync::Arc;

    fn submission() -> Submission {
        Submission::new(Arc::new(plot_of(&alice().public())))
    }

    fn operations() -> Vec<CheckedOperation> {
        let mut mesh = Mesh::new();
        let genesis = mesh.genesis_hash();
        let operation = |amount| mesh.operation(&alice(), transfer(&bob(), amount)).check(&genesis).unwrap();
        (1..=3).map(operation).collect()
    }

    fn queue(submission: &mut Submission, operation: &CheckedOperation, requests: &[u64]) {
        for request in requests {
            assert_eq!(submission.waiting.push(operation.id, RequestId(*request), ()), Ok(()));
        }
        submission.put_back(alloc::vec![operation.clone()]);
    }

    /// What an owner's operations that wait are, and those that clients sent, and how many are waited for.
    fn held(submission: &Submission, owner: &PublicKey) -> (Vec<OperationId>, usize, usize) {
        let waiting = submission.waiting_of(owner).map(|operation| operation.id).collect();
        (waiting, submission.queued.len(), submission.waiting.thing_count())
    }

    #[test]
    fn an_operation_that_all_have_left_costs_its_owner_nothing_any_more() {
        let (operations, owner) = (operations(), alice().public());
        let mut submission = submission();
        queue(&mut submission, &operations[0], &[1, 2]);
        queue(&mut submission, &operations[1], &[3]);
        let [one, two] = [operations[0].id, operations[1].id];
        assert!(!submission.abandon(RequestId(1)), "another waits for it still");
        assert_eq!(held(&submission, &owner), (alloc::vec![two, one], 2, 2));
        assert!(submission.abandon(RequestId(2)));
        assert!(!submission.abandon(RequestId(2)));
        assert_eq!(held(&submission, &owner), (alloc::vec![two], 1, 1));
        assert_eq!(submission.end(&two), [(RequestId(3), ())]);
        assert_eq!(held(&submission, &owner), (Vec::new(), 0, 0));
    }

    #[test]
    fn an_operation_that_was_left_while_it_was_in_a_batch_is_not_put_into_another() {
        let (operations, owner) = (operations(), alice().public());
        let mut submission = submission();
        queue(&mut submission, &operations[0], &[1]);
        queue(&mut submission, &operations[1], &[2]);
        let batch = submission.queues.gather(usize::MAX);
        submission.queued.clear();
        assert!(!submission.abandon(RequestId(1)), "it is in a batch");
        assert!(submission.waiting.has(&operations[0].id), "who asks again does not put it there twice");
        // One of the node's own, which no request waits for, stays.
        submission.put_back(batch.into_iter().chain([operations[2].clone()]).collect());
        let left = alloc::vec![operations[1].id, operations[2].id];
        assert_eq!(held(&submission, &owner), (left, 1, 1));
    }

    #[test]
    fn operations_that_clients_sent_are_dropped_with_them_and_own_ones_stay() {
        let (operations, owner) = (operations(), alice().public());
        let mut submission = submission();
        queue(&mut submission, &operations[0], &[1]);
        queue(&mut submission, &operations[2], &[]);
        assert_eq!(submission.waiting.dismiss().len(), 1);
        submission.drop_queued();
        assert_eq!(held(&submission, &owner), (alloc::vec![operations[2].id], 0, 0));
    }
}
