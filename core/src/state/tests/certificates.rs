//! Certificates: what is approved, logged and published, for whom, and for how long.

use super::test_util::*;
use crate::base::{Digest, LeafIndex, SecretKey};
use crate::state::*;
use crate::trustchain::ca::{CLOCK_MS_TOLERANCE, SerialNumber, SubjectKey, Validity};
use crate::trustchain::ct::LogEntry;
use crate::trustchain::dns::{RECORDS_PER_SET_MAX, RecordData, RecordSet, RecordType};
use alloc::vec;
use alloc::vec::Vec;
use sha2::Digest as _;

const GIVEN: &str = "given.demo.hypermesh";
const TLSA: &str = "_443._tcp.given.demo.hypermesh";

fn tlsa(mesh: &Mesh, text: &str) -> Vec<RecordData> {
    let set: Option<RecordSet> = mesh.state.get(&(name(text), RecordType::Tlsa));
    set.map(|set| set.data).unwrap_or_default()
}

fn record_of(key: &SecretKey) -> RecordData {
    let hash = SubjectKey::from(key.public()).spki_hash();
    RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: hash.0.to_vec() }
}

#[test]
fn a_certificate_is_approved_logged_and_published_by_one_block() {
    let mut mesh = Mesh::active();
    let operation = mesh.operation(&alice(), issue(&[GIVEN]));
    let id = operation.id();
    let before = mesh.state.log().size();
    let receipt = mesh.carry(vec![operation]).remove(0);
    let Outcome::Done(Effect::CertificateApproved { serial, leaf_index, precertificate }) = receipt.outcome
    else {
        panic!("{receipt:?}");
    };
    assert_eq!(serial, SerialNumber::from_operation(&id.0));
    assert_eq!(leaf_index, LeafIndex(before));
    let header = &mesh.blocks.last().unwrap().header;
    assert_eq!((header.log_size, header.log_root), (before + 1, mesh.state.log().root()));

    let entry = LogEntry::decode(&mesh.entries[usize::try_from(before).unwrap()]).unwrap();
    assert_eq!(entry.timestamp, header.time);
    assert_eq!(entry.issuer_key_hash, mesh.state.issuer().unwrap().issuing_key_hash());
    assert_eq!(mesh.state.log().leaf_hash(leaf_index), Some(entry.leaf_hash()));
    assert_eq!(Digest(sha2::Sha256::digest(&entry.tbs).into()), precertificate);

    let row: Certificate = mesh.state.get(&serial).unwrap();
    assert_eq!((row.owner, row.operation, row.height), (alice().public(), id, header.height));
    assert_eq!((row.precertificate, row.leaf_index), (precertificate, leaf_index));
    let validity = mesh.state.issuer().unwrap().issuing_validity;
    assert_eq!(row.not_before, header.time.minus(CLOCK_MS_TOLERANCE).max(validity.not_before));
    assert_eq!(row.not_after, header.time.plus(u64::from(LEAF_SECONDS_DEFAULT) * 1000));
    assert_eq!(row.tlsa, [name(TLSA)]);
    assert_eq!(tlsa(&mesh, TLSA), [record_of(&subject())]);
}

#[test]
fn the_issuing_certificate_is_the_logs_first_entry() {
    let mesh = Mesh::active();
    assert_eq!(mesh.state.log().size(), 1);
    let entry = LogEntry::decode(&mesh.entries[0]).unwrap();
    let issuer = mesh.state.issuer().unwrap();
    assert_eq!(entry.issuer_key_hash, issuer.root_key_hash());
    assert_eq!(Some(entry.tbs), mesh.state.issuing_tbs(0));
    assert_eq!(Mesh::new().state.issuer(), None);
}

#[test]
fn the_issuing_certificate_is_renewed_at_two_thirds_of_its_life_and_logged() {
    let mut mesh = Mesh::active();
    let first = mesh.state.issuer().unwrap();
    let due = first.issuing_validity.renewal_due();
    mesh.pass(due.since(mesh.state.time()));
    assert_eq!(mesh.state.newest_issuing(), Some(0));
    let size = mesh.state.log().size();
    mesh.pass(1);
    assert_eq!((mesh.state.newest_issuing(), mesh.state.log().size()), (Some(1), size + 1));
    let second = mesh.state.issuer().unwrap();
    assert_eq!(second.issuing_key, first.issuing_key, "the key stays the same");
    assert_eq!(second.issuing_validity, Validity::issuing(mesh.state.time(), &first.root_validity));
    assert_eq!(mesh.state.issuer_at(0), Some(first.clone()), "what was before can still be derived");
    let row: IssuingCertificate = mesh.state.get(&1).unwrap();
    let entry = LogEntry::decode(mesh.entries.last().unwrap()).unwrap();
    assert_eq!((row.leaf_index, row.time, entry.timestamp), (LeafIndex(size), mesh.state.time(), row.time));
    assert_eq!(Some(entry.tbs), mesh.state.issuing_tbs(1));
    assert_ne!(mesh.state.issuing_tbs(0), mesh.state.issuing_tbs(1));
    // What is issued from now on may end after the first issuing certificate.
    mesh.pass(first.issuing_validity.not_after.minus(3_600_000).since(mesh.state.time()));
    mesh.done(&alice(), issue(&[GIVEN]));
    let row = mesh.state.rows::<Certificate>(Vec::new()).next().unwrap().1;
    assert!(row.not_after > first.issuing_validity.not_after);
    assert!(row.not_after <= second.issuing_validity.not_after);
}

