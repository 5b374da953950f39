//! How old the last committed state is, and whether the mesh can decide anything, as far as one node can tell
//! from its links and its clock.
//!
//! A node that is cut off from a quorum goes on answering from the state it has and says how old that is; what
//! would have to be decided it refuses, once it has been cut off for as long as it takes to call a state stale: links
//! come and go. A clock that is wrong makes answers seem old or young; it makes no answer wrong.

use super::{ApiFault, NodeStatus, View};
use crate::base::UnixMillis;
use crate::trustchain::dns::Staleness;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// After so many heartbeats without a block a state counts as stale.
pub const STALE_HEARTBEATS: u32 = 3;

impl View {
    /// How long ago the last block was made, at this time of this node's clock.
    #[must_use]
    pub fn age(&self, wall: UnixMillis) -> Duration {
        Duration::from_millis(wall.since(self.state.time()))
    }

    /// That the state may be out of date, if it may: a mesh that can decide makes a block every heartbeat.
    #[must_use]
    pub fn staleness(&self, wall: UnixMillis) -> Option<Staleness> {
        let age = self.age(wall);
        let heartbeat = self.state.genesis_document().profile.heartbeat();
        (age > STALE_HEARTBEATS * heartbeat).then_some(Staleness { age })
    }

    /// What there is to say when nothing can be decided, as far as this node can tell: too few validators are
    /// linked, or enough are and no block comes.
    #[must_use]
    pub fn standstill(&self, wall: UnixMillis) -> Option<String> {
        let status = &self.status;
        if is_quorum_linked(status) {
            // The node's own judgement, by its monotonic clock: block time ahead of the wall clock hides no standstill.
            let Some(Staleness { age }) = self.staleness(wall) else { return status.standstill.clone() };
            let (linked, height) = (status.connected, status.height);
            return Some(format!(
                "no block for {} s although {linked} of {} validators are linked: this node is catching up \
                (height {height}), its clock is wrong, or the other validators are stalled",
                age.as_secs(),
                status.validators,
            ));
        }
        Some(format!(
            "quorum is missing: {} of {} validators are linked, this one included, and {} are needed; not reached: {}; \
             last block {} s ago. Nothing can be issued or changed until enough of them are back: start them, or repair the network between them; nothing else is needed. Committed data is still served, as of height {}",
            status.connected,
            status.validators,
            status.quorum,
            status.unreachable.join(", "),
            self.age(wall).as_secs(),
            status.height,
        ))
    }

    /// What is said of a request to this service that its caller's deadline is about to end, if it is known what it waits
    /// for: nothing is decided, or this node lacks what it takes.
    #[must_use]
    pub fn overdue(&self, service: &str, wall: UnixMillis) -> Option<ApiFault> {
        let status = self.status_at(wall);
        let lacks = status.lacks_for(service);
        let why = status.standstill.or_else(|| (!lacks.is_empty()).then_some(lacks))?;
        Some(ApiFault::unavailable(format!(
            "not finished in time, and the operation may still commit: \
            {why}"
        )))
    }
}

const fn is_quorum_linked(status: &NodeStatus) -> bool {
    status.connected >= status.quorum
}
