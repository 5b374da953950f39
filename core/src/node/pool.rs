//! What waits to be ordered: at most one batch of each member, and the validators' system operations.
//!
//! Nobody can fill the place of another. A batch of a member's is proved by that member before it takes the member's
//! place. One that cannot be judged yet, because a block is missing, waits in a place of its sender's own.

use super::job::{Job, Purpose};
use super::message::{BatchSent, Message};
use super::{Event, Node};
use crate::api::TraceEvent;
use crate::base::{Digest, Height, PublicKey, Size, reached};
use crate::hypermesh::ordering::ValidatorSet;
use crate::hypermesh::proof::Diligence;
use crate::state::{
    BATCH_BYTES_MAX, BLOCK_BYTES_MAX, Batch, BatchFault, CheckedBatch, Inadmissible, Member, SystemOperation,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most system operations that wait, of one validator.
const SYSTEM_PER_VALIDATOR_MAX: usize = 16;
/// The most early batches of one sender: it may have taken them from other members.
const EARLY_PER_SENDER_COUNT_MAX: usize = 16;
/// The most bytes in the early batches of one sender: one of the longest fits.
const EARLY_PER_SENDER_BYTES_MAX: usize = BLOCK_BYTES_MAX;

const _: () = assert!(BATCH_BYTES_MAX <= EARLY_PER_SENDER_BYTES_MAX);

/// What waits to be ordered.
#[derive(Default)]
pub(super) struct Pool {
    /// By member: the batch under its next number.
    pub(super) batches: BTreeMap<PublicKey, Arc<CheckedBatch>>,
    /// By sender, oldest first: batches under later numbers, whose turn comes when this node has the blocks before them.
    /// Their proofs are not judged yet, so they take room of their sender alone.
    early: BTreeMap<PublicKey, VecDeque<Arc<CheckedBatch>>>,
    /// By id.
    pub(super) system: BTreeMap<Digest, SystemOperation>,
}

impl Pool {
    /// This very batch, if it was checked before.
    pub(super) fn checked(&self, batch: &Batch) -> Option<Arc<CheckedBatch>> {
        let held = self.batches.get(&batch.member)?;
        (held.batch == *batch).then(|| Arc::clone(held))
    }

    /// A batch of a block, if it is one that was checked before, with operations left out or not.
    pub(super) fn included(&self, batch: &Batch) -> Option<Arc<CheckedBatch>> {
        match batch.omitted.is_empty() {
            true => self.checked(batch),
            false => self.batches.get(&batch.member)?.included_as(batch).map(Arc::new),
        }
    }

    /// System operations in the order in which they get room in a block: one of each validator's in turn, and the first
    /// is another validator's at each height.
    pub(super) fn system_in_turn(&self, validators: &ValidatorSet, height: Height) -> Vec<SystemOperation> {
        let mut keys = validators.as_slice().to_vec();
        let turn = usize::try_from(height.0 % keys.len().max(1) as u64).unwrap_or_default();
        keys.rotate_left(turn);
        let mut ranked = Vec::with_capacity(self.system.len());
        for (place, key) in keys.iter().enumerate() {
            let own = self.system.values().filter(|operation| operation.validator == *key);
            ranked.extend(own.enumerate().map(|(round, operation)| ((round, place), operation)));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, operation)| operation.clone()).collect()
    }

    /// Keeps a batch until its turn comes, in the place of its sender's batch of the same member and number, if that holds
    /// one. A sender with too many displaces its own oldest.
    fn keep_early(&mut self, from: PublicKey, batch: Arc<CheckedBatch>) {
        let held = self.early.entry(from).or_default();
        let slot = |one: &CheckedBatch| (one.batch.member, one.batch.sequence);
        held.retain(|one| slot(one) != slot(&batch));
        held.push_back(batch);
        let too_many = |held: &VecDeque<Arc<CheckedBatch>>| {
            let bytes: usize = held.iter().map(|one| one.bytes).sum();
            held.len() > EARLY_PER_SENDER_COUNT_MAX || bytes > EARLY_PER_SENDER_BYTES_MAX
        };
        while too_many(held) {
            held.pop_front();
        }
    }

    pub(super) fn sizes(&self, members: usize, validators: usize) -> [Size; 3] {
        // This node's own word is taken in whatever waits.
        let system_max = (validators + 1) * SYSTEM_PER_VALIDATOR_MAX;
        [
            Size::limited("batches that wait to be ordered", self.batches.len(), members),
            Size::limited(
                "batches that wait for their turn",
                self.early.values().map(VecDeque::len).sum(),
                validators * EARLY_PER_SENDER_COUNT_MAX,
            ),
            Size::limited("system operations that wait to be ordered", self.system.len(), system_max),
        ]
    }
}

