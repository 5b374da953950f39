//! A node that lies to its clients, on real processes: whoever asks with proof is not deceived.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::cli::Global;
use hypermesh::client::session;
use hypermesh::failure::{Exit, Failure};
use hypermesh_core::api::{
    DnsRequest, GenesisRequest, PublishedLists, RESPONSE_BYTES_MAX, RevocationListRequest, TrustBundleRequest,
};
use hypermesh_core::base::{MicroCaesar, decode, encode};
use hypermesh_core::state::{Action, Certificate, Revocation, Row as _, StateProof, Transfer};
use hypermesh_core::trustchain::ca::RevocationReason;
use hypermesh_core::trustchain::dns::RecordType;
use hypermesh_tests::client;
use hypermesh_tests::processes::ProcessMesh;
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stoq::{
    BoxFuture, Bytes, Call, CallOptions, Client, Endpoint, Env, Handler, Identity, Peer, Server,
    ServerLimits, Status, StatusCode, TransportConfig,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const LIAR: usize = 3;
/// One question in four goes to the liar first: that none of so many does is as good as impossible.
const QUESTIONS_MAX: usize = 80;

/// Has the key of a node, and says what it likes, mostly what an honest one says.
struct Liar {
    /// Where it looks up what is so.
    honest: Option<(Client, Peer)>,
    lie: Lie,
}

/// What it makes of what is so, if it has looked that up.
type Lie = Box<dyn Fn(&Call, Option<Bytes>) -> Result<Bytes, Status> + Send + Sync>;

impl Handler for Liar {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(async move {
            let answer = match &self.honest {
                Some((client, peer)) => {
                    let options = CallOptions::repeatable(Duration::from_secs(20));
                    let body = call.body.to_vec();
                    let answer = client.call(peer, &call.service, &call.method, body, options).await;
                    Some(answer.map_err(|error| Status::new(StatusCode::Unavailable, error.to_string()))?)
                }
                None => None,
            };
            (self.lie)(&call, answer)
        })
    }
}

/// Has the key of a node, gives genesis, and answers nothing once it is silent.
struct Silent {
    genesis: Vec<u8>,
    is_silent: Arc<AtomicBool>,
}

impl Handler for Silent {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(async move {
            if self.is_silent.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            match call.method.as_str() {
                "consensus/genesis" => Ok(Bytes::from(self.genesis.clone())),
                _ => Err(Status::new(StatusCode::Unavailable, "nothing of that".to_string())),
            }
        })
    }
}

/// Has a liar take the place of a node that does not run any more.
fn in_place_of(mesh: &ProcessMesh, number: usize, honest: Option<usize>, lie: Lie) -> Server {
    let secret = mesh.node(number).read_identity().unwrap();
    let honest = honest.map(|honest| (client(secret), mesh.peer(honest).clone()));
    serve(mesh, number, Arc::new(Liar { honest, lie }))
}

/// Answers where a node did that does not run any more, with its key.
fn serve(mesh: &ProcessMesh, number: usize, handler: Arc<dyn Handler>) -> Server {
    let identity = Identity::new(mesh.node(number).read_identity().unwrap());
    let address: SocketAddrV6 = mesh.peer(number).addr;
    let endpoint = Endpoint::bind(Env::real(identity), address, TransportConfig::default());
    Server::start(&endpoint.unwrap(), handler, ServerLimits::default())
}

/// Changes a proof of state rows, and says nothing else that is not so.
fn about_rows(change: impl Fn(&mut StateProof) + Send + Sync + 'static) -> Lie {
    Box::new(move |call, answer| {
        let answer = answer.unwrap();
        if call.method != "consensus/prove" {
            return Ok(answer);
        }
        let mut proof: StateProof = decode(&answer, RESPONSE_BYTES_MAX).unwrap();
        change(&mut proof);
        Ok(Bytes::from(encode(&proof)))
    })
}

