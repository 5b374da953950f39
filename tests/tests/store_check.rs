//! What a node says of its store when it starts, and how damage in it is found and mended: by `node fsck`, by the scrub
//! and by the peers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::store::RedbStore;
use hypermesh_core::base::{Reader, Table};
use hypermesh_tests::processes::ProcessMesh;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const CRASHED: &str = "the store was not closed cleanly";
const VICTIM: usize = 1;
/// The block that the disk changes.
const HEIGHT: u64 = 2;

fn fsck(mesh: &ProcessMesh) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["--json", "node", "fsck", "--data-dir"]).arg(mesh.node(VICTIM).path());
    command.output().unwrap()
}

/// Changes a byte in every copy of a block that the file has.
fn damage_block(store: &Path, height: u64) {
    let reader = RedbStore::open(store).unwrap().reader();
    let block = reader.get(Table::Blocks, &height.to_be_bytes()).unwrap().unwrap();
    drop(reader);
    let mut bytes = std::fs::read(store).unwrap();
    let places = bytes.windows(block.len()).enumerate().filter(|(_, window)| *window == block);
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|place| bytes[place + block.len() / 2] ^= 0x10);
    std::fs::write(store, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_killed_node_says_that_it_was_and_a_block_that_its_disk_changed_comes_back_from_a_peer() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    mesh.until_all(|status| status.height.0 > HEIGHT).await;
    let running = fsck(&mesh);
    let said = String::from_utf8_lossy(&running.stderr).into_owned();
    assert!(running.status.code() == Some(1) && said.contains("in use by another hypermesh"), "{said}");
    mesh.stop().await;
    (0..4).for_each(|number| mesh.start(number));
    mesh.until_all(|status| status.ready).await;
    for number in 0..4 {
        assert!(!mesh.log(number).contains(CRASHED), "node-{}: {}", number + 1, mesh.log(number));
    }
    mesh.kill(&[VICTIM]);
    mesh.start(VICTIM);
    mesh.until(VICTIM, |status| status.ready).await;
    assert!(mesh.log(VICTIM).contains(CRASHED), "{}", mesh.log(VICTIM));

    mesh.signal(VICTIM, "TERM");
    assert!(mesh.ended(VICTIM).await.success());
    assert_eq!(fsck(&mesh).status.code(), Some(0), "{:?}", fsck(&mesh));
    damage_block(&mesh.node(VICTIM).store(), HEIGHT);
    let found = fsck(&mesh);
    assert_eq!(found.status.code(), Some(8), "{found:?}");
    let report: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let corrupted = report["corrupted"].as_array().unwrap();
    assert_eq!(corrupted.len(), 1, "{report}");
    assert_eq!(
        (corrupted[0]["table"].as_str(), corrupted[0]["number"].as_u64()),
        (Some("blocks"), Some(HEIGHT))
    );
    assert!(corrupted[0]["remedy"].as_str().unwrap().contains("from a peer"), "{report}");

    let before = mesh.log(VICTIM).len();
    mesh.start(VICTIM);
    mesh.wait_for_log(VICTIM, before, "the scrub found a corrupted row").await;
    mesh.wait_for_log(VICTIM, before, &format!("block {HEIGHT} and its certificate")).await;
    mesh.signal(VICTIM, "TERM");
    assert!(mesh.ended(VICTIM).await.success());
    assert!(!mesh.log(VICTIM)[before..].contains(CRASHED));
    let mended = fsck(&mesh);
    assert_eq!(mended.status.code(), Some(0), "{mended:?}");
    mesh.stop().await;
}
