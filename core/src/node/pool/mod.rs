//! What waits to be ordered: at most one batch of each member, and the validators' system operations.
//!
//! Nobody can fill the place of another. A batch of a member's is proved by that member before it takes the member's
//! place. One that cannot be judged yet, because a block is missing, waits in a place of its sender's own.

mod foreign_batches;
mod report_offence;

use crate::api::TraceEvent;
use crate::base::{Digest, Height, PublicKey, Size, reached};
use crate::hypermesh::ordering::ValidatorSet;
use crate::hypermesh::proof::Diligence;
use crate::node::ask::Contents;
use crate::node::job::{Job, Purpose};
use crate::node::message::{BatchSent, Message};
use crate::node::pool::foreign_batches::ForeignBatches;
use crate::node::{Ask, Event, PersistToken, context::Context};
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
pub(in crate::node) struct Pool {
    /// By member: the batch under its next number.
    pub(in crate::node) batches: BTreeMap<PublicKey, Arc<CheckedBatch>>,
    /// By sender, oldest first: batches under later numbers, whose turn comes when this node has the blocks before them.
    /// Their proofs are not judged yet, so they take room of their sender alone.
    early: BTreeMap<PublicKey, VecDeque<Arc<CheckedBatch>>>,
    /// Those of other members that requests wait for.
    pub(in crate::node) foreign: ForeignBatches,
    /// By id.
    pub(in crate::node) system: BTreeMap<Digest, SystemOperation>,
}

impl Pool {
    /// This very batch, if it was checked before.
    pub(in crate::node) fn checked(&self, batch: &Batch) -> Option<Arc<CheckedBatch>> {
        let held = self.batches.get(&batch.member)?;
        (held.batch == *batch).then(|| Arc::clone(held))
    }

    /// A batch of a block, if it is one that was checked before, with operations left out or not.
    pub(in crate::node) fn included(&self, batch: &Batch) -> Option<Arc<CheckedBatch>> {
        match batch.omitted.is_empty() {
            true => self.checked(batch),
            false => self.batches.get(&batch.member)?.included_as(batch).map(Arc::new),
        }
    }