/// What a node answers to the questions by which a client finds where `trustchain` is served.
async fn places_of_trustchain(caller: &Client, peer: &Peer) -> BTreeMap<Bytes, Bytes> {
    let hosts = (1..=4).map(|number| (format!("node-{number}.hypermesh"), RecordType::Aaaa));
    let service = ("_stoq._udp.trustchain.hypermesh".to_owned(), RecordType::Srv);
    let mut answers = BTreeMap::new();
    for (name, record_type) in hosts.chain([service]) {
        let request = DnsRequest { name: name.parse().unwrap(), record_type };
        let answer = hypermesh_tests::call(caller, peer, &request).await.unwrap();
        answers.insert(encode(&request).into(), encode(&answer).into());
    }
    answers
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
    let twisted = about_rows(|proof| {
        let row = proof.rows.iter_mut().rev().find_map(|row| row.row.as_mut()).unwrap();
        *row.0.last_mut().unwrap() ^= 1;
    });
    let _server = in_place_of(&mesh, LIAR, Some(0), twisted);

    let lookup = ["dns", "lookup", "web.demo.hypermesh", "AAAA", "--prove"];
    let mut refused = 0;
    for _ in 0..QUESTIONS_MAX {
        let (code, said, told) = typed(&mesh, &lookup);
        assert!(code == 0 && said.contains("2001:db8::7"), "{code} {said} {told}");
        refused +=
            usize::from(told.contains("an answer was refused") && told.contains("differs from the state"));
        if refused == 2 {
            break;
        }
    }
    assert_eq!(refused, 2, "the liar was never asked");
    let (code, _, told) = typed(&mesh, &["dns", "lookup", "nobody.demo.hypermesh", "--prove"]);
    assert!(code == 6 && told.contains("does not exist"), "{code} {told}");
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_says_that_a_key_is_compromised_makes_nobody_give_it_up() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("web");
    let folder = folder.to_str().unwrap();
    let (code, _, told) = typed(&mesh, &["cert", "issue", "web.demo.hypermesh", "--out", folder]);
    assert_eq!(code, 0, "{told}");
    mesh.kill(&[LIAR]);
    let lies = Arc::new(AtomicUsize::new(0));
    let told_lies = Arc::clone(&lies);
    let compromised = about_rows(move |proof| {
        for row in proof.rows.iter_mut().filter(|row| row.key.first() == Some(&Certificate::TAG)) {
            let Some(bytes) = &mut row.row else { continue };
            let mut certificate: Certificate = decode(&bytes.0, RESPONSE_BYTES_MAX).unwrap();
            let (at, reason) = (certificate.issued, RevocationReason::KeyCompromise);
            certificate.revocation = Some(Revocation { at, reason, list: 1 });
            bytes.0 = encode(&certificate);
            told_lies.fetch_add(1, Ordering::SeqCst);
        }
    });
    let _server = in_place_of(&mesh, LIAR, Some(0), compromised);
    for _ in 0..QUESTIONS_MAX {
        let (code, said, told) = typed(&mesh, &["cert", "renew", folder]);
        assert!(code == 0 && said.contains("is good until"), "{code} {said} {told}");
        if lies.load(Ordering::SeqCst) > 0 {
            break;
        }
    }
    assert!(lies.load(Ordering::SeqCst) > 0, "the liar was never asked");
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_not_called_good_by_an_old_list_and_a_list_that_is_not_signed_is_named() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for words in [
        &["cert", "issue", "web.demo.hypermesh", "--out", &at("web")][..],
        &["trust", "export", "--out", &at("mesh.trust")],
    ] {
        let (code, _, told) = typed(&mesh, words);
        assert_eq!(code, 0, "{words:?}: {told}");
    }
    let secret = mesh.node(0).read_identity().unwrap();
    let (caller, request) =
        (client(secret), RevocationListRequest { at_least: Some(1), root_at_least: None });
    let lists = hypermesh_tests::call(&caller, mesh.peer(0), &request).await.unwrap();
    let number = lists.issuing.as_ref().unwrap().number;
    let genesis = hypermesh_tests::call(&caller, mesh.peer(0), &GenesisRequest {}).await.unwrap();
    let bundle = hypermesh_tests::call(&caller, mesh.peer(0), &TrustBundleRequest {}).await.unwrap();
    let found = places_of_trustchain(&caller, mesh.peer(0)).await;
    mesh.kill(&[0, 1, 2, LIAR]);
    let newest = Arc::new(AtomicU64::new(number));
    let root_is_signed = Arc::new(AtomicBool::new(true));
    let is_quorum_there = Arc::new(AtomicBool::new(true));
    // The list is the mesh's; that there is a newer one, these say by themselves, and nothing of the state.
    let servers = [0, 1, 2, LIAR].map(|place| {
        let (newest, lists) = (Arc::clone(&newest), lists.clone());
        let (genesis, bundle, found) = (encode(&genesis), encode(&bundle), found.clone());
        let root_is_signed = Arc::clone(&root_is_signed);
        let is_quorum_there = Arc::clone(&is_quorum_there);
        let lie: Lie = Box::new(move |call, _| {
            let unavailable = || Status::new(StatusCode::Unavailable, "nothing of that".to_string());
            match call.method.as_str() {
                "consensus/genesis" => return Ok(Bytes::from(genesis.clone())),
                "trust_bundle" => return Ok(Bytes::from(bundle.clone())),
                "resolve_dns" => return found.get(&call.body).cloned().ok_or_else(unavailable),
                "get_crl" if place < 2 && !is_quorum_there.load(Ordering::SeqCst) => {
                    tokio::task::block_in_place(|| std::thread::sleep(TIMEOUT * 2));
                    return Err(unavailable());
                }
                "get_crl" => {}
                _ => return Err(unavailable()),
            }
            let asked: RevocationListRequest = decode(&call.body, RESPONSE_BYTES_MAX).unwrap();
            let root_is_signed = root_is_signed.load(Ordering::SeqCst);
            let waits = asked.root_at_least.is_some() && !root_is_signed;
            if waits || asked.at_least.is_some_and(|least| least > number) {
                return Err(unavailable());
            }
            let newest = newest.load(Ordering::SeqCst);
            let root = lists.root.clone().filter(|_| root_is_signed);
            Ok(Bytes::from(encode(&PublishedLists { newest, root, ..lists.clone() })))
        });
        in_place_of(&mesh, place, None, lie)
    });
    let (certificate, bundle) = (at("web/cert.pem"), at("mesh.trust"));
    let verify = ["cert", "verify", "--trust", &bundle, &certificate];
    let (code, said, told) = typed(&mesh, &verify);
    assert!(code == 0 && said.contains("revocation   ok"), "{code} {said} {told}");
    newest.fetch_add(1, Ordering::SeqCst);
    let (code, said, told) = typed(&mesh, &verify);
    assert!(code == 7 && said.contains("not checked"), "{code} {said} {told}");
    assert!(told.contains("the mesh has announced"), "{told}");

    root_is_signed.store(false, Ordering::SeqCst);
    let (lists, issuing) = (at("mesh.crl"), at("issuing.crl"));
    let (code, _, told) = typed(&mesh, &["cert", "crl", "--out", &lists]);
    assert!(
        code == 6 && told.contains("the revocation list of the root key is not signed yet"),
        "{code} {told}"
    );
    assert!(!Path::new(&lists).exists(), "nobody takes half of it for both");
    let (code, _, told) = typed(&mesh, &["cert", "crl", "--authority", "issuing", "--out", &issuing]);
    assert!(code == 0 && told.contains("of the issuing key"), "{code} {told}");
    // Where fewer than a quorum answer, all the time goes by until that is known.
    is_quorum_there.store(false, Ordering::SeqCst);
    let (code, _, told) = typed(&mesh, &["--timeout", "3", "cert", "crl", "--out", &lists]);
    assert!(
        code == 6 && told.contains("the revocation list of the root key is not signed yet"),
        "{code} {told}"
    );
    drop(servers);
}

