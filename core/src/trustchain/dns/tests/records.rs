//! Records: bounds, presentation form, and the forms that are stored and shown.

use super::*;
use alloc::string::String;
use alloc::vec;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use proptest::prelude::*;

fn parse(record_type: RecordType, text: &str) -> Result<RecordData, PresentationFault> {
    RecordData::parse(record_type, text)
}

#[test]
fn every_example_is_a_record_and_prints_as_one() {
    for record_type in RecordType::ALL {
        let data = parse(record_type, record_type.example()).unwrap();
        assert_eq!(data.record_type(), record_type);
        assert_eq!(parse(record_type, &data.to_string()), Ok(data));
    }
}

#[test]
fn the_presentation_form_is_the_standards() {
    for (record_type, given, printed) in [
        (RecordType::Aaaa, " 2001:DB8:0::7 ", "2001:db8::7"),
        (RecordType::Srv, "0 5 8443 Web.Demo.HyperMesh", "0 5 8443 web.demo.hypermesh."),
        (RecordType::Srv, "0 0 0 .", "0 0 0 ."),
        (
            RecordType::Svcb,
            "1 . port=8443 alpn=\"h2,h3\" mandatory=port,alpn ipv6hint=::1,::2 ipv4hint=192.0.2.1 no-default-alpn",
            "1 . mandatory=alpn,port alpn=h2,h3 no-default-alpn port=8443 ipv4hint=192.0.2.1 ipv6hint=::1,::2",
        ),
        (RecordType::Svcb, "0 other.hypermesh.", "0 other.hypermesh."),
        (RecordType::Txt, "v=1 a\\b \"c\"", r#""v=1 a\\b \"c\"""#),
        (RecordType::Txt, r#""a b" c "d\"\065\200""#, r#""a b" "c" "d\"A\200""#),
        (RecordType::Txt, "", r#""""#),
        (RecordType::Txt, "ä", r#""\195\164""#),
        (RecordType::Tlsa, "3 0 0 AB cd", "3 0 0 abcd"),
        (RecordType::Caa, "128 Issue \"ca.example; account=7\"", "128 issue \"ca.example; account=7\""),
        (RecordType::Caa, "0 iodef mailto:a@b", "0 iodef \"mailto:a@b\""),
        (RecordType::Mx, "10 Mail.Demo.HyperMesh", "10 mail.demo.hypermesh."),
        (RecordType::Mx, "0 .", "0 ."),
        (RecordType::Https, "1 . alpn=h2,h3 port=8443", "1 . alpn=h2,h3 port=8443"),
        (RecordType::Https, "0 svc.example.net.", "0 svc.example.net."),
        // RFC 4255 §3.2, RFC 6594 §5.1.
        (
            RecordType::Sshfp,
            "2 1 123456789ABCDEF6 7890123456789abcdef67890",
            "2 1 123456789abcdef67890123456789abcdef67890",
        ),
        // RFC 3403 §6.2, RFC 3404 §7.
        (
            RecordType::Naptr,
            r#"100 50 "a" "z3950+N2L+N2C" "" cidserver.example.com."#,
            r#"100 50 "a" "z3950+N2L+N2C" "" cidserver.example.com."#,
        ),
        (
            RecordType::Naptr,
            r#"100 10 u "E2U+sip" "!^\\+441632960083$!sip:\\1@example.com!" ."#,
            r#"100 10 "u" "E2U+sip" "!^\\+441632960083$!sip:\\1@example.com!" ."#,
        ),
        (RecordType::from_number(62347), " \\#  0 ", "\\# 0"),
        (RecordType::from_number(731), "\\# 6 abcd ef 01 23 45", "\\# 6 abcdef012345"),
    ] {
        assert_eq!(parse(record_type, given).map(|data| data.to_string()), Ok(printed.into()), "{given}");
    }
}

#[test]
fn a_wrong_value_is_told_what_was_expected_with_an_example() {
    for (record_type, given, expected) in [
        (RecordType::A, "::1", "an IPv4 address, for example '192.0.2.7'"),
        (RecordType::Aaaa, "", "an IPv6 address, for example '2001:db8::7'"),
        (RecordType::Aaaa, "::1 ::2", "nothing after the last field"),
        (RecordType::Srv, "0 5 web", "a port from 0 to 65535 after the weight"),
        (RecordType::Srv, "0 5 65536 web", "a port from 0 to 65535"),
        (RecordType::Srv, "0 5 1 *.web", "a target, or . for no service"),
        (RecordType::Svcb, "1 . colour=red", "mandatory=, alpn="),
        (RecordType::Svcb, "1 . port=1 port=2", "each parameter once"),
        (RecordType::Svcb, "1 . port", "mandatory=, alpn="),
        (RecordType::Svcb, "1 . alpn=", "protocols separated by commas"),
        (RecordType::Svcb, "1 . alpn=a,,b", "protocols separated by commas"),
        (RecordType::Svcb, "1 . no-default-alpn", "no-default-alpn requires alpn"),
        (RecordType::Svcb, "1 . mandatory=port", "mandatory lists each parameter once"),
        (RecordType::Svcb, "1 . mandatory=port,port port=1", "mandatory lists each parameter once"),
        (RecordType::Svcb, "0 . port=1", "is an alias and has no parameters"),
        (RecordType::Txt, "\"a", "matching quotes"),
        (RecordType::Txt, "\"a\"b", "matching quotes"),
        (RecordType::Txt, "\"\\256\"", "escapes"),
        (RecordType::Tlsa, "3 1 1 abc", "hexadecimal digits"),
        (RecordType::Tlsa, "3 1 1 ab", "TLSA data has 1 bytes"),
        (RecordType::Tlsa, "4 1 0 ab", "TLSA needs a usage from 0 to 3"),
        (RecordType::Caa, "1 issue x", "flags of 0, or 128"),
        (RecordType::Caa, "0 is-sue x", "a CAA tag has"),
        (RecordType::Cname, "a..b", "the name that this one is an alias of"),
        (RecordType::Cname, r"a\.b.example.com", "a dot within one"),
        (RecordType::Srv, r"0 5 443 a\046b.example.com", "a dot within one"),
        (RecordType::Soa, "a b 1 2 3 4", "the negative time to live"),
        (RecordType::Mx, "mail.demo.hypermesh", "a preference from 0 to 65535"),
        (RecordType::Mx, "10", "a mail server, or . for no mail"),
        (RecordType::Mx, "10 .", "is written \"0 .\""),
        (RecordType::Https, "0 . alpn=h2", "is an alias and has no parameters"),
        (RecordType::Sshfp, "4 2 abcd", "the SSHFP fingerprint has 2 bytes"),
        (RecordType::Sshfp, "4 2 abc", "hexadecimal digits"),
        (RecordType::Sshfp, "0 1 123456789abcdef67890123456789abcdef67890", "an algorithm above 0"),
        (RecordType::Sshfp, "4 3 abcd", "a fingerprint type of 1"),
        (RecordType::Naptr, r#"1 1 "u" "" "!a!b!" a.b"#, "a regular expression or a replacement, not both"),
        (RecordType::Naptr, r#"1 1 "-" "" "" a.b"#, "NAPTR flags are letters and digits"),
        (RecordType::Naptr, r#"1 1 "u" "" "!a!b!""#, "a name, or . for none"),
        (RecordType::from_number(65280), "0A000001", "the number of bytes, and the bytes in hexadecimal"),
        (
            RecordType::from_number(65280),
            "\\# 3 0A000001",
            "the number of bytes, and the bytes in hexadecimal",
        ),
        (
            RecordType::from_number(65280),
            "\\# 4 0A00000",
            "the number of bytes, and the bytes in hexadecimal",
        ),
        (RecordType::from_number(65280), "# 4 0A000001", "the number of bytes, and the bytes in hexadecimal"),
        (RecordType::Aaaa, "\\# 16 20010db8000000000000000000000007", "an IPv6 address"),
    ] {
        let told = parse(record_type, given).unwrap_err().to_string();
        assert!(told.contains(expected), "{given:?}: {told}");
        assert!(told.contains(record_type.example()), "{told}");
    }
}

#[test]
fn record_bounds_hold_at_them_and_one_past_them() {
    let text = |bytes: usize| RecordData::Txt(vec![Octets(vec![b'a'; bytes])]);
    assert_eq!(text(CHARACTER_STRING_BYTES_MAX).check(), Ok(()));
    let bytes = CHARACTER_STRING_BYTES_MAX + 1;
    assert_eq!(text(bytes).check(), Err(RecordDataFault::StringTooLong { bytes }));
    assert_eq!(RecordData::Txt(Vec::new()).check(), Err(RecordDataFault::NoStrings));

    let caa = |tag: usize, value: usize| RecordData::Caa {
        critical: false,
        tag: "t".repeat(tag),
        value: Octets(vec![b'v'; value]),
    };
    assert_eq!(caa(5, RECORD_BYTES_MAX - 7).check(), Ok(()));
    let bytes = RECORD_BYTES_MAX + 1;
    assert_eq!(caa(5, RECORD_BYTES_MAX - 6).check(), Err(RecordDataFault::TooLong { bytes }));
    assert_eq!(caa(CAA_TAG_BYTES_MAX, 1).check(), Ok(()));
    assert_eq!(caa(CAA_TAG_BYTES_MAX + 1, 1).check(), Err(RecordDataFault::CaaTag));
    assert_eq!(caa(0, 1).check(), Err(RecordDataFault::CaaTag));

    let svcb = |alpn: usize, length: usize| RecordData::Svcb {
        priority: 1,
        target: None,
        parameters: SvcbParameters { alpn: vec!["p".repeat(length); alpn], ..Default::default() },
    };
    assert_eq!(svcb(SVCB_VALUES_MAX, 2).check(), Ok(()));
    assert_eq!(svcb(SVCB_VALUES_MAX + 1, 2).check(), Err(RecordDataFault::SvcbValues));
    assert_eq!(svcb(1, CHARACTER_STRING_BYTES_MAX).check(), Ok(()));
    assert_eq!(svcb(1, CHARACTER_STRING_BYTES_MAX + 1).check(), Err(RecordDataFault::SvcbAlpn));

    let unknown = |bytes: usize| {
        let RecordType::Unknown(record_type) = RecordType::from_number(65280) else { unreachable!() };
        RecordData::Unknown { record_type, data: vec![7; bytes] }
    };
    assert_eq!(unknown(RECORD_BYTES_MAX).check(), Ok(()));
    let bytes = RECORD_BYTES_MAX + 1;
    assert_eq!(unknown(bytes).check(), Err(RecordDataFault::TooLong { bytes }));
    assert_eq!(
        parse(RecordType::from_number(65280), &unknown(RECORD_BYTES_MAX).to_string()),
        Ok(unknown(RECORD_BYTES_MAX))
    );

    let naptr = |length: usize| RecordData::Naptr {
        order: 1,
        preference: 1,
        flags: "u".into(),
        services: Octets(vec![b'x'; length]),
        regexp: Octets::default(),
        replacement: None,
    };
    assert_eq!(naptr(CHARACTER_STRING_BYTES_MAX).check(), Ok(()));
    let bytes = CHARACTER_STRING_BYTES_MAX + 1;
    assert_eq!(naptr(bytes).check(), Err(RecordDataFault::StringTooLong { bytes }));

    let long = "a".repeat(PRESENTATION_BYTES_MAX);
    assert!(!matches!(parse(RecordType::Txt, &long), Err(PresentationFault::TooLong { .. })));
    let bytes = PRESENTATION_BYTES_MAX + 1;
    let refused = parse(RecordType::Txt, &alloc::format!("{long}a"));
    assert_eq!(refused, Err(PresentationFault::TooLong { bytes }));
}

#[test]
fn set_bounds_hold_at_them_and_one_past_them() {
    let hosts =
        |count: usize| -> Vec<_> { (0..count).map(|host| RecordData::Aaaa((host as u128).into())).collect() };
    assert!(RecordSet::new(60, hosts(RECORDS_PER_SET_MAX)).is_ok());
    let records = RECORDS_PER_SET_MAX + 1;
    assert_eq!(RecordSet::new(60, hosts(records)), Err(RecordFault::TooMany { records }));
    assert_eq!(RecordSet::new(60, Vec::new()), Err(RecordFault::Empty));
    for (ttl_seconds, fits) in [
        (TTL_SECONDS_MIN - 1, false),
        (TTL_SECONDS_MIN, true),
        (TTL_SECONDS_MAX, true),
        (TTL_SECONDS_MAX + 1, false),
    ] {
        let expected = if fits { Ok(()) } else { Err(RecordFault::Ttl { ttl_seconds }) };
        assert_eq!(RecordSet::new(ttl_seconds, hosts(1)).map(|_| ()), expected);
    }
}

#[test]
fn a_set_is_sorted_distinct_and_of_one_type() {
    let [first, second] = ["::1", "::2"].map(|text| parse(RecordType::Aaaa, text).unwrap());
    let made = RecordSet::new(60, vec![second.clone(), first.clone(), second.clone()]).unwrap();
    assert_eq!(made.data, [first.clone(), second.clone()]);
    for data in [[second.clone(), first.clone()], [first.clone(), first.clone()]] {
        let set = RecordSet { ttl_seconds: 60, data: data.to_vec() };
        assert_eq!(set.check(), Err(RecordFault::NotCanonical));
    }
    let other = parse(RecordType::A, "192.0.2.1").unwrap();
    let mixed = RecordFault::MixedTypes { first: RecordType::A, other: RecordType::Aaaa };
    assert_eq!(RecordSet::new(60, vec![first, other]), Err(mixed));
    let aliases = ["a.hypermesh", "b.hypermesh"].map(|text| RecordData::Cname(name(text)));
    let refused = RecordFault::NotAlone { record_type: RecordType::Cname };
    assert_eq!(RecordSet::new(60, aliases.to_vec()), Err(refused));
    let mx = ["0 .", "10 mail.hypermesh"].map(|text| parse(RecordType::Mx, text).unwrap());
    assert_eq!(RecordSet::new(60, mx.to_vec()), Err(RecordFault::NullMxNotAlone));
    assert!(RecordSet::new(60, mx[..1].to_vec()).is_ok());
    let empty = RecordSet::new(60, vec![RecordData::Txt(Vec::new())]).unwrap_err();
    assert_eq!(
        empty.to_string(),
        "record 1 of type TXT: a TXT record needs at least one string, which may be empty"
    );
}

#[test]
fn an_alias_stands_alone_and_zones_start_only_at_their_top() {
    use RecordType::{A, Aaaa, Cname, Ns, Soa};
    assert_eq!(check_name(false, &[A, Aaaa]), Ok(()));
    assert_eq!(check_name(false, &[Cname]), Ok(()));
    assert_eq!(check_name(false, &[Cname, A]), Err(NameFault::CnameNotAlone { other: A }));
    assert_eq!(check_name(true, &[Cname]), Err(NameFault::CnameAtApex));
    assert_eq!(check_name(true, &[Soa, Ns, A]), Ok(()));
    for record_type in [Ns, Soa] {
        assert_eq!(check_name(false, &[record_type]), Err(NameFault::Delegation { record_type }));
    }
}

#[test]
fn the_stored_form_is_pinned() {
    let stored = |record_type, text| {
        hex::encode(crate::base::encode(
            &RecordSet::new(300, vec![parse(record_type, text).unwrap()]).unwrap(),
        ))
    };
    assert_eq!(stored(RecordType::Aaaa, "2001:db8::7"), "2c010000010000000120010db8000000000000000000000007");
    assert_eq!(
        stored(RecordType::Srv, "1 5 8443 a.b"),
        "2c0100000100000002010005 00fb20010300000061 2e62".replace(' ', "")
    );
}

#[test]
fn people_see_records_in_json_as_they_would_write_them() {
    let json = |record_type, text| serde_json::to_string(&parse(record_type, text).unwrap()).unwrap();
    assert_eq!(json(RecordType::Aaaa, "2001:db8::7"), r#"{"type":"AAAA","data":"2001:db8::7"}"#);
    assert_eq!(
        json(RecordType::Srv, "0 5 8443 web.demo.hypermesh"),
        r#"{"type":"SRV","data":{"priority":0,"weight":5,"port":8443,"target":"web.demo.hypermesh"}}"#
    );
    assert_eq!(json(RecordType::Txt, r#""a\\b\200""#), r#"{"type":"TXT","data":["a\\\\b\\200"]}"#);
    assert_eq!(
        json(RecordType::Tlsa, "3 0 0 ab"),
        r#"{"type":"TLSA","data":{"usage":3,"selector":0,"matching":0,"data":"ab"}}"#
    );
}

fn any_name() -> impl Strategy<Value = DomainName> {
    "([a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9_])?\\.){1,5}[a-z]{1,9}".prop_map(|text| text.parse().unwrap())
}

fn any_octets(bytes_max: usize) -> impl Strategy<Value = Octets> {
    proptest::collection::vec(any::<u8>(), 0..=bytes_max).prop_map(Octets)
}

prop_compose! {
    fn any_parameters()(
        wanted in proptest::sample::subsequence(SvcbKey::ALL.to_vec(), 0..5),
        alpn in proptest::collection::vec("[!#-+\\--\\[\\]-~]{1,12}", 0..5),
        flag in any::<bool>(),
        port in any::<Option<u16>>(),
        ipv4_hint in proptest::collection::vec(any::<core::net::Ipv4Addr>(), 0..5),
        ipv6_hint in proptest::collection::vec(any::<core::net::Ipv6Addr>(), 0..5),
    ) -> SvcbParameters {
        let no_default_alpn = flag && !alpn.is_empty();
        let present = |key: &SvcbKey| match key {
            SvcbKey::Alpn => !alpn.is_empty(),
            SvcbKey::NoDefaultAlpn => no_default_alpn,
            SvcbKey::Port => port.is_some(),
            SvcbKey::Ipv4Hint => !ipv4_hint.is_empty(),
            SvcbKey::Ipv6Hint => !ipv6_hint.is_empty(),
        };
        let mandatory = wanted.into_iter().filter(present).collect();
        SvcbParameters { mandatory, alpn, no_default_alpn, port, ipv4_hint, ipv6_hint }
    }
}

fn any_data() -> impl Strategy<Value = RecordData> {
    let target = || proptest::option::of(any_name());
    prop_oneof![
        any::<core::net::Ipv4Addr>().prop_map(RecordData::A),
        any::<core::net::Ipv6Addr>().prop_map(RecordData::Aaaa),
        (any::<[u16; 3]>(), target()).prop_map(|([priority, weight, port], target)| RecordData::Srv {
            priority,
            weight,
            port,
            target
        }),
        (1_u16.., target(), any_parameters()).prop_map(|(priority, target, parameters)| RecordData::Svcb {
            priority,
            target,
            parameters
        }),
        (1_u16.., target(), any_parameters()).prop_map(|(priority, target, parameters)| RecordData::Https {
            priority,
            target,
            parameters
        }),
        (any::<u16>(), any_name())
            .prop_map(|(preference, exchange)| RecordData::Mx { preference, exchange: Some(exchange) }),
        (1_u8.., any::<[u8; 32]>()).prop_map(|(algorithm, fingerprint)| RecordData::Sshfp {
            algorithm,
            fingerprint_type: 2,
            fingerprint: fingerprint.to_vec()
        }),
        (any::<[u16; 2]>(), "[a-zA-Z0-9]{0,2}", any_octets(40), any_octets(40), any_name()).prop_map(
            |([order, preference], flags, services, regexp, replacement)| {
                let replacement = regexp.0.is_empty().then_some(replacement);
                RecordData::Naptr {
                    order,
                    preference,
                    flags: flags.as_str().into(),
                    services,
                    regexp,
                    replacement,
                }
            }
        ),
        (1000_u16..32_768, any_octets(60)).prop_map(|(number, data)| {
            let RecordType::Unknown(record_type) = RecordType::from_number(number) else { unreachable!() };
            RecordData::Unknown { record_type, data: data.0 }
        }),
        target().prop_map(|target| RecordData::Svcb {
            priority: 0,
            target,
            parameters: SvcbParameters::default()
        }),
        proptest::collection::vec(any_octets(40), 1..4).prop_map(RecordData::Txt),
        (0_u8..4, 0_u8..2, any::<[u8; 32]>()).prop_map(|(usage, selector, data)| RecordData::Tlsa {
            usage,
            selector,
            matching: 1,
            data: data.to_vec()
        }),
        (any::<bool>(), "[a-z0-9]{1,15}", any_octets(60))
            .prop_map(|(critical, tag, value)| RecordData::Caa { critical, tag, value }),
        any_name().prop_map(RecordData::Cname),
        any_name().prop_map(RecordData::Ptr),
        any_name().prop_map(RecordData::Ns),
        (any_name(), any_name(), any::<[u32; 5]>()).prop_map(|(primary, responsible, numbers)| {
            let [serial, refresh_seconds, retry_seconds, expire_seconds, negative_ttl_seconds] = numbers;
            RecordData::Soa(Soa {
                primary,
                responsible,
                serial,
                refresh_seconds,
                retry_seconds,
                expire_seconds,
                negative_ttl_seconds,
            })
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_parses_back(data in any_data()) {
        prop_assert_eq!(parse(data.record_type(), &data.to_string()), Ok(data));
    }

    #[test]
    fn what_is_shown_in_json_reads_back(data in any_data()) {
        let json = serde_json::to_string(&data).unwrap();
        prop_assert_eq!(serde_json::from_str::<RecordData>(&json).unwrap(), data);
    }

    #[test]
    fn what_is_stored_decodes_back(data in any_data()) {
        let stored = crate::base::encode(&data);
        prop_assert_eq!(crate::base::decode(&stored, 2 * RECORD_BYTES_MAX), Ok(data));
    }

    #[test]
    fn any_stored_bytes_decode_to_what_encodes_to_them_or_are_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..80),
        kind in 0_u8..17,
    ) {
        // A plausible head: one record of a type that there is.
        bytes.splice(0..0, [60, 0, 0, 0, 1, 0, 0, 0, kind]);
        if let Ok(set) = crate::base::decode::<RecordSet>(&bytes, 100) {
            prop_assert_eq!(crate::base::encode(&set), bytes);
            prop_assert!(set.check() != Err(RecordFault::Empty));
        }
    }

    #[test]
    fn the_length_on_the_wire_is_as_computed(data in any_data()) {
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        wire::to_rdata(&data).emit(&mut encoder).unwrap();
        prop_assert_eq!(bytes.len(), data.wire_bytes());
    }

    #[test]
    fn any_text_is_a_record_that_prints_back_or_is_refused(
        which in 0..RecordType::ALL.len(),
        text in "[ \"\\\\.,=a-z0-9:äπ\u{0}\n]{0,60}",
    ) {
        let record_type = RecordType::ALL[which];
        if let Ok(data) = parse(record_type, &text) {
            prop_assert_eq!(data.check(), Ok(()));
            prop_assert_eq!(parse(record_type, &data.to_string()), Ok(data));
        }
    }

    #[test]
    fn octets_are_shown_in_ascii_and_read_back(octets in any_octets(60)) {
        let json = serde_json::to_string(&octets).unwrap();
        prop_assert!(json.is_ascii());
        let read: Octets = serde_json::from_str::<String>(&json)
            .and_then(|_| serde_json::from_str(&json)).unwrap();
        prop_assert_eq!(read, octets);
    }
}
