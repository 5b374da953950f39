//! A thief has everything that one node keeps, and makes no certificate with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::store::RedbStore;
use hypermesh_core::base::{Reader, Table, decode};
use hypermesh_core::hypermesh::committee::{
    CommitmentPool, Committee, CommitteeKeys, KeyPurpose, KeyShares, Signer, SigningSession,
};
use hypermesh_tests::LocalMesh;
use std::sync::Arc;
use stoq::{CoreEntropy, Env, Identity};

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_copy_of_one_nodes_disk_makes_no_certificate() {
    let mut mesh = LocalMesh::start().await;
    mesh.stop().await;
    let victim = &mesh.cast.validators[0];
    let original = mesh.folder.path().join(format!("{}.redb", victim.name));
    let copy = mesh.folder.path().join("stolen.redb");
    std::fs::copy(original, &copy).unwrap();

    let store = RedbStore::open(&copy).unwrap();
    let rows = store.reader().range(Table::Shares, &[], 16).unwrap();
    let (_, row) = rows.last().expect("the node keeps its shares");
    let (keys, shares): (Vec<u8>, Vec<u8>) = decode(row, row.len()).unwrap();
    let keys: CommitteeKeys = decode(&keys, CommitteeKeys::BYTES_MAX).unwrap();
    let committee = Arc::new(Committee::new(keys).unwrap());
    let shares = KeyShares::from_bytes(&shares).unwrap();

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
