//! Which types owners set, how far aliases lead, and what may point at one.

use super::test_util::*;
use crate::state::*;
use crate::trustchain::DomainName;
use crate::trustchain::dns::{
    CNAME_CHAIN_MAX, RECORDS_PER_SET_MAX, RecordData, RecordType, ResolutionOutcome, Soa, UnsettableType,
    resolve,
};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

fn alias(at: &str, target: &str) -> Action {
    set(at, vec![RecordData::Cname(name(target))])
}

fn mx(at: &str, exchange: &str) -> Action {
    set(at, vec![RecordData::Mx { preference: 10, exchange: Some(name(exchange)) }])
}

fn srv(at: &str, target: &str) -> Action {
    set(at, vec![RecordData::Srv { priority: 0, weight: 0, port: 1, target: Some(name(target)) }])
}

fn link(number: usize) -> String {
    alloc::format!("link{number}.given.demo.hypermesh")
}

fn chain(at: &str) -> Refusal {
    Refusal::AliasChain { name: name(at) }
}

#[test]
fn what_a_zone_says_of_itself_and_delegations_are_set_by_nobody() {
    let mut mesh = Mesh::new();
    let mesh_hash = mesh.genesis_hash();
    let soa = Soa {
        primary: name("a.example"),
        responsible: name("b.example"),
        serial: 1,
        refresh_seconds: 1,
        retry_seconds: 1,
        expire_seconds: 1,
        negative_ttl_seconds: 1,
    };
    let at = "given.demo.hypermesh";
    let mut fault = |action| mesh.operation(&alice(), action).check(&mesh_hash).unwrap_err();
    let unsettable =
        |record_type: RecordType| OperationFault::Unsettable(record_type.check_settable().unwrap_err());
    let delegation = fault(set(at, vec![RecordData::Ns(name("a.example"))]));
    assert_eq!(delegation, unsettable(RecordType::Ns));
    assert!(
        delegation.to_string().contains("the mesh answers for every name in its zones itself"),
        "{delegation}"
    );
    assert_eq!(fault(set(at, vec![RecordData::Soa(soa)])), unsettable(RecordType::Soa));
    assert_eq!(fault(clear(at, RecordType::Soa)), unsettable(RecordType::Soa));
    let ds = RecordType::from_number(43);
    assert_eq!(
        fault(clear(at, ds)),
        OperationFault::Unsettable(UnsettableType::Delegation { record_type: ds })
    );
    let unknown = clear(at, RecordType::from_number(65280));
    assert!(mesh.operation(&alice(), unknown).check(&mesh_hash).is_ok());
}

#[test]
fn records_of_types_without_fields_here_are_set_answered_and_removed() {
    let mut mesh = Mesh::new();
    let at = "given.demo.hypermesh";
    let record_type = RecordType::from_number(65280);
    let data = RecordData::parse(record_type, "\\# 4 0A000001").unwrap();
    mesh.done(&alice(), set(at, vec![data.clone()]));
    let found = resolve(&mesh.state, &name(at), record_type);
    assert_eq!((found.outcome, &found.answers[0].set.data), (ResolutionOutcome::Found, &vec![data]));
    let other = RecordType::from_number(65281);
    assert_eq!(resolve(&mesh.state, &name(at), other).outcome, ResolutionOutcome::NoData);
    assert!(matches!(mesh.refused(&alice(), alias(at, "a.example")), Refusal::Cname { .. }));
    mesh.done(&alice(), clear(at, record_type));
    assert_eq!(resolve(&mesh.state, &name(at), record_type).outcome, ResolutionOutcome::NoData);
}

