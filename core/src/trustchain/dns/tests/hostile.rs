//! Bytes that no honest client sends.

use super::*;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType as T;
use proptest::prelude::*;

const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Stoq];

fn respond(bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let staleness = Some(Staleness { age: core::time::Duration::MAX });
    answer(&zones(), bytes, transport, staleness)
}

fn code(bytes: &[u8]) -> ResponseCode {
    Message::from_vec(&respond(bytes, Transport::Udp).unwrap()).unwrap().metadata.response_code
}

/// Header of a query with these counts, then the bytes.
fn raw(counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let counts = counts.map(u16::to_be_bytes).concat();
    [&[0x12, 0x34, 1, 0][..], &counts, body].concat()
}

#[test]
fn fewer_bytes_than_a_header_get_no_answer_and_a_bare_header_a_format_error() {
    let bytes = query("ns.hypermesh.", T::AAAA).to_vec().unwrap();
    for length in 0..12 {
        assert_eq!(respond(&bytes[..length], Transport::Udp), None);
    }
    for length in 12..bytes.len() {
        let response = respond(&bytes[..length], Transport::Udp).unwrap();
        assert_eq!(response[..2], [0x12, 0x34]);
        assert_eq!(code(&bytes[..length]), ResponseCode::FormErr);
    }
    assert_eq!(code(&bytes), ResponseCode::NoError);
    assert_eq!(code(&[&bytes[..], &[0]].concat()), ResponseCode::FormErr);
}

#[test]
fn compression_that_points_at_itself_forward_or_in_a_circle_is_a_format_error() {
    for name in [
        &[0xc0, 12][..],
        &[0xc0, 14, 0xc0, 12],
        &[0xff, 0xff],
        &[1, b'a', 0xc0, 12],
        &[0xc0, 0],
        &[0x40, b'a'],
        &[0x80, b'a'],
        &[64],
    ] {
        let bytes = raw([1, 0, 0, 0], &[name, &[0, 1, 0, 1]].concat());
        assert_eq!(code(&bytes), ResponseCode::FormErr, "{name:?}");
    }
}

#[test]
fn a_query_that_brings_too_much_along_is_a_format_error() {
    let question = [2, b'n', b's', 9, b'h', b'y', b'p', b'e', b'r', b'm', b'e', b's', b'h', 0, 0, 28, 0, 1];
    let record = [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0];
    let with = |records: usize| {
        let body = [&question[..], &record.repeat(records)].concat();
        raw([1, 0, 0, u16::try_from(records).unwrap()], &body)
    };
    // An empty record of type A is what a dynamic update has; here it is of no interest.
    assert_eq!(code(&with(usize::from(QUERY_RECORDS_MAX))), ResponseCode::NoError);
    assert_eq!(code(&with(usize::from(QUERY_RECORDS_MAX) + 1)), ResponseCode::FormErr);
    let answered = raw([1, 1, 0, 0], &[&question[..], &record].concat());
    assert_eq!(code(&answered), ResponseCode::FormErr);

    let edns = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    let twice = raw([1, 0, 0, 2], &[&question[..], &edns, &edns].concat());
    assert_eq!(code(&twice), ResponseCode::FormErr);
    let misplaced = raw([1, 0, 1, 0], &[&question[..], &edns].concat());
    assert_eq!(code(&misplaced), ResponseCode::FormErr);

    let padded = |length: usize| {
        let option = u16::try_from(length - 12 - question.len() - 15).unwrap().to_be_bytes();
        let data = u16::try_from(length - 12 - question.len() - 11).unwrap().to_be_bytes();
        let head = [&question[..], &edns[..9], &data, &[0, 12], &option].concat();
        let mut bytes = raw([1, 0, 0, 1], &head);
        bytes.resize(length, 0);
        bytes
    };
    assert_eq!(code(&padded(QUERY_BYTES_MAX)), ResponseCode::NoError);
    assert_eq!(code(&padded(QUERY_BYTES_MAX + 1)), ResponseCode::FormErr);
}

#[test]
fn a_set_that_nobody_checked_is_a_server_failure_and_no_panic() {
    let mut table = zones();
    let long = RecordData::Txt(alloc::vec![Octets(alloc::vec![7; 300])]);
    table.insert(&name("bad.hypermesh"), RecordSet { ttl_seconds: 1, data: alloc::vec![long] });
    let huge = (0..2000_u16).map(|n| RecordData::Txt(alloc::vec![Octets(n.to_be_bytes().repeat(100))]));
    table.insert(&name("huge.hypermesh"), RecordSet { ttl_seconds: 1, data: huge.collect() });
    for transport in TRANSPORTS {
        let response = ask_over(&table, &query("bad.hypermesh.", T::TXT), transport);
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    }
    let response = ask_over(&table, &query("huge.hypermesh.", T::TXT), Transport::Tcp);
    assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    assert!(ask_over(&table, &query("huge.hypermesh.", T::TXT), Transport::Udp).metadata.truncation);
}

/// What a response may be, whatever the query was.
fn check_bounds(bytes: &[u8]) {
    for transport in TRANSPORTS {
        let Some(response) = respond(bytes, transport) else {
            assert!(bytes.len() < 12 || bytes[2] & 0x80 != 0);
            continue;
        };
        assert_eq!(response[..2], bytes[..2]);
        assert!(response[2] & 0x80 != 0);
        assert!(Message::from_vec(&response).is_ok(), "{response:?}");
        if transport == Transport::Udp {
            assert!(response.len() <= UDP_RESPONSE_BYTES_MAX);
            // Options that the library does not understand are passed over here.
            let Ok(query) = Message::from_vec(bytes) else { continue };
            let asked = query.edns.map_or(UDP_RESPONSE_BYTES_MIN, |edns| usize::from(edns.max_payload()));
            assert!(response.len() <= asked.clamp(UDP_RESPONSE_BYTES_MIN, UDP_RESPONSE_BYTES_MAX));
        }
    }
}

#[test]
fn no_question_wins_more_than_the_bound_over_udp() {
    let names =
        ["hypermesh.", "web.demo.hypermesh.", "many.hypermesh.", "big.hypermesh.", "alias.hypermesh."];
    let types = [T::ANY, T::A, T::AAAA, T::TXT, T::SRV, T::NS, T::SOA, T::TLSA, T::MX, T::AXFR];
    for (name, record_type) in names.iter().flat_map(|name| types.map(|record_type| (name, record_type))) {
        let plain = query(name, record_type);
        for payload in [0, 512, 1232, 4096, 65_535] {
            check_bounds(&with_edns(plain.clone(), payload).to_vec().unwrap());
        }
        check_bounds(&plain.to_vec().unwrap());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check_bounds(&bytes);
    }

    #[test]
    fn any_body_behind_a_header_is_answered_within_bounds(
        counts in proptest::array::uniform4(0_u16..4),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        check_bounds(&raw(counts, &body));
    }

    #[test]
    fn a_query_with_bytes_changed_is_answered_within_bounds(
        which in 0_usize..5,
        payload in any::<u16>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let asked = ["hypermesh.", "big.hypermesh.", "alias.hypermesh.", "_dns.hypermesh.", "x.hypermesh."];
        let types = [T::ANY, T::TXT, T::AAAA, T::SVCB, T::A];
        let mut bytes = with_edns(query(asked[which], types[which]), payload).to_vec().unwrap();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        check_bounds(&bytes);
    }
}
