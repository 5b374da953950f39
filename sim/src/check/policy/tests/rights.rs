//! Each reason for which something may not be done.

use super::*;
use crate::check::policy::certificates::LIST_COUNT_MAX;
use crate::check::policy::names::{GRACE_MS, PERIOD_MS};
use crate::world::{Subject, announcement, name};
use hypermesh_core::base::{Digest, MicroCaesar};
use hypermesh_core::state::{
    Action, Attest, GrantLimits, InstanceHealth, LEAF_SECONDS_DEFAULT, Location, Protocol, ServicePort,
    SetRecords,
};
use hypermesh_core::trustchain::ca::{RevocationReason, SerialNumber};
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};

const OWN: &str = "web.demo.hypermesh";
const TLSA: &str = "_443._tcp.web.demo.hypermesh";
const FOREIGN: &str = "web.other.hypermesh";
const REASON: RevocationReason = RevocationReason::Superseded;

fn aaaa() -> RecordData {
    RecordData::Aaaa("fd00::1".parse().unwrap())
}

fn mx(host: &str) -> RecordData {
    RecordData::Mx { preference: 10, exchange: Some(name(host)) }
}

fn alias() -> RecordData {
    RecordData::Cname(name("elsewhere.demo.hypermesh"))
}

fn set(host: &str, data: RecordData) -> SetRecords {
    let record_type = data.record_type();
    SetRecords { name: name(host), record_type, records: Some(RecordSet::new(60, vec![data]).unwrap()) }
}

fn remove(host: &str, record_type: RecordType) -> SetRecords {
    SetRecords { name: name(host), record_type, records: None }
}

fn https() -> Vec<ServicePort> {
    vec![ServicePort { port: 443, protocol: Protocol::Tcp }]
}

fn serial(request: &Request) -> SerialNumber {
    SerialNumber::from_operation(&operation(request).id().0)
}

#[test]
fn what_is_out_of_time_or_costs_too_much_pays_nothing() {
    let mut scene = Scene::new();
    let nonce = scene.nonce();
    let to = scene.cast.other.public();
    let unpaid = |scene: &Scene, owner: &Owner, means| {
        scene.judge(&owner.transfer(nonce, to, MicroCaesar(5)), means).unpaid
    };
    let client = scene.client();
    assert_eq!(unpaid(&scene, &client, RICH), Reasons::new());
    let late = Owner { time: scene.time.minus(client.life_ms + 1), ..client.clone() };
    assert_eq!(unpaid(&scene, &late, RICH), only(Reason::Expired));
    let last = Owner { time: scene.time.minus(client.life_ms), ..client.clone() };
    assert_eq!(unpaid(&scene, &last, RICH), Reasons::new());
    let early = Owner { life_ms: 3_600_001, ..client.clone() };
    assert_eq!(unpaid(&scene, &early, RICH), only(Reason::ExpiresTooLate));
    let mean = client.clone().at_most(MicroCaesar(RICH.fee - 1));
    assert_eq!(unpaid(&scene, &mean, RICH), only(Reason::FeeMax));
    let rent = Means { rent: 1, ..RICH };
    assert_eq!(unpaid(&scene, &client.clone().at_most(MicroCaesar(RICH.fee)), rent), only(Reason::FeeMax));
    let poor = Means { account: RICH.fee - 1, ..RICH };
    assert_eq!(unpaid(&scene, &client, poor), only(Reason::Funds));
}

#[test]
fn what_is_left_after_the_fee_has_to_suffice() {
    let mut scene = Scene::new();
    let nonce = scene.nonce();
    let client = scene.client();
    let member = scene.owner(&scene.cast.validators[0].member.identity.clone());
    let shop = name("shop.hypermesh");
    let means = |account, rent| Means { account, rent, ..RICH };
    let paid = |request: &Request, means| scene.judge(request, means).paid;
    let transfer = client.transfer(nonce, scene.cast.other.public(), MicroCaesar(5));
    let register = client.register(nonce, shop, client.key.public());
    let bond = member.bond(nonce, MicroCaesar(5));
    for (request, rent) in [(transfer, 0), (bond, 0), (register, 5)] {
        assert_eq!(paid(&request, means(RICH.fee + 5, rent)), Reasons::new());
        assert_eq!(paid(&request, means(RICH.fee + 4, rent)), only(Reason::Funds), "{request:?}");
    }
}

