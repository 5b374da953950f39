//! Names and records: whose they are, and which may stand.

use super::test_util::*;
use crate::state::*;
use crate::trustchain::dns::{RecordData, RecordType};
use alloc::vec;
use alloc::vec::Vec;

fn text() -> Vec<RecordData> {
    vec![RecordData::Txt(vec!["x".into()])]
}

#[test]
fn a_free_name_directly_below_the_zone_goes_to_who_asks_first() {
    let mut mesh = Mesh::new();
    let done = mesh.done(&alice(), register("web.demo.hypermesh", &alice()));
    assert!(matches!(done, Effect::NameRegistered { expires: Some(_) }));
    assert_eq!(mesh.state.owner_of(&name("web.demo.hypermesh"), mesh.state.time()), Some(alice().public()));
    assert_eq!(
        mesh.state.owner_of(&name("a.b.web.demo.hypermesh"), mesh.state.time()),
        Some(alice().public())
    );
    assert_eq!(mesh.state.owner_of(&name("demo.hypermesh"), mesh.state.time()), None);
    assert_eq!(mesh.state.owner_of(&name("xweb.demo.hypermesh"), mesh.state.time()), None);
    let row: NameOwner = mesh.state.get(&name("web.demo.hypermesh")).unwrap();
    assert_eq!(row.since, mesh.state.height());
    for owner in [alice(), bob()] {
        let refusal = mesh.refused(&owner, register("web.demo.hypermesh", &owner));
        assert!(matches!(refusal, Refusal::AlreadyRegistered { .. }));
    }
}

#[test]
fn an_owner_gives_names_below_its_own_to_others_and_keeps_the_rest() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), register("team.given.demo.hypermesh", &bob()));
    mesh.done(&bob(), register("a.b.team.given.demo.hypermesh", &bob()));
    mesh.done(&bob(), set("x.team.given.demo.hypermesh", text()));
    let refusal = mesh.refused(&alice(), set("x.team.given.demo.hypermesh", text()));
    let owner = bob().public();
    assert_eq!(refusal, Refusal::NotOwner { name: name("x.team.given.demo.hypermesh"), owner });
    mesh.done(&alice(), set("other.given.demo.hypermesh", text()));
    let refusal = mesh.refused(&bob(), set("other.given.demo.hypermesh", text()));
    assert!(matches!(refusal, Refusal::NotOwner { .. }));
    let refusal = mesh.refused(&bob(), register("other.given.demo.hypermesh", &bob()));
    assert!(matches!(refusal, Refusal::NotOwner { .. }));
}

#[test]
fn the_meshs_own_names_go_to_nobody() {
    let mut mesh = Mesh::new();
    let own = [
        "demo.hypermesh",
        "node-1.demo.hypermesh",
        "x.node-4.demo.hypermesh",
        "trustchain.demo.hypermesh",
        "_stoq._udp.trustchain.demo.hypermesh",
        "hypermesh.demo.hypermesh",
        "caesar.demo.hypermesh",
        "_x.demo.hypermesh",
        "_443._tcp.demo.hypermesh",
        "ns.demo.hypermesh",
        "localhost.demo.hypermesh",
        "wpad.demo.hypermesh",
        "isatap.demo.hypermesh",
        "autoconfig.demo.hypermesh",
        "autodiscover.demo.hypermesh",
        "mta-sts.demo.hypermesh",
        "openpgpkey.demo.hypermesh",
    ];
    for text in own {
        let refusal = mesh.refused(&alice(), register(text, &alice()));
        assert_eq!(refusal, Refusal::Reserved { name: name(text) });
        let refusal = mesh.refused(&alice(), set(text, self::text()));
        assert_eq!(refusal, Refusal::NotRegistered { name: name(text) });
    }
    for text in ["node-5.demo.hypermesh", "node-1x.demo.hypermesh", "x-ns.demo.hypermesh"] {
        mesh.done(&alice(), register(text, &alice()));
    }
}

#[test]
fn names_outside_the_zones_and_the_tops_of_zones_are_nobodys() {
    let mut mesh = Mesh::new();
    for text in ["example", "hypermesh", "xdemo.hypermesh", "a.example"] {
        let refusal = mesh.refused(&alice(), register(text, &alice()));
        assert!(matches!(refusal, Refusal::OutsideZone { .. }), "{text}: {refusal}");
        let refusal = mesh.refused(&alice(), set(text, self::text()));
        assert!(matches!(refusal, Refusal::OutsideZone { .. }), "{text}: {refusal}");
    }
    let reverse = mesh.genesis.reverse_zones[0].clone();
    let refusal = mesh.refused(&alice(), register(reverse.as_str(), &alice()));
    assert_eq!(refusal, Refusal::NotRegistered { name: reverse });
}

#[test]
fn names_of_a_reverse_zone_are_registered_and_point_back() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), register("0.8.b.d.0.1.0.0.2.ip6.arpa", &alice()));
    let at = "0.1.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let pointer = RecordData::Ptr(name("given.demo.hypermesh"));
    mesh.done(&alice(), set(at, vec![pointer]));
    let refusal = mesh.refused(&bob(), register(at, &bob()));
    assert!(matches!(refusal, Refusal::NotOwner { .. }));
}

#[test]
fn an_alias_stands_alone() {
    let mut mesh = Mesh::new();
    let at = "a.given.demo.hypermesh";
    let alias = |target: &str| set(at, vec![RecordData::Cname(name(target))]);
    let cname = Refusal::Cname { name: name(at) };
    mesh.done(&alice(), alias("given.demo.hypermesh"));
    assert_eq!(mesh.refused(&alice(), set(at, text())), cname);
    mesh.done(&alice(), alias("other.example"));
    mesh.done(&alice(), clear(at, RecordType::Cname));
    mesh.done(&alice(), set(at, text()));
    assert_eq!(mesh.refused(&alice(), alias("given.demo.hypermesh")), cname);
    let kept = record_sets(&mesh, &name(at)).map(|set| set.record_type()).collect::<Vec<_>>();
    assert_eq!(kept, [Some(RecordType::Txt)]);
}

#[test]
fn what_the_mesh_writes_itself_no_owner_writes() {
    let mut mesh = Mesh::active();
    let at = "given.demo.hypermesh";
    let tlsa = "_443._tcp.given.demo.hypermesh";
    let own = vec![RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![1; 32] }];
    mesh.done(&alice(), set(tlsa, own.clone()));
    mesh.done(&alice(), issue(&[at]));
    let reserved = Refusal::Reserved { name: name(tlsa) };
    assert_eq!(mesh.refused(&alice(), set(tlsa, own)), reserved);
    assert_eq!(mesh.refused(&alice(), clear(tlsa, RecordType::Tlsa)), reserved);
}

#[test]
fn records_are_replaced_and_removed_type_by_type() {
    let mut mesh = Mesh::new();
    let at = name("given.demo.hypermesh");
    mesh.done(&alice(), set(at.as_str(), text()));
    assert_eq!(record_sets(&mesh, &at).count(), 2);
    mesh.done(&alice(), clear(at.as_str(), RecordType::Aaaa));
    assert_eq!(record_sets(&mesh, &at).count(), 1);
    mesh.done(&alice(), clear(at.as_str(), RecordType::Aaaa));
    let again = vec![RecordData::Txt(vec!["y".into()])];
    mesh.done(&alice(), set(at.as_str(), again.clone()));
    let stands: Vec<_> = record_sets(&mesh, &at).collect();
    assert_eq!(stands, [records(again)]);
}
