//! Host names in a node's `[peers]`: looked up when the node starts, and again as long as a peer with a host name is not
//! linked. A link that stands needs no address.

use crate::node_address::NodeAddress;
use crate::node_config::PeerHint;
use hypermesh_core::api::View;
use hypermesh_core::base::PublicKey;
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;
use stoq::{Driver, MovedPeers};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// How long until hosts are looked up again, while one of them is not linked.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Where validators are by hand.
type Moved = BTreeMap<PublicKey, Vec<SocketAddrV6>>;

/// Keeps a node's driver told where the peers in `[peers]` are, until it is dropped.
pub(crate) struct PeerLookups(JoinHandle<()>);

impl PeerLookups {
    /// Tells the driver of the addresses at once, and of those of host names as they are found.
    pub(crate) fn start(hints: Vec<PeerHint>, driver: &Driver) -> Self {
        Self(tokio::spawn(follow(hints, driver.moved_peers(), driver.views())))
    }
}

impl Drop for PeerLookups {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow(hints: Vec<PeerHint>, peers: MovedPeers, mut views: watch::Receiver<Arc<View>>) {
    let hosts: Vec<&PeerHint> = hints.iter().filter(|hint| hint.address.is_host()).collect();
    let mut moved = fixed(&hints);
    let mut faults = BTreeMap::new();
    peers.set(moved.clone()).await;
    while !hosts.is_empty() {
        let before = moved.clone();
        for (hint, found) in look_up(&hosts).await {
            match found {
                Ok(addresses) => {
                    faults.remove(&hint.name);
                    moved.insert(hint.key, addresses);
                }
                // What was found before may still be right.
                Err(fault) if faults.get(&hint.name) != Some(&fault) => {
                    tracing::warn!(peer = hint.name, %fault, "a peer's host name leads nowhere");
                    faults.insert(hint.name.clone(), fault);
                }
                Err(_) => {}
            }
        }
        if moved != before {
            peers.set(moved.clone()).await;
        }
        sleep(AGAIN_AFTER).await;
        let is_lost =
            |view: &Arc<View>| hosts.iter().any(|hint| view.status.unreachable.contains(&hint.name));
        if views.wait_for(is_lost).await.is_err() {
            return;
        }
    }
}

/// The hints that need no look-up.
fn fixed(hints: &[PeerHint]) -> Moved {
    let ips = hints.iter().filter_map(|hint| match hint.address {
        NodeAddress::Ip(address) => Some((hint.key, vec![address])),
        NodeAddress::Host { .. } => None,
    });
    ips.collect()
}

/// Looks all of these up, at the same time.
async fn look_up<'a>(hosts: &[&'a PeerHint]) -> Vec<(&'a PeerHint, Result<Vec<SocketAddrV6>, String>)> {
    let mut lookups = JoinSet::new();
    for (place, hint) in hosts.iter().enumerate() {
        let address = hint.address.clone();
        lookups.spawn(async move { (place, address.resolve().await) });
    }
    let found = lookups.join_all().await.into_iter();
    found.filter_map(|(place, found)| Some((*hosts.get(place)?, found))).collect()
}
