//! A node that lies to its clients, on real processes: whoever asks with proof is not deceived.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::RESPONSE_BYTES_MAX;
use hypermesh_core::base::{decode, encode};
use hypermesh_core::state::StateProof;
use hypermesh_tests::client;
use hypermesh_tests::processes::ProcessMesh;
use std::net::SocketAddrV6;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;
use stoq::{
    BoxFuture, Bytes, Call, CallOptions, Client, Endpoint, Env, Handler, Identity, Peer, Server,
    ServerLimits, Status, StatusCode, TransportConfig,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const LIAR: usize = 3;
/// One question in four goes to the liar first: that none of so many does is as good as impossible.
const QUESTIONS_MAX: usize = 80;

/// Has the key of a node, and passes on what an honest one says, but for what it proves.
struct Liar {
    client: Client,
    honest: Peer,
}

impl Handler for Liar {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(async move {
            let options = CallOptions::repeatable(Duration::from_secs(20));
            let answer = self
                .client
                .call(&self.honest, &call.service, &call.method, call.body.to_vec(), options)
                .await;
            let answer = answer.map_err(|error| Status::new(StatusCode::Unavailable, error.to_string()))?;
            if call.method != "consensus/prove" {
                return Ok(answer);
            }
            let mut proof: StateProof = decode(&answer, RESPONSE_BYTES_MAX).unwrap();
            let row = proof.rows.iter_mut().rev().find_map(|row| row.row.as_mut()).unwrap();
            *row.0.last_mut().unwrap() ^= 1;
            Ok(Bytes::from(encode(&proof)))
        })
    }
}

fn typed(mesh: &ProcessMesh, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    let Output { status, stdout, stderr } =
        command.args(words).env("HYPERMESH_CONTEXT", mesh.context()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_refused_by_its_proof_and_another_node_is_asked() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    let (code, _, told) = typed(&mesh, &["dns", "set", "web.demo.hypermesh", "AAAA", "2001:db8::7"]);
    assert_eq!(code, 0, "{told}");
    mesh.kill(&[LIAR]);
    let secret = mesh.node(LIAR).read_identity().unwrap();
    let peer = mesh.peer(LIAR).clone();
    let address: SocketAddrV6 = peer.addr;
    let endpoint =
        Endpoint::bind(Env::real(Identity::new(secret.clone())), address, TransportConfig::default());
    let endpoint = endpoint.unwrap();
    let liar = Liar { client: client(secret), honest: mesh.peer(0).clone() };
    let _server = Server::start(&endpoint, Arc::new(liar), ServerLimits::default());

    let lookup = ["dns", "lookup", "web.demo.hypermesh", "AAAA", "--prove"];
    let mut refused = 0;
    for _ in 0..QUESTIONS_MAX {
        let (code, said, told) = typed(&mesh, &lookup);
        assert!(code == 0 && said.contains("2001:db8::7"), "{code} {said} {told}");
        refused += usize::from(
            told.contains("an answer was refused") && told.contains("is not what the state holds"),
        );
        if refused == 2 {
            break;
        }
    }
    assert_eq!(refused, 2, "the liar was never asked");
    let (code, _, told) = typed(&mesh, &["dns", "lookup", "nobody.demo.hypermesh", "--prove"]);
    assert!(code == 6 && told.contains("does not exist"), "{code} {told}");
    mesh.stop().await;
}
