//! Each reason for which something may not be done.

use super::*;
use crate::base::name;
use crate::check::policy::certificates::LIST_COUNT_MAX;
use crate::check::policy::names::{GRACE_MS, PERIOD_MS};
use crate::world::{RequestedNames, announcement};
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
    let mut fixture = PolicyFixture::new();
    let nonce = fixture.nonce();
    let to = fixture.participants.other.public();
    let unpaid = |fixture: &PolicyFixture, owner: &Owner, owner_funds| {
        fixture.judge(&owner.transfer(nonce, to, MicroCaesar(5)), owner_funds).unpaid
    };
    let client = fixture.client();
    assert_eq!(unpaid(&fixture, &client, RICH), RefusalReasons::new());
    let late = Owner { time: fixture.time.minus(client.life_ms + 1), ..client.clone() };
    assert_eq!(unpaid(&fixture, &late, RICH), only(RefusalReason::Expired));
    let last = Owner { time: fixture.time.minus(client.life_ms), ..client.clone() };
    assert_eq!(unpaid(&fixture, &last, RICH), RefusalReasons::new());
    let early = Owner { life_ms: 3_600_001, ..client.clone() };
    assert_eq!(unpaid(&fixture, &early, RICH), only(RefusalReason::ExpiresTooLate));
    let mean = client.clone().at_most(MicroCaesar(RICH.fee - 1));
    assert_eq!(unpaid(&fixture, &mean, RICH), only(RefusalReason::FeeMax));
    let rent = OwnerFunds { rent: 1, ..RICH };
    assert_eq!(
        unpaid(&fixture, &client.clone().at_most(MicroCaesar(RICH.fee)), rent),
        only(RefusalReason::FeeMax)
    );
    let poor = OwnerFunds { account: RICH.fee - 1, ..RICH };
    assert_eq!(unpaid(&fixture, &client, poor), only(RefusalReason::Funds));
}

#[test]
fn what_is_left_after_the_fee_has_to_suffice() {
    let mut fixture = PolicyFixture::new();
    let nonce = fixture.nonce();
    let client = fixture.client();
    let member = fixture.owner(&fixture.participants.validators[0].member.identity.clone());
    let shop = name("shop.hypermesh");
    let owner_funds = |account, rent| OwnerFunds { account, rent, ..RICH };
    let paid = |request: &Request, owner_funds| fixture.judge(request, owner_funds).paid;
    let transfer = client.transfer(nonce, fixture.participants.other.public(), MicroCaesar(5));
    let register = client.register(nonce, shop, client.key.public());
    let bond = member.bond(nonce, MicroCaesar(5));
    for (request, rent) in [(transfer, 0), (bond, 0), (register, 5)] {
        assert_eq!(paid(&request, owner_funds(RICH.fee + 5, rent)), RefusalReasons::new());
        assert_eq!(
            paid(&request, owner_funds(RICH.fee + 4, rent)),
            only(RefusalReason::Funds),
            "{request:?}"
        );
    }
}

#[test]
fn every_name_of_a_certificate_has_to_be_its_owners() {
    let mut fixture = PolicyFixture::new();
    let nonce = fixture.nonce();
    let client = fixture.client();
    let issue = |names: &[&str]| client.issue(nonce, names);
    assert_eq!(fixture.against(&issue(&[OWN, "deep.below.demo.hypermesh"])), RefusalReasons::new());
    assert_eq!(fixture.against(&issue(&[OWN, FOREIGN])), only(RefusalReason::NotOwner));
    assert_eq!(fixture.against(&issue(&[OWN, "web.nobody.hypermesh"])), only(RefusalReason::NotRegistered));
    assert_eq!(fixture.against(&issue(&[OWN, "node-1.hypermesh"])), only(RefusalReason::NotRegistered));
    let outside = RefusalReasons::from([RefusalReason::OutsideZone, RefusalReason::Unfit]);
    assert_eq!(fixture.against(&issue(&[OWN, "web.example"])), outside);
    // What is given away below a name is somebody else's from then on.
    let given = fixture.participants.other.public();
    let give = client.register(nonce + 1, name("given.demo.hypermesh"), given);
    fixture.done(&give);
    assert_eq!(fixture.against(&issue(&["a.given.demo.hypermesh"])), only(RefusalReason::NotOwner));
    assert_eq!(
        fixture.against(&fixture.other().issue(nonce, &["a.given.demo.hypermesh"])),
        RefusalReasons::new()
    );
}