#[test]
fn every_name_of_a_certificate_has_to_be_its_owners() {
    let mut scene = Scene::new();
    let nonce = scene.nonce();
    let client = scene.client();
    let issue = |names: &[&str]| client.issue(nonce, names);
    assert_eq!(scene.against(&issue(&[OWN, "deep.below.demo.hypermesh"])), Reasons::new());
    assert_eq!(scene.against(&issue(&[OWN, FOREIGN])), only(Reason::NotOwner));
    assert_eq!(scene.against(&issue(&[OWN, "web.nobody.hypermesh"])), only(Reason::NotRegistered));
    assert_eq!(scene.against(&issue(&[OWN, "node-1.hypermesh"])), only(Reason::NotRegistered));
    let outside = Reasons::from([Reason::OutsideZone, Reason::Unfit]);
    assert_eq!(scene.against(&issue(&[OWN, "web.example"])), outside);
    // What is given away below a name is somebody else's from then on.
    let given = scene.cast.other.public();
    let give = client.register(nonce + 1, name("given.demo.hypermesh"), given);
    scene.done(&give);
    assert_eq!(scene.against(&issue(&["a.given.demo.hypermesh"])), only(Reason::NotOwner));
    assert_eq!(scene.against(&scene.other().issue(nonce, &["a.given.demo.hypermesh"])), Reasons::new());
}

#[test]
fn every_address_of_a_certificate_has_to_be_at_one_of_its_names() {
    let mut scene = Scene::new();
    let nonce = scene.nonce();
    let client = scene.client();
    let issue = |names: &[&str], ipv6: &[&str]| {
        let ipv6 = ipv6.iter().map(|address| address.parse().unwrap()).collect();
        let subject = Subject { ipv6, ..Subject::of(names) };
        client.issue_for(nonce, &subject, LEAF_SECONDS_DEFAULT, Vec::new())
    };
    assert_eq!(scene.against(&issue(&[OWN], &["fd00::1"])), only(Reason::Address));
    scene.done(&client.set(nonce + 1, set(OWN, aaaa())));
    assert_eq!(scene.against(&issue(&[OWN], &["fd00::1"])), Reasons::new());
    assert_eq!(scene.against(&issue(&[OWN], &["fd00::1", "fd00::2"])), only(Reason::Address));
    // At a name of the same owner's, but not of the certificate's.
    assert_eq!(scene.against(&issue(&["b.demo.hypermesh"], &["fd00::1"])), only(Reason::Address));
}

#[test]
fn a_spiffe_id_is_the_owners_of_the_name_in_it() {
    let mut scene = Scene::new();
    let nonce = scene.nonce();
    let client = scene.client();
    let against = |id: &str| {
        let subject = Subject { spiffe: Some(id.to_string()), ..Subject::of(&[OWN]) };
        scene.against(&client.issue_for(nonce, &subject, LEAF_SECONDS_DEFAULT, Vec::new()))
    };
    for own in ["demo.hypermesh/any", "hypermesh/demo/any", "hypermesh/web.demo.hypermesh"] {
        assert_eq!(against(&format!("spiffe://{own}")), Reasons::new(), "{own}");
    }
    assert_eq!(against("spiffe://other.hypermesh/any"), only(Reason::NotOwner));
    assert_eq!(against("spiffe://hypermesh/other/any"), only(Reason::NotOwner));
    assert_eq!(against("spiffe://hypermesh/nobody"), only(Reason::NotRegistered));
    assert_eq!(against("spiffe://hypermesh/-/any"), only(Reason::Spiffe));
    let outside = Reasons::from([Reason::OutsideZone, Reason::Unfit]);
    assert_eq!(against("spiffe://example/any"), outside);
}

