//! The list of records, page by page.

use super::*;
use crate::state::{NameOwner, State, StateDraft};
use crate::trustchain::dns::{RecordData, RecordSet};

fn list_of(state: &State, request: RecordListRequest) -> RecordList {
    let view = View { state: state.clone(), ..view(&Mesh::new()) };
    match read(&view, &Request::ListRecords(request), BEGIN) {
        Some(Ok(Response::ListRecords(list))) => list,
        other => panic!("{other:?}"),
    }
}

fn keys(list: &RecordList) -> Vec<String> {
    let key = |found: &crate::trustchain::dns::NamedRecordSet| {
        let record_type = found.set.record_type().unwrap();
        RecordKey { name: found.name.clone(), record_type }.to_string()
    };
    list.sets.iter().map(key).collect()
}

#[test]
fn records_are_listed_page_by_page_in_the_order_of_their_names() {
    let mut mesh = Mesh::new();
    let text = || vec![RecordData::Txt(vec!["x".into()])];
    let unknown = RecordType::from_number(65280);
    mesh.done(&alice(), set("b.given.demo.hypermesh", text()));
    mesh.done(&alice(), set("x.b.given.demo.hypermesh", text()));
    mesh.done(&alice(), set("a.given.demo.hypermesh", vec![RecordData::parse(unknown, "\\# 0").unwrap()]));
    mesh.done(&alice(), set("given.demo.hypermesh", text()));
    let below = |name: &str| RecordListRequest { name: name.parse().ok(), limit: 1000, ..Default::default() };
    let given = list_of(&mesh.state, below("given.demo.hypermesh"));
    let expected = [
        "given.demo.hypermesh/TXT",
        "given.demo.hypermesh/AAAA",
        "a.given.demo.hypermesh/TYPE65280",
        "b.given.demo.hypermesh/TXT",
        "x.b.given.demo.hypermesh/TXT",
    ];
    assert_eq!((keys(&given), given.next), (expected.map(String::from).to_vec(), None));
    assert_eq!(given.starts.iter().map(|start| start.name.as_str()).collect::<Vec<_>>(), ["demo.hypermesh"]);
    assert_eq!(keys(&list_of(&mesh.state, below("b.given.demo.hypermesh"))).len(), 2);
    assert_eq!(keys(&list_of(&mesh.state, below("none.given.demo.hypermesh"))).len(), 0);
    assert_eq!(list_of(&mesh.state, below("example")).starts, []);

    let whole = list_of(&mesh.state, RecordListRequest { limit: 1000, ..Default::default() });
    assert_eq!(whole.starts.len(), 1 + mesh.genesis.reverse_zones.len());
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = list_of(&mesh.state, RecordListRequest { after, limit: 2, ..Default::default() });
        assert!(page.sets.len() <= 2);
        pages.extend(page.sets);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, whole.sets);
    let least = list_of(&mesh.state, RecordListRequest::default());
    assert_eq!(least.sets.len(), 1, "a page has one at least");
}

/// A state with so many sets, each of so many bytes of text.
fn filled(sets: usize, strings: usize) -> StateDraft {
    let mut draft = Mesh::new().state.draft();
    let data = RecordData::Txt(vec![crate::trustchain::dns::Octets(vec![b'x'; 255]); strings]);
    for number in 0..sets {
        let key = (name(&alloc::format!("t{number:04}.given.demo.hypermesh")), RecordType::Txt);
        draft.put(&key, &RecordSet::new(60, vec![data.clone()]).unwrap());
    }
    draft
}

#[test]
fn a_page_has_so_many_sets_and_bytes_and_looks_at_so_many() {
    let all = || RecordListRequest { name: Some(name("given.demo.hypermesh")), limit: u32::MAX, after: None };
    let next = |list: RecordList| RecordListRequest { after: list.next, ..all() };
    // With the address that genesis gives, as many as a page has.
    let full = filled(LIST_COUNT_MAX as usize - 1, 1);
    let page = list_of(full.state(), all());
    assert_eq!((page.sets.len(), page.next), (LIST_COUNT_MAX as usize, None));
    let past = filled(LIST_COUNT_MAX as usize, 1);
    let page = list_of(past.state(), all());
    assert_eq!((page.sets.len(), page.next.is_some()), (LIST_COUNT_MAX as usize, true));
    assert_eq!(list_of(past.state(), next(page)).sets.len(), 1);

    let long = filled(LIST_COUNT_MAX as usize + 1, 4);
    let page = list_of(long.state(), all());
    let bytes = |sets: &[crate::trustchain::dns::NamedRecordSet]| -> usize {
        sets.iter().map(|set| encode(set).len()).sum()
    };
    let shown = page.sets.len();
    let (fits, more) = (bytes(&page.sets), list_of(long.state(), next(page)));
    assert!(fits <= RECORD_LIST_BYTES_MAX && fits + bytes(&more.sets[..1]) > RECORD_LIST_BYTES_MAX);
    assert_eq!(shown + more.sets.len(), LIST_COUNT_MAX as usize + 2);

    // A name that is not paid for is not answered, and not listed; but it is looked at.
    let mut lapsed = filled(LIST_SCAN_COUNT_MAX, 1);
    let owner = NameOwner { expires: Some(UnixMillis(1)), ..NameOwner::of_genesis(alice().public()) };
    lapsed.put(&name("given.demo.hypermesh"), &owner);
    let page = list_of(lapsed.state(), all());
    assert!(page.sets.is_empty() && page.next.is_some());
    let rest = list_of(lapsed.state(), next(page));
    assert_eq!((rest.sets.len(), rest.next), (0, None));
}

#[test]
fn what_a_page_goes_on_from_is_written_as_name_and_type() {
    for text in ["web.demo.hypermesh/AAAA", "_443._tcp.a.b/TLSA", "a/TYPE65280"] {
        assert_eq!(text.parse::<RecordKey>().map(|key| key.to_string()), Ok(text.to_string()));
    }
    for text in ["", "a", "a/", "/A", "a/NOTHING", "a/A/A"] {
        assert!(text.parse::<RecordKey>().is_err(), "{text}");
    }
}
