//! The state as resolvers see it.

use super::test_util::*;
use crate::base::PublicKey;
use crate::state::*;
use crate::trustchain::DomainName;
use crate::trustchain::ca::SubjectKey;
use crate::trustchain::dns::{RecordData, RecordType, ResolutionOutcome, ZoneSource, resolve, tlsa_for_key};
use alloc::vec;
use alloc::vec::Vec;

fn answers(mesh: &Mesh, text: &str, record_type: RecordType) -> (ResolutionOutcome, Vec<RecordData>) {
    let resolution = resolve(&mesh.state, &name(text), record_type);
    (resolution.outcome, resolution.answers.into_iter().flat_map(|found| found.set.data).collect())
}

#[test]
fn a_name_exists_by_the_names_below_it() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), set("a.b.given.demo.hypermesh", vec![RecordData::Txt(vec!["x".into()])]));
    let exists = |text: &str| mesh.state.name_exists(&name(text));
    assert!(exists("a.b.given.demo.hypermesh") && exists("b.given.demo.hypermesh"));
    assert!(!exists("x.b.given.demo.hypermesh") && !exists("bb.given.demo.hypermesh"));
    assert!(!exists("x.a.b.given.demo.hypermesh"));
    assert_eq!(answers(&mesh, "b.given.demo.hypermesh", RecordType::Txt).0, ResolutionOutcome::NoData);
    assert_eq!(answers(&mesh, "c.given.demo.hypermesh", RecordType::Txt).0, ResolutionOutcome::NoSuchName);
    mesh.done(&alice(), clear("a.b.given.demo.hypermesh", RecordType::Txt));
    assert!(!mesh.state.name_exists(&name("b.given.demo.hypermesh")));
}

#[test]
fn every_service_is_found_at_every_node() {
    let mesh = Mesh::new();
    for service in SERVICES {
        let at = alloc::format!("_stoq._udp.{service}.demo.hypermesh");
        let (outcome, data) = answers(&mesh, &at, RecordType::Srv);
        assert_eq!((outcome, data.len()), (ResolutionOutcome::Found, 4));
        for record in data {
            let RecordData::Srv { port: 4433, target: Some(target), .. } = record else { panic!("{record}") };
            let (_, addresses) = answers(&mesh, target.as_str(), RecordType::Aaaa);
            let (key, row) = validator_by_name(&mesh.state, target.labels().next().unwrap()).unwrap();
            assert_eq!(addresses, [RecordData::Aaaa(*row.address.ip())]);
            let pinned = |key: PublicKey| tlsa_for_key(SubjectKey::from(key).spki_der());
            let at = alloc::format!("_4433._udp.{target}");
            assert_eq!(answers(&mesh, &at, RecordType::Tlsa).1, [pinned(key)]);
        }
    }
    assert_eq!(validator_by_name(&mesh.state, "node-9"), None);
}

#[test]
fn the_tops_of_all_zones_have_their_servers_and_a_serial_number() {
    let mut mesh = Mesh::new();
    mesh.pass(1000);
    let zones: Vec<DomainName> = mesh.state.zones().to_vec();
    assert_eq!(zones, [mesh.genesis.zone.clone(), mesh.genesis.reverse_zones[0].clone()]);
    for zone in zones {
        let (outcome, servers) = answers(&mesh, zone.as_str(), RecordType::Ns);
        assert_eq!((outcome, servers.len()), (ResolutionOutcome::Found, 4));
        let (_, start) = answers(&mesh, zone.as_str(), RecordType::Soa);
        let [RecordData::Soa(soa)] = start.as_slice() else { panic!("no start") };
        assert_eq!((soa.serial, soa.primary.as_str()), (1, "node-1.demo.hypermesh"));
    }
    assert_eq!(answers(&mesh, "a.example", RecordType::Ns).0, ResolutionOutcome::NotAuthoritative);
}

/// The serial numbers of the mesh's zone and of the reverse zone, if it has one.
fn serial(mesh: &Mesh, zone: &str) -> u32 {
    let (_, start) = answers(mesh, zone, RecordType::Soa);
    let [RecordData::Soa(soa)] = start.as_slice() else { panic!("no start") };
    soa.serial
}

#[test]
fn the_serial_number_moves_when_an_answer_does_and_only_then() {
    let zone = "demo.hypermesh";
    let next = |mesh: &Mesh| u32::try_from(mesh.state.height().0).unwrap() + 1;
    let mut mesh = Mesh::active();
    let first = serial(&mesh, zone);
    mesh.pass(1_000);
    mesh.done(&alice(), transfer(&bob(), 5));
    mesh.done(&alice(), register("web.demo.hypermesh", &alice()));
    assert_eq!(serial(&mesh, zone), first, "blocks, and a name without records");
    let text = |text: &str| set("web.demo.hypermesh", vec![RecordData::Txt(vec![text.into()])]);
    mesh.done(&alice(), text("x"));
    let set_at = serial(&mesh, zone);
    assert_eq!(set_at, next(&mesh));
    mesh.done(&alice(), text("x"));
    assert_eq!(serial(&mesh, zone), set_at, "the same records");
    mesh.done(&alice(), text("y"));
    assert_eq!(serial(&mesh, zone), next(&mesh));
    mesh.done(&alice(), clear("web.demo.hypermesh", RecordType::Aaaa));
    assert!(serial(&mesh, zone) < next(&mesh), "nothing was removed");
    mesh.done(&alice(), issue(&["given.demo.hypermesh"]));
    assert_eq!(serial(&mesh, zone), next(&mesh), "a key is published");
    mesh.pass(25 * 3_600_000);
    mesh.pass(1);
    let expired = serial(&mesh, zone);
    assert!(expired > set_at, "and withdrawn");

    // What is not paid for is not answered, until it is again.
    let expires = mesh.state.get::<NameOwner>(&name("web.demo.hypermesh")).unwrap().expires.unwrap();
    mesh.pass(expires.since(mesh.state.time()));
    assert_eq!(serial(&mesh, zone), expired);
    mesh.pass(1);
    assert_eq!(serial(&mesh, zone), next(&mesh));
    mesh.done(&alice(), Action::RenewName(RenewName { name: name("web.demo.hypermesh") }));
    assert_eq!(serial(&mesh, zone), next(&mesh));
    let renewed = serial(&mesh, zone);
    mesh.done(&alice(), Action::RenewName(RenewName { name: name("web.demo.hypermesh") }));
    assert_eq!(serial(&mesh, zone), renewed);
}
