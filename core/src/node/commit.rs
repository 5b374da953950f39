//! What happens when a block is decided: it becomes durable, and everything that waited for it goes on.

use super::ask::Committed;
use super::checked::CheckedBlock;
use super::stored::state_writes;
use super::sync::APPLY_COUNT_MAX;
use super::timers::Timer;
use super::{Event, Node};
use crate::base::{Table, encode, reached};
use crate::hypermesh::ordering::{CommitCertificate, Input};
use crate::state::{Batch, Block, Effect, Executed, Outcome};
use alloc::string::ToString;
use alloc::sync::Arc;

impl Node {
    pub(super) fn on_decided(&mut self, value: &Arc<[u8]>, certificate: CommitCertificate) {
        let pool = &self.pool;
        let checked = |batch: &Batch| pool.included(batch);
        match self.ordering.outcome(&mut self.cx, value, &certificate.value_id, &checked) {
            Ok((block, executed)) => self.settle_block(block, value, certificate, executed),
            Err(reason) => self.stop(&certificate, &reason),
        }
    }

    /// A quorum decided what this node finds invalid: more than f are faulty, or this node is. It must not follow,
    /// so it votes no more, says so, and goes on serving what it has.
    pub(super) fn stop(&mut self, certificate: &CommitCertificate, reason: &str) {
        reached!(self.cx.marks, "a node stops at a decision that it finds invalid");
        let height = certificate.height;
        let reason =
            alloc::format!("a quorum decided block {height}, which this node finds invalid: {reason}");
        self.cx.stopped = Some(reason.clone());
        self.ordering.end_height(&mut self.cx);
        self.cx.timers.cancel(Timer::Heartbeat);
        self.cx.timers.cancel(Timer::Sync);
        self.cx.outbox.event(Event::Broken { reason });
        self.cx.publish();
    }

    /// Takes a decided block with its outcome: it becomes durable, and everything that waited for it goes on.
    pub(super) fn settle_block(
        &mut self,
        block: Block,
        value: &Arc<[u8]>,
        certificate: CommitCertificate,
        executed: Executed,
    ) {
        let height = block.header.height;
        let abstained = self.ordering.engine.abstains_through();
        let first_entry = self.cx.state.log().size();
        let mut writes = self.block_writes(&block.header, value, &certificate);
        state_writes(&mut writes, &executed.changes);
        for (index, entry) in (first_entry..).zip(executed.entries) {
            writes.put(Table::LogEntries, index.to_be_bytes(), entry);
        }
        writes.put(Table::Movements, height.0.to_be_bytes(), encode(&executed.movements));
        self.signing.keep_confirmations(&block, &mut writes);
        let abstention = self.ordering.engine.abstention_entry(height.next());
        if let Some(entry) = &abstention {
            reached!(self.cx.marks, "an abstention outlives a height");
            writes.put(Table::Wal, 0_u64.to_be_bytes(), entry.clone());
        }
        let token = self.cx.persist(writes);
        self.ordering.settling = true;
        self.cx.state = executed.state;
        self.cx.commit = Some(certificate);
        self.ordering.end_height(&mut self.cx);
        self.readiness.note_progress(&mut self.cx);
        self.ordering.count_reveals(&mut self.cx);
        self.ordering.keep_log(abstention);
        self.ordering.engine.expect_roster(self.cx.state.roster());
        let committed = Committed { height, receipts: executed.receipts, block };
        self.tell(&committed);
        self.ordering.report_block_time(&mut self.cx);
        self.cx.note_decided(height, &committed.receipts);
        self.cx.announce_slashed(&executed.movements.movements);
        if let Some(fault) = self.cx.understaked() {
            self.refuse_undecided(&fault);
        }
        self.pool.prune(&mut self.cx);
        self.after_commit(&committed);
        // While settling: what the parts have put forward is part of the height that begins below.
        self.carry_out_asks();
        self.cx.publish();
        self.cx.outbox.after(token, super::Output::Event(Event::Durable { height }));
        if abstained == Some(height) {
            self.cx.outbox.event(Event::VotesAgain { height: height.next() });
        }
        self.ordering.settling = false;
        self.consider_start();
    }

