//! Services that are announced under leases: who may, what is answered, and when it goes away.

use super::test_util::*;
use crate::base::{MicroCaesar, SecretKey, UnixMillis};
use crate::caesar::*;
use crate::state::*;
use crate::trustchain::dns::{
    RECORDS_PER_SET_MAX, RecordData, RecordType, ResolutionOutcome, SvcbParameters, resolve,
};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

const SERVICE: &str = "given.demo.hypermesh";
const SRV: &str = "_stoq._udp.given.demo.hypermesh";
const SVCB: &str = "_stoq.given.demo.hypermesh";
const HOST: &str = "east.given.demo.hypermesh";
const LEASE: u32 = 60;

fn east() -> InstanceName {
    instance(SERVICE, "east")
}

fn well() -> Offer {
    offer("2001:db8::7")
}

/// What is answered.
fn answers(mesh: &Mesh, at: &str, record_type: RecordType) -> Vec<RecordData> {
    let found = resolve(&mesh.state, &name(at), record_type).answers;
    found.into_iter().next().map(|found| found.set.data).unwrap_or_default()
}

/// The targets of the service's SRV records.
fn targets(mesh: &Mesh) -> Vec<String> {
    let target = |data: RecordData| data.target().map(ToString::to_string).unwrap();
    answers(mesh, SRV, RecordType::Srv).into_iter().map(target).collect()
}

fn exists(mesh: &Mesh, at: &str) -> bool {
    resolve(&mesh.state, &name(at), RecordType::Txt).outcome != ResolutionOutcome::NoSuchName
}

fn labels(mesh: &Mesh) -> Vec<String> {
    mesh.state.instances(&name(SERVICE), mesh.state.time()).map(|instance| instance.name.label).collect()
}

fn expires(effect: &Effect) -> UnixMillis {
    match effect {
        Effect::ServiceAnnounced { expires } => *expires,
        other => panic!("{other:?}"),
    }
}

/// A block of this very time.
fn pass_to(mesh: &mut Mesh, time: UnixMillis) {
    mesh.pass(time.since(mesh.state.time()));
}

#[test]
fn an_announced_instance_is_found_by_srv_svcb_and_address_until_its_lease_ends_by_block_time() {
    let mut mesh = Mesh::new();
    let offer = Offer { priority: 3, weight: 5, ..well() };
    let effect = mesh.done(&alice(), announce(&east(), &offer, LEASE));
    assert_eq!(expires(&effect), mesh.state.time().plus(u64::from(LEASE) * 1000));
    let target = Some(name(HOST));
    let srv = RecordData::Srv { priority: 3, weight: 5, port: 7000, target: target.clone() };
    assert_eq!(answers(&mesh, SRV, RecordType::Srv), [srv]);
    let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
    let parameters = SvcbParameters {
        alpn: vec!["stoq/1".to_string()],
        port: Some(7000),
        ipv6_hint: vec![address],
        ..SvcbParameters::default()
    };
    assert_eq!(
        answers(&mesh, SVCB, RecordType::Svcb),
        [RecordData::Svcb { priority: 4, target, parameters }]
    );
    assert_eq!(answers(&mesh, HOST, RecordType::Aaaa), [RecordData::Aaaa(address)]);
    let found = resolve(&mesh.state, &name(SRV), RecordType::Srv).answers;
    assert_eq!(found[0].set.ttl_seconds, ANNOUNCED_TTL_SECONDS);

    pass_to(&mut mesh, expires(&effect));
    assert_eq!(labels(&mesh), ["east"], "a block of that very time is not later");
    mesh.pass(1);
    assert_eq!(labels(&mesh), [""; 0]);
    for at in [SRV, SVCB, HOST] {
        assert!(!exists(&mesh, at), "{at}");
    }
}