#[test]
fn a_chain_of_aliases_has_so_many_links_whichever_is_set_last() {
    // Forwards, backwards, and with a gap that is closed at the end.
    let orders: [Vec<usize>; 3] = [
        (0..CNAME_CHAIN_MAX).collect(),
        (0..CNAME_CHAIN_MAX).rev().collect(),
        (0..CNAME_CHAIN_MAX).filter(|link| *link != 3).chain([3]).collect(),
    ];
    for order in orders {
        let mut mesh = Mesh::new();
        for number in order {
            mesh.done(&alice(), alias(&link(number), &link(number + 1)));
        }
        let refused = mesh.refused(&alice(), alias(&link(99), &link(0)));
        assert_eq!(refused, chain(&link(99)));
        let refused = mesh.refused(&alice(), alias(&link(CNAME_CHAIN_MAX), "end.given.demo.hypermesh"));
        assert_eq!(refused, chain(&link(CNAME_CHAIN_MAX)));
        let refused = mesh.refused(&alice(), alias(&link(CNAME_CHAIN_MAX - 1), &link(0)));
        let (last, first) = (name(&link(CNAME_CHAIN_MAX - 1)), name(&link(0)));
        assert_eq!(refused, Refusal::AliasLoop { name: last, target: first });
        // One that is set anew is not counted twice.
        mesh.done(&alice(), alias(&link(2), &link(3)));
        mesh.done(&alice(), set(&link(CNAME_CHAIN_MAX), vec![RecordData::Aaaa(1_u128.into())]));
        let found = resolve(&mesh.state, &name(&link(0)), RecordType::Aaaa);
        assert_eq!((found.outcome, found.answers.len()), (ResolutionOutcome::Found, CNAME_CHAIN_MAX + 1));
    }
}

#[test]
fn an_alias_never_leads_back_to_itself() {
    let mut mesh = Mesh::new();
    let own = link(0);
    let looped = |at: &str, target: &str| Refusal::AliasLoop { name: name(at), target: name(target) };
    assert_eq!(mesh.refused(&alice(), alias(&own, &own)), looped(&own, &own));
    mesh.done(&alice(), register("bob.demo.hypermesh", &alice()));
    mesh.done(&alice(), alias("bob.demo.hypermesh", &own));
    // Over a name of another registration too.
    assert_eq!(mesh.refused(&alice(), alias(&own, "bob.demo.hypermesh")), looped(&own, "bob.demo.hypermesh"));
    mesh.done(&alice(), alias(&own, "elsewhere.example"));
}

#[test]
fn what_must_name_a_host_does_not_name_an_alias() {
    let mut mesh = Mesh::new();
    let (at, host, mail) = ("a.given.demo.hypermesh", "host.given.demo.hypermesh", "given.demo.hypermesh");
    mesh.done(&alice(), alias(at, host));
    let refused = Refusal::TargetIsAlias { name: name(mail), target: name(at) };
    assert_eq!(mesh.refused(&alice(), mx(mail, at)), refused);
    let service = "_x._tcp.given.demo.hypermesh";
    let refused = Refusal::TargetIsAlias { name: name(service), target: name(at) };
    assert_eq!(mesh.refused(&alice(), srv(service, at)), refused);
    assert!(refused.to_string().contains("RFC 2181"), "{refused}");
    mesh.done(&alice(), mx(mail, host));
    mesh.done(&alice(), srv(service, host));
    // And the other way round.
    let pointed = mesh.refused(&alice(), alias(host, "end.example"));
    assert!(matches!(&pointed, Refusal::PointedAt { name: at, .. } if *at == name(host)), "{pointed}");
    mesh.done(&alice(), clear(service, RecordType::Srv));
    let by = Refusal::PointedAt { name: name(host), by: name(mail), record_type: RecordType::Mx };
    assert_eq!(mesh.refused(&alice(), alias(host, "end.example")), by);
    mesh.done(&alice(), clear(mail, RecordType::Mx));
    mesh.done(&alice(), alias(host, "end.example"));
}

