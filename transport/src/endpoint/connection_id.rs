//! Connection ids, which quinn would draw from the operating system behind the environment's back.

use crate::env::SharedEntropy;
use quinn::{ConnectionId, ConnectionIdGenerator};
use std::sync::Arc;
use std::time::Duration;

/// Connection ids that are nothing but random (RFC 9000 §5.1 wants no more).
pub(super) struct RandomConnectionIds {
    pub(super) entropy: Arc<dyn SharedEntropy>,
}

impl ConnectionIdGenerator for RandomConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        random_connection_id::<8>(&*self.entropy)
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A connection id of `N` random bytes, at most 20.
pub(super) fn random_connection_id<const N: usize>(entropy: &dyn SharedEntropy) -> ConnectionId {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    ConnectionId::new(&bytes)
}
