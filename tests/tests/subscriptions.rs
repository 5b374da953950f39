//! Subscriptions on a mesh of four nodes, on real QUIC: blocks that prove themselves as they are decided, certificates
//! for one's names as they are logged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{
    BlockProof, Call, InclusionRequest, IssueCertificateRequest, IssuedCertificate, LogNews,
    RESPONSE_BYTES_MAX, Request, SubscribeBlocksRequest, SubscribeLogRequest,
};
use hypermesh_core::base::{Digest, Height, LeafIndex, decode, encode};
use hypermesh_core::hypermesh::ordering::ValidatorSet;
use hypermesh_core::trustchain::ct::{TreeHead, leaf_hash, verify_inclusion};
use hypermesh_sim::world::Owner;
use hypermesh_tests::{CALL_DEADLINE, LocalMesh, call, client, wall};
use stoq::{CallError, CallOptions, Client, MessageStream, Peer, StatusCode};

async fn open<C: Call>(client: &Client, peer: &Peer, request: &C) -> MessageStream {
    let (method, options) = (request.method(), CallOptions::once(CALL_DEADLINE));
    client.converse(peer, method.service, method.name, encode(request), options).await.unwrap()
}

async fn next<C: Call>(stream: &mut MessageStream) -> Result<C::Response, CallError> {
    let bytes = stream.next().await?.expect("a node goes on telling");
    Ok(decode(&bytes, RESPONSE_BYTES_MAX).unwrap())
}

async fn issue(mesh: &LocalMesh, nonce: u64, name: &str) -> IssuedCertificate {
    let owner = Owner::new(mesh.participants.client.clone(), mesh.participants.genesis_hash(), wall());
    let Request::IssueCertificate(request) = owner.issue(nonce, &[name]) else {
        panic!("asks for a certificate")
    };
    let request: IssueCertificateRequest = request;
    call(&client(mesh.participants.client.clone()), &mesh.peer(1), &request).await.unwrap()
}

/// Checks that a quorum decided this block, and that it follows on the one before.
fn follows(validators: &ValidatorSet, genesis: &Digest, parent: Option<&BlockProof>, block: &BlockProof) {
    let BlockProof { header, commit } = block;
    assert_eq!((commit.height, commit.value_id), (header.height, header.hash()));
    commit.verify(genesis, validators).unwrap();
    if let Some(parent) = parent {
        assert_eq!(header.height.0, parent.header.height.0 + 1);
        assert_eq!(header.parent, parent.header.hash());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_told_as_they_are_decided_and_go_on_at_another_node_where_one_stops() {
    let mut mesh = LocalMesh::start().await;
    let (genesis, validators) = (mesh.participants.genesis_hash(), mesh.participants.genesis.validator_set());
    let listener = client(mesh.participants.client.clone());
    let from_first = SubscribeBlocksRequest { from: Some(Height(1)) };
    let mut stream = open(&listener, &mesh.peer(0), &from_first).await;
    stream.finish();
    let newest = mesh.node(0).view().state.height();
    let mut last: Option<BlockProof> = None;
    while last.as_ref().is_none_or(|last| last.header.height < newest) {
        let block = next::<SubscribeBlocksRequest>(&mut stream).await.unwrap();
        follows(&validators, &genesis, last.as_ref(), &block);
        last = Some(block);
    }
    // Nothing is asked any more, and yet the next block comes.
    let issued = issue(&mesh, 1, "web.demo.hypermesh").await;
    while last.as_ref().is_none_or(|last| last.header.height < issued.height) {
        let block = next::<SubscribeBlocksRequest>(&mut stream).await.unwrap();
        follows(&validators, &genesis, last.as_ref(), &block);
        last = Some(block);
    }
    // The nodes stop and come back, as a node does that is replaced: the listener goes on from where it is, elsewhere.
    mesh.stop().await;
    let end = loop {
        match next::<SubscribeBlocksRequest>(&mut stream).await {
            Ok(block) => last = Some(block),
            Err(end) => break end,
        }
    };
    assert!(matches!(end.code(), StatusCode::Unavailable), "{end}");
    mesh.resume().await;
    let last = last.unwrap();
    let from = Some(Height(last.header.height.0 + 1));
    let mut stream = open(&listener, &mesh.peer(2), &SubscribeBlocksRequest { from }).await;
    stream.finish();
    issue(&mesh, 2, "mail.demo.hypermesh").await;
    follows(&validators, &genesis, Some(&last), &next::<SubscribeBlocksRequest>(&mut stream).await.unwrap());
    drop(stream);
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_hears_of_certificates_for_its_names_and_of_no_others_and_changes_them_in_the_middle() {
    let mut mesh = LocalMesh::start().await;
    let monitor = client(mesh.participants.client.clone());
    let watch = |names: &[&str], from: Option<u64>| SubscribeLogRequest {
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        from: from.map(LeafIndex),
    };
    let mut stream = open(&monitor, &mesh.peer(0), &watch(&["web.demo.hypermesh"], Some(0))).await;
    // Whom a monitor watches for or not, an authority's certificate could certify any name.
    let first = next::<SubscribeLogRequest>(&mut stream).await.unwrap();
    assert_eq!(first.entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [LeafIndex(0)]);
    let other = issue(&mesh, 1, "mail.demo.hypermesh").await;
    let web = issue(&mesh, 2, "a.web.demo.hypermesh").await;
    let mut heard = Vec::new();
    while heard.is_empty() {
        let LogNews { entries, size } = next::<SubscribeLogRequest>(&mut stream).await.unwrap();
        assert!(size > other.leaf_index.0, "it looked at what came before, too");
        heard.extend(entries);
    }
    assert_eq!(heard.iter().map(|entry| entry.index).collect::<Vec<_>>(), [web.leaf_index]);
    // What it heard is in the log, by proof.
    let request = InclusionRequest { index: web.leaf_index, size: None };
    let proof = call(&monitor, &mesh.peer(3), &request).await.unwrap();
    let head = TreeHead { size: proof.size, root: proof.root };
    verify_inclusion(&leaf_hash(&heard[0].entry), web.leaf_index, &proof.path, &head).unwrap();
    // Other names, from where the log began: the issuing certificate, and the one that was passed over.
    stream.send(encode(&watch(&["mail.demo.hypermesh"], Some(0)))).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(next::<SubscribeLogRequest>(&mut stream).await.unwrap().entries);
    }
    assert_eq!(heard.iter().map(|entry| entry.index).collect::<Vec<_>>(), [LeafIndex(0), other.leaf_index]);
    // A request that is none ends it, with a reason.
    stream.send(vec![0xff; 7]).await.unwrap();
    let end = loop {
        match next::<SubscribeLogRequest>(&mut stream).await {
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert_eq!(end.code(), StatusCode::InvalidArgument, "{end}");
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_goes_away_leaves_nothing_behind() {
    let mut mesh = LocalMesh::start().await;
    let listener = client(mesh.participants.client.clone());
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(open(&listener, &mesh.peer(0), &SubscribeBlocksRequest { from: Some(Height(1)) }).await);
    }
    for stream in &mut streams {
        stream.finish();
        next::<SubscribeBlocksRequest>(stream).await.unwrap();
    }
    assert_eq!(mesh.node(0).server_metrics().streams_open, 8);
    drop(streams);
    while mesh.node(0).server_metrics().streams_open > 0 {
        tokio::task::yield_now().await;
    }
    mesh.stop().await;
}