#[test]
fn a_lease_that_is_renewed_runs_on_and_leaves_no_other_moment_at_which_it_could_end() {
    let mut mesh = Mesh::new();
    let dues = |mesh: &Mesh| {
        mesh.state.rows::<Due>(Vec::new()).filter(|(_, due)| matches!(due, Due::Lease(_))).count()
    };
    mesh.done(&alice(), announce(&east(), &well(), LEASE));
    let since = mesh.state.height();
    for _ in 0..5 {
        mesh.pass(u64::from(LEASE) * 1000 - 2000);
        mesh.done(&alice(), announce(&east(), &well(), LEASE));
        assert_eq!(dues(&mesh), 1);
    }
    let instance = mesh.state.get::<Instance>(&east()).unwrap();
    assert_eq!((instance.since, instance.owner), (since, alice().public()));
    // A shorter lease ends sooner than the one before would have.
    let effect = mesh.done(&alice(), announce(&east(), &well(), LEASE_SECONDS_MIN));
    pass_to(&mut mesh, expires(&effect).plus(1));
    assert_eq!((labels(&mesh).len(), dues(&mesh)), (0, 0));
}

#[test]
fn an_instance_says_something_else_and_the_records_follow() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), announce(&east(), &well(), LEASE));
    let moved = Offer { port: 7001, ..offer("2001:db8::8") };
    mesh.done(&alice(), announce(&east(), &moved, LEASE));
    assert_eq!(answers(&mesh, HOST, RecordType::Aaaa), [RecordData::Aaaa("2001:db8::8".parse().unwrap())]);
    let [RecordData::Srv { port, .. }] = answers(&mesh, SRV, RecordType::Srv)[..] else { panic!() };
    assert_eq!(port, 7001);
    // At a host that has its addresses already, the instance's own name has none.
    let elsewhere = Offer { location: Location::Host(name("box.example")), ..moved };
    mesh.done(&alice(), announce(&east(), &elsewhere, LEASE));
    assert_eq!(targets(&mesh), ["box.example"]);
    assert!(!exists(&mesh, HOST));
}

#[test]
fn a_critical_instance_is_listed_and_nobody_is_sent_to_it() {
    let mut mesh = Mesh::new();
    let west = instance(SERVICE, "west");
    mesh.done(&alice(), announce(&east(), &well(), LEASE));
    let warning = Offer { health: InstanceHealth::Warning, ..offer("2001:db8::8") };
    mesh.done(&alice(), announce(&west, &warning, LEASE));
    assert_eq!(targets(&mesh), [HOST, "west.given.demo.hypermesh"]);
    let critical = Offer { health: InstanceHealth::Critical, ..well() };
    mesh.done(&alice(), announce(&east(), &critical, LEASE));
    assert_eq!(targets(&mesh), ["west.given.demo.hypermesh"]);
    assert_eq!(answers(&mesh, SVCB, RecordType::Svcb).len(), 1);
    assert_eq!(labels(&mesh), ["east", "west"]);
    assert!(exists(&mesh, HOST), "its host keeps its address");
    mesh.done(&alice(), withdraw(&west));
    assert!(!exists(&mesh, SRV), "there is nobody to send callers to");
    // Its place is kept for it all the same.
    let by_hand = set(SRV, vec![RecordData::Srv { priority: 0, weight: 0, port: 1, target: None }]);
    assert_eq!(mesh.refused(&alice(), by_hand), Refusal::Reserved { name: name(SRV) });
    for at in [SRV, SVCB, HOST] {
        let alias = set(at, vec![RecordData::Cname(name(SERVICE))]);
        assert_eq!(mesh.refused(&alice(), alias), Refusal::Reserved { name: name(at) });
    }
    mesh.done(&alice(), announce(&east(), &well(), LEASE));
    assert_eq!(targets(&mesh), [HOST]);
}

