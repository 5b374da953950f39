//! Which part of a node takes what: timers, messages, jobs, requests that end, and what one part asks of another.
//!
//! Only here, in [`super::commit`] and in the reports of how a node stands are two parts known at once.

use super::ask::Ask;
use super::job::{JobId, JobOutcome, Purpose};
use super::message::Message;
use super::ordering::proposal::Proposed;
use super::ordering::{Need, Run};
use super::sync::serve::Serving;
use super::timers::Timer;
use super::{Node, PersistToken, RequestId};
use crate::api::{ApiFault, Response};
use crate::base::{Digest, PublicKey, reached};
use crate::hypermesh::ordering::{ConsensusMessage, Input};
use crate::state::Batch;
use alloc::vec::Vec;

impl Node {
    // --- steps ---

    /// What every step ends with that may have left work or answers.
    ///
    /// What the step asked for is begun first, so that it is part of what can be done at once. Those whose certificates
    /// became complete are answered before those whose cannot be, for want of a quorum, are refused. Corrupted rows come
    /// last: whatever ran before may have met one.
    pub(super) fn conclude(&mut self) {
        self.carry_out_asks();
        self.signing.start_fresh(&mut self.cx);
        if !self.cx.timers.runs(Timer::Work) && self.signing.has_signing_work(&self.cx) {
            self.signing.work_on_signing(&mut self.cx);
        }
        self.signing.answer_touched(&mut self.cx);
        if let Some(fault) = self.cx.quorum_missing() {
            self.signing.refuse_unsigned(&mut self.cx, &fault);
        }
        self.row_repair.repair_corrupted_rows(&mut self.cx);
        self.finish();
    }

    /// Hands on what is still asked, and publishes a new view if there is one.
    pub(super) fn finish(&mut self) {
        self.carry_out_asks();
        if core::mem::take(&mut self.cx.publish_due) {
            self.publish_view();
        }
    }

    /// Hands on what parts have asked of one another, in the order in which they asked.
    pub(super) fn carry_out_asks(&mut self) {
        while let Some(ask) = self.cx.asks.pop_front() {
            match ask {
                Ask::ConsiderHeight => self.consider_start(),
                Ask::OrderSystem { operation, after } => {
                    self.pool.order_system(&mut self.cx, *operation, after)
                }
                Ask::ReportOffence(offence) => self.pool.report_offence(&mut self.cx, *offence),
                Ask::OrderBatch(batch) => {
                    let me = self.cx.identity.public();
                    self.pool.take(&mut self.cx, me, batch);
                }
                Ask::RequestCommitments { purpose, needed } => {
                    self.signing.request_commitments(&mut self.cx, purpose, needed)
                }
                Ask::AwaitCertificate { request, serial } => {
                    self.signing.await_certificate(&mut self.cx, request, serial, Response::IssueCertificate);
                }
                Ask::RecordOwn(statement) => self.drive(Input::Own(*statement)),
                Ask::BeginVoting => self.begin_voting(),
                Ask::ReportDiscontinuity => self.ask_after_discontinuity(),
                Ask::ApplyBlocks => self.apply_blocks(),
                Ask::RestoreAddress(key) => self.addresses.restore_address(&mut self.cx, &key),
                Ask::ActivateCommittee(active) => self.signing.activate(&mut self.cx, &active),
            }
        }
    }

    // --- ordering ---

    /// Begins the next height if there is reason to: work to order, others who began it, or the heartbeat.
    pub(super) fn consider_start(&mut self) {
        if self.recall.is_done()
            && self.ordering.may_start(&self.cx)
            && (self.ordering.has_cause_to_start(&self.cx) || self.pool.has_work())
        {
            let input = self.ordering.start_height(&mut self.cx, Vec::new());
            self.drive(input);
        }
    }

    /// Goes on from what the log of votes holds, now that it is known whether it holds all.
    fn begin_voting(&mut self) {
        if self.cx.is_stopped() {
            return;
        }
        if self.ordering.log.is_empty() {
            return self.consider_start();
        }
        let input = self.ordering.start_height(&mut self.cx, self.ordering.log.clone());
        self.drive(input);
    }

