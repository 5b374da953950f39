//! Who may call what: each row of the table in `docs/protocol.md`, tried by somebody who may not, at real nodes. The table and
//! the code are held to each other: no method that changes something lacks a row, and no row lacks a trial.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{
    ConsensusValidationResult, METHODS, MemberRequest, Request, Response, ValidateBatchRequest,
};
use hypermesh_core::base::{MicroCaesar, Profile, SecretKey, Sequence};
use hypermesh_core::hypermesh::proof::{Statement, prove_set, prove_ticket};
use hypermesh_core::state::{Batch, Operation, SetRecords, batch_root};
use hypermesh_core::trustchain::ca::RevocationReason;
use hypermesh_core::trustchain::dns::{Octets, RecordData, RecordSet, RecordType};
use hypermesh_sim::world::{Owner, announcement, name};
use hypermesh_tests::{CALL_DEADLINE, LocalMesh, call, client, wall};
use std::collections::BTreeSet;
use stoq::{CallError, CallOptions, Client, StatusCode};

const PAGE: &str = include_str!("../../docs/protocol.md");
const HEADING: &str = "### Who may call what";

/// The methods of the table's rows.
fn rows() -> BTreeSet<String> {
    let table = PAGE.split(HEADING).nth(1).expect("the page has the table");
    let table = table.split("\n#").next().unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    let names =
        cells.flat_map(|(cell, _)| cell.split(',').map(|name| name.trim().trim_matches('`').to_string()));
    names.collect()
}

/// The methods that change something, by their full names.
fn writes() -> BTreeSet<String> {
    METHODS.iter().filter(|method| method.writes).map(|method| full(method.service, method.name)).collect()
}

fn full(service: &str, method: &str) -> String {
    format!("{service}/{method}")
}

#[test]
fn the_table_has_a_row_for_each_method_that_changes_something_and_for_no_other() {
    assert_eq!(rows(), writes());
}

/// Somebody's attempt at what is not theirs, and the words with which it is refused.
struct Attempt {
    request: Request,
    words: &'static str,
}

async fn ask(caller: &Client, mesh: &LocalMesh, request: &Request) -> Result<Response, CallError> {
    let method = request.method();
    let options = CallOptions::repeatable(CALL_DEADLINE);
    let body = caller.call(&mesh.peer(0), method.service, method.name, request.encode(), options).await?;
    Ok(Response::decode(method.service, method.name, &body).unwrap())
}

async fn refused(caller: &Client, mesh: &LocalMesh, request: &Request) -> (StatusCode, String) {
    match ask(caller, mesh, request).await {
        Err(CallError::Refused { status }) => (status.code(), status.message().to_owned()),
        other => panic!("{:?}: {other:?} where a refusal was expected", request.method()),
    }
}

fn text(words: &str) -> Option<RecordSet> {
    Some(RecordSet { ttl_seconds: 60, data: vec![RecordData::Txt(vec![Octets(words.into())])] })
}

/// What the owner of `other.hypermesh` tries, who has funds and is no member, with what is the client's.
async fn attempts(mesh: &LocalMesh, caller: &Client) -> Vec<Attempt> {
    let owner = Owner::new(mesh.participants.client.clone(), mesh.participants.genesis_hash(), wall());
    let thief = Owner::new(mesh.participants.other.clone(), mesh.participants.genesis_hash(), wall());
    let thieves = mesh.participants.other.public();
    let issued = match ask(caller, mesh, &owner.issue(1, &["web.demo.hypermesh"])).await.unwrap() {
        Response::IssueCertificate(issued) => issued,
        other => panic!("{other:?}"),
    };
    ask(caller, mesh, &owner.announce(3, announcement("demo.hypermesh", "theirs", 7000, 60))).await.unwrap();
    ask(caller, mesh, &owner.register(2, name("fresh.hypermesh"), owner.key.public())).await.unwrap();
    let records =
        SetRecords { name: name("web.demo.hypermesh"), record_type: RecordType::Txt, records: text("mine") };
    let one = MicroCaesar(1);
    let no_member = "is not a member";
    [
        (thief.issue(1, &["web.demo.hypermesh"]), "demo.hypermesh belongs to"),
        (thief.revoke(2, issued.serial_number, RevocationReason::KeyCompromise), "they can revoke it"),
        (thief.register(3, name("mine.demo.hypermesh"), thieves), "demo.hypermesh belongs to"),
        (thief.renew(4, name("fresh.hypermesh")), "fresh.hypermesh belongs to"),
        (thief.reclaim(10, name("host.demo.hypermesh")), "host.demo.hypermesh can be taken back by"),
        (thief.set(5, records), "demo.hypermesh belongs to"),
        (thief.announce(8, announcement("demo.hypermesh", "mine", 7000, 60)), "demo.hypermesh belongs to"),
        (
            thief.withdraw(9, announcement("demo.hypermesh", "theirs", 7000, 60).instance),
            "demo.hypermesh belongs to",
        ),
        (thief.bond(6, one), no_member),
        (thief.unbond(7, one), no_member),
    ]
    .map(|(request, words)| Attempt { request, words })
    .into()
}