#[test]
fn every_address_of_a_certificate_has_to_be_at_one_of_its_names() {
    let mut fixture = PolicyFixture::new();
    let nonce = fixture.nonce();
    let client = fixture.client();
    let issue = |names: &[&str], ipv6: &[&str]| {
        let ipv6 = ipv6.iter().map(|address| address.parse().unwrap()).collect();
        let subject = RequestedNames { ipv6, ..RequestedNames::of(names) };
        client.issue_for(nonce, &subject, LEAF_SECONDS_DEFAULT, Vec::new())
    };
    assert_eq!(fixture.against(&issue(&[OWN], &["fd00::1"])), only(RefusalReason::Address));
    fixture.done(&client.set(nonce + 1, set(OWN, aaaa())));
    assert_eq!(fixture.against(&issue(&[OWN], &["fd00::1"])), RefusalReasons::new());
    assert_eq!(fixture.against(&issue(&[OWN], &["fd00::1", "fd00::2"])), only(RefusalReason::Address));
    // At a name of the same owner's, but not of the certificate's.
    assert_eq!(fixture.against(&issue(&["b.demo.hypermesh"], &["fd00::1"])), only(RefusalReason::Address));
}

#[test]
fn a_spiffe_id_is_the_owners_of_the_name_in_it() {
    let mut fixture = PolicyFixture::new();
    let nonce = fixture.nonce();
    let client = fixture.client();
    let against = |id: &str| {
        let subject = RequestedNames { spiffe: Some(id.to_string()), ..RequestedNames::of(&[OWN]) };
        fixture.against(&client.issue_for(nonce, &subject, LEAF_SECONDS_DEFAULT, Vec::new()))
    };
    for own in ["demo.hypermesh/any", "hypermesh/demo/any", "hypermesh/web.demo.hypermesh"] {
        assert_eq!(against(&format!("spiffe://{own}")), RefusalReasons::new(), "{own}");
    }
    assert_eq!(against("spiffe://other.hypermesh/any"), only(RefusalReason::NotOwner));
    assert_eq!(against("spiffe://hypermesh/other/any"), only(RefusalReason::NotOwner));
    assert_eq!(against("spiffe://hypermesh/nobody"), only(RefusalReason::NotRegistered));
    assert_eq!(against("spiffe://hypermesh/-/any"), only(RefusalReason::Spiffe));
    let outside = RefusalReasons::from([RefusalReason::OutsideZone, RefusalReason::Unfit]);
    assert_eq!(against("spiffe://example/any"), outside);
}

#[test]
fn there_is_no_certificate_without_an_authority_that_outlives_it() {
    let mut fixture = PolicyFixture::genesis();
    let nonce = fixture.nonce();
    assert_eq!(fixture.against(&fixture.client().issue(nonce, &[OWN])), only(RefusalReason::NoCommittee));
    let mut fixture = PolicyFixture::new();
    let ends = fixture.model.issuing.unwrap().not_after;
    fixture.time = ends.minus(u64::from(LEAF_SECONDS_DEFAULT) * 1000);
    assert_eq!(fixture.against(&fixture.client().issue(nonce, &[OWN])), RefusalReasons::new());
    fixture.time = fixture.time.plus(1);
    assert_eq!(fixture.against(&fixture.client().issue(nonce, &[OWN])), only(RefusalReason::OutlivesIssuer));
}

