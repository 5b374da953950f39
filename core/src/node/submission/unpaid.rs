//! Operations that nobody would pay for: they are refused here, with the reason, and never put before the mesh.
//!
//! A block has no place for them, see [`crate::state::Unpaid`], so no receipt tells their owner what became of them. The
//! member that was asked does.

use crate::api::{ApiFault, FaultKind};
use crate::base::{MicroCaesar, reached};
use crate::caesar::LedgerAccount;
use crate::node::admission::Queue;
use crate::node::context::Context;
use crate::node::submission::BATCH_ROOM_BYTES_MAX;
use crate::node::submission::Submission;
use crate::state::{
    Action, Attest, BATCH_OPERATION_COUNT_MAX, CheckedOperation, Outcome, Receipt, Refusal, Unpaid,
};
use alloc::string::ToString;
use alloc::vec::Vec;

impl Submission {
    /// Why an operation would be refused, if it would be, by the next block. Where the last one is old, because the mesh
    /// stood still, its time says nothing about how far ahead an expiry lies: this node's clock does.
    pub(in crate::node) fn foreseen_refusal(cx: &Context, operation: &CheckedOperation) -> Option<Refusal> {
        let refusal = |time| match cx.state.rehearse(operation, time) {
            Ok(Receipt { outcome: Outcome::Refused(refusal), .. }) | Err(Unpaid::Refused(refusal)) => {
                Some(refusal)
            }
            _ => None,
        };
        let last = cx.state.time();
        refusal(last).and_then(|foreseen| match foreseen {
            Refusal::ExpiresTooLate { .. } => refusal(cx.wall().max(last)),
            other => Some(other),
        })
    }

    /// Why its owner cannot pay for an operation beside the owner's others that wait here: what each would pay and move
    /// is counted.
    pub(in crate::node) fn overdraft(&self, cx: &Context, operation: &CheckedOperation) -> Option<Refusal> {
        let owner = operation.operation.body.owner;
        let costs = self.waiting_of(&owner).chain([operation]).map(|one| cx.state.cost(one));
        let needed: u128 = costs.sum();
        let balance = cx.state.balance(LedgerAccount::Account(owner));
        let needed = MicroCaesar(u64::try_from(needed).unwrap_or(u64::MAX));
        (needed > balance).then_some(Refusal::Funds { owner, balance, needed })
    }

    /// Takes what the next batch holds from the queues, and refuses what could not be in the next block. An attestation of
    /// this node's goes along with a ticket that does not stand yet, and only then: a batch of which nothing is paid for when
    /// its turn comes is in no block, and whoever makes its operations unpayable would keep the ticket out with them.
    pub(in crate::node) fn gather(&mut self, cx: &mut Context, attests: bool) -> Vec<CheckedOperation> {
        loop {
            let bytes_max = self.room_bytes().min(BATCH_ROOM_BYTES_MAX);
            let gathered = self.queues.gather(bytes_max);
            self.note_gathered(cx, &gathered);
            let mut payable = self.refuse_unpaid(cx, gathered);
            payable.retain(|operation| operation.operation.body.action != Action::Attest(Attest));
            if attests {
                self.put_back_from(&mut payable, BATCH_OPERATION_COUNT_MAX - 1);
                payable.insert(0, cx.own_operation(Action::Attest(Attest)));
            }
            let are_empty = self.queues.is_empty();
            if are_empty {
                // Who comes now waits for one batch at most, however long that takes: no queue stands.
                cx.admission.note_delay(cx.now.mono, Queue::Batch, cx.now.mono);
            }
            if are_empty || !payable.is_empty() {
                return payable;
            }
        }
    }

    /// Puts back what does not fit.
    fn put_back_from(&mut self, operations: &mut Vec<CheckedOperation>, count_max: usize) {
        let rest = operations.split_off(operations.len().min(count_max));
        self.put_back(rest);
    }