    /// System operations in the order in which they get room in a block: one of each validator's in turn, and the first
    /// is another validator's at each height.
    pub(in crate::node) fn system_in_turn(
        &self,
        validators: &ValidatorSet,
        height: Height,
    ) -> Vec<SystemOperation> {
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

    /// What waits, for a block at this height.
    pub(in crate::node) fn contents(&self, validators: &ValidatorSet, height: Height) -> Contents {
        let batches = self.batches.values().cloned().collect();
        Contents { batches, system: self.system_in_turn(validators, height) }
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

    pub(in crate::node) fn sizes(&self, members: usize, validators: usize) -> Vec<Size> {
        // This node's own word is taken in whatever waits.
        let system_max = (validators + 1) * SYSTEM_PER_VALIDATOR_MAX;
        let mut sizes = alloc::vec![
            Size::limited("batches that wait to be ordered", self.batches.len(), members),
            Size::limited(
                "batches that wait for their turn",
                self.early.values().map(VecDeque::len).sum(),
                validators * EARLY_PER_SENDER_COUNT_MAX,
            ),
            Size::limited("system operations that wait to be ordered", self.system.len(), system_max),
        ];
        sizes.extend(self.foreign.sizes());
        sizes
    }

    /// Whether there is anything to order.
    pub(in crate::node) fn has_work(&self) -> bool {
        !self.batches.is_empty() || !self.system.is_empty()
    }

    pub(in crate::node) fn on_batch(&mut self, cx: &mut Context, from: PublicKey, sent: BatchSent) {
        let BatchSent { batch, traces } = sent;
        let known = self.checked(&batch).is_some();
        let wanted = cx.state.get::<Member>(&batch.member).is_some_and(|member| {
            batch.genesis == cx.state.genesis_hash() && batch.sequence >= member.next_sequence
        });
        if wanted && !known && !cx.jobs.has_room(&from) {
            cx.count("hypermesh", "batches_refused_total", 1);
        } else if wanted && !known {
            let genesis = cx.state.genesis_hash();
            cx.trace_batch(from, &batch, &traces);
            let _job =
                cx.run(Purpose::PeerBatch { from }, Job::CheckBatch { genesis, batch: Box::new(batch) });
        }
    }

    pub(in crate::node) fn on_checked_batch(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        checked: Result<Arc<CheckedBatch>, BatchFault>,
    ) {
        match checked {
            Ok(batch) => self.take(cx, from, batch),
            Err(fault) => {
                cx.count("hypermesh", "batches_refused_total", 1);
                cx.outbox.event(Event::PeerFault { peer: from, reason: fault.to_string() });
            }
        }
    }

    /// Takes a batch from a sender, or from this node itself, into the pool if it could be in the next block.
    pub(in crate::node) fn take(&mut self, cx: &mut Context, from: PublicKey, batch: Arc<CheckedBatch>) {
        let time = cx.wall().max(cx.state.time());
        let admitted = cx.state.admit(&batch, time, Diligence::StopAtFirst);
        cx.count_proofs(admitted.as_ref().map(|_| ()));
        match admitted {
            Ok(_) => {
                if self.checked(&batch.batch).is_none() {
                    cx.count("hypermesh", "batches_taken_total", 1);
                }
                if batch.batch.member != cx.identity.public() {
                    let ids = batch.operations.iter().map(|operation| operation.id);
                    cx.note_operations(ids, &TraceEvent::BatchTaken { sequence: batch.batch.sequence });
                }
                self.batches.insert(batch.batch.member, batch);
                cx.ask(Ask::ConsiderHeight);
            }
            // Whoever sent it has applied a block that is still on its way to this node.
            Err(Inadmissible::Sequence { given, next }) if given > next => {
                reached!(cx.marks, "a batch comes before its turn");
                self.keep_early(from, batch);
            }
            Err(_) => {
                reached!(cx.marks, "a batch is refused");
                cx.count("hypermesh", "batches_refused_total", 1);
            }
        }
    }

    /// Takes in what came too early, after a block.
    pub(in crate::node) fn take_early(&mut self, cx: &mut Context) {
        for (from, batches) in core::mem::take(&mut self.early) {
            batches.into_iter().for_each(|batch| self.take(cx, from, batch));
        }
    }

    pub(in crate::node) fn on_system_operation(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        operation: SystemOperation,
    ) {
        let waiting = self.system.values().filter(|held| held.validator == operation.validator).count();
        let room = waiting < SYSTEM_PER_VALIDATOR_MAX && from == operation.validator;
        if room && cx.state.accepts(&operation) {
            self.system.insert(operation.id(), operation);
            cx.ask(Ask::ConsiderHeight);
        }
    }

    /// Takes a system operation of this node's, and sends it to the others: once a write is durable, if one is named, so
    /// that a crash in between does not leave the mesh counting on what this node has lost.
    pub(in crate::node) fn order_system(
        &mut self,
        cx: &mut Context,
        operation: SystemOperation,
        after: Option<PersistToken>,
    ) {
        if cx.is_stopped() {
            return;
        }
        let message = Message::System(operation.clone());
        match after {
            Some(token) => {
                let _bytes = cx.broadcast_after(token, &message);
            }
            None => cx.broadcast(&message),
        }
        if cx.state.accepts(&operation) {
            self.system.insert(operation.id(), operation);
        }
        cx.ask(Ask::ConsiderHeight);
    }

    /// Sends a peer that was just linked what this node has put before the mesh and the peer may have missed.
    pub(in crate::node) fn send_own(&mut self, cx: &mut Context, peer: PublicKey) {
        let me = cx.identity.public();
        let own = self.system.values().filter(|operation| operation.validator == me);
        for operation in own.cloned().collect::<Vec<_>>() {
            cx.send(peer, &Message::System(operation));
        }
        if let Some(batch) = self.batches.get(&me).cloned() {
            cx.send(peer, &cx.batch_message(&batch));
        }
    }

    /// Drops what has been ordered, or cannot be any more.
    pub(in crate::node) fn prune(&mut self, cx: &mut Context) {
        let state = &cx.state;
        let time = state.time();
        self.batches.retain(|_, batch| state.admit(batch, time, Diligence::StopAtFirst).is_ok());
        self.system.retain(|_, operation| state.accepts(operation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SecretKey, Sequence};
    #[cfg(not(hypermesh_simulation_crypto))]
    use crate::node::test_util::{context, mesh, sent};
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

    #[test]
    #[cfg(not(hypermesh_simulation_crypto))]
    fn a_nodes_own_word_waits_for_its_write_and_asks_for_a_height() {
        let mesh = mesh();
        let (mut cx, mut pool) = (context(&mesh), Pool::default());
        let action = crate::state::SystemAction::Reveal(Digest([1; 32]));
        let operation = SystemOperation::sign(mesh.genesis_hash(), action, &mesh.validators[0]);
        let token = cx.persist(crate::base::WriteBatch::default());
        pool.order_system(&mut cx, operation.clone(), Some(token));
        assert!(sent(&mut cx).is_empty(), "its write is not durable");
        assert!(matches!(cx.asks.pop_front(), Some(Ask::ConsiderHeight)));
        cx.settle_writes(token);
        assert_eq!(sent(&mut cx).len(), 3);
        cx.stopped = Some("test".into());
        pool.order_system(&mut cx, operation, None);
        assert!(sent(&mut cx).is_empty() && cx.asks.is_empty(), "a node that is stopped says no more");
    }
}
