//! Questions and what they are answered.

use super::*;
use core::time::Duration;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::DNSClass;
use hickory_proto::rr::RecordType as T;

const SOA_OF_MESH: &str = "hypermesh. SOA ns.hypermesh. hostmaster.hypermesh. 7 3600 600 86400 60";

#[test]
fn questions_get_the_answers_that_stand_in_the_zones() {
    for (asked, record_type, code, answers, authority) in [
        ("ns.hypermesh.", T::AAAA, "No Error", &["ns.hypermesh. AAAA 2001:db8::53"][..], false),
        (
            "web.demo.hypermesh.",
            T::AAAA,
            "No Error",
            &["web.demo.hypermesh. AAAA 2001:db8::7", "web.demo.hypermesh. AAAA 2001:db8::8"],
            false,
        ),
        (
            "_stoq._udp.api.hypermesh.",
            T::SRV,
            "No Error",
            &["_stoq._udp.api.hypermesh. SRV 0 5 8443 web.demo.hypermesh."],
            false,
        ),
        (
            "alias.hypermesh.",
            T::A,
            "No Error",
            &[
                "alias.hypermesh. CNAME second.hypermesh.",
                "second.hypermesh. CNAME web.demo.hypermesh.",
                "web.demo.hypermesh. A 192.0.2.7",
            ],
            false,
        ),
        ("alias.hypermesh.", T::CNAME, "No Error", &["alias.hypermesh. CNAME second.hypermesh."], false),
        ("outward.hypermesh.", T::AAAA, "No Error", &["outward.hypermesh. CNAME www.example.com."], false),
        (
            "circle.hypermesh.",
            T::AAAA,
            "No Error",
            &["circle.hypermesh. CNAME back.hypermesh.", "back.hypermesh. CNAME circle.hypermesh."],
            false,
        ),
        (
            "dangling.hypermesh.",
            T::AAAA,
            "Non-Existent Domain",
            &["dangling.hypermesh. CNAME nothing.hypermesh."],
            true,
        ),
        ("hypermesh.", T::SOA, "No Error", &[SOA_OF_MESH], false),
        ("hypermesh.", T::NS, "No Error", &["hypermesh. NS ns.hypermesh."], false),
        ("hypermesh.", T::AAAA, "No Error", &[], true),
        ("ns.hypermesh.", T::A, "No Error", &[], true),
        ("ns.hypermesh.", T::SOA, "No Error", &[], true),
        ("ns.hypermesh.", T::MX, "No Error", &[], true),
        ("demo.hypermesh.", T::AAAA, "No Error", &[], true),
        ("_udp.api.hypermesh.", T::SRV, "No Error", &[], true),
        ("nothing.hypermesh.", T::AAAA, "Non-Existent Domain", &[], true),
        ("below.ns.hypermesh.", T::AAAA, "Non-Existent Domain", &[], true),
        ("*.hypermesh.", T::AAAA, "Non-Existent Domain", &[], true),
        ("a\\.demo.hypermesh.", T::AAAA, "Non-Existent Domain", &[], true),
        ("example.com.", T::AAAA, "Query Refused", &[], false),
        ("*.example.com.", T::AAAA, "Query Refused", &[], false),
        ("xhypermesh.", T::AAAA, "Query Refused", &[], false),
        (".", T::NS, "Query Refused", &[], false),
        ("hypermesh.", T::AXFR, "Query Refused", &[], false),
        ("hypermesh.", T::IXFR, "Query Refused", &[], false),
    ] {
        let response = ask(&query(asked, record_type));
        assert_eq!(response.metadata.response_code.to_string(), code, "{asked} {record_type}");
        assert_eq!(lines(&response.answers), answers, "{asked} {record_type}");
        let expected: &[&str] = if authority { &[SOA_OF_MESH] } else { &[] };
        assert_eq!(lines(&response.authorities), expected, "{asked} {record_type}");
        assert_eq!(response.metadata.authoritative, code != "Query Refused", "{asked} {record_type}");
        assert!(response.metadata.recursion_desired && !response.metadata.recursion_available);
        assert_eq!((response.metadata.id, response.metadata.message_type), (0x1234, MessageType::Response));
    }
}