#[test]
fn issuing_certificates_are_renewed_until_the_root_ends() {
    let mut mesh = Mesh::active();
    let root = mesh.state.issuer().unwrap().root_validity;
    while mesh.state.time() < root.not_after {
        mesh.pass(60 * 24 * 3_600_000);
    }
    let newest = mesh.state.newest_issuing().unwrap();
    assert!((10..=16).contains(&newest), "{newest} renewals in ten years");
    assert_eq!(mesh.state.issuer().unwrap().issuing_validity.not_after, root.not_after);
    let due = mesh.state.rows::<Due>(Vec::new()).filter(|(_, due)| *due == Due::Issuing);
    assert_eq!(due.count(), 0, "nothing would outlast the root");
}

#[test]
fn only_an_owner_has_its_names_certified() {
    let mut mesh = Mesh::active();
    assert!(matches!(mesh.refused(&bob(), issue(&[GIVEN])), Refusal::NotOwner { .. }));
    assert!(matches!(
        mesh.refused(&alice(), issue(&[GIVEN, "bob.demo.hypermesh"])),
        Refusal::NotRegistered { .. }
    ));
    assert!(matches!(mesh.refused(&alice(), issue(&["demo.hypermesh"])), Refusal::NotRegistered { .. }));
    assert!(matches!(
        mesh.refused(&alice(), issue(&["node-1.demo.hypermesh"])),
        Refusal::NotRegistered { .. }
    ));
    assert!(matches!(mesh.refused(&alice(), issue(&["a.example"])), Refusal::OutsideZone { .. }));
    mesh.done(&alice(), issue(&[GIVEN, "deep.below.given.demo.hypermesh"]));
    mesh.done(&alice(), register("bob.given.demo.hypermesh", &bob()));
    mesh.done(&bob(), issue(&["bob.given.demo.hypermesh"]));
    assert!(matches!(mesh.refused(&alice(), issue(&["bob.given.demo.hypermesh"])), Refusal::NotOwner { .. }));
}

#[test]
fn an_address_is_certified_only_beside_a_name_that_resolves_to_it() {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), issue(&[GIVEN, "2001:db8::10"]));
    let refused = |mesh: &mut Mesh, names: &[&str]| {
        assert!(matches!(mesh.refused(&alice(), issue(names)), Refusal::Address { .. }), "{names:?}");
    };
    refused(&mut mesh, &["2001:db8::10"]);
    refused(&mut mesh, &[GIVEN, "2001:db8::11"]);
    refused(&mut mesh, &["x.given.demo.hypermesh", "2001:db8::10"]);
    mesh.done(&alice(), clear(GIVEN, RecordType::Aaaa));
    refused(&mut mesh, &[GIVEN, "2001:db8::10"]);
}

#[test]
fn a_spiffe_id_is_of_a_name_that_its_owner_has() {
    let mut mesh = Mesh::active();
    let id = |text: &str| issue(&[&alloc::format!("spiffe://{text}")]);
    for text in [
        "demo.hypermesh/given/api",
        "demo.hypermesh/given.demo.hypermesh/api",
        "demo.hypermesh/x.given/api",
        "given.demo.hypermesh/anything",
        "x.given.demo.hypermesh/anything",
    ] {
        mesh.done(&alice(), id(text));
        assert!(matches!(mesh.refused(&bob(), id(text)), Refusal::NotOwner { .. }), "{text}");
    }
    for text in ["demo.hypermesh/free/api", "demo.hypermesh/node-1/api", "demo.hypermesh/trustchain/x"] {
        assert!(matches!(mesh.refused(&alice(), id(text)), Refusal::NotRegistered { .. }), "{text}");
    }
    for text in ["hypermesh/given", "example/given", "xdemo.hypermesh/given"] {
        assert!(matches!(mesh.refused(&alice(), id(text)), Refusal::OutsideZone { .. }), "{text}");
    }
    for text in ["demo.hypermesh./given", "given.demo.hypermesh./x"] {
        assert!(matches!(mesh.refused(&alice(), id(text)), Refusal::SpiffeTrustDomain { .. }), "{text}");
    }
}

