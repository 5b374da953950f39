//! Ordering, as the node turns it: when a height begins, what the engine asks for, what it decides.

use super::block_time::Deferred;
use super::message::Message;
use super::proposal::Proposed;
use super::timers::Timer;
use super::{Event, MessageClass, Node, PersistToken};
use crate::base::{Digest, Height, PublicKey, Size, Table, WriteBatch, reached};
use crate::hypermesh::ordering::{ConsensusMessage, EngineFault, Input, Output as EngineOutput, Round};
use crate::planted::{self, Bug};
use crate::state::{Executed, Offence};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// This many of the last messages of a height are kept for peers that are linked late: a round's are three.
const SENT_COUNT_MAX: usize = 8;

/// Where ordering stands.
#[derive(Default)]
pub(super) struct Ordering {
    /// Whether the next height has begun.
    pub(super) started: bool,
    /// Whether what follows from the last block is still being seen to: the next height waits for that.
    pub(super) settling: bool,
    /// Why this node follows no further, if it does not.
    pub(super) stopped: Option<String>,
    /// Whether the heartbeat has run out since the last block.
    pub(super) heartbeat_due: bool,
    /// The log of votes of the height under way, or next, as it is in the store.
    pub(super) log: Vec<Vec<u8>>,
    /// The write that holds the last log entry.
    wal_token: PersistToken,
    /// What was sent last in the height under way: a peer that is linked only now has not got it.
    sent: VecDeque<Arc<[u8]>>,
    /// Outcomes of blocks that were built or checked at the height under way, by block.
    pub(super) executed: BTreeMap<Digest, Executed>,
    /// Blocks from the future, which wait for their time.
    pub(super) deferred: Deferred,
}

impl Ordering {
    /// The log of the height that begins is empty, but for what keeps this node from voting, if that stands there.
    pub(super) fn keep_log(&mut self, abstention: Option<Vec<u8>>) {
        self.log = abstention.into_iter().collect();
    }

    pub(super) fn sizes(&self) -> [Size; 4] {
        [
            Size::limited(
                "messages of the height that are kept to be repeated",
                self.sent.len(),
                SENT_COUNT_MAX,
            ),
            Size::unstated("outcomes of blocks of the height", self.executed.len()),
            Size::unstated("blocks that wait for their time", self.deferred.len()),
            Size::unstated("entries of the log of votes", self.log.len()),
        ]
    }
}

impl Node {
    pub(super) fn begin_ordering(&mut self, wal: Vec<Vec<u8>>) {
        self.ordering.log = wal;
        self.set_heartbeat();
        self.begin_recall();
    }

    /// Goes on from what the log of votes holds, now that it is known whether it holds all.
    pub(super) fn go_on_from_log(&mut self) {
        if self.is_stopped() {
            return;
        }
        if self.ordering.log.is_empty() {
            self.consider_start();
        } else {
            self.start_height(self.ordering.log.clone());
        }
    }

    /// Leaves the height under way as a restart would: what was voted in it stands in its log.
    pub(super) fn suspend_height(&mut self) {
        self.engine.restart(self.state.height().next(), self.state.roster());
        self.ordering.started = false;
        self.ordering.sent.clear();
        self.ordering.deferred.clear();
        self.timers.cancel_engine();
        self.timers.cancel(Timer::Verdict);
        self.set_heartbeat();
    }

    pub(super) fn set_heartbeat(&mut self) {
        let heartbeat = self.state.genesis_document().profile.heartbeat();
        self.timers.set(Timer::Heartbeat, self.now.mono.after(heartbeat));
    }

    pub(super) fn on_heartbeat(&mut self) {
        self.ordering.heartbeat_due = true;
        self.consider_start();
    }

    /// Begins the next height if there is reason to: work to order, others who began it, or the heartbeat.
    pub(super) fn consider_start(&mut self) {
        let waits = !self.has_recalled() || self.is_stopped();
        if self.ordering.started || self.ordering.settling || waits {
            return;
        }
        let others = self.engine.future_message_signers() > self.state.validators().tolerated_faults();
        if self.ordering.heartbeat_due || others || self.engine.has_future_proposal() || self.has_work() {
            self.start_height(Vec::new());
        }
    }

    fn start_height(&mut self, wal: Vec<Vec<u8>>) {
        self.ordering.started = true;
        self.ordering.heartbeat_due = false;
        self.timers.cancel(Timer::Heartbeat);
        if let Some(fuller) = self.commit.as_ref().and_then(|commit| self.engine.fuller_certificate(commit)) {
            self.commit = Some(fuller);
        }
        let roster = self.state.roster();
        self.drive(Input::StartHeight { height: self.state.height().next(), roster, wal });
    }

    pub(super) fn on_consensus_message(&mut self, from: PublicKey, message: ConsensusMessage) {
        self.record_statement(from, &message);
        if self.is_stopped() {
            return;
        }
        self.drive(Input::Message { from, message });
        self.consider_start();
        self.consider_fetch();
    }

    pub(super) fn on_engine_timeout(&mut self, token: u64) {
        self.drive(Input::Timeout { token });
    }

