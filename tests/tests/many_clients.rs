//! A hundred clients at once, and a mesh that stops and starts again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{
    CertificateListRequest, IssuedCertificate, LIST_COUNT_MAX, Request, StatusRequest, TrustBundleRequest,
};
use hypermesh_core::trust::{CertificateProof, verify_certificate};
use hypermesh_sim::world::Owner;
use hypermesh_tests::{LocalMesh, call, client, wall};
use std::collections::BTreeSet;

async fn issue(mesh: &LocalMesh, node: usize, nonce: u64, name: &str) -> IssuedCertificate {
    let key = mesh.participants.client.clone();
    let owner = Owner::new(key.clone(), mesh.participants.genesis_hash(), wall());
    let Request::IssueCertificate(request) = owner.issue(nonce, &[name]) else {
        panic!("asked for something else")
    };
    call(&client(key), &mesh.peer(node), &request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_at_once_are_all_answered_and_none_twice() {
    const CLIENTS: u64 = 100;
    let mut mesh = LocalMesh::start().await;
    let reader = client(mesh.participants.client.clone());
    let before = call(&reader, &mesh.peer(0), &StatusRequest {}).await.unwrap();
    let asked = (0..CLIENTS).map(|number| {
        let node = usize::try_from(number % 4).unwrap();
        let key = mesh.participants.client.clone();
        let owner = Owner::new(key.clone(), mesh.participants.genesis_hash(), wall());
        let Request::IssueCertificate(request) = owner.issue(number, &[&format!("c{number}.demo.hypermesh")])
        else {
            panic!("asked for something else")
        };
        let peer = mesh.peer(node);
        tokio::spawn(async move { call(&client(key), &peer, &request).await })
    });
    let mut serials = BTreeSet::new();
    let mut leaves = BTreeSet::new();
    for task in asked.collect::<Vec<_>>() {
        let issued = task.await.unwrap().unwrap();
        serials.insert(issued.serial_number);
        leaves.insert(issued.leaf_index);
    }
    assert_eq!((serials.len(), leaves.len()), (100, 100), "each client has a certificate of its own");
    let list = CertificateListRequest { limit: LIST_COUNT_MAX, ..CertificateListRequest::default() };
    let listed = call(&reader, &mesh.peer(0), &list).await.unwrap();
    let listed: BTreeSet<_> = listed.certificates.into_iter().map(|summary| summary.serial_number).collect();
    assert!(serials.is_subset(&listed), "every certificate is in the state");
    let after = call(&reader, &mesh.peer(0), &StatusRequest {}).await.unwrap();
    assert_eq!(after.log_size - before.log_size, CLIENTS, "and in the log, once");
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_that_stops_goes_on_with_everything_it_had() {
    let mut mesh = LocalMesh::start().await;
    let issued = issue(&mesh, 1, 7, "kept.demo.hypermesh").await;
    let reader = client(mesh.participants.client.clone());
    let bundle = call(&reader, &mesh.peer(2), &TrustBundleRequest {}).await.unwrap();
    mesh.stop().await;
    mesh.resume().await;
    let again = issue(&mesh, 3, 8, "next.demo.hypermesh").await;
    assert_eq!(again.root_pem, issued.root_pem, "the root is the same after a restart");
    assert!(again.leaf_index > issued.leaf_index);
    for certificate in [&issued, &again] {
        let proof = CertificateProof::from_pem(&certificate.proof_pem).unwrap();
        let verified = verify_certificate(&bundle, &certificate.certificate_der, Some(&proof), None, wall());
        assert!(verified.valid, "{:?}", verified.checks);
    }
    mesh.stop().await;
}
