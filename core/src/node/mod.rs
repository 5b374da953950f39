//! The composed state machine that the drivers turn.
//!
//! A [`Node`] holds everything that one member of the mesh is: state, ordering, key shares, its own batches.
//! It touches nothing outside itself. The driver
//!
//! 1. tells it what happened, with one of the `handle_*` methods and the time;
//! 2. polls [`Node::poll_output`] until `None` and carries out each output in order;
//! 3. calls [`Node::handle_timeout`] when [`Node::poll_timeout`] says so.
//!
//! Writes become durable in the order in which they were handed out, and the driver says so with
//! [`Node::handle_persisted`]. The node itself holds back what must not leave before something is on disk (a
//! vote before its log entry, an answer before its block), so that no driver can get that wrong; everything
//! else flows on. Reads are answered by [`crate::api::read`] from [`Node::view`], which threads may share.
//!
//! What is not here: changes of the validator set, members that do not validate.

mod abandon;
mod addresses;
mod admission;
mod block_time;
mod checked;
mod commit;
mod config;
mod consensus;
mod discontinuity;
mod expiry_gauges;
mod foreign_batches;
mod gauges;
mod generation;
mod history;
mod job;
mod label;
mod message;
mod open;
mod output;
mod owner_queues;
mod pool;
mod proposal;
mod quorum;
mod readiness;
mod rebuild;
mod recall;
mod report_offence;
mod requests;
mod row_repair;
mod serve;
mod share_repair;
mod signing;
mod sizes;
mod store;
mod submit;
mod sync;
mod task;
mod ticket;
mod timers;
mod trace;
mod twin;
mod unpaid;
mod waiters;

pub use config::{NodeConfig, OpenFault};
pub use discontinuity::{CLOCK_JUMP_MS_MAX, Discontinuity};
pub use job::{Job, JobId, JobOutcome};
pub use label::{MessageLabel, UNREADABLE, label_message};
#[cfg(hypermesh_fuzzing)]
pub use message::message_again;
pub use message::{MESSAGE_BYTES_MAX, MessageClass};
pub use output::{Event, Output, PeerStatus, PersistToken, RequestId};
pub use share_repair::ShareRepairStatus;
pub use trace::Traced;

use crate::api::{Counters, View};
use crate::base::{Marks, Mono, Now, PublicKey, SecretKey, Table};
use crate::hypermesh::RevealChain;
use crate::hypermesh::ordering::{CommitCertificate, Engine};
use crate::hypermesh::proof::Plot;
use crate::state::State;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

/// One member of the mesh.
pub struct Node {
    identity: SecretKey,
    plot: Arc<Plot>,
    reveals: RevealChain,
    reveals_left: expiry_gauges::RevealsLeft,
    entropy: discontinuity::HedgedEntropy,
    store: store::Store,
    now: Now,
    /// The state after the last decided block, whether that is durable yet or not.
    state: State,
    /// The precommits that decided that block.
    commit: Option<CommitCertificate>,
    view: Arc<View>,
    connected: BTreeSet<PublicKey>,
    counters: BTreeMap<&'static str, Counters>,
    outbox: output::Outbox,
    timers: timers::Timers,
    jobs: job::Jobs,
    engine: Engine,
    ordering: consensus::Ordering,
    pool: pool::Pool,
    submission: submit::Submission,
    tickets: ticket::Tickets,
    generation: generation::GenerationPart,
    share_repair: share_repair::ShareRepairPart,
    twin: twin::TwinPart,
    signing: signing::Signing,
    sync: sync::Sync,
    serving: serve::Serving,
    recall: recall::Recall,
    continuity: discontinuity::Continuity,
    row_repair: row_repair::RowRepair,
    addresses: addresses::Addresses,
    quorum: quorum::Quorum,
    readiness: readiness::Readiness,
    clocks: gauges::Clocks,
    ahead_report: block_time::AheadReport,
    traces: trace::Traces,
    admission: admission::Admission,
    marks: Marks,
}

impl Node {
    /// Takes a message that arrived over the authenticated link from a validator.
    pub fn handle_message(&mut self, now: Now, from: PublicKey, bytes: &[u8]) {
        self.enter(now);
        if !self.state.validators().contains(&from) || from == self.identity.public() {
            return;
        }
        match message::Message::decode(bytes) {
            Ok(message) => self.on_message(from, message),
            Err(reason) => {
                self.outbox.event(Event::PeerFault { peer: from, reason: alloc::format!("{reason}") })
            }
        }
        self.conclude();
    }