#[test]
fn who_owns_a_name_below_a_service_is_not_sent_its_callers_unless_the_instance_was_given_away() {
    let mut mesh = Mesh::new();
    let strange = |at: &str, owner: &SecretKey| Refusal::NotOwner { name: name(at), owner: owner.public() };
    let full = "east._stoq._udp.given.demo.hypermesh";
    assert_eq!(mesh.refused(&bob(), announce(&east(), &well(), LEASE)), strange(full, &alice()));
    mesh.done(&alice(), register(HOST, &bob()));
    assert_eq!(mesh.refused(&bob(), announce(&east(), &well(), LEASE)), strange(full, &alice()));
    assert_eq!(
        mesh.refused(&alice(), announce(&east(), &well(), LEASE)),
        strange(HOST, &bob()),
        "nor does the service's owner write to a host that is not theirs"
    );
    mesh.done(&alice(), register(full, &bob()));
    mesh.done(&bob(), announce(&east(), &well(), LEASE));
    assert_eq!(targets(&mesh), [HOST]);
    // Another label, and another protocol, are not bob's.
    let west = instance(SERVICE, "west");
    assert!(matches!(mesh.refused(&bob(), announce(&west, &well(), LEASE)), Refusal::NotOwner { .. }));
    let https = InstanceName { protocol: "https/tcp".parse().unwrap(), ..east() };
    assert!(matches!(mesh.refused(&bob(), announce(&https, &well(), LEASE)), Refusal::NotOwner { .. }));
    // Whose the instance is, may take it away, and so may whose the service is; nobody else.
    assert!(matches!(mesh.refused(&alice(), announce(&east(), &well(), LEASE)), Refusal::NotOwner { .. }));
    assert!(matches!(mesh.refused(&mesh.validators[0].clone(), withdraw(&east())), Refusal::NotOwner { .. }));
    mesh.done(&alice(), withdraw(&east()));
    assert_eq!(targets(&mesh), [""; 0]);
    mesh.done(&bob(), announce(&east(), &well(), LEASE));
    mesh.done(&bob(), withdraw(&east()));
    let gone = Refusal::NoInstance { name: name(full) };
    assert_eq!(mesh.refused(&bob(), withdraw(&east())), gone);
}

#[test]
fn nobody_announces_what_is_the_meshs_or_nobodys_or_outside() {
    let mut mesh = Mesh::new();
    let at = |service: &str| announce(&instance(service, "east"), &well(), LEASE);
    for service in
        ["demo.hypermesh", "trustchain.demo.hypermesh", "node-1.demo.hypermesh", "free.demo.hypermesh"]
    {
        assert!(matches!(mesh.refused(&alice(), at(service)), Refusal::NotRegistered { .. }), "{service}");
    }
    assert!(matches!(mesh.refused(&alice(), at("www.example")), Refusal::OutsideZone { .. }));
}

#[test]
fn records_set_by_hand_are_not_replaced_and_none_are_set_by_hand_over_those_of_instances() {
    let mut mesh = Mesh::new();
    let srv = vec![RecordData::Srv { priority: 0, weight: 0, port: 1, target: Some(name(SERVICE)) }];
    let svcb = RecordData::Svcb { priority: 1, target: None, parameters: SvcbParameters::default() };
    let address = vec![RecordData::Aaaa("2001:db8::1".parse().unwrap())];
    for (at, data) in [(SRV, srv), (SVCB, vec![svcb]), (HOST, address)] {
        let record_type = data[0].record_type();
        mesh.done(&alice(), set(at, data.clone()));
        let by_hand = Refusal::SetByHand { name: name(at), record_type };
        assert_eq!(mesh.refused(&alice(), announce(&east(), &well(), LEASE)), by_hand);
        mesh.done(&alice(), clear(at, record_type));
        mesh.done(&alice(), announce(&east(), &well(), LEASE));
        assert_eq!(mesh.refused(&alice(), set(at, data.clone())), Refusal::Reserved { name: name(at) });
        assert_eq!(mesh.refused(&alice(), clear(at, record_type)), Refusal::Reserved { name: name(at) });
        mesh.done(&alice(), withdraw(&east()));
        mesh.done(&alice(), set(at, data));
        mesh.done(&alice(), clear(at, record_type));
    }
    for at in [SRV, SVCB, HOST] {
        mesh.done(&alice(), set(at, vec![RecordData::Cname(name(SERVICE))]));
        let alias = Refusal::Cname { name: name(at) };
        assert_eq!(mesh.refused(&alice(), announce(&east(), &well(), LEASE)), alias);
        mesh.done(&alice(), clear(at, RecordType::Cname));
    }
    // A host of one's own with addresses of one's own stays as it is.
    mesh.done(&alice(), set(HOST, vec![RecordData::Aaaa("2001:db8::1".parse().unwrap())]));
    let at_host = Offer { location: Location::Host(name(HOST)), ..well() };
    mesh.done(&alice(), announce(&east(), &at_host, LEASE));
    assert!(matches!(mesh.refused(&alice(), announce(&east(), &well(), LEASE)), Refusal::SetByHand { .. }));
    mesh.done(&alice(), withdraw(&east()));
    assert_eq!(answers(&mesh, HOST, RecordType::Aaaa).len(), 1);
}