#[test]
fn there_is_no_certificate_without_an_authority_that_outlives_it() {
    let mut scene = Scene::genesis();
    let nonce = scene.nonce();
    assert_eq!(scene.against(&scene.client().issue(nonce, &[OWN])), only(Reason::NoCommittee));
    let mut scene = Scene::new();
    let ends = scene.model.issuing.unwrap().not_after;
    scene.time = ends.minus(u64::from(LEAF_SECONDS_DEFAULT) * 1000);
    assert_eq!(scene.against(&scene.client().issue(nonce, &[OWN])), Reasons::new());
    scene.time = scene.time.plus(1);
    assert_eq!(scene.against(&scene.client().issue(nonce, &[OWN])), only(Reason::OutlivesIssuer));
}

#[test]
fn keys_are_published_at_no_name_of_anothers_and_at_no_alias() {
    let mut scene = Scene::new();
    let client = scene.client();
    let issue = client.issue_for(1, &Subject::of(&["b.demo.hypermesh", OWN]), LEAF_SECONDS_DEFAULT, https());
    assert_eq!(scene.against(&issue), Reasons::new());
    scene.done(&client.set(2, set(TLSA, alias())));
    assert_eq!(scene.against(&issue), only(Reason::Alias));
    scene.done(&client.set(3, remove(TLSA, RecordType::Cname)));
    scene.done(&client.register(4, name(TLSA), scene.cast.other.public()));
    assert_eq!(scene.against(&issue), only(Reason::NotOwner));
}

#[test]
fn records_belong_to_the_owner_and_some_to_the_mesh_alone() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let tlsa = RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    assert_eq!(scene.against(&client.set(1, set(TLSA, tlsa.clone()))), Reasons::new());
    assert_eq!(scene.against(&other.set(1, set(TLSA, tlsa.clone()))), only(Reason::NotOwner));
    assert_eq!(scene.against(&client.set(1, remove(FOREIGN, RecordType::Aaaa))), only(Reason::NotOwner));
    scene.done(&client.issue_published(2, &[OWN], 600));
    assert_eq!(scene.against(&client.set(3, set(TLSA, tlsa))), only(Reason::Reserved));
    assert_eq!(scene.against(&client.set(3, remove(TLSA, RecordType::Tlsa))), only(Reason::Reserved));
}

#[test]
fn an_alias_stands_alone() {
    let mut scene = Scene::new();
    let client = scene.client();
    scene.done(&client.set(1, set(OWN, aaaa())));
    assert_eq!(scene.against(&client.set(2, set(OWN, alias()))), only(Reason::Alias));
    scene.done(&client.set(3, set("b.demo.hypermesh", alias())));
    assert_eq!(scene.against(&client.set(4, set("b.demo.hypermesh", aaaa()))), only(Reason::Alias));
    assert_eq!(scene.against(&client.set(5, set("b.demo.hypermesh", alias()))), Reasons::new());
    assert_eq!(scene.against(&client.set(6, remove("b.demo.hypermesh", RecordType::Aaaa))), Reasons::new());
}