    /// Takes a request that [`crate::api::read`] could not answer, and follows it if its caller wants that.
    pub fn handle_request(
        &mut self,
        now: Now,
        id: RequestId,
        traced: Option<Traced>,
        request: crate::api::Request,
    ) {
        self.enter(now);
        if let Some(traced) = traced {
            self.trace_request(id, traced, &request);
        }
        self.on_request(id, traced.map_or(now.mono, |traced| traced.received.mono), request);
        self.conclude();
    }

    /// Takes note that the caller of a request waits no more: it gave up, its deadline has passed, or its connection is lost.
    /// What was done for it alone ends, as far as it was not handed out. The request is not answered any more.
    pub fn handle_cancelled(&mut self, now: Now, id: RequestId) {
        self.enter(now);
        self.on_cancelled(id);
        self.conclude();
    }

    /// Takes note that a link was made or lost.
    pub fn handle_peer(&mut self, now: Now, peer: PublicKey, status: PeerStatus) {
        self.enter(now);
        if !self.state.validators().contains(&peer) || peer == self.identity.public() {
            return;
        }
        match status {
            PeerStatus::Connected => {
                self.connected.insert(peer);
                self.on_connected(peer);
            }
            PeerStatus::Lost => {
                self.connected.remove(&peer);
                self.forget_fetch(peer);
                self.quorum.forget(&peer);
                self.forget_refusal(peer);
                self.forget_offers(&peer);
            }
            PeerStatus::Refused => self.on_refused_as_twin(peer),
            PeerStatus::Doubled => self.outbox.event(Event::Doubled { validator: peer }),
        }
        self.watch_quorum();
        self.publish();
    }

    /// Takes note that all writes up to this token are durable.
    pub fn handle_persisted(&mut self, now: Now, token: PersistToken) {
        self.enter(now);
        self.on_persisted(token);
    }

    /// Takes note that a row of the store was found damaged by whoever reads all of it: it is repaired as if a read of
    /// this node's had met it.
    pub fn handle_damage(&mut self, now: Now, table: Table, key: &[u8]) {
        self.enter(now);
        self.store.note_damage(table, key);
        self.conclude();
    }

    /// Takes the outcome of a job.
    pub fn handle_job(&mut self, now: Now, id: JobId, outcome: JobOutcome) {
        self.enter(now);
        self.on_job(id, outcome);
        self.conclude();
    }

    /// Lets happen what was to happen by now.
    pub fn handle_timeout(&mut self, now: Now) {
        self.enter(now);
        while let Some(timer) = self.timers.pop(now.mono) {
            self.on_timer(timer);
        }
        self.conclude();
    }

    /// What is to be done next; `None` when all is.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outbox.pop()?;
        self.note_output(&output);
        Some(output)
    }

    /// When [`Node::handle_timeout`] is to be called, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// An immutable view of the last committed state.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Who this node is.
    #[must_use]
    pub const fn identity(&self) -> PublicKey {
        self.identity.public()
    }

    /// Which rare branches of the protocol this node has taken since it was opened, and how often.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.marks.joined(self.engine.marks())
    }

    /// What every step ends with.
    fn conclude(&mut self) {
        self.start_fresh();
        if !self.timers.runs(timers::Timer::Work) && self.has_signing_work() {
            self.work_on_signing();
        }
        self.answer_touched();
        if let Some(fault) = self.quorum_missing() {
            self.refuse_unsigned(&fault);
        }
        self.repair_corrupted_rows();
    }

    fn peers(&self) -> impl Iterator<Item = PublicKey> + use<> {
        let me = self.identity.public();
        let validators = self.state.validators().clone();
        validators.as_slice().to_vec().into_iter().filter(move |peer| *peer != me)
    }

    fn count(&mut self, service: &'static str, name: &'static str, amount: u64) {
        let counter = self.counters.entry(service).or_default().entry(name.into()).or_default();
        *counter = counter.saturating_add(amount);
    }

    fn on_timer(&mut self, timer: timers::Timer) {
        match timer {
            timers::Timer::Engine(token) => self.on_engine_timeout(token),
            timers::Timer::Heartbeat => self.on_heartbeat(),
            timers::Timer::Verdict => self.on_deferred_verdict(),
            timers::Timer::Submission => self.on_submission_timeout(),
            timers::Timer::Signing => self.on_signing_timeout(),
            timers::Timer::Work => self.work_on_signing(),
            timers::Timer::Generation => self.on_generation_timeout(),
            timers::Timer::ShareRepair => self.on_share_repair_timeout(),
            timers::Timer::Sync => self.on_sync_timeout(),
            timers::Timer::Apply => self.on_apply(),
            timers::Timer::Serve => self.on_serve(),
            timers::Timer::Recall => self.on_recall_timeout(),
            timers::Timer::RowRepair => self.on_row_repair_timeout(),
            timers::Timer::Quorum => self.on_quorum_timeout(),
            timers::Timer::Stall => self.on_stall_timeout(),
        }
    }
}