#[test]
fn a_key_is_published_until_its_last_certificate_expires() {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), issue(&[GIVEN]));
    mesh.pass(3_600_000);
    let ends = mesh.state.time().plus(u64::from(LEAF_SECONDS_DEFAULT) * 1000);
    mesh.done(&alice(), issue(&[GIVEN]));
    let other = SecretKey::from_seed([112; 32]);
    mesh.done(&alice(), issue_for(&other, &["x.given.demo.hypermesh"]));
    assert_eq!(tlsa(&mesh, TLSA), [record_of(&subject())], "a renewal with one key publishes it once");
    let rows: Vec<_> = mesh.state.rows::<Certificate>(Vec::new()).map(|(_, row)| row.not_after).collect();
    let first = *rows.iter().min().unwrap();
    mesh.pass(first.plus(1).since(mesh.state.time()));
    assert_eq!(tlsa(&mesh, TLSA), [record_of(&subject())], "the renewal holds the key in its place");
    mesh.pass(ends.plus(60_000).since(mesh.state.time()));
    assert_eq!(tlsa(&mesh, TLSA), []);
    assert_eq!(mesh.state.get::<Published>(&name(TLSA)), None);
    assert_eq!(mesh.state.rows::<Certificate>(Vec::new()).count(), 3, "what was approved stays on record");
}

#[test]
fn keys_stay_published_until_the_second_in_which_the_certificate_ends_is_over() {
    let mut mesh = Mesh::active();
    let Effect::CertificateApproved { serial, .. } = mesh.done(&alice(), issue(&[GIVEN])) else { panic!() };
    let row: Certificate = mesh.state.get(&serial).unwrap();
    mesh.pass(row.not_after.since(mesh.state.time()));
    assert_eq!(tlsa(&mesh, TLSA).len(), 1);
    mesh.pass(1);
    assert_eq!(tlsa(&mesh, TLSA).len(), 0);
}

#[test]
fn the_newest_keys_are_published_when_there_are_too_many() {
    let mut mesh = Mesh::active();
    let keys: Vec<_> = (0..=RECORDS_PER_SET_MAX).map(|seed| SecretKey::from_seed([seed as u8; 32])).collect();
    mesh.await_ticket_time(&mesh.validators[0].clone());
    let operations: Vec<_> =
        keys.iter().map(|key| mesh.operation(&alice(), issue_for(key, &[GIVEN]))).collect();
    mesh.carry(operations[..RECORDS_PER_SET_MAX].to_vec());
    assert_eq!(tlsa(&mesh, TLSA).len(), RECORDS_PER_SET_MAX);
    assert!(tlsa(&mesh, TLSA).contains(&record_of(&keys[0])));
    mesh.carry(operations[RECORDS_PER_SET_MAX..].to_vec());
    let published = tlsa(&mesh, TLSA);
    assert_eq!(published.len(), RECORDS_PER_SET_MAX);
    assert!(
        !published.contains(&record_of(&keys[0]))
            && keys[1..].iter().all(|key| published.contains(&record_of(key)))
    );
    mesh.pass(25 * 3_600_000);
    assert_eq!(tlsa(&mesh, TLSA), []);
}

#[test]
fn keys_are_not_published_at_aliases_or_at_names_given_to_others() {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), set(TLSA, vec![RecordData::Cname(name("elsewhere.example"))]));
    assert_eq!(mesh.refused(&alice(), issue(&[GIVEN])), Refusal::Cname { name: name(TLSA) });
    mesh.done(&alice(), register("_tcp.x.given.demo.hypermesh", &bob()));
    let at = name("_443._tcp.x.given.demo.hypermesh");
    let refusal = mesh.refused(&alice(), issue(&["x.given.demo.hypermesh"]));
    assert_eq!(refusal, Refusal::NotOwner { name: at, owner: bob().public() });
}

#[test]
fn a_name_too_long_for_a_port_is_certified_without_a_record() {
    let mut mesh = Mesh::active();
    let label = "a".repeat(63);
    let long = alloc::format!("{label}.{label}.{label}.{}.{GIVEN}", "b".repeat(38));
    let names = [GIVEN, &long];
    mesh.done(&alice(), issue(&names));
    let row = mesh.state.rows::<Certificate>(Vec::new()).next().unwrap().1;
    assert_eq!(row.tlsa, [name(TLSA)]);
}
