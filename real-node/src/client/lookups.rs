//! The nodes that a context names, looked up where it names them by their hosts.

use crate::context::Bootstrap;
use hypermesh_core::base::PublicKey;
use std::net::SocketAddrV6;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A look-up's outcome, with the place of its node in the context.
type LookupResult = (usize, PublicKey, Result<Vec<SocketAddrV6>, String>);

/// Where a node is, and who.
pub(super) type Found = (PublicKey, SocketAddrV6);

/// Once an address is known, others are waited for no longer than this before it is tried.
const OTHERS_WITHIN: Duration = Duration::from_millis(300);

/// Look-ups that are under way.
pub(super) struct Lookups {
    under_way: JoinSet<LookupResult>,
    done: Vec<LookupResult>,
    faults: Vec<String>,
}

impl Lookups {
    /// Begins to look up these nodes. Must be called from within a tokio runtime.
    pub(super) fn begin(nodes: &[Bootstrap]) -> Self {
        let mut under_way = JoinSet::new();
        for (place, node) in nodes.iter().enumerate() {
            let (address, key) = (node.address.clone(), node.key);
            under_way.spawn(async move { (place, key, address.resolve().await) });
        }
        Self { under_way, done: Vec::new(), faults: Vec::new() }
    }

    /// What is found at once or, if that is nothing, first: in the context's order.
    pub(super) async fn first(&mut self) -> Vec<Found> {
        while !self.has_found()
            && let Some(outcome) = self.under_way.join_next().await
        {
            self.done.extend(outcome);
        }
        // Over when all are done or the time is up, and either is as good.
        drop(timeout(OTHERS_WITHIN, self.wait()).await);
        self.take()
    }

    /// What else is found: in the context's order.
    pub(super) async fn rest(&mut self) -> Vec<Found> {
        self.wait().await;
        self.take()
    }

    /// Whether some are still under way.
    pub(super) fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Why hosts have led nowhere so far, a line each.
    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.clone()
    }

    fn has_found(&self) -> bool {
        self.done.iter().any(|(_, _, found)| found.is_ok())
    }

    async fn wait(&mut self) {
        while let Some(outcome) = self.under_way.join_next().await {
            self.done.extend(outcome);
        }
    }

    fn take(&mut self) -> Vec<Found> {
        self.done.sort_by_key(|(place, ..)| *place);
        let mut all = Vec::new();
        for (_, key, found) in self.done.drain(..) {
            match found {
                Ok(found) => all.extend(found.into_iter().map(|address| (key, address))),
                Err(fault) => self.faults.push(fault),
            }
        }
        all
    }
}