#[test]
fn keys_are_published_at_no_name_of_anothers_and_at_no_alias() {
    let mut fixture = PolicyFixture::new();
    let client = fixture.client();
    let issue =
        client.issue_for(1, &RequestedNames::of(&["b.demo.hypermesh", OWN]), LEAF_SECONDS_DEFAULT, https());
    assert_eq!(fixture.against(&issue), RefusalReasons::new());
    fixture.done(&client.set(2, set(TLSA, alias())));
    assert_eq!(fixture.against(&issue), only(RefusalReason::Alias));
    fixture.done(&client.set(3, remove(TLSA, RecordType::Cname)));
    fixture.done(&client.register(4, name(TLSA), fixture.participants.other.public()));
    assert_eq!(fixture.against(&issue), only(RefusalReason::NotOwner));
}

#[test]
fn records_belong_to_the_owner_and_some_to_the_mesh_alone() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let tlsa = RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    assert_eq!(fixture.against(&client.set(1, set(TLSA, tlsa.clone()))), RefusalReasons::new());
    assert_eq!(fixture.against(&other.set(1, set(TLSA, tlsa.clone()))), only(RefusalReason::NotOwner));
    assert_eq!(
        fixture.against(&client.set(1, remove(FOREIGN, RecordType::Aaaa))),
        only(RefusalReason::NotOwner)
    );
    fixture.done(&client.issue_published(2, &[OWN], 600));
    assert_eq!(fixture.against(&client.set(3, set(TLSA, tlsa))), only(RefusalReason::Reserved));
    assert_eq!(
        fixture.against(&client.set(3, remove(TLSA, RecordType::Tlsa))),
        only(RefusalReason::Reserved)
    );
}

#[test]
fn an_alias_stands_alone() {
    let mut fixture = PolicyFixture::new();
    let client = fixture.client();
    fixture.done(&client.set(1, set(OWN, aaaa())));
    assert_eq!(fixture.against(&client.set(2, set(OWN, alias()))), only(RefusalReason::Alias));
    fixture.done(&client.set(3, set("b.demo.hypermesh", alias())));
    assert_eq!(fixture.against(&client.set(4, set("b.demo.hypermesh", aaaa()))), only(RefusalReason::Alias));
    assert_eq!(fixture.against(&client.set(5, set("b.demo.hypermesh", alias()))), RefusalReasons::new());
    assert_eq!(
        fixture.against(&client.set(6, remove("b.demo.hypermesh", RecordType::Aaaa))),
        RefusalReasons::new()
    );
}

#[test]
fn an_alias_leads_to_an_end_and_nothing_that_needs_a_host_points_at_one() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let at = |link: usize| format!("link{link}.demo.hypermesh");
    let to = |link: usize| RecordData::Cname(name(&at(link)));
    // From the last to the first, from the first to the last: eight links, and no ninth at either end.
    for link in (2..6).rev().chain(6..10) {
        fixture.done(&client.set(1, set(&at(link), to(link + 1))));
    }
    assert_eq!(fixture.against(&client.set(2, set(&at(1), to(2)))), only(RefusalReason::AliasChain));
    assert_eq!(fixture.against(&client.set(2, set(&at(10), to(11)))), only(RefusalReason::AliasChain));
    assert_eq!(fixture.against(&client.set(2, set(&at(9), to(2)))), only(RefusalReason::AliasChain));
    // What another's alias leads to is not for that other to decide.
    fixture.done(&other.set(3, set("a.other.hypermesh", RecordData::Cname(name("x.demo.hypermesh")))));
    fixture.done(&other.set(4, set("m.other.hypermesh", mx("x.demo.hypermesh"))));
    fixture.done(&client.set(5, set("x.demo.hypermesh", RecordData::Cname(name("y.demo.hypermesh")))));
    assert_eq!(
        fixture.against(&other.set(6, set("m.other.hypermesh", mx("x.demo.hypermesh")))),
        only(RefusalReason::PointsAtAlias)
    );
    let mut elsewhere = announcement("s.demo.hypermesh", "east", 7000, 60);
    elsewhere.offer.location = Location::Host(name("x.demo.hypermesh"));
    assert_eq!(fixture.against(&client.announce(7, elsewhere)), only(RefusalReason::PointsAtAlias));
    fixture.done(&client.set(8, set("m.demo.hypermesh", mx("host.demo.hypermesh"))));
    assert_eq!(
        fixture.against(&client.set(9, set("host.demo.hypermesh", alias()))),
        only(RefusalReason::PointedAt)
    );
    // Somebody else's record below one's own name does not count.
    fixture.done(&client.register(10, name("m.demo.hypermesh"), fixture.participants.other.public()));
    assert_eq!(fixture.against(&client.set(11, set("host.demo.hypermesh", alias()))), RefusalReasons::new());
}

