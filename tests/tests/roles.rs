//! Four processes that expose different services: each answers for its own, says of the others where they are found, and
//! a client that knows one address issues a certificate across them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{BalanceRequest, Call, CheckpointRequest, GenesisRequest, HeaderRequest};
use hypermesh_core::api::{CaesarHealthRequest, StatusRequest, TrustchainHealthRequest};
use hypermesh_core::api::{IssueCertificateRequest, Request, TraceEvent, TraceId, TraceRequest, TraceStep};
use hypermesh_core::base::{SecretKey, encode};
use hypermesh_sim::world::Owner;
use hypermesh_tests::processes::ProcessMesh;
use hypermesh_tests::{CALL_DEADLINE, call, client, wall};
use std::process::Command;
use stoq::{CallError, CallOptions, Client, StatusCode};

const BINARY: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const ROLES: [&str; 4] = ["trustchain", "hypermesh", "caesar", "trustchain,hypermesh"];

/// Runs `hypermesh`, and gives its exit code and all that it wrote.
fn run(mesh: &ProcessMesh, words: &[&str]) -> (i32, String) {
    let output = Command::new(BINARY).args(words).env("HYPERMESH_CONTEXT", mesh.context()).output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().unwrap_or(-1), text)
}

fn succeed(mesh: &ProcessMesh, words: &[&str]) -> String {
    let (code, text) = run(mesh, words);
    assert_eq!(code, 0, "{words:?}: {text}");
    text
}

/// Whether a node answers a request, or says where else to ask.
async fn answers<C: Call>(mesh: &ProcessMesh, client: &Client, number: usize, request: &C) -> bool {
    match call(client, mesh.peer(number), request).await {
        Err(CallError::Refused { status }) if status.code() == StatusCode::Unimplemented => {
            let place = format!("_stoq._udp.{}.hypermesh", request.method().service);
            assert!(status.message().contains(&place), "it says where: {}", status.message());
            false
        }
        Err(error) => panic!("node-{}: {error}", number + 1),
        Ok(_) => true,
    }
}

/// What a node did for a request, by the names of its steps, and the calls that came in for it.
async fn steps(mesh: &ProcessMesh, client: &Client, number: usize, id: TraceId) -> Vec<String> {
    let trace = call(client, mesh.peer(number), &TraceRequest { id }).await.unwrap();
    let name = |step: &TraceStep| match &step.step {
        TraceEvent::Received { method } => method.clone(),
        other => other.name().to_owned(),
    };
    trace.steps.iter().map(name).collect()
}

/// A node that exposes TrustChain alone has a node that exposes HyperMesh order what it is asked for.
async fn batches_cross_to_a_hypermesh_service(mesh: &ProcessMesh, client: &Client) {
    let owner = Owner::new(mesh.owner().clone(), mesh.genesis().hash(), wall());
    let Request::IssueCertificate(request) = owner.issue(7, &["crossing.demo.hypermesh"]) else {
        panic!("no other")
    };
    let id = TraceId([0xc7; 16]);
    let options = CallOptions { trace_id: Some(id.0), ..CallOptions::repeatable(CALL_DEADLINE) };
    let method = IssueCertificateRequest::METHOD;
    let issued = client.call(mesh.peer(0), method.service, method.name, encode(&request), options).await;
    issued.unwrap();
    let asked = steps(mesh, client, 0, id).await;
    assert!(asked.contains(&"batch_handed_over".to_owned()), "{asked:?}");
    let came = "hypermesh/consensus/validate_certificate".to_owned();
    let [one, other] = [steps(mesh, client, 1, id).await, steps(mesh, client, 3, id).await];
    assert!(one.contains(&came) || other.contains(&came), "{one:?} {other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_issued_across_nodes_of_different_roles() {
    let mut mesh = ProcessMesh::with_roles(BINARY, ROLES);
    (0..ROLES.len()).for_each(|number| mesh.start(number));
    mesh.until_all(|status| status.ready).await;
    let client = client(SecretKey::from_seed([3; 32]));

    for (number, roles) in ROLES.into_iter().enumerate() {
        let exposes = |service: &str| roles.split(',').any(|role| role == service);
        let owner = mesh.owner().public();
        assert_eq!(answers(&mesh, &client, number, &CheckpointRequest {}).await, exposes("trustchain"));
        assert_eq!(
            answers(&mesh, &client, number, &HeaderRequest { height: None }).await,
            exposes("hypermesh")
        );
        assert_eq!(answers(&mesh, &client, number, &BalanceRequest { owner }).await, exposes("caesar"));
        // Whereby a mesh and its nodes are found and looked after, every node answers.
        assert!(answers(&mesh, &client, number, &GenesisRequest {}).await);
        assert!(answers(&mesh, &client, number, &StatusRequest {}).await);
        let health = call(&client, mesh.peer(number), &TrustchainHealthRequest {}).await.unwrap();
        assert_eq!(health.serving, exposes("trustchain"), "{health:?}");
        let health = call(&client, mesh.peer(number), &CaesarHealthRequest {}).await.unwrap();
        assert!(health.serving == exposes("caesar") && !health.detail.is_empty(), "{health:?}");
    }

    for (service, expected) in
        [("trustchain", "node-1 node-4"), ("hypermesh", "node-2 node-4"), ("caesar", "node-3")]
    {
        let found = succeed(&mesh, &["dns", "lookup", &format!("_stoq._udp.{service}.hypermesh"), "SRV"]);
        let listed: Vec<&str> = ["node-1", "node-2", "node-3", "node-4"]
            .into_iter()
            .filter(|node| found.contains(node))
            .collect();
        assert_eq!(listed.join(" "), expected, "{found}");
    }

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("web");
    let trace = "000102030405060708090a0b0c0d0e0f";
    succeed(
        &mesh,
        &["--trace", trace, "cert", "issue", "web.demo.hypermesh", "--out", out.to_str().unwrap()],
    );
    succeed(&mesh, &["caesar", "balance"]);
    succeed(&mesh, &["rpc", "ping"]);
    succeed(&mesh, &["node", "status"]);
    let followed = succeed(&mesh, &["rpc", "trace", trace]);
    for node in ["node-1", "node-2", "node-3", "node-4"] {
        assert!(followed.contains(node), "every validator takes part, whatever it exposes: {followed}");
    }

    batches_cross_to_a_hypermesh_service(&mesh, &client).await;

    let config = mesh.node(0).config();
    succeed(&mesh, &["config", "validate", config.to_str().unwrap()]);
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(r#"roles = ["trustchain"]"#), "{text}");
    std::fs::write(&config, text.replace(r#"["trustchain"]"#, r#"["trustchain", "caesar"]"#)).unwrap();
    let (code, said) = run(&mesh, &["config", "validate", config.to_str().unwrap()]);
    assert!(
        code == 3
            && said.contains("roles are trustchain, caesar, and those of the genesis it names trustchain"),
        "{said}"
    );
    std::fs::write(&config, text).unwrap();
    mesh.stop().await;
}