#[test]
fn an_alias_leads_to_an_end_and_nothing_that_needs_a_host_points_at_one() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let at = |link: usize| format!("link{link}.demo.hypermesh");
    let to = |link: usize| RecordData::Cname(name(&at(link)));
    // From the last to the first, from the first to the last: eight links, and no ninth at either end.
    for link in (2..6).rev().chain(6..10) {
        scene.done(&client.set(1, set(&at(link), to(link + 1))));
    }
    assert_eq!(scene.against(&client.set(2, set(&at(1), to(2)))), only(Reason::AliasChain));
    assert_eq!(scene.against(&client.set(2, set(&at(10), to(11)))), only(Reason::AliasChain));
    assert_eq!(scene.against(&client.set(2, set(&at(9), to(2)))), only(Reason::AliasChain));
    // What another's alias leads to is not for that other to decide.
    scene.done(&other.set(3, set("a.other.hypermesh", RecordData::Cname(name("x.demo.hypermesh")))));
    scene.done(&other.set(4, set("m.other.hypermesh", mx("x.demo.hypermesh"))));
    scene.done(&client.set(5, set("x.demo.hypermesh", RecordData::Cname(name("y.demo.hypermesh")))));
    assert_eq!(
        scene.against(&other.set(6, set("m.other.hypermesh", mx("x.demo.hypermesh")))),
        only(Reason::PointsAtAlias)
    );
    let mut elsewhere = announcement("s.demo.hypermesh", "east", 7000, 60);
    elsewhere.offer.location = Location::Host(name("x.demo.hypermesh"));
    assert_eq!(scene.against(&client.announce(7, elsewhere)), only(Reason::PointsAtAlias));
    scene.done(&client.set(8, set("m.demo.hypermesh", mx("host.demo.hypermesh"))));
    assert_eq!(scene.against(&client.set(9, set("host.demo.hypermesh", alias()))), only(Reason::PointedAt));
    // Somebody else's record below one's own name does not count.
    scene.done(&client.register(10, name("m.demo.hypermesh"), scene.cast.other.public()));
    assert_eq!(scene.against(&client.set(11, set("host.demo.hypermesh", alias()))), Reasons::new());
}

#[test]
fn a_free_name_is_whoevers_comes_first_and_some_are_nobodys() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let own = client.key.public();
    let register = |owner: &Owner, host: &str| owner.register(1, name(host), own);
    assert_eq!(scene.against(&register(&other, "shop.hypermesh")), Reasons::new());
    assert_eq!(scene.against(&register(&client, "deep.shop.hypermesh")), only(Reason::NotRegistered));
    assert_eq!(scene.against(&register(&client, "shop.example")), only(Reason::OutsideZone));
    assert_eq!(scene.against(&register(&client, "demo.hypermesh")), only(Reason::AlreadyRegistered));
    assert_eq!(scene.against(&register(&client, "sub.other.hypermesh")), only(Reason::NotOwner));
    for reserved in ["node-1", "trustchain", "hypermesh", "caesar", "ns", "_tcp"] {
        let against = scene.against(&register(&client, &format!("{reserved}.hypermesh")));
        assert_eq!(against, only(Reason::Reserved), "{reserved}");
    }
    assert!(scene.against(&register(&client, "hypermesh")).contains(&Reason::Reserved));
    scene.done(&register(&client, "shop.hypermesh"));
    let both = Reasons::from([Reason::AlreadyRegistered, Reason::NotOwner]);
    assert_eq!(scene.against(&register(&other, "shop.hypermesh")), both);
}