    /// Applies the blocks that have come in their order, a few at a time, and asks for more.
    pub(super) fn apply_blocks(&mut self) {
        let before = self.cx.state.height();
        for _ in 0..APPLY_COUNT_MAX {
            let Some(block) = self.sync.next_to_apply(&mut self.cx) else { break };
            let bytes = block.bytes();
            self.apply_block(block);
            self.sync.note_applied(&mut self.cx, bytes);
        }
        if self.cx.is_stopped() {
            return;
        }
        let has_advanced = self.cx.state.height() > before;
        if has_advanced {
            let (height, roster) = (self.cx.next_height(), self.cx.state.roster());
            self.drive(Input::Advance { height, roster });
        }
        self.sync.go_on_applying(&mut self.cx, has_advanced);
        if has_advanced {
            self.consider_start();
        }
        self.fetch_missing();
    }

    fn apply_block(&mut self, block: CheckedBlock) {
        let CheckedBlock { block, value, batches, certificate } = block;
        let known = self.ordering.executed.remove(&certificate.value_id);
        let executed = match (known, batches) {
            (Some(executed), _) => Ok(executed),
            (None, Ok(batches)) => self.cx.state.execute(&block, &batches).map_err(|fault| fault.to_string()),
            (None, Err(reason)) => Err(reason),
        };
        match executed {
            Ok(executed) => self.settle_block(block, &value, certificate, executed),
            Err(reason) => self.stop(&certificate, &reason),
        }
    }

    /// Lets each part go on with what the block has settled.
    ///
    /// Keys come first: a committee that becomes active is there when signing looks for its tasks. Batches of others and
    /// operations are answered before this node makes its next batch, which is therefore made of what is left. The ticket is
    /// renewed after that, so that an attestation of its own is put forward only if no batch carries the ticket. Batches
    /// that came early are judged by the new state once this node's own has its place. Catching up comes last: it may apply
    /// the next block.
    fn after_commit(&mut self, committed: &Committed) {
        self.generation.after_block(&mut self.cx, committed);
        self.signing.after_block(&mut self.cx, committed);
        self.share_repair.after_block(&mut self.cx, committed);
        self.pool.settle_foreign(&mut self.cx, committed);
        self.submission.after_block(&mut self.cx, committed);
        // A ticket for a beacon that has long passed is of no use.
        if !self.cx.is_far_behind() {
            self.submission.renew_ticket(&mut self.cx);
        }
        self.pool.take_early(&mut self.cx);
        self.sync.after_block(&mut self.cx);
    }

    fn tell(&mut self, committed: &Committed) {
        let header = &committed.block.header;
        let operations = committed.receipts.len() as u64;
        self.cx.count("hypermesh", "blocks_total", 1);
        self.cx.count("hypermesh", "operations_total", operations);
        let omitted: usize = committed.block.body.batches.iter().map(Batch::omitted_count).sum();
        self.cx.count("hypermesh", "operations_omitted_total", omitted as u64);
        for receipt in &committed.receipts {
            self.cx.count("caesar", "fees_microcaesar_total", receipt.fee.0);
            match &receipt.outcome {
                Outcome::Done(Effect::CertificateApproved { .. }) => {
                    self.cx.count("trustchain", "certificates_total", 1)
                }
                Outcome::Done(Effect::NameRegistered { .. }) => self.cx.count("trustchain", "names_total", 1),
                Outcome::Done(Effect::Transferred) => self.cx.count("caesar", "transfers_total", 1),
                Outcome::Done(Effect::CertificateRevoked { .. }) => {
                    self.cx.count("trustchain", "revocations_total", 1)
                }
                Outcome::Done(_) => {}
                Outcome::Refused(refusal) => {
                    reached!(self.cx.marks, "an operation is refused in a block");
                    self.cx.count("hypermesh", "operations_refused_total", 1);
                    let refused =
                        Event::Refused { operation: receipt.operation, reason: refusal.to_string() };
                    self.cx.outbox.event(refused);
                }
            }
        }
        self.cx.outbox.event(Event::Committed {
            height: header.height,
            hash: header.hash(),
            time: header.time,
            operations,
        });
    }
}