impl Node {
    /// Whether there is anything to order.
    pub(super) fn has_work(&self) -> bool {
        !self.pool.batches.is_empty() || !self.pool.system.is_empty()
    }

    pub(super) fn on_batch(&mut self, from: PublicKey, sent: BatchSent) {
        let BatchSent { batch, traces } = sent;
        let known = self.pool.checked(&batch).is_some();
        let wanted = self.state.get::<Member>(&batch.member).is_some_and(|member| {
            batch.genesis == self.state.genesis_hash() && batch.sequence >= member.next_sequence
        });
        if wanted && !known && !self.jobs.has_room(&from) {
            self.count("hypermesh", "batches_refused_total", 1);
        } else if wanted && !known {
            let genesis = self.state.genesis_hash();
            self.trace_batch(from, &batch, &traces);
            let _job =
                self.run(Purpose::PeerBatch { from }, Job::CheckBatch { genesis, batch: Box::new(batch) });
        }
    }

    pub(super) fn on_checked_batch(
        &mut self,
        from: PublicKey,
        checked: Result<Arc<CheckedBatch>, BatchFault>,
    ) {
        match checked {
            Ok(batch) => self.pool_batch(from, batch),
            Err(fault) => {
                self.count("hypermesh", "batches_refused_total", 1);
                self.outbox.event(Event::PeerFault { peer: from, reason: fault.to_string() });
            }
        }
    }

    /// Takes a batch from a sender, or from this node itself, into the pool if it could be in the next block.
    pub(super) fn pool_batch(&mut self, from: PublicKey, batch: Arc<CheckedBatch>) {
        let time = self.wall().max(self.state.time());
        let admitted = self.state.admit(&batch, time, Diligence::StopAtFirst);
        self.count_proofs(admitted.as_ref().map(|_| ()));
        match admitted {
            Ok(_) => {
                if self.pool.checked(&batch.batch).is_none() {
                    self.count("hypermesh", "batches_taken_total", 1);
                }
                if batch.batch.member != self.identity.public() {
                    let ids = batch.operations.iter().map(|operation| operation.id);
                    self.note_operations(ids, &TraceEvent::BatchTaken { sequence: batch.batch.sequence });
                }
                self.pool.batches.insert(batch.batch.member, batch);
                self.consider_start();
            }
            // Whoever sent it has applied a block that is still on its way to this node.
            Err(Inadmissible::Sequence { given, next }) if given > next => {
                reached!(self.marks, "a batch comes before its turn");
                self.pool.keep_early(from, batch);
            }
            Err(_) => {
                reached!(self.marks, "a batch is refused");
                self.count("hypermesh", "batches_refused_total", 1);
            }
        }
    }

    /// Takes in what came too early, after a block.
    pub(super) fn pool_early(&mut self) {
        for (from, batches) in core::mem::take(&mut self.pool.early) {
            batches.into_iter().for_each(|batch| self.pool_batch(from, batch));
        }
    }

    pub(super) fn on_system_operation(&mut self, from: PublicKey, operation: SystemOperation) {
        let waiting = self.pool.system.values().filter(|held| held.validator == operation.validator).count();
        let room = waiting < SYSTEM_PER_VALIDATOR_MAX && from == operation.validator;
        if room && self.state.accepts(&operation) {
            self.pool.system.insert(operation.id(), operation);
            self.consider_start();
        }
    }

    /// Puts this node's own word before the mesh.
    pub(super) fn say(&mut self, action: crate::state::SystemAction) {
        self.put_forward(SystemOperation::sign(self.state.genesis_hash(), action, &self.identity));
    }

    /// As [`Self::say`], of an operation that this node has signed.
    pub(super) fn put_forward(&mut self, operation: SystemOperation) {
        if self.is_stopped() {
            return;
        }
        self.broadcast(&Message::System(operation.clone()));
        if self.state.accepts(&operation) {
            self.pool.system.insert(operation.id(), operation);
        }
        self.consider_start();
    }

