//! What a driver turns: a node. The simulator turns one that it looks at, and that may lie.

use hypermesh_core::api::{ApiFault, Counters, Request, View};
use hypermesh_core::base::{Mono, Now, PublicKey, Table};
use hypermesh_core::node::{
    Discontinuity, JobId, JobOutcome, Node, Output, PeerStatus, PersistToken, RequestId, Traced,
};
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::Arc;

/// A state machine that takes what a [`Node`] takes and wants done what a node wants done, under the same contract.
pub trait StateMachine: Send + 'static {
    /// As [`Node::handle_message`].
    fn handle_message(&mut self, now: Now, from: PublicKey, bytes: &[u8]);
    /// As [`Node::handle_request`].
    fn handle_request(&mut self, now: Now, id: RequestId, traced: Option<Traced>, request: Request);
    /// As [`Node::admit`].
    ///
    /// # Errors
    /// As [`Node::admit`].
    fn admit(
        &mut self,
        now: Now,
        id: RequestId,
        caller: &PublicKey,
        request: &Request,
    ) -> Result<(), ApiFault>;
    /// As [`Node::handle_cancelled`].
    fn handle_cancelled(&mut self, now: Now, id: RequestId);
    /// As [`Node::handle_peer`].
    fn handle_peer(&mut self, now: Now, peer: PublicKey, status: PeerStatus);
    /// As [`Node::handle_persisted`].
    fn handle_persisted(&mut self, now: Now, token: PersistToken);
    /// As [`Node::announce_address`].
    fn announce_address(&mut self, now: Now, address: SocketAddrV6);
    /// As [`Node::handle_damage`].
    fn handle_damage(&mut self, now: Now, table: Table, key: &[u8]);
    /// As [`Node::handle_job`].
    fn handle_job(&mut self, now: Now, id: JobId, outcome: JobOutcome);
    /// As [`Node::handle_timeout`].
    fn handle_timeout(&mut self, now: Now);
    /// As [`Node::handle_discontinuity`].
    fn handle_discontinuity(&mut self, now: Now, what: Discontinuity);
    /// As [`Node::poll_output`].
    fn poll_output(&mut self) -> Option<Output>;
    /// As [`Node::poll_timeout`].
    fn poll_timeout(&self) -> Option<Mono>;
    /// As [`Node::view`].
    fn view(&self) -> Arc<View>;
    /// As [`Node::numbers`].
    fn numbers(&self) -> BTreeMap<&'static str, Counters>;
}

impl StateMachine for Node {
    fn handle_message(&mut self, now: Now, from: PublicKey, bytes: &[u8]) {
        Self::handle_message(self, now, from, bytes);
    }

    fn handle_request(&mut self, now: Now, id: RequestId, traced: Option<Traced>, request: Request) {
        Self::handle_request(self, now, id, traced, request);
    }

    fn admit(
        &mut self,
        now: Now,
        id: RequestId,
        caller: &PublicKey,
        request: &Request,
    ) -> Result<(), ApiFault> {
        Self::admit(self, now, id, caller, request)
    }

    fn handle_cancelled(&mut self, now: Now, id: RequestId) {
        Self::handle_cancelled(self, now, id);
    }

    fn handle_peer(&mut self, now: Now, peer: PublicKey, status: PeerStatus) {
        Self::handle_peer(self, now, peer, status);
    }

    fn handle_persisted(&mut self, now: Now, token: PersistToken) {
        Self::handle_persisted(self, now, token);
    }

    fn announce_address(&mut self, now: Now, address: SocketAddrV6) {
        Self::announce_address(self, now, address);
    }

    fn handle_damage(&mut self, now: Now, table: Table, key: &[u8]) {
        Self::handle_damage(self, now, table, key);
    }

    fn handle_job(&mut self, now: Now, id: JobId, outcome: JobOutcome) {
        Self::handle_job(self, now, id, outcome);
    }

    fn handle_timeout(&mut self, now: Now) {
        Self::handle_timeout(self, now);
    }

    fn handle_discontinuity(&mut self, now: Now, what: Discontinuity) {
        Self::handle_discontinuity(self, now, what);
    }

    fn poll_output(&mut self) -> Option<Output> {
        Self::poll_output(self)
    }

    fn poll_timeout(&self) -> Option<Mono> {
        Self::poll_timeout(self)
    }

    fn view(&self) -> Arc<View> {
        Self::view(self)
    }

    fn numbers(&self) -> BTreeMap<&'static str, Counters> {
        Self::numbers(self)
    }
}