#[test]
fn a_free_name_is_whoevers_comes_first_and_some_are_nobodys() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let own = client.key.public();
    let register = |owner: &Owner, host: &str| owner.register(1, name(host), own);
    assert_eq!(fixture.against(&register(&other, "shop.hypermesh")), RefusalReasons::new());
    assert_eq!(
        fixture.against(&register(&client, "deep.shop.hypermesh")),
        only(RefusalReason::NotRegistered)
    );
    assert_eq!(fixture.against(&register(&client, "shop.example")), only(RefusalReason::OutsideZone));
    assert_eq!(fixture.against(&register(&client, "demo.hypermesh")), only(RefusalReason::AlreadyRegistered));
    assert_eq!(fixture.against(&register(&client, "sub.other.hypermesh")), only(RefusalReason::NotOwner));
    for reserved in ["node-1", "trustchain", "hypermesh", "caesar", "ns", "_tcp"] {
        let against = fixture.against(&register(&client, &format!("{reserved}.hypermesh")));
        assert_eq!(against, only(RefusalReason::Reserved), "{reserved}");
    }
    assert!(fixture.against(&register(&client, "hypermesh")).contains(&RefusalReason::Reserved));
    fixture.done(&register(&client, "shop.hypermesh"));
    let both = RefusalReasons::from([RefusalReason::AlreadyRegistered, RefusalReason::NotOwner]);
    assert_eq!(fixture.against(&register(&other, "shop.hypermesh")), both);
}

#[test]
fn a_granted_name_is_its_granters_to_take_back_and_ends_when_it_was_said() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let (host, below) = (name("host.demo.hypermesh"), name("vm.host.demo.hypermesh"));
    let member = fixture.owner(&fixture.participants.member.identity.clone());
    let limits = |until| GrantLimits { until, may_grant: true };
    let end = fixture.time.plus(600_000);
    assert_eq!(
        fixture.against(&client.grant(1, name("shop.hypermesh"), other.key.public(), limits(Some(end)))),
        only(RefusalReason::Unlimited)
    );
    let over = client.grant(1, host.clone(), other.key.public(), limits(Some(fixture.time)));
    assert_eq!(fixture.against(&over), only(RefusalReason::GrantTooShort));
    fixture.done(&client.grant(1, host.clone(), other.key.public(), limits(Some(end))));
    let longer = other.grant(2, below.clone(), member.key.public(), limits(Some(end.plus(1))));
    assert_eq!(fixture.against(&longer), only(RefusalReason::OutlivesGrant));
    fixture.done(&other.register(2, below.clone(), member.key.public()));
    assert_eq!(
        fixture.against(&member.issue(3, &["vm.host.demo.hypermesh"])),
        only(RefusalReason::OutlivesGrant)
    );
    fixture.done(&member.issue_published(3, &["vm.host.demo.hypermesh"], 600));
    for (by, at) in [(&other, &host), (&member, &below), (&member, &host)] {
        assert_eq!(fixture.against(&by.reclaim(4, at.clone())), only(RefusalReason::NotGranter));
    }
    assert_eq!(
        fixture.against(&client.reclaim(4, name("demo.hypermesh"))),
        RefusalReasons::from([RefusalReason::NotGranted, RefusalReason::NotGranter])
    );
    assert_eq!(
        fixture.against(&client.reclaim(4, name("free.hypermesh"))),
        only(RefusalReason::NotRegistered)
    );
    // Given other limits by who granted it, and by nobody else.
    let again = |by: &Owner, until| by.grant(5, host.clone(), other.key.public(), limits(until));
    assert_eq!(fixture.against(&again(&client, Some(end.minus(1)))), only(RefusalReason::GrantTooShort));
    assert_eq!(fixture.against(&again(&client, Some(end.plus(1)))), RefusalReasons::new());
    assert_eq!(fixture.against(&again(&other, Some(end))), only(RefusalReason::AlreadyRegistered));
    let to_own = client.grant(5, host.clone(), client.key.public(), limits(None));
    assert!(fixture.against(&to_own).contains(&RefusalReason::AlreadyRegistered));
    for (time, owner) in [(end, &other), (end.plus(1), &client)] {
        assert_eq!(fixture.model.names.owner(&host, time), Some(owner.key.public()));
    }
    fixture.model.pass(end.plus(1));
    assert!(!fixture.model.names.registered.contains_key(&below), "what was granted under it ends with it");
}

