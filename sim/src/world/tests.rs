//! A calm mesh, from an empty disk to a certificate; and one whose disks lie.

use super::*;
use hypermesh_core::api::{CertificateRequestBySerial, Request, TrustBundleRequest};
use hypermesh_core::state::Certificate;
use hypermesh_core::trust::{CertificateProof, verify_certificate};
use hypermesh_core::trustchain::ca::SerialNumber;

const PATIENCE: Duration = Duration::from_secs(20);

fn answered(world: &mut World, place: NodeIndex, request: Request) -> Result<Response, ApiFault> {
    let id = world.request(place, request);
    let outcome = world.run_until("an answer", PATIENCE, |world| world.answer(id).is_some());
    print_on(world, &outcome);
    outcome.unwrap();
    world.answer(id).unwrap().response.clone()
}

#[test]
fn a_disk_that_says_too_early_that_it_has_a_vote_is_caught() {
    let mut world = World::new(1, Options::default());
    (0..4).for_each(|place| world.make_disk_hasty(place));
    let fault = world.run_for(Duration::from_secs(5)).unwrap_err();
    assert!(matches!(&fault, RunFault::Violation(violation) if violation.check == "durability"), "{fault}");
}

fn print_on(world: &World, outcome: &Result<(), RunFault>) {
    if outcome.is_err() {
        world.trace().lines().iter().for_each(|line| println!("{line}"));
    }
}

#[test]
fn a_mesh_generates_its_keys_and_issues_a_certificate_that_verifies_offline() {
    let mut world = World::new(1, Options { keep_lines: true, start: Start::Empty, ..Options::default() });
    let outcome = world.run_until("all nodes ready", PATIENCE, World::is_ready);
    print_on(&world, &outcome);
    outcome.unwrap();
    let owner = world.owner(&world.participants().client.clone());
    let request = owner.issue(1, &["web.demo.hypermesh"]);
    let Response::IssueCertificate(issued) = answered(&mut world, 0, request).unwrap() else {
        panic!("another response");
    };
    let Response::TrustBundle(bundle) =
        answered(&mut world, 1, Request::TrustBundle(TrustBundleRequest {})).unwrap()
    else {
        panic!("another response");
    };
    let proof = CertificateProof::from_pem(&issued.proof_pem).unwrap();
    let expected = name("web.demo.hypermesh");
    let verification =
        verify_certificate(&bundle, &issued.certificate_der, Some(&proof), Some(&expected), world.wall());
    assert!(verification.valid, "{verification:#?}");
    world.finish().unwrap();
}

#[test]
fn what_is_done_for_a_client_ends_when_it_leaves_and_the_check_sees_what_does_not() {
    let mut world = World::new(3, Options::default());
    world.run_until("all nodes ready", PATIENCE, World::is_ready).unwrap();
    // Without a quorum nothing is decided; nobody is refused for it yet.
    [2, 3].into_iter().for_each(|place| world.crash(place));
    let owner = world.owner(&world.participants().client.clone());
    let request = |nonce| owner.issue(nonce, &["web.demo.hypermesh"]);
    let ids: Vec<RequestId> = (1..=3).map(|nonce| world.request(0, request(nonce))).collect();
    world.run_for(Duration::from_secs(1)).unwrap();
    let fault = world.check_calm(0).unwrap_err();
    assert!(matches!(&fault, RunFault::Violation(violation) if violation.check == "calm"), "{fault}");
    ids.iter().for_each(|id| world.cancel(0, *id));
    world.run_for(Duration::from_millis(1)).unwrap();
    world.check_calm(0).unwrap();
    assert!(ids.iter().all(|id| world.answer(*id).is_none()));
    let marks = world.marks();
    assert_eq!(marks.get("an abandoned operation is taken out of its line"), Some(&2), "one is in a batch");
}

/// A mesh in which a node has begun to gather shares for a certificate, and the request for it.
fn signing(seed: u64) -> (World, RequestId) {
    let mut world = World::new(seed, Options::default());
    world.run_until("all nodes ready", PATIENCE, World::is_ready).unwrap();
    let owner = world.owner(&world.participants().client.clone());
    let id = world.request(0, owner.issue(1, &["web.demo.hypermesh"]));
    let is_signing = |world: &World| {
        let sizes = world.sizes(0);
        sizes.iter().any(|size| size.table == "attempts of signing sessions" && size.held > 0)
    };
    world.run_until("signers asked", PATIENCE, is_signing).unwrap();
    assert!(world.answer(id).is_none());
    (world, id)
}

#[test]
fn a_signature_that_signers_were_asked_for_is_completed_and_stored_although_its_caller_has_left() {
    let (mut world, id) = signing(3);
    world.cancel(0, id);
    world.run_for(Duration::from_secs(2)).unwrap();
    world.check_calm(0).unwrap();
    assert!(world.answer(id).is_none());
    let view = world.view(0).unwrap();
    let (_, certificate) = view.state.rows::<Certificate>(Vec::new()).next().unwrap();
    let serial_number = SerialNumber::from_operation(&certificate.operation.0);
    let request = Request::GetCertificate(CertificateRequestBySerial { serial_number });
    answered(&mut world, 0, request).unwrap();
    assert_eq!(world.marks().get("a signature is found in the store"), Some(&1));
}

#[test]
fn a_certificate_that_could_not_be_put_together_is_tried_again() {
    let (mut world, id) = signing(3);
    world.fail_reads(0, true);
    world.run_for(Duration::from_secs(2)).unwrap();
    assert!(world.answer(id).is_none(), "its proof cannot be read");
    world.fail_reads(0, false);
    world.run_until("the certificate", Duration::from_secs(3), |world| world.answer(id).is_some()).unwrap();
    assert!(world.answer(id).unwrap().response.is_ok());
}