#[test]
fn a_granted_name_is_its_granters_to_take_back_and_ends_when_it_was_said() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let (host, below) = (name("host.demo.hypermesh"), name("vm.host.demo.hypermesh"));
    let member = scene.owner(&scene.cast.member.identity.clone());
    let limits = |until| GrantLimits { until, may_grant: true };
    let end = scene.time.plus(600_000);
    assert_eq!(
        scene.against(&client.grant(1, name("shop.hypermesh"), other.key.public(), limits(Some(end)))),
        only(Reason::Unlimited)
    );
    let over = client.grant(1, host.clone(), other.key.public(), limits(Some(scene.time)));
    assert_eq!(scene.against(&over), only(Reason::GrantTooShort));
    scene.done(&client.grant(1, host.clone(), other.key.public(), limits(Some(end))));
    let longer = other.grant(2, below.clone(), member.key.public(), limits(Some(end.plus(1))));
    assert_eq!(scene.against(&longer), only(Reason::OutlivesGrant));
    scene.done(&other.register(2, below.clone(), member.key.public()));
    assert_eq!(scene.against(&member.issue(3, &["vm.host.demo.hypermesh"])), only(Reason::OutlivesGrant));
    scene.done(&member.issue_published(3, &["vm.host.demo.hypermesh"], 600));
    for (by, at) in [(&other, &host), (&member, &below), (&member, &host)] {
        assert_eq!(scene.against(&by.reclaim(4, at.clone())), only(Reason::NotGranter));
    }
    assert_eq!(
        scene.against(&client.reclaim(4, name("demo.hypermesh"))),
        Reasons::from([Reason::NotGranted, Reason::NotGranter])
    );
    assert_eq!(scene.against(&client.reclaim(4, name("free.hypermesh"))), only(Reason::NotRegistered));
    // Given other limits by who granted it, and by nobody else.
    let again = |by: &Owner, until| by.grant(5, host.clone(), other.key.public(), limits(until));
    assert_eq!(scene.against(&again(&client, Some(end.minus(1)))), only(Reason::GrantTooShort));
    assert_eq!(scene.against(&again(&client, Some(end.plus(1)))), Reasons::new());
    assert_eq!(scene.against(&again(&other, Some(end))), only(Reason::AlreadyRegistered));
    let to_own = client.grant(5, host.clone(), client.key.public(), limits(None));
    assert!(scene.against(&to_own).contains(&Reason::AlreadyRegistered));
    for (time, owner) in [(end, &other), (end.plus(1), &client)] {
        assert_eq!(scene.model.names.owner(&host, time), Some(owner.key.public()));
    }
    scene.model.pass(end.plus(1));
    assert!(!scene.model.names.registered.contains_key(&below), "what was granted under it ends with it");
}

#[test]
fn what_was_certified_under_a_name_that_is_taken_back_is_revoked() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let host = name("host.demo.hypermesh");
    scene.done(&client.register(1, host.clone(), other.key.public()));
    let limits = GrantLimits { until: None, may_grant: false };
    scene.done(&client.grant(2, host.clone(), other.key.public(), limits));
    let further = other.register(3, name("vm.host.demo.hypermesh"), client.key.public());
    assert_eq!(scene.against(&further), only(Reason::MayNotGrant));
    let (theirs, own) = (other.issue(4, &["host.demo.hypermesh"]), client.issue(5, &[OWN]));
    scene.done(&theirs);
    scene.done(&own);
    scene.done(&client.reclaim(6, host));
    let reason = |request| scene.model.leaves[&serial(request)].revoked.map(|(_, reason, _)| reason);
    assert_eq!((reason(&theirs), reason(&own)), (Some(RevocationReason::PrivilegeWithdrawn), None));
    assert_eq!(scene.against(&other.issue(7, &["host.demo.hypermesh"])), only(Reason::NotOwner));
    assert_eq!(scene.against(&client.issue(7, &["host.demo.hypermesh"])), Reasons::new());
}

#[test]
fn a_name_is_its_owners_to_renew_and_to_nobody_while_it_is_not_paid_for() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let (shop, own) = (name("shop.hypermesh"), client.key.public());
    assert_eq!(scene.against(&client.renew(1, shop.clone())), only(Reason::NotRegistered));
    assert_eq!(scene.against(&client.renew(1, name("demo.hypermesh"))), only(Reason::NoRent));
    scene.done(&client.register(1, shop.clone(), own));
    scene.done(&client.renew(2, shop.clone()));
    assert_eq!(scene.against(&client.renew(3, shop.clone())), only(Reason::PaidAhead));
    let strange = Reasons::from([Reason::NotOwner, Reason::PaidAhead]);
    assert_eq!(scene.against(&other.renew(3, shop.clone())), strange);
    let end = scene.time.plus(2 * PERIOD_MS);
    scene.time = end;
    assert_eq!(scene.against(&scene.client().set(4, set("a.shop.hypermesh", aaaa()))), Reasons::new());
    scene.time = end.plus(1);
    let (client, other) = (scene.client(), scene.other());
    assert_eq!(scene.against(&client.set(4, set("a.shop.hypermesh", aaaa()))), only(Reason::Lapsed));
    assert!(scene.against(&client.issue(4, &["shop.hypermesh"])).contains(&Reason::Lapsed));
    assert!(scene.against(&other.register(4, shop.clone(), own)).contains(&Reason::AlreadyRegistered));
    assert_eq!(scene.against(&client.renew(4, shop.clone())), Reasons::new());
    scene.model.pass(end.plus(GRACE_MS));
    assert!(scene.model.names.registered.contains_key(&shop));
    scene.model.pass(end.plus(GRACE_MS + 1));
    assert!(!scene.model.names.registered.contains_key(&shop), "freed");
}

