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
//! # A driver
//!
//! ```
//! use hypermesh_core::base::{Now, PublicKey, WriteBatch};
//! use hypermesh_core::node::{Node, Output};
//!
//! /// Where a driver's effects go.
//! trait Surroundings {
//!     fn write(&mut self, batch: WriteBatch);
//!     fn send(&mut self, to: PublicKey, message: &[u8]);
//!     fn other(&mut self, output: Output);
//! }
//!
//! /// Carries out all that a node wants done. To be called after each `handle_*`.
//! fn carry_out(node: &mut Node, now: Now, surroundings: &mut impl Surroundings) {
//!     while let Some(output) = node.poll_output() {
//!         match output {
//!             // Once it returns, the writes are durable.
//!             Output::Persist { token, batch } => {
//!                 surroundings.write(batch);
//!                 node.handle_persisted(now, token);
//!             }
//!             Output::Send { to, message, .. } => surroundings.send(to, &message),
//!             // A driver with threads runs it on one of them.
//!             Output::Run { id, job } => node.handle_job(now, id, job.run()),
//!             other => surroundings.other(other),
//!         }
//!     }
//! }
//! ```
//!
//! What is not here: changes of the validator set, members that do not validate.

mod addresses;
mod admission;
mod ask;
mod checked;
mod commit;
mod config;
mod context;
mod discontinuity;
mod dispatch;
mod history;
mod job;
mod keys;
mod label;
mod message;
mod open;
mod ordering;
mod output;
mod pool;
mod quorum;
mod rebuild;
mod recall;
mod requests;
mod row_repair;
mod signing;
mod status;
mod store;
mod stored;
mod submission;
mod sync;
mod task;
#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod test_util;
mod timers;
mod trace;
mod twin;
mod waiters;

pub use config::{NodeConfig, OpenFault};
pub use discontinuity::{CLOCK_JUMP_MS_MAX, Discontinuity};
pub use job::{Job, JobId, JobOutcome};
pub use keys::share_repair::ShareRepairStatus;
pub use label::{MessageLabel, UNREADABLE, label_message};
#[cfg(hypermesh_fuzzing)]
pub use message::message_again;
pub use message::{MESSAGE_BYTES_MAX, MessageClass};
pub use output::{Event, Output, PeerStatus, PersistToken, RequestId};
pub use trace::Traced;

use crate::api::{ApiFault, Request, View};
use crate::base::{Marks, Mono, Now, PublicKey, Table};
use alloc::sync::Arc;
use ask::Ask;
use context::Context;
use core::net::SocketAddrV6;

/// One member of the mesh.
pub struct Node {
    cx: Context,
    ordering: ordering::Ordering,
    pool: pool::Pool,
    submission: submission::Submission,
    generation: keys::generation::GenerationPart,
    share_repair: keys::share_repair::ShareRepairPart,
    twin: twin::TwinPart,
    signing: signing::Signing,
    sync: sync::Sync,
    serving: sync::serve::Serving,
    recall: recall::Recall,
    continuity: discontinuity::Continuity,
    row_repair: row_repair::RowRepair,
    addresses: addresses::Addresses,
    readiness: status::readiness::Readiness,
}

impl Node {
    /// Takes a message that arrived over the authenticated link from a validator.
    pub fn handle_message(&mut self, now: Now, from: PublicKey, bytes: &[u8]) {
        self.enter(now);
        if !self.cx.state.validators().contains(&from) || from == self.cx.identity.public() {
            return;
        }
        match message::Message::decode(bytes) {
            Ok(message) => self.on_message(from, message),
            Err(reason) => {
                self.cx.outbox.event(Event::PeerFault { peer: from, reason: alloc::format!("{reason}") })
            }
        }
        self.conclude();
    }

    /// Takes a request that [`crate::api::read`] could not answer, and follows it if its caller wants that.
    pub fn handle_request(&mut self, now: Now, id: RequestId, traced: Option<Traced>, request: Request) {
        self.enter(now);
        if let Some(traced) = traced {
            self.cx.trace_request(id, traced, &request);
        }
        self.on_request(id, traced.map_or(now.mono, |traced| traced.received.mono), request);
        self.conclude();
    }

    /// Whether a request of this caller's is taken now. To be asked before [`Node::handle_request`], and before anything
    /// is spent on the request; not for the batches that validators hand over for their clients.
    ///
    /// # Errors
    /// If requests wait here for too long: with the time after which there will be room.
    pub fn admit(
        &mut self,
        now: Now,
        id: RequestId,
        caller: &PublicKey,
        request: &Request,
    ) -> Result<(), ApiFault> {
        self.cx.admit(now, id, caller, request)
    }

    /// Takes note of where this node is. If the others may not know it, it is announced to them.
    pub fn announce_address(&mut self, now: Now, address: SocketAddrV6) {
        self.enter(now);
        self.addresses.set_own(&mut self.cx, address);
        self.conclude();
    }

    /// Records that the caller of a request no longer waits: it cancelled, its deadline has passed, or its connection is lost.
    /// What was done for it alone ends, as far as it was not handed out. The request is not answered any more.
    pub fn handle_cancelled(&mut self, now: Now, id: RequestId) {
        self.enter(now);
        self.on_cancelled(id);
        self.conclude();
    }

    /// Takes note that a link was made or lost.
    pub fn handle_peer(&mut self, now: Now, peer: PublicKey, status: PeerStatus) {
        self.enter(now);
        if !self.cx.state.validators().contains(&peer) || peer == self.cx.identity.public() {
            return;
        }
        match status {
            PeerStatus::Connected => {
                self.cx.connected.insert(peer);
                self.on_connected(peer);
            }
            PeerStatus::Lost => {
                self.cx.connected.remove(&peer);
                self.sync.forget(&mut self.cx, peer);
                self.cx.quorum.forget(&peer);
                self.twin.forget(peer);
                self.signing.forget(&peer);
            }
            PeerStatus::Refused => self.twin.on_refused_as_twin(&mut self.cx, peer),
            PeerStatus::Doubled => self.cx.outbox.event(Event::Doubled { validator: peer }),
        }
        self.cx.watch_quorum();
        self.cx.publish();
        self.finish();
    }

    /// Takes note that all writes up to this token are durable.
    pub fn handle_persisted(&mut self, now: Now, token: PersistToken) {
        self.enter(now);
        self.on_persisted(token);
        self.finish();
    }

    /// Takes note that a row of the store was found damaged by whoever reads all of it: it is repaired as if a read of
    /// this node's had met it.
    pub fn handle_damage(&mut self, now: Now, table: Table, key: &[u8]) {
        self.enter(now);
        self.cx.store.note_damage(table, key);
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
        while let Some(timer) = self.cx.timers.pop(now.mono) {
            self.on_timer(timer);
            self.carry_out_asks();
        }
        self.conclude();
    }

    /// What is to be done next; `None` when all is.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.cx.outbox.pop()?;
        self.cx.note_output(&output);
        Some(output)
    }

    /// When [`Node::handle_timeout`] is to be called, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.cx.timers.next()
    }

    /// An immutable view of the last committed state.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.cx.view)
    }

    /// Who this node is.
    #[must_use]
    pub const fn identity(&self) -> PublicKey {
        self.cx.identity.public()
    }

    /// Which rare branches of the protocol this node has taken since it was opened, and how often.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.cx.marks.joined(self.ordering.engine.marks())
    }
}
