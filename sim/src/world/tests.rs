//! A calm mesh, from an empty disk to a certificate; and one whose disks lie.

use super::*;
use hypermesh_core::api::{Request, TrustBundleRequest};
use hypermesh_core::trust::{CertificateProof, verify_certificate};

const PATIENCE: Duration = Duration::from_secs(20);

fn answered(world: &mut World, place: Place, request: Request) -> Result<Response, ApiFault> {
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
    let owner = world.owner(&world.cast().client.clone());
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