#[test]
fn a_certificate_is_its_owners_to_revoke_and_its_names_owners() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let revoke = |owner: &Owner, serial| owner.revoke(9, serial, REASON);
    let unknown = SerialNumber::from_operation(&Digest([9; 32]));
    assert_eq!(scene.against(&revoke(&client, unknown)), only(Reason::NoCertificate));
    let asked = client.issue(1, &[OWN, "given.demo.hypermesh"]);
    scene.done(&asked);
    let issued = serial(&asked);
    assert_eq!(scene.against(&revoke(&other, issued)), only(Reason::NotCertificateOwner));
    scene.done(&client.register(2, name("given.demo.hypermesh"), scene.cast.other.public()));
    assert_eq!(scene.against(&revoke(&other, issued)), Reasons::new());
    let entry = (scene.time, REASON, scene.time);
    let full = (0..LIST_COUNT_MAX).map(|number| {
        let number = (number as u64).to_le_bytes();
        let bytes = core::array::from_fn(|at| number.get(at).copied().unwrap_or_default());
        (SerialNumber::from_operation(&Digest(bytes)), entry)
    });
    let entries = core::mem::replace(&mut scene.model.list.as_mut().unwrap().entries, full.collect());
    assert_eq!(scene.against(&revoke(&client, issued)), only(Reason::RevocationListFull));
    scene.model.list.as_mut().unwrap().entries = entries;
    let ends = scene.model.leaves[&issued].not_after;
    scene.time = ends.plus(1000);
    assert_eq!(scene.against(&revoke(&scene.client(), issued)), only(Reason::CertificateExpired));
    scene.time = ends;
    scene.done(&revoke(&scene.client(), issued));
    scene.time = ends.plus(1000);
    assert_eq!(scene.against(&revoke(&scene.client(), issued)), Reasons::new(), "what stands is told");
    assert_eq!(scene.against(&scene.other().revoke(9, issued, REASON)), Reasons::new());
}

#[test]
fn only_members_attest_and_have_a_stake() {
    let scene = Scene::new();
    let client = scene.client();
    let attest = |owner: &Owner| {
        let operation = owner.body(1, Action::Attest(Attest)).sign(&owner.key);
        scene.model.against(&operation, None, RICH, scene.time).paid
    };
    assert_eq!(attest(&client), only(Reason::NotMember));
    assert_eq!(scene.against(&client.bond(1, MicroCaesar(1))), only(Reason::NotMember));
    assert_eq!(scene.against(&client.unbond(1, MicroCaesar(1))), only(Reason::NotMember));
    let validator = scene.owner(&scene.cast.validators[0].member.identity.clone());
    assert_eq!(attest(&validator), Reasons::new());
    let unbond = |owner: &Owner, means| scene.judge(&owner.unbond(1, MicroCaesar(5)), means).paid;
    let least = 1_000_000_000;
    assert_eq!(unbond(&validator, Means { stake: least + 5, ..RICH }), Reasons::new());
    assert_eq!(unbond(&validator, Means { stake: least + 4, ..RICH }), only(Reason::Stake));
    // A member that is no validator may take out all.
    let member = scene.owner(&scene.cast.member.identity.clone());
    assert_eq!(unbond(&member, Means { stake: 5, ..RICH }), Reasons::new());
    assert_eq!(unbond(&member, Means { stake: 4, ..RICH }), only(Reason::Stake));
    assert_eq!(unbond(&member, Means { releases: 15, ..RICH }), Reasons::new());
    assert_eq!(unbond(&member, Means { releases: 16, ..RICH }), only(Reason::UnbondingFull));
}

