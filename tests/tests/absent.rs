//! Nodes that are not there, as seen at real processes: with one of four dead the mesh goes on; with two dead it
//! refuses in time and says what is missing, while everything that is committed is still answered with its age;
//! and with one back it goes on by itself. Nodes end as they are told to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{
    DnsRequest, HypermeshHealthRequest, IssueCertificateRequest, IssuedCertificate, Request,
    TrustchainHealthRequest,
};
use hypermesh_core::trustchain::dns::{RecordType, ResolutionOutcome};
use hypermesh_sim::world::Owner;
use hypermesh_tests::processes::{NODES, ProcessMesh};
use hypermesh_tests::{call, client, wall};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use stoq::{CallError, CallOptions, StatusCode};
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
/// Links are given up after five seconds, and a state is stale after three heartbeats of two.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// Runs the command line; its exit code, and both outputs.
fn hypermesh(mesh: &ProcessMesh, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    command.args(words).env("HYPERMESH_CONTEXT", mesh.context()).stdin(Stdio::null());
    let output = command.current_dir(mesh.context().parent().unwrap()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn issue_request(mesh: &ProcessMesh, nonce: u64) -> IssueCertificateRequest {
    let owner = Owner::new(mesh.owner().clone(), mesh.genesis().hash(), wall());
    match owner.issue(nonce, &[&format!("a{nonce}.demo.hypermesh")]) {
        Request::IssueCertificate(request) => request,
        _ => unreachable!("an owner asks for what it is told to"),
    }
}

async fn issue(mesh: &ProcessMesh, node: usize, nonce: u64) -> Result<IssuedCertificate, CallError> {
    call(&client(mesh.owner().clone()), mesh.peer(node), &issue_request(mesh, nonce)).await
}

/// How long certificates take, one at a time: the middle of the times, their mean, and the longest.
async fn times(mesh: &ProcessMesh, first: u64) -> [Duration; 3] {
    const COUNT: u32 = 16;
    let mut times = Vec::new();
    for nonce in first..first + u64::from(COUNT) {
        let begun = Instant::now();
        issue(mesh, 0, nonce).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    [times[times.len() / 2], times.iter().sum::<Duration>() / COUNT, times[times.len() - 1]]
}

/// What `dig` prints of the answer, Extended DNS Errors included.
fn dig(mesh: &ProcessMesh, node: usize, more: &[&str]) -> String {
    let address = mesh.dns(node);
    let mut command = Command::new("dig");
    command.args(["@::1", "-p", &address.port().to_string(), "kept.hypermesh", "AAAA"]).args(more);
    let output = command.output().expect("dig is there (dnsutils)");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_is_borne_two_dead_are_told_and_one_back_is_enough() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    let set = [
        ["dns", "register", "kept.hypermesh"].as_slice(),
        &["dns", "set", "kept.hypermesh", "AAAA", "fd00::7"],
    ];
    for words in set {
        let (code, _, error) = hypermesh(&mesh, words);
        assert_eq!(code, 0, "{error}");
    }
    assert!(!dig(&mesh, 0, &[]).contains("EDE"), "a state that is renewed is not stale");
    let whole = times(&mesh, 100).await;
    mesh.kill(&[3]);
    issue(&mesh, 0, 1).await.unwrap();
    mesh.until(0, |status| status.connected == 3).await;
    let without_one = times(&mesh, 200).await;
    eprintln!(
        "a certificate takes (median, mean, longest)\n  {whole:?} with four nodes\n  {without_one:?} with one of four dead"
    );

    mesh.kill(&[2]);
    refuses_in_time(&mesh).await;
    let status = mesh.until(0, |status| status.connected == 2 && status.age_ms > 6_000).await;
    assert_eq!(status.unreachable, ["node-3", "node-4"]);
    answers_with_its_age(&mesh).await;

    mesh.start(2);
    for number in 0..3 {
        mesh.until(number, |status| status.ready && status.connected == 3).await;
    }
    issue(&mesh, 1, 300).await.unwrap();
    let status = mesh.until(0, |status| status.standstill.is_none()).await;
    assert_eq!(status.unreachable, ["node-4"]);
    mesh.start(3);
    mesh.until_all(|status| status.ready && status.connected == NODES as u64).await;
    mesh.stop().await;
}

/// Requests are refused with the reason: one that has a short time, just before it runs out; one with time enough,
/// when the node is sure; and then at once.
async fn refuses_in_time(mesh: &ProcessMesh) {
    let client = client(mesh.owner().clone());
    let says = |error: &CallError| {
        let text = error.to_string();
        let words = ["quorum is missing: 2 of 4", "3 are needed", "node-3", "node-4", "start them"];
        error.code() == StatusCode::Unavailable && words.iter().all(|word| text.contains(word))
    };
    let begun = Instant::now();
    let mut nonce = 400;
    loop {
        nonce += 1;
        let deadline = Duration::from_secs(3);
        let request = hypermesh_core::base::encode(&issue_request(mesh, nonce));
        let asked = Instant::now();
        let options = CallOptions::once(deadline);
        let error = client
            .call(mesh.peer(0), "trustchain", "issue_certificate", request, options)
            .await
            .expect_err("nothing can be issued");
        assert!(asked.elapsed() < deadline + Duration::from_millis(500), "within its deadline");
        if says(&error) && asked.elapsed() < Duration::from_millis(500) {
            break;
        }
        assert!(begun.elapsed() < NOTICED_WITHIN, "after {:?} only {error}", begun.elapsed());
    }
    let (code, _, error) = hypermesh(mesh, &["cert", "issue", "late.demo.hypermesh", "--out", "late"]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("quorum is missing: 2 of 4") && error.contains("node-4"), "{error}");
}

async fn answers_with_its_age(mesh: &ProcessMesh) {
    let client = client(mesh.owner().clone());
    let request = DnsRequest { name: "kept.hypermesh".parse().unwrap(), record_type: RecordType::Aaaa };
    let answer = call(&client, mesh.peer(0), &request).await.unwrap();
    assert!(
        answer.stale && answer.age_ms > 6_000 && answer.outcome == ResolutionOutcome::Found,
        "{answer:?}"
    );
    for transport in ["+notcp", "+tcp"] {
        let text = dig(mesh, 0, &[transport]);
        assert!(text.contains("fd00::7") && text.contains("EDE: 3"), "{text}");
        assert!(text.contains("last committed") && text.contains(" s ago"), "{text}");
    }
    let (code, out, error) = hypermesh(mesh, &["dns", "lookup", "kept.hypermesh", "AAAA"]);
    assert!(code == 0 && out.contains("fd00::7") && error.contains("may be out of date"), "{out}{error}");
    let (_, json, _) = hypermesh(mesh, &["--json", "dns", "lookup", "kept.hypermesh", "AAAA"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["stale"] == true && json["age_ms"].as_u64() > Some(6_000), "{json}");
    assert!(json["height"].as_u64() > Some(0) && json["time"].as_u64() > Some(0), "{json}");
    let health = call(&client, mesh.peer(0), &TrustchainHealthRequest {}).await.unwrap();
    assert!(!health.serving && health.detail.contains("quorum is missing"), "{health:?}");
    let health = call(&client, mesh.peer(0), &HypermeshHealthRequest {}).await.unwrap();
    assert!(!health.serving && health.detail.contains("quorum is missing"), "{health:?}");
    let (code, out, _) = hypermesh(mesh, &["node", "status"]);
    assert!(code == 0 && out.contains("NOTHING CAN BE DECIDED: quorum is missing: 2 of 4"), "{out}");
    let (code, out, error) = hypermesh(mesh, &["cert", "list"]);
    assert!(code == 0 && out.contains("a100.demo.hypermesh"), "{out}{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_answers_first_and_one_that_is_told_twice_does_not_wait() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    for round in 0..4 {
        // A call that goes to this node alone, once.
        let request = hypermesh_core::base::encode(&issue_request(&mesh, 500 + round));
        let (asking, peer) = (client(mesh.owner().clone()), mesh.peer(1).clone());
        let options = CallOptions::once(Duration::from_secs(10));
        let asked = tokio::spawn(async move {
            asking.call(&peer, "trustchain", "issue_certificate", request, options).await
        });
        // At another moment of the call each time.
        tokio::time::sleep(Duration::from_millis(5 * round)).await;
        let told = Instant::now();
        mesh.signal(1, "TERM");
        let status = mesh.ended(1).await;
        assert_eq!(status.code(), Some(0), "{}", mesh.log(1));
        assert!(told.elapsed() < Duration::from_secs(10), "it took {:?}", told.elapsed());
        match asked.await.unwrap() {
            Ok(_) => {}
            Err(error) => {
                let text = error.to_string();
                let late = text.contains("the node is stopping") || matches!(error, CallError::Dial(_));
                assert!(late, "round {round}: a call that was taken was cut off: {text}");
            }
        }
        mesh.start(1);
        mesh.until(1, |status| status.ready).await;
    }
    // Two are dead: a call waits, and the node would wait with it for a while.
    mesh.kill(&[2, 3]);
    let request = hypermesh_core::base::encode(&issue_request(&mesh, 600));
    let (asking, peer) = (client(mesh.owner().clone()), mesh.peer(1).clone());
    let options = CallOptions::once(Duration::from_secs(10));
    let mut asked =
        tokio::spawn(
            async move { asking.call(&peer, "trustchain", "issue_certificate", request, options).await },
        );
    assert!(timeout(Duration::from_millis(300), &mut asked).await.is_err(), "two of four do not answer");
    let before = mesh.log(1).len();
    mesh.signal(1, "TERM");
    mesh.wait_for_log(1, before, "stopping: told to").await;
    let told = Instant::now();
    mesh.signal(1, "TERM");
    let status = mesh.ended(1).await;
    assert!(told.elapsed() < Duration::from_millis(2_500), "it took {:?}", told.elapsed());
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    assert!(asked.await.unwrap().is_err());
    mesh.stop().await;
}