#[test]
fn one_label_may_speak_several_protocols_and_its_host_has_the_addresses_of_all() {
    let mut mesh = Mesh::new();
    let https = InstanceName { protocol: "https".parse().unwrap(), ..east() };
    mesh.done(&alice(), announce(&east(), &well(), LEASE));
    mesh.done(&alice(), announce(&https, &Offer { port: 443, ..offer("2001:db8::8") }, LEASE));
    assert_eq!(answers(&mesh, HOST, RecordType::Aaaa).len(), 2);
    assert_eq!(answers(&mesh, "_https._tcp.given.demo.hypermesh", RecordType::Srv).len(), 1);
    assert!(!exists(&mesh, "_https.given.demo.hypermesh"), "how SVCB goes with https is not ours to say");
    mesh.done(&alice(), withdraw(&east()));
    assert_eq!(answers(&mesh, HOST, RecordType::Aaaa), [RecordData::Aaaa("2001:db8::8".parse().unwrap())]);
    assert!(!exists(&mesh, SRV));
}

#[test]
fn a_service_has_as_many_instances_as_the_limit_and_not_one_more_and_renewing_needs_no_room() {
    let mut mesh = Mesh::new();
    let nth = |number: usize| instance(SERVICE, &alloc::format!("n{number}"));
    let many: Vec<_> = (0..INSTANCE_COUNT_MAX)
        .map(|number| {
            mesh.operation(
                &alice(),
                announce(&nth(number), &offer(&alloc::format!("2001:db8::{number:x}")), LEASE),
            )
        })
        .collect();
    let receipts = mesh.carry(many);
    assert!(receipts.iter().all(|receipt| matches!(receipt.outcome, Outcome::Done(_))));
    assert_eq!(answers(&mesh, SRV, RecordType::Srv).len(), RECORDS_PER_SET_MAX);
    let full = Refusal::ServiceFull { service: name(SERVICE) };
    assert_eq!(mesh.refused(&alice(), announce(&nth(INSTANCE_COUNT_MAX), &well(), LEASE)), full);
    mesh.done(&alice(), announce(&nth(3), &Offer { port: 9, ..well() }, LEASE));
    mesh.done(&alice(), withdraw(&nth(4)));
    mesh.done(&alice(), announce(&nth(INSTANCE_COUNT_MAX), &well(), LEASE));
}

#[test]
fn a_label_has_as_many_addresses_as_a_set_of_records() {
    let mut mesh = Mesh::new();
    let protocols = RECORDS_PER_SET_MAX / INSTANCE_ADDRESS_COUNT_MAX;
    let nth =
        |number: usize| InstanceName { protocol: alloc::format!("p{number}").parse().unwrap(), ..east() };
    let offer = |number: usize| {
        let address = |one: usize| Ipv6Addr::from((0x2001_0db8_u128 << 96) + (number * 16 + one) as u128);
        let addresses = (0..INSTANCE_ADDRESS_COUNT_MAX).map(address).collect();
        Offer { location: Location::Addresses(addresses), ..well() }
    };
    for number in 0..protocols {
        mesh.done(&alice(), announce(&nth(number), &offer(number), LEASE));
    }
    assert_eq!(answers(&mesh, HOST, RecordType::Aaaa).len(), RECORDS_PER_SET_MAX);
    let full = Refusal::ServiceFull { service: name(SERVICE) };
    assert_eq!(mesh.refused(&alice(), announce(&nth(protocols), &offer(protocols), LEASE)), full);
    mesh.done(&alice(), announce(&nth(protocols), &offer(0), LEASE));
}

