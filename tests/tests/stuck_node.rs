//! A node whose own task does not turn any more is not alive, whatever else of its process is: so it must not
//! tell its service manager that it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_driver::Observer;
use hypermesh_tests::LocalMesh;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::timeout;

/// How long a node that turns may take to come round.
const TURN_TIMEOUT: Duration = Duration::from_millis(500);
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stuck_node_is_not_live_and_one_that_runs_again_is() {
    let shut = Arc::new(AtomicBool::new(false));
    let gate = shut.clone();
    // Whoever observes runs within the node's task: while the gate is shut, that one node stands still. The other three
    // are a quorum, whose next block comes to the gate.
    let observer = move |place| -> Observer {
        let gate = (place == 0).then(|| gate.clone());
        Arc::new(move |_, _| {
            while gate.as_ref().is_some_and(|gate| gate.load(Relaxed)) {
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let mut mesh = LocalMesh::start_observed(observer).await;
    let liveness = mesh.node(0).liveness();
    assert!(timeout(PATIENCE, liveness.probe()).await.unwrap());

    shut.store(true, Relaxed);
    let stuck = async { while timeout(TURN_TIMEOUT, liveness.probe()).await.is_ok() {} };
    timeout(PATIENCE, stuck).await.expect("the next block finds the gate shut");
    shut.store(false, Relaxed);
    assert!(timeout(PATIENCE, liveness.probe()).await.unwrap(), "it turns again");

    mesh.stop().await;
    assert!(!timeout(PATIENCE, liveness.probe()).await.unwrap(), "it has ended");
}
