//! What reads are answered from: an immutable view of the last committed state, and no node.

use super::{AddressRecord, ApiFault, Call, Counters, NodeStatus};
use crate::base::{PublicKey, UnixMillis};
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::State;
use alloc::sync::Arc;

/// The last committed state, and how the node that publishes it is. Views are immutable, so threads share them.
#[derive(Clone)]
pub struct View {
    /// The state.
    pub state: State,
    /// The precommits that decided its last block; none before the first.
    pub commit: Option<CommitCertificate>,
    /// The addresses of validators that have changed since genesis.
    pub addresses: Arc<alloc::collections::BTreeMap<PublicKey, AddressRecord>>,
    /// How the node is.
    pub status: NodeStatus,
    /// Its counters, by service.
    pub counters: Arc<alloc::collections::BTreeMap<&'static str, Counters>>,
}

/// What is said of every member's place in the network, until attestation is built.
pub const POSITION_NOT_ATTESTED: &str = "not attested";

/// A request that a view answers. Lines of the table of methods without the mark `Node` have one.
pub(super) trait ReadMethod: Call {
    /// The answer at this moment, by the node's clock. Its cost is bounded, however large the state is.
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<Self::Response, ApiFault>;
}