#[test]
fn what_was_certified_under_a_name_that_is_taken_back_is_revoked() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let host = name("host.demo.hypermesh");
    fixture.done(&client.register(1, host.clone(), other.key.public()));
    let limits = GrantLimits { until: None, may_grant: false };
    fixture.done(&client.grant(2, host.clone(), other.key.public(), limits));
    let further = other.register(3, name("vm.host.demo.hypermesh"), client.key.public());
    assert_eq!(fixture.against(&further), only(RefusalReason::MayNotGrant));
    let (theirs, own) = (other.issue(4, &["host.demo.hypermesh"]), client.issue(5, &[OWN]));
    fixture.done(&theirs);
    fixture.done(&own);
    fixture.done(&client.reclaim(6, host));
    let reason = |request| fixture.model.leaves[&serial(request)].revoked.map(|(_, reason, _)| reason);
    assert_eq!((reason(&theirs), reason(&own)), (Some(RevocationReason::PrivilegeWithdrawn), None));
    assert_eq!(fixture.against(&other.issue(7, &["host.demo.hypermesh"])), only(RefusalReason::NotOwner));
    assert_eq!(fixture.against(&client.issue(7, &["host.demo.hypermesh"])), RefusalReasons::new());
}

#[test]
fn a_name_is_its_owners_to_renew_and_to_nobody_while_it_is_not_paid_for() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let (shop, own) = (name("shop.hypermesh"), client.key.public());
    assert_eq!(fixture.against(&client.renew(1, shop.clone())), only(RefusalReason::NotRegistered));
    assert_eq!(fixture.against(&client.renew(1, name("demo.hypermesh"))), only(RefusalReason::NoRent));
    fixture.done(&client.register(1, shop.clone(), own));
    fixture.done(&client.renew(2, shop.clone()));
    assert_eq!(fixture.against(&client.renew(3, shop.clone())), only(RefusalReason::PaidAhead));
    let strange = RefusalReasons::from([RefusalReason::NotOwner, RefusalReason::PaidAhead]);
    assert_eq!(fixture.against(&other.renew(3, shop.clone())), strange);
    let end = fixture.time.plus(2 * PERIOD_MS);
    fixture.time = end;
    assert_eq!(
        fixture.against(&fixture.client().set(4, set("a.shop.hypermesh", aaaa()))),
        RefusalReasons::new()
    );
    fixture.time = end.plus(1);
    let (client, other) = (fixture.client(), fixture.other());
    assert_eq!(fixture.against(&client.set(4, set("a.shop.hypermesh", aaaa()))), only(RefusalReason::Lapsed));
    assert!(fixture.against(&client.issue(4, &["shop.hypermesh"])).contains(&RefusalReason::Lapsed));
    assert!(
        fixture.against(&other.register(4, shop.clone(), own)).contains(&RefusalReason::AlreadyRegistered)
    );
    assert_eq!(fixture.against(&client.renew(4, shop.clone())), RefusalReasons::new());
    fixture.model.pass(end.plus(GRACE_MS));
    assert!(fixture.model.names.registered.contains_key(&shop));
    fixture.model.pass(end.plus(GRACE_MS + 1));
    assert!(!fixture.model.names.registered.contains_key(&shop), "freed");
}

