//! Host names in a node's `[peers]`: looked up when the node starts, and again as long as a peer with a host name is not
//! linked, of such peers alone. A link that stands needs no address.

use crate::node_address::NodeAddress;
use crate::node_config::PeerHint;
use hypermesh_core::api::View;
use hypermesh_core::base::PublicKey;
use hypermesh_driver::{Driver, MovedPeers};
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;
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
    // Who is linked is not known yet.
    let mut lost = hosts.clone();
    while !hosts.is_empty() {
        let before = moved.clone();
        for (hint, found) in look_up(&lost).await {
            match found {
                Ok(addresses) => {
                    faults.remove(&hint.name);
                    moved.insert(hint.key, addresses);
                }
                // What was found before may still be right.
                Err(fault) if faults.get(&hint.name) != Some(&fault) => {
                    tracing::warn!(peer = hint.name, %fault, "a peer's host name cannot be resolved");
                    faults.insert(hint.name.clone(), fault);
                }
                Err(_) => {}
            }
        }
        if moved != before {
            peers.set(moved.clone()).await;
        }
        sleep(AGAIN_AFTER).await;
        let is_any_lost = |view: &Arc<View>| !lost_of(&hosts, &view.status.unreachable).is_empty();
        let Ok(view) = views.wait_for(is_any_lost).await else { return };
        lost = lost_of(&hosts, &view.status.unreachable);
    }
}

/// Those that are not linked.
fn lost_of<'a>(hosts: &[&'a PeerHint], unreachable: &[String]) -> Vec<&'a PeerHint> {
    hosts.iter().copied().filter(|hint| unreachable.contains(&hint.name)).collect()
}

/// The hints that need no look-up.
fn fixed(hints: &[PeerHint]) -> Moved {
    let ips = hints.iter().filter_map(|hint| match hint.address {
        NodeAddress::Ip(address) => Some((hint.key, vec![address])),
        NodeAddress::Host { .. } => None,
    });
    ips.collect()
}

/// Looks all of these up, as many at the same time as may be.
async fn look_up<'a>(hosts: &[&'a PeerHint]) -> Vec<(&'a PeerHint, Result<Vec<SocketAddrV6>, String>)> {
    let mut lookups = JoinSet::new();
    for (place, hint) in hosts.iter().enumerate() {
        let address = hint.address.clone();
        lookups.spawn(async move { (place, address.resolve().await) });
    }
    let found = lookups.join_all().await.into_iter();
    found.filter_map(|(place, found)| Some((*hosts.get(place)?, found))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_peers_that_are_not_linked_are_looked_up_again() {
        let hint = |number: u8| PeerHint {
            name: format!("node-{number}"),
            key: hypermesh_core::base::SecretKey::from_seed([number; 32]).public(),
            address: format!("node-{number}.example.org:7400").parse().unwrap(),
        };
        let hints = [hint(1), hint(2), hint(3)];
        let hosts: Vec<&PeerHint> = hints.iter().collect();
        let names = |unreachable: &[&str]| {
            let unreachable: Vec<String> = unreachable.iter().map(ToString::to_string).collect();
            let lost = lost_of(&hosts, &unreachable).into_iter();
            lost.map(|hint| hint.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&["node-2", "node-9"]), ["node-2"]);
        assert_eq!(names(&[]), [""; 0]);
        assert_eq!(names(&["node-3", "node-1"]), ["node-1", "node-3"]);
    }
}