    /// Feeds the engine, and does what it asks for until it asks for nothing more.
    pub(super) fn drive(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut entries = WriteBatch::default();
            let outputs = self.engine.step(self.now.mono, input);
            for output in outputs {
                if let EngineOutput::Wal { entry } = output {
                    if planted::is(Bug::WalSkipped) {
                        continue;
                    }
                    let number = self.ordering.log.len() as u64;
                    entries.put(Table::Wal, number.to_be_bytes(), entry.clone());
                    self.ordering.log.push(entry);
                    continue;
                }
                if !entries.is_empty() {
                    self.ordering.wal_token = self.persist(core::mem::take(&mut entries));
                }
                self.carry_out(output, &mut inputs);
            }
            if !entries.is_empty() {
                self.ordering.wal_token = self.persist(entries);
            }
        }
    }

    fn carry_out(&mut self, output: EngineOutput, inputs: &mut VecDeque<Input>) {
        match output {
            EngineOutput::Wal { .. } => {}
            EngineOutput::Broadcast(message) => self.broadcast_durably(&Message::Consensus(message)),
            EngineOutput::SetTimeout { token, at } => self.timers.set(Timer::Engine(token), at),
            EngineOutput::NeedValue { height, round } => {
                if let Some(value) = self.build_block(height) {
                    inputs.push_back(Input::Value { height, round, value });
                }
            }
            EngineOutput::Validate { proposer, value_id, value, .. } => {
                if let Some(valid) = self.judge(value_id, &Proposed { proposer, value }, true) {
                    inputs.push_back(Input::Verdict { value_id, valid });
                }
            }
            EngineOutput::Endorsed { value_id, .. } => {
                if let Some(proposed) = self.ordering.deferred.remove(&value_id) {
                    let valid = self.judge(value_id, &proposed, false).unwrap_or(false);
                    inputs.push_back(Input::Verdict { value_id, valid });
                }
            }
            EngineOutput::Decided { value, certificate, .. } => self.on_decided(&value, certificate),
            EngineOutput::Evidence(evidence) => {
                self.outbox.event(Event::Equivocation(Box::new(evidence)));
                self.report_offence(Offence::Equivocation(evidence));
            }
            EngineOutput::PeerBehind { peer, height } => {
                reached!(self.marks, "a peer is served the block that it is stuck at");
                self.serve_block(peer, height);
            }
            EngineOutput::Fault(fault) => match fault.peer() {
                Some(peer) => self.outbox.event(Event::PeerFault { peer, reason: fault.to_string() }),
                None => self.tell_fault(&fault),
            },
        }
    }

    /// A fault of no peer's: this node abstains, or something is broken.
    fn tell_fault(&mut self, fault: &EngineFault) {
        let reason = fault.to_string();
        match (fault, self.engine.abstains_through()) {
            (
                EngineFault::OwnMessageUnknown { .. }
                | EngineFault::WalDamaged { .. }
                | EngineFault::WalDiverged { .. },
                Some(through),
            ) => {
                self.outbox.event(Event::Abstains { through, reason });
                self.publish();
            }
            _ => self.outbox.event(Event::Broken { reason }),
        }
    }

    /// The height whose votes this node counts as they come, and the round from which on it holds all that it has counted:
    /// whoever contradicts itself in them is found out at once.
    #[must_use]
    pub fn counts_votes_of(&self) -> Option<(Height, Round)> {
        self.engine.running().filter(|_| !self.is_stopped())
    }

    /// Whether this node follows no further.
    pub(super) const fn is_stopped(&self) -> bool {
        self.ordering.stopped.is_some()
    }

    /// Whether this node takes part in deciding, and if not, why.
    pub(super) fn voting_status(&self) -> String {
        if let Some(reason) = &self.ordering.stopped {
            return alloc::format!("stopped: {reason}");
        }
        match (self.recall_missing(), self.engine.abstains_through()) {
            (0, None) if !self.has_quorum() => self.missing_words(),
            (0, None) => String::from("yes"),
            (0, Some(through)) => {
                alloc::format!("abstains through height {through}: its log of votes is not whole")
            }
            (missing, _) => {
                alloc::format!("waits until {missing} more validators say what it voted for last")
            }
        }
    }

    /// Sends once every log entry so far is durable.
    fn broadcast_durably(&mut self, message: &Message) {
        let bytes: Arc<[u8]> = message.encode().into();
        let token = self.ordering.wal_token;
        for to in self.peers() {
            let output = super::Output::Send { to, class: message.class(), message: bytes.clone() };
            self.outbox.after(token, output);
        }
        if self.ordering.sent.len() == SENT_COUNT_MAX {
            reached!(self.marks, "the oldest message of a height is let go");
            self.ordering.sent.pop_front();
        }
        self.ordering.sent.push_back(bytes);
    }

    /// Sends a peer that was not linked what it has missed of the height under way.
    pub(super) fn repeat_to(&mut self, peer: PublicKey) {
        let token = self.ordering.wal_token;
        if !self.ordering.sent.is_empty() {
            reached!(self.marks, "a peer that is linked late is sent what it missed");
        }
        for message in self.ordering.sent.clone() {
            let output = super::Output::Send { to: peer, class: MessageClass::Consensus, message };
            self.outbox.after(token, output);
        }
    }

    /// Forgets what belonged to the height that is over.
    pub(super) fn end_height(&mut self) {
        self.ordering.started = false;
        self.ordering.heartbeat_due = false;
        self.ordering.log.clear();
        self.ordering.sent.clear();
        self.ordering.executed.clear();
        self.ordering.deferred.clear();
        self.timers.cancel_engine();
        self.timers.cancel(Timer::Verdict);
        self.set_heartbeat();
    }

    /// The height that is being decided, or will be next.
    pub(super) fn next_height(&self) -> Height {
        self.state.height().next()
    }
}