#[test]
fn a_certificate_is_its_owners_to_revoke_and_its_names_owners() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let revoke = |owner: &Owner, serial| owner.revoke(9, serial, REASON);
    let unknown = SerialNumber::from_operation(&Digest([9; 32]));
    assert_eq!(fixture.against(&revoke(&client, unknown)), only(RefusalReason::NoCertificate));
    let asked = client.issue(1, &[OWN, "given.demo.hypermesh"]);
    fixture.done(&asked);
    let issued = serial(&asked);
    assert_eq!(fixture.against(&revoke(&other, issued)), only(RefusalReason::NotCertificateOwner));
    fixture.done(&client.register(2, name("given.demo.hypermesh"), fixture.participants.other.public()));
    assert_eq!(fixture.against(&revoke(&other, issued)), RefusalReasons::new());
    let entry = (fixture.time, REASON, fixture.time);
    let full = (0..LIST_COUNT_MAX).map(|number| {
        let number = (number as u64).to_le_bytes();
        let bytes = core::array::from_fn(|at| number.get(at).copied().unwrap_or_default());
        (SerialNumber::from_operation(&Digest(bytes)), entry)
    });
    let entries = core::mem::replace(&mut fixture.model.list.as_mut().unwrap().entries, full.collect());
    assert_eq!(fixture.against(&revoke(&client, issued)), only(RefusalReason::RevocationListFull));
    fixture.model.list.as_mut().unwrap().entries = entries;
    let ends = fixture.model.leaves[&issued].not_after;
    fixture.time = ends.plus(1000);
    assert_eq!(fixture.against(&revoke(&fixture.client(), issued)), only(RefusalReason::CertificateExpired));
    fixture.time = ends;
    fixture.done(&revoke(&fixture.client(), issued));
    fixture.time = ends.plus(1000);
    assert_eq!(
        fixture.against(&revoke(&fixture.client(), issued)),
        RefusalReasons::new(),
        "what stands is told"
    );
    assert_eq!(fixture.against(&fixture.other().revoke(9, issued, REASON)), RefusalReasons::new());
}

#[test]
fn only_members_attest_and_have_a_stake() {
    let fixture = PolicyFixture::new();
    let client = fixture.client();
    let attest = |owner: &Owner| {
        let operation = owner.body(1, Action::Attest(Attest)).sign(&owner.key);
        fixture.model.against(&operation, None, RICH, fixture.time).paid
    };
    assert_eq!(attest(&client), only(RefusalReason::NotMember));
    assert_eq!(fixture.against(&client.bond(1, MicroCaesar(1))), only(RefusalReason::NotMember));
    assert_eq!(fixture.against(&client.unbond(1, MicroCaesar(1))), only(RefusalReason::NotMember));
    let validator = fixture.owner(&fixture.participants.validators[0].member.identity.clone());
    assert_eq!(attest(&validator), RefusalReasons::new());
    let unbond =
        |owner: &Owner, owner_funds| fixture.judge(&owner.unbond(1, MicroCaesar(5)), owner_funds).paid;
    let least = 1_000_000_000;
    assert_eq!(unbond(&validator, OwnerFunds { stake: least + 5, ..RICH }), RefusalReasons::new());
    assert_eq!(unbond(&validator, OwnerFunds { stake: least + 4, ..RICH }), only(RefusalReason::Stake));
    // A member that is no validator may take out all.
    let member = fixture.owner(&fixture.participants.member.identity.clone());
    assert_eq!(unbond(&member, OwnerFunds { stake: 5, ..RICH }), RefusalReasons::new());
    assert_eq!(unbond(&member, OwnerFunds { stake: 4, ..RICH }), only(RefusalReason::Stake));
    assert_eq!(unbond(&member, OwnerFunds { releases: 15, ..RICH }), RefusalReasons::new());
    assert_eq!(unbond(&member, OwnerFunds { releases: 16, ..RICH }), only(RefusalReason::UnbondingFull));
}

