//! Two processes with one key, on real QUIC: the second is refused by its peers, finds out, and the mesh goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::node::Event;
use hypermesh_tests::{CALL_DEADLINE, LocalMesh, start_twin};
use std::sync::Arc;
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_with_a_nodes_key_is_refused_and_falls_silent_and_the_mesh_goes_on() {
    let mut mesh = LocalMesh::start().await;
    let (sender, mut events) = mpsc::unbounded_channel();
    let observer = move |event: &Event, _| {
        let _gone = sender.send(event.clone());
    };
    let twin = start_twin(&mesh, 1, Arc::new(observer));
    let found = tokio::time::timeout(CALL_DEADLINE, async {
        loop {
            match events.recv().await.unwrap() {
                Event::TwinRuns { by } => break by,
                Event::Committed { .. } => panic!("a process that was refused follows the chain"),
                _ => {}
            }
        }
    });
    let tolerated = 1;
    assert!(found.await.unwrap().len() > tolerated);
    let height = mesh.node(0).view().state.height();
    let mut views = mesh.node(0).views();
    let goes_on = views.wait_for(|view| view.state.height().0 > height.0 + 1);
    drop(tokio::time::timeout(CALL_DEADLINE, goes_on).await.unwrap().unwrap());
    assert_eq!(mesh.node(1).view().status.connected, 4, "the first keeps its links");
    twin.stop().await.unwrap();
    mesh.stop().await;
}
