//! One request is followed over all four nodes: each says which steps it took, once each and in order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{NodeTrace, Request, TraceEvent, TraceId, TraceRequest};
use hypermesh_core::base::encode;
use hypermesh_sim::world::Owner;
use hypermesh_tests::{CALL_DEADLINE, LocalMesh, call, client, wall};
use std::time::Duration;
use stoq::{CallOptions, Client};
use tokio::time::{sleep, timeout};

const TRACE: TraceId = TraceId([0x5a; 16]);

/// Issues a certificate at the first node, under the trace id.
async fn issue(mesh: &LocalMesh, client: &Client) {
    let owner = Owner::new(mesh.participants.client.clone(), mesh.participants.genesis_hash(), wall());
    let Request::IssueCertificate(request) = owner.issue(1, &["service.demo.hypermesh"]) else {
        panic!("no other")
    };
    let options = CallOptions { trace_id: Some(TRACE.0), ..CallOptions::repeatable(CALL_DEADLINE) };
    let issued =
        client.call(&mesh.peer(0), "trustchain", "issue_certificate", encode(&request), options).await;
    issued.unwrap();
}

/// What a node says, once it has the block on disk.
async fn trace_of(mesh: &LocalMesh, client: &Client, node: usize) -> NodeTrace {
    let durable = async {
        loop {
            let trace = call(client, &mesh.peer(node), &TraceRequest { id: TRACE }).await.unwrap();
            if trace.steps.iter().any(|step| matches!(step.step, TraceEvent::Durable { .. })) {
                return trace;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(CALL_DEADLINE, durable).await.unwrap()
}

/// The names of the steps that a node takes once for a request, without those of signing.
fn names(trace: &NodeTrace) -> Vec<&'static str> {
    trace.steps.iter().map(|step| step.step.name()).filter(|name| !name.starts_with("share")).collect()
}

/// The steps of `expected`, in that order, of which only those in `may_lack` may be missing.
fn assert_steps(trace: &NodeTrace, expected: &[&str], may_lack: &[&str]) {
    let names = names(trace);
    let left: Vec<&str> =
        expected.iter().filter(|name| names.contains(name) || !may_lack.contains(name)).copied().collect();
    assert_eq!(names, left, "{trace:#?}");
    assert!(trace.steps.windows(2).all(|two| two[0].after_us <= two[1].after_us), "{trace:#?}");
    assert_eq!(trace.left_out, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuance_is_followed_over_four_nodes_each_step_once_and_in_order() {
    let mut mesh = LocalMesh::start().await;
    let client = client(mesh.participants.client.clone());
    issue(&mesh, &client).await;
    let mut traces = Vec::new();
    for node in 0..4 {
        traces.push(trace_of(&mesh, &client, node).await);
    }
    let keys: Vec<_> =
        mesh.participants.genesis.validators.iter().map(|validator| validator.member.key).collect();
    assert_eq!(traces.iter().map(|trace| trace.node).collect::<Vec<_>>(), keys);

    // Whoever proposed the block did not check it; one round may give way to another.
    let ordering = ["proposed", "block_checked"];
    let asked = [
        "received",
        "taken_up",
        "batched",
        "batch_sent",
        "proposed",
        "block_checked",
        "decided",
        "durable",
        "aggregated",
        "aggregated",
        "answered",
    ];
    let at_first = &traces[0];
    assert_eq!(names(at_first).iter().filter(|name| ordering.contains(name)).count(), 1, "{at_first:#?}");
    assert!(names(at_first).iter().filter(|name| **name == "aggregated").count() == 2, "{at_first:#?}");
    let mut sorted = at_first.clone();
    // The disk and the signers are waited for at once: the one may come before the other.
    sorted.steps.sort_by_key(|step| asked.iter().position(|name| *name == step.step.name()));
    let without_disk = |name: &&str| *name != "durable";
    let order: Vec<&str> = names(at_first).into_iter().filter(without_disk).collect();
    assert_eq!(order, names(&sorted).into_iter().filter(without_disk).collect::<Vec<_>>());
    assert_eq!(
        names(&sorted),
        asked.into_iter().filter(|name| names(at_first).contains(name)).collect::<Vec<_>>()
    );

    let others = ["batch_received", "batch_taken", "proposed", "block_checked", "decided", "durable"];
    for trace in &traces[1..] {
        assert_steps(trace, &others, &["batch_taken", "proposed", "block_checked"]);
    }
    assert_eq!(
        traces.iter().filter(|trace| names(trace).contains(&"proposed")).count(),
        1,
        "one of them proposed it: {traces:#?}"
    );
    signers_say_what_the_coordinator_says(&traces);

    let nobodys = call(&client, &mesh.peer(0), &TraceRequest { id: TraceId([1; 16]) }).await.unwrap();
    assert!(nobodys.steps.is_empty(), "nothing is said of another id");
    mesh.stop().await;
}

/// Each share that came was wanted of and given by the node that it came from.
fn signers_say_what_the_coordinator_says(traces: &[NodeTrace]) {
    let coordinator = &traces[0];
    let mut came = 0;
    for step in &coordinator.steps {
        let TraceEvent::ShareCame { on, from } = &step.step else { continue };
        came += 1;
        let Some(signer) = traces[1..].iter().find(|trace| trace.node == *from) else { continue };
        let [wanted, given] = [
            TraceEvent::ShareWanted { on: *on, by: coordinator.node },
            TraceEvent::ShareGiven { on: *on, to: coordinator.node },
        ]
        .map(|event| signer.steps.iter().position(|step| step.step == event));
        assert!(wanted.is_some() && wanted < given, "{on:?} of {}: {signer:#?}", signer.name);
    }
    assert!(came >= 6, "three shares for the certificate, three for the checkpoint: {coordinator:#?}");
}