/// Of whom nothing is asked but that they own what they give away: only their signature can be missing.
const BY_SIGNATURE_ALONE: &[&str] = &["caesar/transfer"];
const BATCHES: &str = "hypermesh/consensus/validate_certificate";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_is_refused_and_told_why() {
    let mut mesh = LocalMesh::start().await;
    let caller = client(mesh.participants.other.clone());
    let owners = client(mesh.participants.client.clone());
    let mut tried = BTreeSet::from([BATCHES.to_string()]);
    let mut forged = Vec::new();
    for Attempt { request, words } in attempts(&mesh, &owners).await {
        let (code, message) = refused(&caller, &mesh, &request).await;
        let method = request.method();
        assert!(
            code == StatusCode::FailedPrecondition && message.contains(words),
            "{}: {code} {message}",
            method.name
        );
        tried.insert(full(method.service, method.name));
        forged.push(request);
    }
    let owner = Owner::new(mesh.participants.client.clone(), mesh.participants.genesis_hash(), wall());
    forged.push(owner.transfer(9, mesh.participants.other.public(), MicroCaesar(1)));
    // In the owner's name, with a signature of the thief's.
    for request in forged {
        let method = request.method();
        let mut operation = request.operation().unwrap().clone();
        operation.body.owner = owner.key.public();
        operation.signature = operation.body.clone().sign(&mesh.participants.other).signature;
        let request = Request::decode(method.service, method.name, &hypermesh_core::base::encode(&operation));
        let (code, message) = refused(&caller, &mesh, &request.unwrap()).await;
        assert!(
            code == StatusCode::InvalidArgument && message.contains("not by its owner"),
            "{}: {code} {message}",
            method.name
        );
        tried.insert(full(method.service, method.name));
    }
    assert!(BY_SIGNATURE_ALONE.iter().all(|method| tried.contains(*method)));
    assert_eq!(tried, rows(), "a row of the table was not tried");
    mesh.stop().await;
}

/// What a connection's key is does not matter: the owner's signature is in the operation.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_bring_what_an_owner_signed() {
    let mut mesh = LocalMesh::start().await;
    let stranger = client(SecretKey::from_seed([77; 32]));
    let owner = Owner::new(mesh.participants.client.clone(), mesh.participants.genesis_hash(), wall());
    let request = owner.register(1, name("brought.hypermesh"), owner.key.public());
    assert!(matches!(ask(&stranger, &mesh, &request).await, Ok(Response::Operation(_))));
    mesh.stop().await;
}

/// A batch of a key that is no member's, with every proof that its own plot and beacon allow.
async fn strangers_batch(mesh: &LocalMesh, caller: &Client, stranger: &SecretKey) -> Batch {
    let member = mesh.participants.member.identity.public();
    let state = call(caller, &mesh.peer(0), &MemberRequest { member }).await.unwrap();
    let owner = Owner::new(mesh.participants.client.clone(), mesh.participants.genesis_hash(), wall());
    let operation: Operation = owner.issue(1, &["web.demo.hypermesh"]).operation().unwrap().clone();
    let (key, beacon) = (stranger.public(), state.beacon.value);
    let ticket = prove_ticket(&mesh.participants.member.plot, &beacon, &key, &Profile::Sim.proofs());
    let statement = Statement {
        genesis: mesh.participants.genesis_hash(),
        member: key,
        sequence: Sequence(0),
        batch_root: batch_root([operation.id()]),
        beacon_index: state.beacon.index,
    };
    let proofs = prove_set(&ticket, true, &statement, &beacon, state.beacon.difficulty, stranger);
    let Statement { genesis, sequence, beacon_index, .. } = statement;
    let (operations, omitted) = (vec![operation], Vec::new());
    Batch { genesis, member: key, sequence, beacon_index, operations, omitted, proofs }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_taken_of_members_alone_and_under_their_own_signature() {
    let mut mesh = LocalMesh::start().await;
    let stranger = SecretKey::from_seed([78; 32]);
    let caller = client(stranger.clone());
    let own = strangers_batch(&mesh, &caller, &stranger).await;
    let mut borrowed = own.clone();
    borrowed.member = mesh.participants.member.identity.public();
    for (batch, words) in [(own, "member"), (borrowed, "")] {
        let request = ValidateBatchRequest { batch, requirements: Default::default() };
        match call(&caller, &mesh.peer(0), &request).await {
            Ok(ConsensusValidationResult::Invalid { reason, .. }) => {
                assert!(reason.contains(words), "{reason}")
            }
            other => panic!("{other:?}"),
        }
    }
    mesh.stop().await;
}