#[test]
fn a_service_whose_name_is_not_paid_for_is_not_answered_and_its_leases_end_all_the_same() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), register("web.demo.hypermesh", &alice()));
    let paid = mesh.state.get::<NameOwner>(&name("web.demo.hypermesh")).unwrap().expires.unwrap();
    pass_to(&mut mesh, paid.minus(5000));
    let east = instance("web.demo.hypermesh", "east");
    mesh.done(&alice(), announce(&east, &well(), LEASE));
    pass_to(&mut mesh, paid.plus(1));
    assert!(!exists(&mesh, "_stoq._udp.web.demo.hypermesh"));
    assert!(matches!(mesh.refused(&alice(), announce(&east, &well(), LEASE)), Refusal::Lapsed { .. }));
    mesh.pass(u64::from(LEASE) * 1000);
    assert_eq!(mesh.state.instances(&name("web.demo.hypermesh"), mesh.state.time()).count(), 0);
}

#[test]
fn announcing_costs_a_tenth_of_setting_records() {
    let mut mesh = Mesh::new();
    assert_eq!(mesh.carry_one(&alice(), announce(&east(), &well(), LEASE)).fee, ANNOUNCE_FEE);
    assert_eq!(mesh.carry_one(&alice(), announce(&east(), &well(), LEASE)).fee, ANNOUNCE_FEE);
    assert_eq!(mesh.carry_one(&alice(), withdraw(&east())).fee, ANNOUNCE_FEE);
    assert_eq!(MicroCaesar(10 * ANNOUNCE_FEE.0), RECORDS_FEE);
}

