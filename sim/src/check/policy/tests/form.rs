//! What may be in no block.

use super::*;
use crate::base::name;
use crate::check::policy::form::check;
use crate::world::{RequestedNames, announcement};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::state::{
    AnnounceService, LEAF_SECONDS_DEFAULT, LEAF_SECONDS_MAX, LEAF_SECONDS_MIN, Location, Protocol,
    ServicePort, SetRecords,
};
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};

const OWN: &str = "web.demo.hypermesh";

fn form(request: &Request) -> Result<(), String> {
    check(operation(request)).map(|_| ())
}

fn client() -> Owner {
    PolicyFixture::genesis().client()
}

fn ports(count: u16) -> Vec<ServicePort> {
    (1..=count).map(|port| ServicePort { port, protocol: Protocol::Tcp }).collect()
}

#[test]
fn a_certificate_keeps_to_its_bounds() {
    let client = client();
    let issue = |names: &[&str], seconds, services| {
        form(&client.issue_for(1, &RequestedNames::of(names), seconds, services))
    };
    for seconds in [LEAF_SECONDS_MIN, LEAF_SECONDS_MAX] {
        assert_eq!(issue(&[OWN], seconds, ports(16)), Ok(()));
    }
    for seconds in [LEAF_SECONDS_MIN - 1, LEAF_SECONDS_MAX + 1] {
        assert!(issue(&[OWN], seconds, Vec::new()).unwrap_err().contains("lifetime"));
    }
    let life = LEAF_SECONDS_DEFAULT;
    assert!(issue(&[OWN], life, ports(17)).unwrap_err().contains("17 ports"));
    let mut twice = ports(2);
    twice.reverse();
    assert!(issue(&[OWN], life, twice).unwrap_err().contains("no order"));
    let names: Vec<String> = (0..33).map(|number| format!("n{number}.demo.hypermesh")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(issue(&names[..4], life, ports(16)), Ok(()));
    assert!(issue(&names[..5], life, ports(13)).unwrap_err().contains("65 TLSA"));
    assert_eq!(issue(&names[..32], life, Vec::new()), Ok(()));
    assert!(issue(&names, life, Vec::new()).is_err());
    assert_eq!(issue(&["xn--bcher-kva.demo.hypermesh"], life, Vec::new()), Ok(()));
    for wrong in ["*.demo.hypermesh", "xn--pple-43d.demo.hypermesh"] {
        assert!(issue(&[OWN, wrong], life, Vec::new()).is_err(), "{wrong}");
    }
    for wrong in ["::ffff:10.0.0.1", "::", "ff02::1"] {
        let subject = RequestedNames { ipv6: vec![wrong.parse().unwrap()], ..RequestedNames::of(&[OWN]) };
        assert!(form(&client.issue_for(1, &subject, life, Vec::new())).is_err(), "{wrong}");
    }
}

#[test]
fn records_keep_to_their_bounds() {
    let client = client();
    let address = |last: u16| RecordData::Aaaa([0xfd00, 0, 0, 0, 0, 0, 0, last].into());
    let set = |host: &str, record_type, ttl_seconds, data: Vec<RecordData>| {
        let records = Some(RecordSet { ttl_seconds, data });
        form(&client.set(1, SetRecords { name: name(host), record_type, records }))
    };
    let many = |count| (0..count).map(address).collect::<Vec<_>>();
    let aaaa = RecordType::Aaaa;
    assert_eq!(set(OWN, aaaa, 604_800, many(32)), Ok(()));
    assert!(set(OWN, aaaa, 60, many(33)).unwrap_err().contains("33 records"));
    assert!(set(OWN, aaaa, 60, Vec::new()).unwrap_err().contains("0 records"));
    assert!(set(OWN, aaaa, 0, many(1)).unwrap_err().contains("time to live"));
    assert!(set(OWN, aaaa, 604_801, many(1)).unwrap_err().contains("time to live"));
    assert!(set(OWN, RecordType::A, 60, many(1)).unwrap_err().contains("another type"));
    let mut back = many(2);
    back.reverse();
    assert!(set(OWN, aaaa, 60, back).unwrap_err().contains("no order"));
    assert!(set("xn--pple-43d.hypermesh", aaaa, 60, many(1)).unwrap_err().contains("script"));
    let text = |bytes: usize| RecordData::Txt(vec!["x".repeat(255).as_str().into(); bytes / 256]);
    assert_eq!(set(OWN, RecordType::Txt, 60, vec![text(1024)]), Ok(()));
    assert!(set(OWN, RecordType::Txt, 60, vec![text(1280)]).unwrap_err().contains("too long"));
    let aliases = ["a.hypermesh", "b.hypermesh"].map(|to| RecordData::Cname(name(to)));
    assert!(set(OWN, RecordType::Cname, 60, aliases.to_vec()).unwrap_err().contains("two aliases"));
    let mx = |preference, exchange| RecordData::Mx { preference, exchange };
    assert_eq!(set(OWN, RecordType::Mx, 60, vec![mx(0, None)]), Ok(()));
    let beside = vec![mx(0, None), mx(10, Some(name(OWN)))];
    assert!(set(OWN, RecordType::Mx, 60, beside).unwrap_err().contains("no mail beside"));
}

#[test]
fn types_that_nobody_sets_are_in_no_block() {
    let remove = |number: u16| {
        let record_type = RecordType::from_number(number);
        form(&client().set(1, SetRecords { name: name(OWN), record_type, records: None }))
    };
    // What the node's own rule says of every number, judged by the list here.
    for number in 0..=u16::MAX {
        let settable = RecordType::from_number(number).check_settable().is_ok();
        assert_eq!(remove(number).is_ok(), settable, "TYPE{number}");
    }
    assert!(remove(2).unwrap_err().contains("NS"));
}

#[test]
fn amounts_and_names_are_not_nothing() {
    let client = client();
    let zero = MicroCaesar(0);
    let to = Participants::new(4).other.public();
    for request in [client.transfer(1, to, zero), client.bond(1, zero), client.unbond(1, zero)] {
        assert!(form(&request).unwrap_err().contains("zero"));
    }
    let other_script = client.register(1, name("xn--pple-43d.hypermesh"), to);
    assert!(form(&other_script).unwrap_err().contains("script"));
    for (label, may) in
        [("xn--bcher-kva", true), ("xn--Bcher-kva", true), ("xn--n3h", false), ("ab--c", false)]
    {
        assert_eq!(
            form(&client.register(1, name(&format!("{label}.hypermesh")), to)).is_ok(),
            may,
            "{label}"
        );
    }
}

#[test]
fn an_announcement_keeps_to_its_bounds() {
    let client = client();
    let announce = |change: fn(&mut AnnounceService)| {
        let mut announced = announcement(OWN, "east", 7000, 60);
        change(&mut announced);
        form(&client.announce(1, announced))
    };
    let addresses = |count: u16| {
        Location::Addresses((0..count).map(|last| [0xfd00, 0, 0, 0, 0, 0, 0, last].into()).collect())
    };
    assert_eq!(announce(|_| {}), Ok(()));
    assert_eq!(announce(|one| (one.lease_seconds, one.offer.priority) = (86_400, 65_534)), Ok(()));
    let wrong: [fn(&mut AnnounceService); 12] = [
        |one| one.lease_seconds = 9,
        |one| one.lease_seconds = 86_401,
        |one| one.offer.port = 0,
        |one| one.offer.priority = 65_535,
        |one| one.offer.tags = vec!["b".to_string(), "a".to_string()],
        |one| one.offer.tags = vec!["x".repeat(65)],
        |one| one.offer.tags = (10..27).map(|tag| tag.to_string()).collect(),
        |one| one.instance.label = "a.b".to_string(),
        |one| one.instance.label = "UP".to_string(),
        |one| one.instance.protocol.name = "1".to_string(),
        |one| one.instance.protocol.name = "a".repeat(16),
        |one| one.instance.protocol.name = "a--b".to_string(),
    ];
    for (number, change) in wrong.into_iter().enumerate() {
        assert!(announce(change).is_err(), "{number}");
    }
    let at = |location: Location| {
        let mut announced = announcement(OWN, "east", 7000, 60);
        announced.offer.location = location;
        form(&client.announce(1, announced))
    };
    assert_eq!(at(addresses(4)), Ok(()));
    assert!(at(addresses(5)).is_err() && at(addresses(0)).is_err());
}