    /// Puts operations back into their owners' queues that a batch had and that are in no block. Those that have a receipt are
    /// settled, those that could not be in the next block are refused, and those that nobody waits for any more are
    /// dropped. Gives how many could be in the next block, dropped ones among them: for these the last had no room.
    pub(in crate::node) fn put_back_payable(
        &mut self,
        cx: &mut Context,
        operations: Vec<CheckedOperation>,
    ) -> usize {
        let left = self.refuse_unpaid(cx, operations);
        let count = left.len();
        self.put_back(left);
        count
    }

    /// Answers for operations that could not be in the next block. Gives the others, in order. A node that may be behind
    /// refuses nothing: what it knows may be old.
    fn refuse_unpaid(
        &mut self,
        cx: &mut Context,
        operations: Vec<CheckedOperation>,
    ) -> Vec<CheckedOperation> {
        let may_be_behind = cx.may_be_behind();
        let mut left = Vec::with_capacity(operations.len());
        for operation in operations {
            match Self::unpaid(cx, &operation) {
                Some(Unpaid::Repeated) => {
                    if let Some(receipt) = cx.state.get::<Receipt>(&operation.id) {
                        self.settle(cx, &receipt);
                    }
                }
                Some(reason) if !may_be_behind => self.refuse(cx, &operation, &reason),
                _ => left.push(operation),
            }
        }
        left
    }

    fn unpaid(cx: &Context, operation: &CheckedOperation) -> Option<Unpaid> {
        let last = cx.state.time();
        match cx.state.payable(operation, last) {
            Err(Unpaid::Refused(Refusal::ExpiresTooLate { .. })) => {
                cx.state.payable(operation, cx.wall().max(last)).err()
            }
            outcome => outcome.err(),
        }
    }

    fn refuse(&mut self, cx: &mut Context, operation: &CheckedOperation, reason: &Unpaid) {
        reached!(cx.marks, "an operation that nobody pays for is refused by its member");
        cx.count("hypermesh", "operations_unpaid_total", 1);
        let fault = ApiFault::new(FaultKind::FailedPrecondition, reason);
        self.settle_refused(cx, &operation.id, &fault);
        cx.outbox.event(crate::node::Event::Refused { operation: operation.id, reason: reason.to_string() });
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::node::Node;
    use crate::node::test_util::{mesh, opened};
    use crate::state::tests::test_util::{alice, bob, transfer};

    #[test]
    fn a_ticket_that_does_not_stand_goes_with_an_attestation_and_another_goes_without() {
        let mut mesh = mesh();
        let mut node = opened(&mesh, &[]);
        let genesis = mesh.genesis_hash();
        let mut push = |node: &mut Node, count: usize| {
            for _ in 0..count {
                let operation = mesh.operation(&alice(), transfer(&bob(), 1)).check(&genesis).unwrap();
                node.submission.queues.push(operation);
            }
        };
        let attests = |gathered: &[CheckedOperation]| {
            let of = |one: &&CheckedOperation| one.operation.body.action == Action::Attest(Attest);
            gathered.iter().filter(of).map(|one| one.operation.body.owner).collect::<Vec<_>>()
        };
        push(&mut node, 2);
        let with = node.submission.gather(&mut node.cx, true);
        assert_eq!((with.len(), attests(&with)), (3, alloc::vec![node.cx.identity.public()]));
        push(&mut node, 2);
        let without = node.submission.gather(&mut node.cx, false);
        assert_eq!((without.len(), attests(&without).len()), (2, 0));
        // One that was put back after its ticket came to stand is not taken along.
        node.submission.queues.put_back(with);
        let again = node.submission.gather(&mut node.cx, false);
        assert_eq!((again.len(), attests(&again).len()), (2, 0));
        assert!(node.submission.queues.is_empty());
        // And what there is no room for waits.
        let mut many: Vec<CheckedOperation> = Vec::new();
        many.resize(BATCH_OPERATION_COUNT_MAX, without[0].clone());
        node.submission.put_back_from(&mut many, BATCH_OPERATION_COUNT_MAX - 1);
        assert_eq!((many.len(), node.submission.queues.count()), (BATCH_OPERATION_COUNT_MAX - 1, 1));
    }
}