#[test]
fn what_no_state_could_accept_is_in_no_block() {
    let mut mesh = Mesh::new();
    let genesis = mesh.genesis_hash();
    let long = |count: usize| "a".repeat(count);
    let tags = |tags: &[&str]| Offer { tags: tags.iter().map(ToString::to_string).collect(), ..well() };
    let many = |count: usize| {
        let tags = (0..count).map(|number| alloc::format!("tag-{number:02}")).collect();
        Offer { tags, ..well() }
    };
    let at = |count: u16| {
        let address = |one: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, one);
        Offer { location: Location::Addresses((0..count).map(address).collect()), ..well() }
    };
    let named = |label: &str| instance(SERVICE, label);
    let speaking = |protocol: &str| InstanceName {
        protocol: ServiceProtocol { name: protocol.to_string(), transport: Protocol::Udp },
        ..east()
    };
    let addresses_max = u16::try_from(INSTANCE_ADDRESS_COUNT_MAX).unwrap();
    let reversed = match at(2).location {
        Location::Addresses(addresses) => addresses.into_iter().rev().collect(),
        Location::Host(_) => panic!(),
    };
    let cases: Vec<(&str, InstanceName, Offer, u32, bool)> = vec![
        ("a lease at its least", east(), well(), LEASE_SECONDS_MIN, true),
        ("a shorter lease", east(), well(), LEASE_SECONDS_MIN - 1, false),
        ("a lease at its longest", east(), well(), LEASE_SECONDS_MAX, true),
        ("a longer lease", east(), well(), LEASE_SECONDS_MAX + 1, false),
        ("port 0", east(), Offer { port: 0, ..well() }, LEASE, false),
        ("the last priority", east(), Offer { priority: INSTANCE_PRIORITY_MAX, ..well() }, LEASE, true),
        ("a priority past it", east(), Offer { priority: INSTANCE_PRIORITY_MAX + 1, ..well() }, LEASE, false),
        ("as many tags as may be", east(), many(INSTANCE_TAG_COUNT_MAX), LEASE, true),
        ("one tag more", east(), many(INSTANCE_TAG_COUNT_MAX + 1), LEASE, false),
        ("the longest tag", east(), tags(&[&long(INSTANCE_TAG_BYTES_MAX)]), LEASE, true),
        ("a longer tag", east(), tags(&[&long(INSTANCE_TAG_BYTES_MAX + 1)]), LEASE, false),
        ("no tag", east(), tags(&[""]), LEASE, false),
        ("tags out of order", east(), tags(&["b", "a"]), LEASE, false),
        ("a tag twice", east(), tags(&["a", "a"]), LEASE, false),
        ("a tag with a space", east(), tags(&["a b"]), LEASE, false),
        ("a tag that is no ASCII", east(), tags(&["ä"]), LEASE, false),
        ("no address", east(), at(0), LEASE, false),
        ("as many addresses as may be", east(), at(addresses_max), LEASE, true),
        ("one address more", east(), at(addresses_max + 1), LEASE, false),
        (
            "addresses out of order",
            east(),
            Offer { location: Location::Addresses(reversed), ..well() },
            LEASE,
            false,
        ),
        ("the longest label", named(&long(63)), well(), LEASE, true),
        ("a longer label", named(&long(64)), well(), LEASE, false),
        ("no label", named(""), well(), LEASE, false),
        ("two labels", named("a.b"), well(), LEASE, false),
        ("a final dot", named("a."), well(), LEASE, false),
        ("capitals", named("East"), well(), LEASE, false),
        ("an underscore", named("_east"), well(), LEASE, false),
        ("two scripts", named("xn--pple-43d"), well(), LEASE, false),
        ("one script", named("xn--bcher-kva"), well(), LEASE, true),
        ("the longest protocol", speaking(&long(PROTOCOL_NAME_BYTES_MAX)), well(), LEASE, true),
        ("a longer protocol", speaking(&long(PROTOCOL_NAME_BYTES_MAX + 1)), well(), LEASE, false),
        ("no protocol", speaking(""), well(), LEASE, false),
        ("a protocol without letters", speaking("99"), well(), LEASE, false),
        ("a protocol with a hyphen at its end", speaking("a-"), well(), LEASE, false),
        ("a protocol with two hyphens", speaking("a--b"), well(), LEASE, false),
    ];
    for (what, instance, offer, lease_seconds, may) in cases {
        let operation = mesh.operation(&alice(), announce(&instance, &offer, lease_seconds));
        let checked = operation.check(&genesis);
        assert_eq!(checked.is_ok(), may, "{what}: {:?}", checked.err());
        if let Err(fault) = mesh.operation(&alice(), withdraw(&instance)).check(&genesis) {
            assert!(!may, "{what}: {fault}");
        }
    }
    // The longest of the names that follow from an instance's fits, and one character more does not.
    let parts = [long(63), long(63), long(63)].join(".");
    let rest = 253 - "east._stoq._udp.".len() - parts.len() - 1;
    for (count, fits) in [(rest, true), (rest + 1, false)] {
        let service = alloc::format!("{}.{parts}", long(count));
        let operation = mesh.operation(&alice(), announce(&instance(&service, "east"), &well(), LEASE));
        assert_eq!(operation.check(&genesis).is_ok(), fits);
    }
}

#[test]
fn protocols_and_health_are_written_as_people_write_them() {
    for (text, protocol) in
        [("stoq", "stoq/udp"), ("stoq/tcp", "stoq/tcp"), ("https", "https/tcp"), ("a-1/udp", "a-1/udp")]
    {
        assert_eq!(text.parse::<ServiceProtocol>().unwrap().to_string(), protocol);
    }
    for text in ["", "/udp", "stoq/", "stoq/sctp", "_stoq/udp", "Stoq", "stoq/udp/tcp", "1"] {
        assert_eq!(text.parse::<ServiceProtocol>(), Err(InvalidServiceProtocol), "{text:?}");
    }
    for health in [InstanceHealth::Passing, InstanceHealth::Warning, InstanceHealth::Critical] {
        assert_eq!(health.to_string().parse(), Ok(health));
    }
    assert_eq!("well".parse::<InstanceHealth>(), Err(InvalidHealth));
}