#[test]
fn an_instance_is_announced_by_the_owner_of_its_name_where_nothing_was_set_by_hand() {
    let mut scene = Scene::new();
    let (client, other) = (scene.client(), scene.other());
    let east = announcement(OWN, "east", 7000, 60);
    assert_eq!(scene.against(&other.announce(1, east.clone())), only(Reason::NotOwner));
    assert_eq!(scene.against(&client.withdraw(1, east.instance.clone())), only(Reason::NoInstance));
    let srv = RecordData::Srv { priority: 0, weight: 0, port: 1, target: None };
    for (host, data, reason) in [
        ("_stoq._udp.web.demo.hypermesh", srv, Reason::SetByHand),
        ("_stoq.web.demo.hypermesh", alias(), Reason::Alias),
        ("east.web.demo.hypermesh", aaaa(), Reason::SetByHand),
    ] {
        let record_type = data.record_type();
        scene.done(&client.set(1, set(host, data)));
        assert_eq!(scene.against(&client.announce(2, east.clone())), only(reason), "{host}");
        scene.done(&client.set(3, remove(host, record_type)));
    }
    scene.done(&client.announce(4, east.clone()));
    for record_type in [RecordType::Aaaa, RecordType::Cname] {
        let host = remove("east.web.demo.hypermesh", record_type);
        assert_eq!(scene.against(&client.set(5, host)), only(Reason::Reserved));
    }
    let mut critical = east.clone();
    critical.offer.health = InstanceHealth::Critical;
    scene.done(&client.announce(6, critical));
    let srv = remove("_stoq._udp.web.demo.hypermesh", RecordType::Srv);
    assert_eq!(scene.against(&client.set(7, srv)), only(Reason::Reserved));
    assert_eq!(scene.against(&other.withdraw(8, east.instance.clone())), only(Reason::NotOwner));
    // Who has been given the instance's own name, and no other, announces it at another's host.
    let given = name("east._stoq._udp.web.demo.hypermesh");
    scene.done(&client.register(9, given, scene.cast.other.public()));
    assert_eq!(scene.against(&other.announce(10, east.clone())), only(Reason::NotOwner));
    let mut elsewhere = east.clone();
    elsewhere.offer.location = Location::Host(name(FOREIGN));
    assert_eq!(scene.against(&other.announce(10, elsewhere)), Reasons::new());
    assert_eq!(
        scene.against(&client.withdraw(10, east.instance)),
        Reasons::new(),
        "the service is the client's"
    );
}

#[test]
fn a_service_has_so_many_instances_and_a_label_so_many_addresses() {
    let mut scene = Scene::new();
    let client = scene.client();
    for number in 1..=32 {
        scene.done(&client.announce(number, announcement(OWN, &format!("i{number}"), 1, 60)));
    }
    let one_more = announcement(OWN, "i33", 1, 60);
    assert_eq!(scene.against(&client.announce(40, one_more)), only(Reason::ServiceFull));
    assert_eq!(scene.against(&client.announce(40, announcement(OWN, "i1", 2, 60))), Reasons::new());
    let mut scene = Scene::new();
    let at = |protocol: usize, first: u16, count: u16| {
        let mut announced = announcement(OWN, "one", 1, 60);
        announced.instance.protocol.name = format!("p{protocol}");
        let addresses = (first..first + count).map(|last| [0xfd00, 0, 0, 0, 0, 0, 0, last].into());
        announced.offer.location = Location::Addresses(addresses.collect());
        announced
    };
    for protocol in 0..8_u16 {
        scene.done(&client.announce(1, at(usize::from(protocol), 4 * protocol, 4)));
    }
    assert_eq!(scene.against(&client.announce(2, at(8, 31, 1))), Reasons::new(), "one that is there");
    assert_eq!(scene.against(&client.announce(2, at(8, 32, 1))), only(Reason::ServiceFull));
}
