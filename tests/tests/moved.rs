//! Every node's port has changed, and so has every address that a client knows: each node is told one address of one
//! other, the client is told one, and all of them find the rest.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::context::Context;
use hypermesh::node_address::NodeAddress;
use hypermesh_tests::processes::{NODES, ProcessMesh, free_ports};
use std::collections::BTreeSet;
use std::net::SocketAddrV6;
use std::path::Path;
use std::process::{Command, Output};
use stoq::Expect;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");

/// Tells a node that runs where another is.
fn tell(mesh: &ProcessMesh, number: usize, of: usize) {
    let address = mesh.peer(of).addr;
    mesh.configure(number, |config| {
        config.peers.insert(format!("node-{}", of + 1), address.into());
    });
    mesh.signal(number, "HUP");
}

fn balance(context: &Path) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["--json", "--timeout", "20", "--context"]).arg(context).args(["caesar", "balance"]);
    command.output().unwrap()
}

fn refresh(context: &Path, node: SocketAddrV6) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["--timeout", "20", "--context"]).arg(context).args(["context", "refresh", "--node"]);
    command.arg(node.to_string()).output().unwrap()
}

fn key(mesh: &ProcessMesh, number: usize) -> hypermesh_core::base::PublicKey {
    match mesh.peer(number).expect {
        Expect::Key(key) => key,
        _ => panic!("nodes are known by their keys"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_whose_ports_all_changed_links_again_from_one_address_each_and_so_does_a_client() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    mesh.stop().await;
    let old: BTreeSet<NodeAddress> = (0..NODES).map(|number| mesh.peer(number).addr.into()).collect();
    for (number, listen) in free_ports(NODES).into_iter().enumerate() {
        mesh.move_to(number, listen);
        mesh.start(number);
    }
    mesh.until_all(|status| status.connected == 1).await;

    // Two find each other because one is told; the others are each told one of these, and find the other by it.
    tell(&mesh, 1, 0);
    for number in [0, 1] {
        mesh.until(number, |status| status.connected == 2).await;
    }
    tell(&mesh, 2, 1);
    tell(&mesh, 3, 1);
    mesh.until_all(|status| status.connected == NODES as u64 && status.ready).await;
    for (told, found) in [(2, 0), (3, 0), (2, 3), (3, 2)] {
        let found = key(&mesh, found).to_string();
        let announced = "a validator has announced a new address";
        let log = mesh.log(told);
        assert!(log.lines().any(|line| line.contains(announced) && line.contains(&found)), "{log}");
    }

    // What was announced outlives what was said by hand.
    mesh.stop().await;
    for number in 0..NODES {
        mesh.configure(number, |config| config.peers.clear());
        mesh.start(number);
    }
    mesh.until_all(|status| status.connected == NODES as u64 && status.ready).await;

    let path = mesh.context();
    let lost = balance(&path);
    assert_eq!(lost.status.code(), Some(4), "every address that it knows is an old one: {lost:?}");
    let stranger = refresh(&path, free_ports(1)[0]);
    assert_eq!(stranger.status.code(), Some(4), "nobody is there: {stranger:?}");
    let found = refresh(&path, mesh.peer(2).addr);
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    let known: BTreeSet<NodeAddress> =
        Context::read(&path).unwrap().bootstrap.into_iter().map(|node| node.address).collect();
    let new: BTreeSet<NodeAddress> = (0..NODES).map(|number| mesh.peer(number).addr.into()).collect();
    assert!(new.is_subset(&known) && old.is_subset(&known), "{known:?}");
    // With that, any of them will do.
    mesh.signal(2, "TERM");
    assert!(mesh.ended(2).await.success());
    let again = balance(&path);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    mesh.stop().await;
}
