//! What happens when a block is decided: it becomes durable, and everything that waited for it goes on.

use super::open::state_writes;
use super::timers::Timer;
use super::{Event, Node};
use crate::base::{Height, Table, encode, reached};
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::{Batch, Block, Effect, Executed, Outcome, Receipt};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A block that was just decided.
pub(super) struct Committed {
    pub(super) height: Height,
    pub(super) receipts: Vec<Receipt>,
    pub(super) block: Block,
}

impl Node {
    pub(super) fn on_decided(&mut self, value: &Arc<[u8]>, certificate: CommitCertificate) {
        let (block, executed) = match self.outcome(value, &certificate) {
            Ok(outcome) => outcome,
            Err(reason) => return self.stop(&certificate, &reason),
        };
        self.settle_block(block, value, certificate, executed);
    }

    /// A quorum decided what this node finds invalid: more than f are faulty, or this node is. It must not follow,
    /// so it votes no more, says so, and goes on serving what it has.
    pub(super) fn stop(&mut self, certificate: &CommitCertificate, reason: &str) {
        reached!(self.marks, "a node stops at a decision that it finds invalid");
        let height = certificate.height;
        let reason =
            alloc::format!("a quorum decided block {height}, which this node finds invalid: {reason}");
        self.ordering.stopped = Some(reason.clone());
        self.end_height();
        self.timers.cancel(Timer::Heartbeat);
        self.timers.cancel(Timer::Sync);
        self.outbox.event(Event::Broken { reason });
        self.publish();
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
        let abstained = self.engine.abstains_through();
        let first_entry = self.state.log().size();
        let mut writes = self.block_writes(&block.header, value, &certificate);
        state_writes(&mut writes, &executed.changes);
        for (index, entry) in (first_entry..).zip(executed.entries) {
            writes.put(Table::LogEntries, index.to_be_bytes(), entry);
        }
        writes.put(Table::Movements, height.0.to_be_bytes(), encode(&executed.movements));
        self.keep_confirmations(&block, &mut writes);
        let abstention = self.engine.abstention_entry(height.next());
        if let Some(entry) = &abstention {
            reached!(self.marks, "an abstention outlives a height");
            writes.put(Table::Wal, 0_u64.to_be_bytes(), entry.clone());
        }
        let token = self.persist(writes);
        self.ordering.settling = true;
        self.state = executed.state;
        self.commit = Some(certificate);
        self.end_height();
        self.note_progress();
        self.count_reveals();
        self.ordering.keep_log(abstention);
        self.engine.expect_roster(self.state.roster());
        let committed = Committed { height, receipts: executed.receipts, block };
        self.tell(&committed);
        self.report_block_time();
        self.note_decided(height, &committed.receipts);
        self.announce_slashed(&executed.movements.movements);
        if let Some(fault) = self.understaked() {
            self.refuse_waiting(&fault);
        }
        self.prune_pool();
        self.after_commit(&committed);
        self.publish();
        self.outbox.after(token, super::Output::Event(Event::Durable { height }));
        if abstained == Some(height) {
            self.outbox.event(Event::VotesAgain { height: height.next() });
        }
        self.ordering.settling = false;
        self.consider_start();
    }

    fn after_commit(&mut self, committed: &Committed) {
        self.generation_after(committed);
        self.signing_after(committed);
        self.share_repair_after(committed);
        self.submission_after(committed);
        // A ticket for a beacon that has long passed is of no use.
        if !self.is_far_behind() {
            self.renew_ticket();
        }
        self.pool_early();
        self.sync_after();
    }

    fn outcome(
        &mut self,
        value: &Arc<[u8]>,
        certificate: &CommitCertificate,
    ) -> Result<(Block, Executed), String> {
        let block = Block::from_bytes(value).ok_or_else(|| "a decided value is no block".to_string())?;
        let executed = match self.ordering.executed.remove(&certificate.value_id) {
            Some(executed) => executed,
            None => self.execute(&block)?,
        };
        Ok((block, executed))
    }

    fn tell(&mut self, committed: &Committed) {
        let header = &committed.block.header;
        let operations = committed.receipts.len() as u64;
        self.count("hypermesh", "blocks_total", 1);
        self.count("hypermesh", "operations_total", operations);
        let omitted: usize = committed.block.body.batches.iter().map(Batch::omitted_count).sum();
        self.count("hypermesh", "operations_omitted_total", omitted as u64);
        for receipt in &committed.receipts {
            self.count("caesar", "fees_microcaesar_total", receipt.fee.0);
            match &receipt.outcome {
                Outcome::Done(Effect::CertificateApproved { .. }) => {
                    self.count("trustchain", "certificates_total", 1)
                }
                Outcome::Done(Effect::NameRegistered { .. }) => self.count("trustchain", "names_total", 1),
                Outcome::Done(Effect::Transferred) => self.count("caesar", "transfers_total", 1),
                Outcome::Done(Effect::CertificateRevoked { .. }) => {
                    self.count("trustchain", "revocations_total", 1)
                }
                Outcome::Done(_) => {}
                Outcome::Refused(refusal) => {
                    reached!(self.marks, "an operation is refused in a block");
                    self.count("hypermesh", "operations_refused_total", 1);
                    let refused =
                        Event::Refused { operation: receipt.operation, reason: refusal.to_string() };
                    self.outbox.event(refused);
                }
            }
        }
        self.outbox.event(Event::Committed {
            height: header.height,
            hash: header.hash(),
            time: header.time,
            operations,
        });
    }
}