    /// Drops what has been ordered, or cannot be any more.
    pub(super) fn prune_pool(&mut self) {
        let state = &self.state;
        let time = state.time();
        self.pool.batches.retain(|_, batch| state.admit(batch, time, Diligence::StopAtFirst).is_ok());
        self.pool.system.retain(|_, operation| state.accepts(operation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SecretKey, Sequence};
    use crate::state::tests::test_util::{Mesh, alice, bob, transfer};
    use alloc::vec;

    fn batch(mesh: &mut Mesh, member: &SecretKey, sequence: u64) -> Arc<CheckedBatch> {
        let operation = mesh.operation(&alice(), transfer(&bob(), 1));
        mesh.checked(mesh.prove(member, Sequence(sequence), 0, true, vec![operation]))
    }

    fn held(pool: &Pool, from: &PublicKey) -> Vec<Digest> {
        pool.early.get(from).into_iter().flatten().map(|batch| batch.id).collect()
    }

    #[test]
    fn a_peers_early_batch_does_not_displace_one_that_another_sent() {
        let mut mesh = Mesh::new();
        let member = mesh.member.clone();
        let honest = batch(&mut mesh, &member, 1);
        let forged = Arc::new(CheckedBatch::of_checked(
            Batch { sequence: Sequence(1), ..batch(&mut mesh, &member, 2).batch.clone() },
            honest.operations.clone(),
        ));
        let [sender, liar] = [mesh.validators[1].public(), mesh.validators[2].public()];
        let mut pool = Pool::default();
        pool.keep_early(sender, Arc::clone(&honest));
        for _ in 0..2 * EARLY_PER_SENDER_COUNT_MAX {
            pool.keep_early(liar, Arc::clone(&forged));
        }
        assert_eq!(held(&pool, &sender), [honest.id]);
        assert_eq!(held(&pool, &liar), [forged.id], "one of each member and number");
    }

    #[test]
    fn a_sender_has_as_many_early_batches_as_may_be_and_then_loses_its_own_oldest() {
        let mut mesh = Mesh::new();
        let member = mesh.member.clone();
        let sender = mesh.validators[1].public();
        let mut pool = Pool::default();
        let count = EARLY_PER_SENDER_COUNT_MAX as u64;
        let batches: Vec<_> = (1..=count + 1).map(|sequence| batch(&mut mesh, &member, sequence)).collect();
        for batch in &batches[..EARLY_PER_SENDER_COUNT_MAX] {
            pool.keep_early(sender, Arc::clone(batch));
        }
        let ids: Vec<_> = batches.iter().map(|batch| batch.id).collect();
        assert_eq!(held(&pool, &sender), ids[..EARLY_PER_SENDER_COUNT_MAX]);
        pool.keep_early(sender, Arc::clone(&batches[EARLY_PER_SENDER_COUNT_MAX]));
        assert_eq!(held(&pool, &sender), ids[1..]);
    }

    #[test]
    fn early_batches_of_a_sender_hold_their_bytes_at_the_limit_and_one_past_it() {
        let mut mesh = Mesh::new();
        let member = mesh.member.clone();
        let sender = mesh.validators[1].public();
        let mut sized = |sequence, bytes| {
            let held = batch(&mut mesh, &member, sequence);
            Arc::new(CheckedBatch { bytes, ..(*held).clone() })
        };
        let (first, second) = (sized(1, EARLY_PER_SENDER_BYTES_MAX - 10), sized(2, 10));
        let (third, mut pool) = (sized(3, 1), Pool::default());
        pool.keep_early(sender, Arc::clone(&first));
        pool.keep_early(sender, Arc::clone(&second));
        assert_eq!(held(&pool, &sender), [first.id, second.id]);
        pool.keep_early(sender, Arc::clone(&third));
        assert_eq!(held(&pool, &sender), [second.id, third.id]);
    }

    #[test]
    fn validators_take_turns_with_their_system_operations_and_another_begins_at_each_height() {
        let mesh = Mesh::new();
        let mut pool = Pool::default();
        let abort = |attempt| crate::state::SystemAction::GenerationAbort {
            attempt,
            accused: vec![],
            reason: "restarted".into(),
        };
        for (place, validator) in mesh.validators.iter().enumerate() {
            let count = if place == 0 { SYSTEM_PER_VALIDATOR_MAX as u32 } else { 1 };
            for operation in (0..count).map(|attempt| mesh.say(validator, abort(attempt))) {
                pool.system.insert(operation.id(), operation);
            }
        }
        let keys: Vec<_> = mesh.validators.iter().map(SecretKey::public).collect();
        for height in 1..5 {
            let ranked = pool.system_in_turn(mesh.state.validators(), Height(height));
            assert_eq!(ranked.len(), SYSTEM_PER_VALIDATOR_MAX + 3);
            let first: Vec<_> = ranked.iter().take(4).map(|operation| operation.validator).collect();
            let mut expected = keys.clone();
            expected.rotate_left(height as usize % 4);
            assert_eq!(first, expected);
        }
    }
}
