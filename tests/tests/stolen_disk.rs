//! A thief has everything that one node keeps, and makes no certificate with it; or the key shares of a quorum,
//! and makes one that every verifier of this mesh knows for what it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::share_files::ShareFiles;
use hypermesh_core::api::{Request, TrustBundleRequest};
use hypermesh_core::hypermesh::committee::{
    CommitmentPool, Committee, KeyPurpose, Signer, SigningSession, StoredShares,
};
use hypermesh_core::trust::{CertificateProof, CheckName, Verification, verify_certificate};
use hypermesh_core::trustchain::ca::CertificateRequest;
use hypermesh_sim::world::{Owner, certificate_request};
use hypermesh_tests::thief::Loot;
use hypermesh_tests::{LocalMesh, call, client, wall};
use std::path::PathBuf;
use std::sync::Arc;
use stoq::{CoreEntropy, Env, Identity};

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_copy_of_one_nodes_disk_makes_no_certificate() {
    let mut mesh = LocalMesh::start().await;
    mesh.stop().await;
    let victim = &mesh.participants.validators[0];
    let files = ShareFiles::beside(&mesh.folder.path().join(format!("{}.redb", victim.name)));
    let rows = files.rows().unwrap();
    let (_, row) = rows.last().expect("the node keeps its shares");
    let StoredShares { keys, shares } = StoredShares::from_bytes(row).unwrap();
    let committee = Arc::new(Committee::new(keys).unwrap());

    // The thief is a whole signer, with the victim's voting key too.
    let me = victim.member.identity.public();
    let mut dice = CoreEntropy(Env::real(Identity::new(victim.member.identity.clone())).entropy);
    let mut signer = Signer::new(me, committee.clone(), &shares, &mut dice).unwrap();
    let mut pool = CommitmentPool::new();
    while let Some(offer) = signer.offer(me, KeyPurpose::Issuing, &mut dice) {
        pool.accept_offer(&committee, me, offer).unwrap();
    }
    let forged = b"to-be-signed bytes of the thief's choice".to_vec();
    let begun = SigningSession::begin(committee, KeyPurpose::Issuing, forged, &[me], &mut pool);
    let refusal = begun.map(|_| ()).unwrap_err();
    assert_eq!((refusal.available.len(), refusal.threshold), (1, 3), "one share of the three that it takes");
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_a_quorum_sign_and_what_they_sign_was_never_logged() {
    let mut mesh = LocalMesh::start().await;
    let (key, peer) = (mesh.participants.client.clone(), mesh.peer(0));
    let owner = Owner::new(key.clone(), mesh.participants.genesis_hash(), wall());
    let Request::IssueCertificate(request) = owner.issue(1, &["real.demo.hypermesh"]) else {
        panic!("asked for something else")
    };
    let client = client(key);
    let genuine = call(&client, &peer, &request).await.unwrap();
    let bundle = call(&client, &peer, &TrustBundleRequest {}).await.unwrap();
    mesh.stop().await;

    let genuine_proof = CertificateProof::from_pem(&genuine.proof_pem).unwrap();
    let wanted = CertificateRequest::from_csr(&certificate_request(2, &["bank.hypermesh"])).unwrap();
    let try_with = |count: usize| -> Verification {
        let path = |name: &String| mesh.folder.path().join(format!("{name}.redb"));
        let stores: Vec<PathBuf> =
            mesh.participants.validators.iter().take(count).map(|validator| path(&validator.name)).collect();
        let loot = Loot::take(&stores).unwrap();
        let forged = loot.forge(&bundle, &genuine.certificate_der, &genuine_proof, &wanted).unwrap();
        verify_certificate(&bundle, &forged.certificate, Some(&forged.proof), None, wall())
    };
    let failed = |verification: &Verification| {
        let last = verification.checks.last().unwrap().clone();
        assert!(!verification.valid && last.passed == Some(false));
        (last.name, last.detail)
    };
    for too_few in [1, 2] {
        assert_eq!(failed(&try_with(too_few)).0, CheckName::Chain, "{too_few} shares sign with another key");
    }
    for enough in [3, 4] {
        let (name, detail) = failed(&try_with(enough));
        assert!(name == CheckName::Quorum && detail.contains("never logged"), "{name:?}: {detail}");
    }
}