/// How long the commands below may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Runs a command that pays for something and is done, as it says itself, so long after it began. From then on no node answers.
/// Gives how long it took, and its outcome.
fn done_after(
    mesh: &ProcessMesh,
    is_silent: &AtomicBool,
    done_after: Duration,
) -> (Duration, Result<(), Failure>) {
    is_silent.store(false, Ordering::SeqCst);
    let global = Global {
        json: false,
        context: Some(mesh.context()),
        timeout: TIMEOUT.as_secs(),
        fee_max: None,
        trace: None,
        verbose: false,
    };
    let begun = Instant::now();
    let outcome = session(&global, "waiting for the transfer", async |client| {
        let to = client.genesis().validators[0].member.key;
        let transfer = Transfer { to, amount: MicroCaesar(1) };
        client.operation(Action::Transfer(transfer)).await?;
        is_silent.store(true, Ordering::SeqCst);
        tokio::time::sleep(done_after.saturating_sub(begun.elapsed())).await;
        Ok(())
    });
    (begun.elapsed(), outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_that_no_node_answers_for_makes_no_failure_of_a_command_that_is_done() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    let caller = client(mesh.node(0).read_identity().unwrap());
    let genesis = encode(&hypermesh_tests::call(&caller, mesh.peer(0), &GenesisRequest {}).await.unwrap());
    mesh.kill(&[0, 1, 2, LIAR]);
    let is_silent = Arc::new(AtomicBool::new(false));
    let servers = [0, 1, 2, LIAR].map(|number| {
        serve(&mesh, number, Arc::new(Silent { genesis: genesis.clone(), is_silent: Arc::clone(&is_silent) }))
    });
    tokio::task::spawn_blocking(move || {
        let seconds = Duration::from_secs_f64;
        // Soon; shortly before its time is up; after it, in the time that it has to find out why something failed.
        for (done, ended_by) in [(0.5, 2.4), (2.6, 3.9), (3.9, 4.8)] {
            let (took, outcome) = done_after(&mesh, &is_silent, seconds(done));
            assert_eq!(outcome, Ok(()), "done after {done} s");
            assert!(took < seconds(ended_by), "done after {done} s, it took {took:?}");
        }
        let (_, outcome) = done_after(&mesh, &is_silent, seconds(60.0));
        assert_eq!(outcome.unwrap_err().exit, Exit::Unreachable, "what is not done in time is a failure");
    })
    .await
    .unwrap();
    drop(servers);
}