#[test]
fn a_name_that_cannot_be_stored_does_not_exist() {
    for label in [&b"\0"[..], b"\xff", b"a.b", b" ", b"-", b"\xc3\xa4"] {
        let mut message = query("web.demo.hypermesh.", T::AAAA);
        message.queries[0].name = message.queries[0].name.prepend_label(label).unwrap();
        let response = ask(&message);
        assert_eq!(response.metadata.response_code, ResponseCode::NXDomain, "{label:?}");
        assert_eq!(lines(&response.authorities), [SOA_OF_MESH]);
        assert_eq!(response.queries, message.queries);
    }
}

#[test]
fn every_type_that_is_held_is_answered_as_its_presentation_form_says() {
    let mut table = zones();
    for (record_type, wire_type) in [
        (RecordType::A, T::A),
        (RecordType::Aaaa, T::AAAA),
        (RecordType::Srv, T::SRV),
        (RecordType::Svcb, T::SVCB),
        (RecordType::Txt, T::TXT),
        (RecordType::Tlsa, T::TLSA),
        (RecordType::Caa, T::CAA),
        (RecordType::Ptr, T::PTR),
        (RecordType::Cname, T::CNAME),
        (RecordType::Mx, T::MX),
        (RecordType::Https, T::HTTPS),
        (RecordType::Sshfp, T::SSHFP),
        (RecordType::Naptr, T::NAPTR),
        (RecordType::from_number(65280), T::Unknown(65280)),
    ] {
        let at = alloc::format!("{}.types.hypermesh", record_type);
        let records = set(record_type, &[record_type.example()]);
        table.insert(&name(&at), records.clone());
        let response = ask_over(&table, &query(&alloc::format!("{at}."), wire_type), Transport::Udp);
        let data: Vec<_> = response.answers.iter().map(|record| record.data.clone()).collect();
        let expected: Vec<_> = records.data.iter().map(wire::to_rdata).collect();
        assert_eq!(data, expected, "{record_type}");
        assert_eq!(response.answers[0].ttl, 300);
    }
}

#[test]
fn the_addresses_of_targets_in_the_zones_come_along() {
    let response = ask(&query("_stoq._udp.api.hypermesh.", T::SRV));
    let expected = [
        "web.demo.hypermesh. AAAA 2001:db8::7",
        "web.demo.hypermesh. AAAA 2001:db8::8",
        "web.demo.hypermesh. A 192.0.2.7",
    ];
    assert_eq!(lines(&response.additionals), expected);
    let response = ask(&query("_dns.hypermesh.", T::SVCB));
    assert_eq!(lines(&response.additionals), ["ns.hypermesh. AAAA 2001:db8::53"]);
}

#[test]
fn the_data_of_each_type_is_on_the_wire_as_its_standard_says() {
    // RFC 9460 appendix D, RFC 4255 §3.1, RFC 3403 §4.1, RFC 1035 §3.3.9, RFC 3597 §4.
    let https = "0010 03666f6f076578616d706c6503636f6d00 0001 0006 026832 026833 0003 0002 0035";
    for (record_type, text, expected) in [
        (RecordType::Https, "0 foo.example.com.", "0000 03666f6f076578616d706c6503636f6d00"),
        (RecordType::Https, "1 .", "0001 00"),
        (RecordType::Https, "16 foo.example.com alpn=h2,h3 port=53", https),
        (
            RecordType::Svcb,
            "16 foo.example.com port=53",
            "0010 03666f6f076578616d706c6503636f6d00 0003 0002 0035",
        ),
        (RecordType::Mx, "10 mail.a", "000a 046d61696c 0161 00"),
        (RecordType::Mx, "0 .", "0000 00"),
        (
            RecordType::Sshfp,
            "2 1 123456789abcdef67890123456789abcdef67890",
            "02 01 123456789abcdef67890123456789abcdef67890",
        ),
        (RecordType::Naptr, "100 50 a x \"\" b.c", "0064 0032 0161 0178 00 0162 0163 00"),
        (RecordType::from_number(65280), "\\# 4 0a000001", "0a000001"),
        (RecordType::from_number(65280), "\\# 0", ""),
    ] {
        let mut table = zones();
        table.insert(&name("t.hypermesh"), set(record_type, &[text]));
        let asked = query("t.hypermesh.", T::from(record_type.number()));
        let response = answer(&table, &asked.to_vec().unwrap(), Transport::Udp, None).unwrap();
        let expected = hex::decode(expected.replace(' ', "")).unwrap();
        let mut tail = u16::try_from(expected.len()).unwrap().to_be_bytes().to_vec();
        tail.extend(expected);
        // Additional sets are none: what the targets name is not in the zones, or has no addresses.
        assert!(response.ends_with(&tail), "{record_type} {text}: {}", hex::encode(&response));
    }
}