#[test]
fn an_instance_is_announced_by_the_owner_of_its_name_where_nothing_was_set_by_hand() {
    let mut fixture = PolicyFixture::new();
    let (client, other) = (fixture.client(), fixture.other());
    let east = announcement(OWN, "east", 7000, 60);
    assert_eq!(fixture.against(&other.announce(1, east.clone())), only(RefusalReason::NotOwner));
    assert_eq!(fixture.against(&client.withdraw(1, east.instance.clone())), only(RefusalReason::NoInstance));
    let srv = RecordData::Srv { priority: 0, weight: 0, port: 1, target: None };
    for (host, data, reason) in [
        ("_stoq._udp.web.demo.hypermesh", srv, RefusalReason::SetByHand),
        ("_stoq.web.demo.hypermesh", alias(), RefusalReason::Alias),
        ("east.web.demo.hypermesh", aaaa(), RefusalReason::SetByHand),
    ] {
        let record_type = data.record_type();
        fixture.done(&client.set(1, set(host, data)));
        assert_eq!(fixture.against(&client.announce(2, east.clone())), only(reason), "{host}");
        fixture.done(&client.set(3, remove(host, record_type)));
    }
    fixture.done(&client.announce(4, east.clone()));
    for record_type in [RecordType::Aaaa, RecordType::Cname] {
        let host = remove("east.web.demo.hypermesh", record_type);
        assert_eq!(fixture.against(&client.set(5, host)), only(RefusalReason::Reserved));
    }
    let mut critical = east.clone();
    critical.offer.health = InstanceHealth::Critical;
    fixture.done(&client.announce(6, critical));
    let srv = remove("_stoq._udp.web.demo.hypermesh", RecordType::Srv);
    assert_eq!(fixture.against(&client.set(7, srv)), only(RefusalReason::Reserved));
    assert_eq!(fixture.against(&other.withdraw(8, east.instance.clone())), only(RefusalReason::NotOwner));
    // Who has been given the instance's own name, and no other, announces it at another's host.
    let given = name("east._stoq._udp.web.demo.hypermesh");
    fixture.done(&client.register(9, given, fixture.participants.other.public()));
    assert_eq!(fixture.against(&other.announce(10, east.clone())), only(RefusalReason::NotOwner));
    let mut elsewhere = east.clone();
    elsewhere.offer.location = Location::Host(name(FOREIGN));
    assert_eq!(fixture.against(&other.announce(10, elsewhere)), RefusalReasons::new());
    assert_eq!(
        fixture.against(&client.withdraw(10, east.instance)),
        RefusalReasons::new(),
        "the service is the client's"
    );
}

#[test]
fn a_service_has_so_many_instances_and_a_label_so_many_addresses() {
    let mut fixture = PolicyFixture::new();
    let client = fixture.client();
    for number in 1..=32 {
        fixture.done(&client.announce(number, announcement(OWN, &format!("i{number}"), 1, 60)));
    }
    let one_more = announcement(OWN, "i33", 1, 60);
    assert_eq!(fixture.against(&client.announce(40, one_more)), only(RefusalReason::ServiceFull));
    assert_eq!(fixture.against(&client.announce(40, announcement(OWN, "i1", 2, 60))), RefusalReasons::new());
    let mut fixture = PolicyFixture::new();
    let at = |protocol: usize, first: u16, count: u16| {
        let mut announced = announcement(OWN, "one", 1, 60);
        announced.instance.protocol.name = format!("p{protocol}");
        let addresses = (first..first + count).map(|last| [0xfd00, 0, 0, 0, 0, 0, 0, last].into());
        announced.offer.location = Location::Addresses(addresses.collect());
        announced
    };
    for protocol in 0..8_u16 {
        fixture.done(&client.announce(1, at(usize::from(protocol), 4 * protocol, 4)));
    }
    assert_eq!(
        fixture.against(&client.announce(2, at(8, 31, 1))),
        RefusalReasons::new(),
        "one that is there"
    );
    assert_eq!(fixture.against(&client.announce(2, at(8, 32, 1))), only(RefusalReason::ServiceFull));
}