    /// Has ordering go on with an input, and does what it needs of the other parts.
    pub(super) fn drive(&mut self, input: Input) {
        let mut run = Run::new(input);
        while let Some(need) = self.ordering.proceed(&mut self.cx, &mut run) {
            match need {
                Need::Block { height, round } => {
                    let contents = self.pool.contents(self.cx.state.validators(), height);
                    if let Some(value) = self.ordering.build_block(&mut self.cx, height, contents) {
                        run.push(Input::Value { height, round, value });
                    }
                }
                Need::Verdict { value_id, proposed, is_fresh } => {
                    if let Some(valid) = self.verdict(value_id, &proposed, is_fresh) {
                        run.push(Input::Verdict { value_id, valid });
                    }
                }
                Need::Settle { value, certificate } => self.on_decided(&value, certificate),
                Need::Serve { peer, height } => Serving::serve_block(&mut self.cx, peer, height),
            }
        }
    }

    fn verdict(&mut self, value_id: Digest, proposed: &Proposed, is_fresh: bool) -> Option<bool> {
        let pool = &self.pool;
        let checked = |batch: &Batch| pool.included(batch);
        self.ordering.judge(&mut self.cx, value_id, proposed, is_fresh, &checked)
    }

    fn on_consensus_message(&mut self, from: PublicKey, message: ConsensusMessage) {
        self.recall.record_statement(from, &message);
        if self.cx.is_stopped() {
            return;
        }
        self.drive(Input::Message { from, message });
        self.consider_start();
        self.fetch_missing();
    }

    /// Asks for the blocks that are missing, also for those that peers vote beyond.
    pub(super) fn fetch_missing(&mut self) {
        let ahead: Vec<_> = self.ordering.engine.peers_ahead().collect();
        self.sync.note_votes_ahead(&mut self.cx, &ahead);
    }

    /// Judges proposals whose time has come.
    fn on_verdict_timeout(&mut self) {
        for (value_id, proposed) in self.ordering.take_due_verdicts(&mut self.cx) {
            if let Some(valid) = self.verdict(value_id, &proposed, false) {
                self.drive(Input::Verdict { value_id, valid });
            }
        }
    }

    // --- inputs ---