#[test]
fn names_in_data_are_compressed_in_old_types_alone() {
    let data_bytes = |record_type: RecordType, text: &str| {
        let mut table = zones();
        table.insert(&name("long-label.hypermesh"), set(record_type, &[text]));
        let asked = query("long-label.hypermesh.", T::from(record_type.number()));
        let response = answer(&table, &asked.to_vec().unwrap(), Transport::Udp, None).unwrap();
        // Header, question; a pointer, type, class and time to live before the length of the data.
        let at = 12 + "long-label.hypermesh.".len() + 1 + 4 + 10;
        u16::from_be_bytes([response[at], response[at + 1]])
    };
    assert_eq!(data_bytes(RecordType::Mx, "10 long-label.hypermesh"), 2 + 2);
    let whole = "long-label.hypermesh.".len() as u16 + 1;
    assert_eq!(data_bytes(RecordType::Naptr, "1 1 \"\" \"\" \"\" long-label.hypermesh"), 4 + 3 + whole);
    assert_eq!(data_bytes(RecordType::Https, "1 long-label.hypermesh"), 2 + whole);
    assert_eq!(data_bytes(RecordType::Srv, "1 1 1 long-label.hypermesh"), 6 + whole);
}

#[test]
fn any_is_answered_where_only_an_unknown_type_stands() {
    let mut table = zones();
    let unknown = RecordType::from_number(65280);
    table.insert(&name("odd.hypermesh"), set(unknown, &["\\# 1 07"]));
    table.insert(&name("below.bare.hypermesh"), set(unknown, &["\\# 1 07"]));
    assert_eq!(ask_over(&table, &query("odd.hypermesh.", T::ANY), Transport::Udp).answers.len(), 1);
    let bare = ask_over(&table, &query("bare.hypermesh.", T::ANY), Transport::Udp);
    assert_eq!((bare.metadata.response_code, bare.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(bare.authorities.len(), 1);
}

#[test]
fn what_an_alias_of_a_service_leads_to_comes_along_within_the_bound() {
    let mut table = zones();
    let mut insert = |at: &str, record_type, text: &str| table.insert(&name(at), set(record_type, &[text]));
    // RFC 9460 §4.1: the records of the same type at the target, and what those lead to.
    insert("shop.hypermesh", RecordType::Https, "0 pool.hypermesh");
    insert("pool.hypermesh", RecordType::Https, "1 . alpn=h2");
    insert("pool.hypermesh", RecordType::Aaaa, "2001:db8::9");
    insert("pool.hypermesh", RecordType::Svcb, "1 ns.hypermesh");
    // Over an alias of the other kind.
    insert("www.hypermesh", RecordType::Https, "0 name.hypermesh");
    insert("name.hypermesh", RecordType::Cname, "pool.hypermesh");
    // A circle of them, and "." for no service.
    insert("one.hypermesh", RecordType::Https, "0 two.hypermesh");
    insert("two.hypermesh", RecordType::Https, "0 one.hypermesh");
    insert("none.hypermesh", RecordType::Https, "0 .");
    insert("out.hypermesh", RecordType::Https, "0 svc.example.net");
    insert("own.hypermesh", RecordType::Https, "1 . alpn=h2");
    insert("own.hypermesh", RecordType::A, "192.0.2.9");
    for link in 0..20 {
        insert(
            &alloc::format!("l{link}.hypermesh"),
            RecordType::Svcb,
            &alloc::format!("0 l{}.hypermesh", link + 1),
        );
    }
    let additional = |asked: &str, record_type| {
        let response = ask_over(&table, &query(asked, record_type), Transport::Tcp);
        assert_eq!((response.answers.len(), response.metadata.response_code), (1, ResponseCode::NoError));
        lines(&response.additionals)
    };
    let pool = ["pool.hypermesh. HTTPS 1 . alpn=h2", "pool.hypermesh. AAAA 2001:db8::9"];
    let plain = |found: Vec<alloc::string::String>| -> Vec<_> {
        found.iter().map(|line| line.replace("alpn=h2,", "alpn=h2").replace('"', "")).collect()
    };
    assert_eq!(plain(additional("shop.hypermesh.", T::HTTPS)), pool);
    let mut over = alloc::vec!["name.hypermesh. CNAME pool.hypermesh."];
    over.extend(pool);
    assert_eq!(plain(additional("www.hypermesh.", T::HTTPS)), over);
    assert_eq!(additional("one.hypermesh.", T::HTTPS), ["two.hypermesh. HTTPS 0 one.hypermesh."]);
    for nothing in ["none.hypermesh.", "out.hypermesh."] {
        assert_eq!(additional(nothing, T::HTTPS).len(), 0, "{nothing}");
    }
    assert_eq!(additional("own.hypermesh.", T::HTTPS), ["own.hypermesh. A 192.0.2.9"]);
    assert_eq!(additional("l0.hypermesh.", T::SVCB).len(), ADDITIONAL_TARGETS_MAX);
    assert_eq!(additional("l12.hypermesh.", T::SVCB).len(), 20 - 13);
}

#[test]
fn the_addresses_of_mail_servers_come_along() {
    let mut table = zones();
    table.insert(&name("hypermesh"), set(RecordType::Mx, &["10 web.demo.hypermesh", "20 mail.example"]));
    let response = ask_over(&table, &query("hypermesh.", T::MX), Transport::Udp);
    assert_eq!((response.answers.len(), response.additionals.len()), (2, 3));
}

#[test]
fn addresses_that_do_not_fit_are_left_out_whole_and_nothing_is_called_truncated() {
    let response = ask(&query("_big._tcp.hypermesh.", T::SRV));
    assert_eq!((response.answers.len(), response.additionals.len()), (2, 0));
    assert!(!response.metadata.truncation);
    let response = ask_over(&zones(), &query("_big._tcp.hypermesh.", T::SRV), Transport::Tcp);
    assert_eq!((response.answers.len(), response.additionals.len()), (2, 19));
}

#[test]
fn the_question_comes_back_in_the_letters_that_it_came_in() {
    let response = ask(&query("wEb.DeMo.HyPeRmEsH.", T::A));
    assert_eq!(response.queries[0].name.to_ascii(), "wEb.DeMo.HyPeRmEsH.");
    assert_eq!(lines(&response.answers), ["wEb.DeMo.HyPeRmEsH. A 192.0.2.7"]);
}

#[test]
fn any_is_answered_with_one_set() {
    let response = ask(&query("web.demo.hypermesh.", T::ANY));
    assert_eq!(lines(&response.answers), ["web.demo.hypermesh. A 192.0.2.7"]);
    assert_eq!(lines(&ask(&query("hypermesh.", T::ANY)).answers), [SOA_OF_MESH]);
    assert_eq!(lines(&ask(&query("alias.hypermesh.", T::ANY)).answers).len(), 1);
    assert_eq!(ask(&query("demo.hypermesh.", T::ANY)).authorities.len(), 1);
    assert_eq!(ask(&query("no.hypermesh.", T::ANY)).metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn a_chain_of_aliases_is_followed_to_its_bound_and_no_further() {
    let mut table = zones();
    for link in 0..20 {
        let target = alloc::format!("link{}.hypermesh", link + 1);
        table.insert(&name(&alloc::format!("link{link}.hypermesh")), set(RecordType::Cname, &[&target]));
    }
    table.insert(&name("link20.hypermesh"), set(RecordType::A, &["192.0.2.1"]));
    let from = |link: usize| query(&alloc::format!("link{link}.hypermesh."), T::A);
    let followed = ask_over(&table, &from(20 - CNAME_CHAIN_MAX), Transport::Udp);
    assert_eq!(followed.answers.len(), CNAME_CHAIN_MAX + 1);
    assert_eq!(followed.answers.last().unwrap().record_type(), T::A);
    let cut = ask_over(&table, &from(20 - CNAME_CHAIN_MAX - 1), Transport::Udp);
    assert_eq!(cut.answers.len(), CNAME_CHAIN_MAX + 1);
    assert_eq!(cut.answers.last().unwrap().record_type(), T::CNAME);
}

#[test]
fn an_answer_that_does_not_fit_a_datagram_is_truncated_to_nothing_and_whole_over_a_stream() {
    for message in [query("big.hypermesh.", T::TXT), with_edns(query("big.hypermesh.", T::TXT), 4096)] {
        let response = ask(&message);
        assert!(response.metadata.truncation && response.answers.is_empty());
        assert_eq!(response.edns.is_some(), message.edns.is_some());
        let whole = ask_over(&zones(), &message, Transport::Tcp);
        assert!(!whole.metadata.truncation);
        assert_eq!(whole.answers.len(), 8);
    }
}

#[test]
fn datagrams_keep_to_what_the_client_can_take_and_to_our_own_bound() {
    // 16 addresses take 12 + 32 + 16 * 28 = 478 bytes and so fit into 512 with EDNS's 11; 18 do not.
    let message = |payload| with_edns(query("many.hypermesh.", T::AAAA), payload);
    assert_eq!(ask(&message(0)).answers.len(), 16);
    let mut table = zones();
    let hosts: Vec<_> = (0..18).map(|host| alloc::format!("2001:db8::2:{host}")).collect();
    let hosts: Vec<_> = hosts.iter().map(alloc::string::String::as_str).collect();
    table.insert(&name("many.hypermesh"), set(RecordType::Aaaa, &hosts));
    assert!(ask_over(&table, &query("many.hypermesh.", T::AAAA), Transport::Udp).metadata.truncation);
    assert!(ask_over(&table, &message(512), Transport::Udp).metadata.truncation);
    assert_eq!(ask_over(&table, &message(1232), Transport::Udp).answers.len(), 18);
    assert_eq!(ask_over(&table, &message(65_535), Transport::Udp).edns.unwrap().max_payload(), 1232);
}

#[test]
fn edns_is_answered_in_kind() {
    let mut message = with_edns(query("ns.hypermesh.", T::AAAA), 1232);
    message.edns.as_mut().unwrap().set_dnssec_ok(true);
    let response = ask(&message);
    let edns = response.edns.unwrap();
    assert_eq!((edns.version(), edns.flags().dnssec_ok), (0, true));
    assert!(ask(&query("ns.hypermesh.", T::AAAA)).edns.is_none());

    message.edns.as_mut().unwrap().set_version(1);
    let response = ask(&message);
    assert_eq!(u16::from(response.metadata.response_code), u16::from(ResponseCode::BADVERS));
    assert!(response.answers.is_empty());
}

#[test]
fn stale_answers_say_so_to_clients_that_speak_edns() {
    let table = zones();
    let staleness = Some(Staleness { age: Duration::from_secs(90) });
    for (message, expected) in [
        (with_edns(query("ns.hypermesh.", T::AAAA), 1232), &[3][..]),
        (with_edns(query("ns.hypermesh.", T::A), 1232), &[3]),
        (with_edns(query("no.hypermesh.", T::A), 1232), &[19]),
        (with_edns(query("example.com.", T::A), 1232), &[20]),
        (query("ns.hypermesh.", T::AAAA), &[]),
    ] {
        let bytes = message.to_vec().unwrap();
        let response = answer(&table, &bytes, Transport::Udp, staleness).unwrap();
        assert_eq!(codes(&Message::from_vec(&response).unwrap()), expected, "{message:?}");
        let fresh = answer(&table, &bytes, Transport::Udp, None).unwrap();
        assert!(codes(&Message::from_vec(&fresh).unwrap()).iter().all(|code| *code == 20));
        let text = b"last committed 90 s ago";
        let told = response.windows(text.len()).any(|window| window == text);
        assert_eq!(told, expected == [3] || expected == [19]);
    }
}

#[test]
fn whatever_becomes_of_a_query_with_edns_its_answer_has_it_too() {
    let table = zones();
    let answered = |bytes: &[u8]| {
        let response = answer(&table, bytes, Transport::Udp, None).unwrap();
        let response = Message::from_vec(&response).unwrap();
        (response.metadata.response_code, response.edns.is_some())
    };
    let plain = with_edns(query("ns.hypermesh.", T::AAAA), 1232);
    let mut update = plain.clone();
    update.metadata.op_code = OpCode::Update;
    assert_eq!(answered(&update.to_vec().unwrap()), (ResponseCode::NotImp, true));
    let mut two = plain.clone();
    two.queries.push(plain.queries[0].clone());
    assert_eq!(answered(&two.to_vec().unwrap()), (ResponseCode::FormErr, true));
    let behind = [plain.to_vec().unwrap(), alloc::vec![0]].concat();
    assert_eq!(answered(&behind), (ResponseCode::FormErr, true), "something stands behind it");

    // A client subnet (RFC 7871) of a family that nobody knows, an option that nobody knows, and half an option.
    let with_option = |option: &[u8]| {
        let mut bytes = plain.to_vec().unwrap();
        let length = bytes.len();
        bytes[length - 2..].copy_from_slice(&u16::try_from(option.len()).unwrap().to_be_bytes());
        [bytes, option.to_vec()].concat()
    };
    assert_eq!(answered(&with_option(&[0, 8, 0, 5, 0, 99, 8, 0, 1])), (ResponseCode::NoError, true));
    assert_eq!(answered(&with_option(&[0xff, 0, 0, 1, 7])), (ResponseCode::NoError, true));
    assert_eq!(answered(&with_option(&[0, 8, 0, 5, 0, 99])), (ResponseCode::FormErr, false));
}

#[test]
fn what_is_no_query_for_this_server_is_refused_with_the_right_code() {
    let table = zones();
    let code = |message: &Message| ask_over(&table, message, Transport::Udp).metadata.response_code;
    let plain = query("ns.hypermesh.", T::AAAA);

    let mut other = plain.clone();
    other.metadata.op_code = OpCode::Update;
    assert_eq!(code(&other), ResponseCode::NotImp);

    let mut other = plain.clone();
    other.queries.clear();
    assert_eq!(code(&other), ResponseCode::FormErr);
    other.queries = alloc::vec![plain.queries[0].clone(), plain.queries[0].clone()];
    assert_eq!(code(&other), ResponseCode::FormErr);

    let mut other = plain.clone();
    other.queries[0].query_class = DNSClass::CH;
    assert_eq!(code(&other), ResponseCode::Refused);

    let response = plain.clone().into_response().to_vec().unwrap();
    assert_eq!(answer(&table, &response, Transport::Udp, None), None);
}

#[test]
fn the_structured_answer_is_the_same_as_the_messages() {
    let table = zones();
    let found = resolve(&table, &name("alias.hypermesh"), RecordType::A);
    let names: Vec<_> = found.answers.iter().map(|answer| answer.name.as_str()).collect();
    assert_eq!(names, ["alias.hypermesh", "second.hypermesh", "web.demo.hypermesh"]);
    assert_eq!((found.outcome, found.authority), (ResolutionOutcome::Found, None));

    let missing = resolve(&table, &name("no.hypermesh"), RecordType::A);
    assert_eq!(missing.outcome, ResolutionOutcome::NoSuchName);
    let authority = missing.authority.unwrap();
    assert_eq!((authority.name, authority.set.ttl_seconds), (name("hypermesh"), 60));

    let elsewhere = resolve(&table, &name("example.com"), RecordType::A);
    assert_eq!((elsewhere.outcome, elsewhere.authority), (ResolutionOutcome::NotAuthoritative, None));
    assert_eq!(resolve(&table, &name("demo.hypermesh"), RecordType::A).outcome, ResolutionOutcome::NoData);
}

#[test]
fn a_reverse_zone_is_answered_beside_the_mesh() {
    let asked = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    let response = ask(&query(asked, T::PTR));
    assert_eq!(lines(&response.answers), [alloc::format!("{asked} PTR web.demo.hypermesh.")]);
    let missing = ask(&query(&asked.replacen('7', "9", 1), T::PTR));
    assert_eq!(missing.authorities[0].name.to_ascii(), alloc::format!("{REVERSE_ZONE}."));
}

#[test]
fn the_longest_name_is_answered() {
    let labels = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(51)].join(".");
    let longest = alloc::format!("{labels}.hypermesh");
    assert_eq!(longest.len(), 253);
    let mut table = zones();
    table.insert(&name(&longest), set(RecordType::A, &["192.0.2.9"]));
    let response = ask_over(&table, &query(&alloc::format!("{longest}."), T::A), Transport::Udp);
    assert_eq!(response.answers.len(), 1);
}

#[test]
fn a_removed_set_is_gone_and_its_name_with_it() {
    let mut table = zones();
    let before = table.clone();
    table.remove(&name("ns.hypermesh"), RecordType::Aaaa);
    let outcome = |table| resolve(table, &name("ns.hypermesh"), RecordType::Aaaa).outcome;
    assert_eq!(
        (outcome(&table), outcome(&before)),
        (ResolutionOutcome::NoSuchName, ResolutionOutcome::Found)
    );
}