#[test]
fn what_others_point_at_a_name_keeps_its_owner_from_nothing() {
    let mut mesh = Mesh::new();
    let (bobs, own) = ("bob.demo.hypermesh", "x.given.demo.hypermesh");
    mesh.done(&bob(), register(bobs, &bob()));
    mesh.done(&bob(), mx(bobs, own));
    let at = |number: usize| alloc::format!("l{number}.bob.demo.hypermesh");
    for number in 0..CNAME_CHAIN_MAX - 1 {
        mesh.done(&bob(), alias(&at(number), &at(number + 1)));
    }
    mesh.done(&bob(), alias(&at(CNAME_CHAIN_MAX - 1), own));
    mesh.done(&alice(), alias(own, "end.given.demo.hypermesh"));
    mesh.done(&alice(), set("end.given.demo.hypermesh", vec![RecordData::Aaaa(1_u128.into())]));
    // The stranger's chain is now one too long, and is answered as far as the bound.
    let found = resolve(&mesh.state, &name(&at(0)), RecordType::Aaaa);
    assert_eq!((found.outcome, found.answers.len()), (ResolutionOutcome::Found, CNAME_CHAIN_MAX + 1));
    assert_eq!(found.answers.last().and_then(|found| found.set.record_type()), Some(RecordType::Cname));
    assert!(matches!(mesh.refused(&bob(), mx(bobs, own)), Refusal::TargetIsAlias { .. }));
}

#[test]
fn what_points_at_an_alias_is_looked_for_among_so_many_sets() {
    let (mail, host) = ("given.demo.hypermesh", "host.given.demo.hypermesh");
    let set_among = |sets: u64| {
        let mut mesh = Mesh::new();
        mesh.done(&alice(), mx(mail, host));
        let stand = mesh.state.get::<NameCount>(&name(mail)).unwrap().sets;
        let text = || vec![RecordData::Txt(vec!["x".into()])];
        let others =
            (stand..sets).map(|number| set(&alloc::format!("t{number}.given.demo.hypermesh"), text()));
        let others: Vec<Operation> = others.map(|action| mesh.operation(&alice(), action)).collect();
        mesh.carry(others);
        assert_eq!(mesh.state.get::<NameCount>(&name(mail)).unwrap().sets, sets);
        mesh.outcome(&alice(), alias(host, "end.example"))
    };
    let refused = set_among(ALIAS_SCAN_SETS_MAX);
    assert!(matches!(refused, Outcome::Refused(Refusal::PointedAt { .. })), "{refused:?}");
    let done = set_among(ALIAS_SCAN_SETS_MAX + 1);
    assert!(matches!(done, Outcome::Done(_)), "{done:?}");
}

#[test]
fn an_announced_instance_is_at_a_host_and_at_no_alias() {
    let mut mesh = Mesh::new();
    let (at, host) = ("a.given.demo.hypermesh", "host.given.demo.hypermesh");
    mesh.done(&alice(), alias(at, host));
    let announce = |host: &str| {
        let instance = InstanceName {
            service: name("s.given.demo.hypermesh"),
            protocol: "stoq".parse().unwrap(),
            label: "east".into(),
        };
        let offer = Offer {
            location: Location::Host(name(host)),
            port: 7000,
            priority: 0,
            weight: 0,
            health: InstanceHealth::Passing,
            tags: Vec::new(),
        };
        Action::AnnounceService(AnnounceService { instance, offer, lease_seconds: 60 })
    };
    let refused = mesh.refused(&alice(), announce(at));
    assert_eq!(
        refused,
        Refusal::TargetIsAlias { name: name("_stoq._udp.s.given.demo.hypermesh"), target: name(at) }
    );
    mesh.done(&alice(), announce(host));
}

#[test]
fn each_target_of_a_set_is_looked_at() {
    let mut mesh = Mesh::new();
    let host = |number: usize| -> DomainName { name(&link(number)) };
    mesh.done(&alice(), alias(&link(RECORDS_PER_SET_MAX - 1), "end.example"));
    let to = |number| RecordData::Mx { preference: 10, exchange: Some(host(number)) };
    let all = set("given.demo.hypermesh", (0..RECORDS_PER_SET_MAX).map(to).collect());
    assert!(matches!(mesh.refused(&alice(), all), Refusal::TargetIsAlias { .. }));
    let but_one = set("given.demo.hypermesh", (0..RECORDS_PER_SET_MAX - 1).map(to).collect());
    mesh.done(&alice(), but_one);
}