    pub(super) fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Engine(token) => self.drive(Input::Timeout { token }),
            Timer::Heartbeat => {
                self.ordering.note_heartbeat();
                self.consider_start();
            }
            Timer::Verdict => self.on_verdict_timeout(),
            Timer::Submission => self.submission.on_timeout(&mut self.cx),
            Timer::Signing => self.signing.on_timeout(&mut self.cx),
            Timer::Work => self.signing.work_on_signing(&mut self.cx),
            Timer::Generation => self.generation.on_timeout(&mut self.cx),
            Timer::ShareRepair => self.share_repair.on_timeout(&mut self.cx),
            Timer::Sync => self.sync.on_timeout(&mut self.cx),
            Timer::Apply => self.apply_blocks(),
            Timer::Serve => self.serving.on_serve(&mut self.cx),
            Timer::Recall => self.recall.on_timeout(&mut self.cx),
            Timer::RowRepair => self.row_repair.on_timeout(&mut self.cx),
            Timer::Quorum => self.on_quorum_timeout(),
            Timer::Stall => self.readiness.on_timeout(&mut self.cx),
        }
    }

    pub(super) fn on_message(&mut self, from: PublicKey, message: Message) {
        match message {
            Message::Consensus(message) => self.on_consensus_message(from, message),
            Message::Batch(sent) => self.pool.on_batch(&mut self.cx, from, sent),
            Message::System(operation) => self.pool.on_system_operation(&mut self.cx, from, operation),
            Message::Height(height) => self.sync.on_peer_height(&mut self.cx, from, height),
            Message::Fetch(height) => self.serving.on_fetch(&mut self.cx, from, height),
            Message::Blocks(answer) => {
                // One that stands in for a corrupted row is not one that is missing.
                if !self.row_repair.take_repaired_block(&mut self.cx, from, answer.first, &answer.blocks) {
                    self.sync.on_blocks(&mut self.cx, from, answer);
                }
            }
            Message::Round2(package) => self.generation.on_round2(&mut self.cx, from, package),
            Message::FetchCommitments(request) => {
                self.signing.on_fetch_commitments(&mut self.cx, from, request)
            }
            Message::Commitments(offered) => self.signing.on_commitments(&mut self.cx, from, offered),
            Message::Shares(requests) => self.signing.on_share_requests(&mut self.cx, from, requests),
            Message::SignedShares(shares) => self.signing.on_signed_shares(&mut self.cx, from, shares),
            Message::Signature(signature) => self.signing.on_task_signature(&mut self.cx, from, signature),
            Message::FetchVoteHistory(number) => {
                self.recall.on_fetch_vote_history(&mut self.cx, from, number)
            }
            Message::VoteHistory(answer) => self.recall.on_vote_history(&mut self.cx, from, answer),
            Message::FetchEntry(index) => Serving::on_fetch_entry(&mut self.cx, from, index),
            Message::Entry(entry) => self.row_repair.on_entry(&mut self.cx, from, entry),
            Message::RepairDeltas(package) => self.share_repair.on_repair_deltas(&mut self.cx, from, package),
            Message::RepairSum(package) => self.share_repair.on_repair_sum(&mut self.cx, from, package),
            Message::Addresses(records) => self.addresses.on_addresses(&mut self.cx, from, records),
        }
    }

    /// Sends a peer that was just linked what it has missed, and asks for what it has.
    pub(super) fn on_connected(&mut self, peer: PublicKey) {
        self.cx.send(peer, &Message::Height(self.cx.state.height()));
        self.addresses.send_addresses(&mut self.cx, peer);
        self.recall.ask(&mut self.cx, peer);
        self.signing.ask_for_commitments(&mut self.cx, peer);
        self.signing.send_authority(&mut self.cx, peer);
        self.ordering.repeat_to(&mut self.cx, peer);
        self.pool.send_own(&mut self.cx, peer);
    }

    pub(super) fn on_job(&mut self, id: JobId, outcome: JobOutcome) {
        match (self.cx.jobs.end(id), outcome) {
            (Some(Purpose::Ticket { beacon }), JobOutcome::Ticket(ticket)) => {
                self.submission.on_ticket(&mut self.cx, beacon, ticket)
            }
            (Some(Purpose::Set), JobOutcome::Set(set)) => {
                self.submission.on_proof_set(&mut self.cx, id, *set)
            }
            (Some(Purpose::PeerBatch { from }), JobOutcome::Batch(checked)) => {
                self.pool.on_checked_batch(&mut self.cx, from, checked);
            }
            (Some(Purpose::Blocks { from, first }), JobOutcome::Blocks(checked)) => {
                self.sync.on_checked_blocks(&mut self.cx, from, first, checked);
            }
            _ => {}
        }
    }

    pub(super) fn on_persisted(&mut self, token: PersistToken) {
        self.cx.settle_writes(token);
        self.sync.apply_after(&mut self.cx, token);
        self.cx.shares_after(token);
    }

    /// The caller of a request disconnected.
    pub(super) fn on_cancelled(&mut self, id: RequestId) {
        self.cx.trace_abandoned(id);
        if self.cx.admission.abandon(self.cx.now.mono, id) {
            self.cx.count("hypermesh", "requests_abandoned_total", 1);
        }
        self.pool.foreign.abandon(id);
        if self.submission.abandon(id) {
            reached!(self.cx.marks, "an abandoned operation is taken out of its line");
        }
        self.signing.abandon_signatures(&mut self.cx, id);
    }

    fn on_quorum_timeout(&mut self) {
        if let Some(fault) = self.cx.quorum_missing() {
            reached!(self.cx.marks, "a quorum is lost");
            self.refuse_undecided(&fault);
            self.signing.refuse_unsigned(&mut self.cx, &fault);
        }
    }

    /// Refuses what waits to be ordered.
    pub(super) fn refuse_undecided(&mut self, fault: &ApiFault) {
        self.submission.refuse_waiting(&mut self.cx, fault);
        self.pool.refuse_foreign(&mut self.cx, fault);
    }
}
