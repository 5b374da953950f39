//! Requests as openssl makes them (`fixtures/README.md` has the commands), taken and refused.

use super::*;
use crate::trustchain::ca::request_outline::{Element, Outline};
use alloc::string::{String, ToString};
use alloc::{format, vec};
use der::asn1::AnyRef;
use der::{Decode, Encode, Tag};

fn refusal(csr: &[u8]) -> String {
    CertificateRequest::from_csr(csr).unwrap_err().to_string()
}

#[test]
fn every_kind_of_key_is_taken_with_its_names() {
    let kinds = [
        (ED25519, SubjectAlgorithm::Ed25519),
        (P256, SubjectAlgorithm::EcdsaP256),
        (P256_SHA384, SubjectAlgorithm::EcdsaP256),
        (P384_SHA256, SubjectAlgorithm::EcdsaP384),
        (P384_SHA384, SubjectAlgorithm::EcdsaP384),
    ];
    for (csr, algorithm) in kinds {
        let request = CertificateRequest::from_csr(csr).unwrap();
        assert_eq!(request.subject_key.algorithm(), algorithm);
        let dns: Vec<_> = request.names.dns().iter().map(|name| name.as_str()).collect();
        assert_eq!(dns, ["web.demo.hypermesh", "api.demo.hypermesh"]);
        assert_eq!(request.names.ipv6(), ["2001:db8::10".parse::<core::net::Ipv6Addr>().unwrap()]);
        assert_eq!(request.names.spiffe(), Some("spiffe://demo.hypermesh/web"));
        let decoded = crate::base::decode::<CertificateRequest>(&crate::base::encode(&request), 512);
        assert_eq!(decoded, Ok(request));
    }
}

#[test]
fn pem_gives_what_der_gives() {
    let text = include_str!("../fixtures/ed25519.pem");
    assert_eq!(CertificateRequest::from_pem(text), CertificateRequest::from_csr(ED25519));
    let renamed = text.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert_eq!(CertificateRequest::from_pem(&renamed), CertificateRequest::from_csr(ED25519));
    assert_eq!(pem(PemLabel::CertificateRequest, ED25519), text);
    let other = text.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    assert!(matches!(
        CertificateRequest::from_pem(&other),
        Err(RequestFault::Pem(AssembleFault::Label { .. }))
    ));
    let twice = text.to_string() + text;
    assert!(matches!(CertificateRequest::from_pem(&twice), Err(RequestFault::Pem(_))));
    let long = " ".repeat(PEM_BYTES_MAX + 1);
    let fault = AssembleFault::TooLong { bytes: PEM_BYTES_MAX + 1, allowed: PEM_BYTES_MAX };
    assert_eq!(CertificateRequest::from_pem(&long), Err(RequestFault::Pem(fault)));
}

#[test]
fn other_keys_are_refused_by_name() {
    for (csr, kind) in [
        (&include_bytes!("../fixtures/rsa.der")[..], "RSA"),
        (include_bytes!("../fixtures/p521.der"), "P-521"),
        (include_bytes!("../fixtures/secp256k1.der"), "secp256k1"),
        (include_bytes!("../fixtures/ed448.der"), "Ed448"),
        (include_bytes!("../fixtures/p256_explicit.der"), "elliptic-curve (with explicit curve parameters)"),
    ] {
        assert_eq!(
            CertificateRequest::from_csr(csr),
            Err(RequestFault::Key(KeyFault::Unsupported { kind: kind.into() }))
        );
    }
    let compressed = include_bytes!("../fixtures/p256_compressed.der");
    let fault = KeyFault::Unusable { algorithm: SubjectAlgorithm::EcdsaP256 };
    assert_eq!(CertificateRequest::from_csr(compressed), Err(RequestFault::Key(fault)));
    assert!(
        refusal(include_bytes!("../fixtures/p256_sha512.der")).contains("signed with 1.2.840.10045.4.3.4")
    );
}

#[test]
fn other_names_are_refused_by_name() {
    for (csr, words) in [
        (&include_bytes!("../fixtures/wildcard.der")[..], "wildcard \"*.demo.hypermesh\""),
        (include_bytes!("../fixtures/ipv4.der"), "IPv4 address 192.0.2.1"),
        (include_bytes!("../fixtures/email.der"), "e-mail address \"a@demo.hypermesh\""),
        (include_bytes!("../fixtures/other_uri.der"), "URI \"https://demo.hypermesh/\""),
        (include_bytes!("../fixtures/two_spiffe.der"), "more than one SPIFFE ID"),
        (include_bytes!("../fixtures/directory_name.der"), "directoryName"),
        (include_bytes!("../fixtures/registered_id.der"), "registeredID"),
        (include_bytes!("../fixtures/san_33.der"), "33 names, at most 32"),
    ] {
        assert!(refusal(csr).contains(words), "{}", refusal(csr));
    }
    let at_the_limit = include_bytes!("../fixtures/san_32.der");
    assert_eq!(CertificateRequest::from_csr(at_the_limit).unwrap().names.count(), SAN_COUNT_MAX);
}

#[test]
fn a_common_name_alone_is_refused_with_the_remedy() {
    let no_san = include_bytes!("../fixtures/no_san.der");
    assert_eq!(CertificateRequest::from_csr(no_san), Err(RequestFault::NoSubjectAltName));
    assert!(refusal(no_san).contains("-addext \"subjectAltName=DNS:"));
}

#[test]
fn a_name_that_stands_twice_is_taken_once() {
    let request = CertificateRequest::from_csr(include_bytes!("../fixtures/repeated.der")).unwrap();
    assert_eq!((request.names.dns().len(), request.names.ipv6().len()), (1, 1));
}

#[test]
fn a_request_to_be_an_authority_makes_a_leaf() {
    let mesh = Mesh::new();
    let chain = mesh.chain(include_bytes!("../fixtures/wants_ca.der"));
    assert!(matches!(parse_certificate(&chain.leaf).unwrap().role, CertificateRole::Leaf(_)));
}

#[test]
fn an_altered_request_is_refused() {
    for csr in TAKEN {
        let mut altered = csr.to_vec();
        let position =
            altered.windows(4).position(|window| window == b"demo" || window == [0x20, 1, 0x0d, 0xb8]);
        altered[position.unwrap() + 3] ^= 2;
        assert_eq!(CertificateRequest::from_csr(&altered), Err(RequestFault::Signature));
    }
}

#[test]
fn bytes_are_bounded_and_none_may_follow() {
    let mut csr = ED25519.to_vec();
    csr.push(0);
    assert_eq!(CertificateRequest::from_csr(&csr), Err(RequestFault::TrailingBytes { bytes: 1 }));
    csr.resize(CSR_BYTES_MAX, 0);
    assert!(matches!(CertificateRequest::from_csr(&csr), Err(RequestFault::TrailingBytes { .. })));
    csr.push(0);
    let fault = RequestFault::TooLong { bytes: CSR_BYTES_MAX + 1 };
    assert_eq!(CertificateRequest::from_csr(&csr), Err(fault));
    assert!(matches!(CertificateRequest::from_csr(&[]), Err(RequestFault::Malformed { byte: 0, .. })));
}

/// The request with its signed parts (version, subject, key, attributes) changed, and the old signature.
fn rebuilt(csr: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let sequence = |parts: &[Vec<u8>]| element(Tag::Sequence, &parts.concat());
    let parts = |of: &[u8]| -> Vec<Vec<u8>> {
        let whole = AnyRef::from_der(of).unwrap();
        let whole = Element { at: 0, tag: Tag::Sequence, raw: of, value: whole.value() };
        whole.elements().unwrap().iter().map(|part| part.raw.to_vec()).collect()
    };
    let mut whole = parts(csr);
    let mut signed = parts(&whole[0]);
    change(&mut signed);
    whole[0] = sequence(&signed);
    sequence(&whole)
}

fn element(tag: Tag, content: &[u8]) -> Vec<u8> {
    AnyRef::new(tag, content).unwrap().to_der().unwrap()
}

/// Attributes with one `extensionRequest`, whose only list has these extensions.
fn attributes(extensions: &[Vec<u8>]) -> Vec<u8> {
    let list = element(Tag::Sequence, &extensions.concat());
    let oid = der::oid::db::rfc5912::ID_EXTENSION_REQ.to_der().unwrap();
    let attribute = element(Tag::Sequence, &[oid, element(Tag::Set, &list)].concat());
    let mut attributes = element(Tag::Set, &attribute);
    attributes[0] = 0xa0;
    attributes
}

fn extension(oid: &str, value: &[u8]) -> Vec<u8> {
    let oid = der::asn1::ObjectIdentifier::new(oid).unwrap().to_der().unwrap();
    element(Tag::Sequence, &[oid, element(Tag::OctetString, value)].concat())
}

fn asking(extensions: &[Vec<u8>]) -> Vec<u8> {
    rebuilt(ED25519, |signed| signed[3] = attributes(extensions))
}

/// A request for names whose encodings are given.
fn naming(names: &[u8]) -> Vec<u8> {
    asking(&[extension("2.5.29.17", &element(Tag::Sequence, names))])
}

#[test]
fn requests_of_other_programs_are_refused_with_what_is_wrong() {
    for (text, words) in [
        (include_str!("../fixtures/no_attributes.pem"), "has no attributes field"),
        (
            include_str!("../fixtures/dns_and_registered_id.pem"),
            "entry 2 of subjectAltName: a name of kind registeredID",
        ),
        (include_str!("../fixtures/two_values.pem"), "extensionRequest has 2 values"),
        (
            include_str!("../fixtures/u_label.pem"),
            "entry 1 of subjectAltName, \"büro.demo.hypermesh\", has characters outside ASCII: \
             DNS names are given as A-labels, this one as xn--bro-hoa.demo.hypermesh",
        ),
        (include_str!("../fixtures/u_label_without_subject.pem"), "this one as xn--bro-hoa.demo.hypermesh"),
        (
            include_str!("../fixtures/san_as_text.pem"),
            "subjectAltName is not a list of names in DER (at byte 116), but the text \
            \"email:abc@example.com\"",
        ),
    ] {
        let refused = CertificateRequest::from_pem(text).unwrap_err().to_string();
        assert!(refused.contains(words), "{words}: {refused}");
    }
    let taken = CertificateRequest::from_pem(include_str!("../fixtures/a_label.pem")).unwrap();
    assert_eq!(taken.names.to_string(), "xn--bro-hoa.demo.hypermesh (büro.demo.hypermesh)");
}

#[test]
fn the_kind_of_key_is_named_before_all_else() {
    let rsa = include_bytes!("../fixtures/rsa.der");
    let faulty = rebuilt(rsa, |signed| {
        signed[0] = vec![2, 1, 7];
        signed.truncate(3);
    });
    let fault = RequestFault::Key(KeyFault::Unsupported { kind: "RSA".into() });
    assert_eq!(CertificateRequest::from_csr(&faulty), Err(fault));
    let version = |bytes: &[u8]| rebuilt(ED25519, |signed| signed[0] = element(Tag::Integer, bytes));
    assert_eq!(
        CertificateRequest::from_csr(&version(&[2])),
        Err(RequestFault::Version { version: "2".into() })
    );
    for other in [&[0xff][..], &[0, 0xff, 1], &[1; 9], &[0, 0], &[]] {
        let refused = CertificateRequest::from_csr(&version(other));
        assert!(matches!(refused, Err(RequestFault::Version { .. })), "{other:?}: {refused:?}");
    }
    assert_eq!(
        CertificateRequest::from_csr(&rebuilt(ED25519, |signed| signed.truncate(3))),
        Err(RequestFault::NoAttributes)
    );
    assert_eq!(CertificateRequest::from_csr(&version(&[0])), CertificateRequest::from_csr(ED25519));
}

#[test]
fn lists_of_extensions_stand_once_and_so_does_each_extension() {
    let twice = rebuilt(ED25519, |signed| {
        let attribute = signed[3][2..].to_vec();
        signed[3] = element(Tag::Set, &attribute.repeat(2));
        signed[3][0] = 0xa0;
    });
    assert!(matches!(
        CertificateRequest::from_csr(&twice),
        Err(RequestFault::ManyExtensionRequests | RequestFault::Malformed { .. })
    ));
    let san = extension("2.5.29.17", &[0x30, 3, 0x82, 1, b'a']);
    let known = asking(&[san.clone(), san.clone()]);
    assert_eq!(
        CertificateRequest::from_csr(&known),
        Err(RequestFault::RepeatedExtension { extension: "subjectAltName".into() })
    );
    let unknown = extension("1.2.3.4", &[5, 0]);
    let repeated = asking(&[unknown.clone(), san.clone(), unknown.clone()]);
    assert_eq!(
        CertificateRequest::from_csr(&repeated),
        Err(RequestFault::RepeatedExtension { extension: "1.2.3.4".into() })
    );
    // What is wrong with neither is that they are not what was signed.
    assert_eq!(CertificateRequest::from_csr(&asking(&[unknown, san])), Err(RequestFault::Signature));
    assert_eq!(CertificateRequest::from_csr(&asking(&[])), Err(RequestFault::NoSubjectAltName));
}

#[test]
fn a_name_that_does_not_parse_is_told_by_its_place() {
    let good = [0x82, 1, b'a'];
    for (bad, words) in [
        (
            &[0x82, 2, 0xc3, 0xbc][..],
            "entry 2 of subjectAltName, \"ü\", has characters outside ASCII: DNS names",
        ),
        (&[0x82, 1, 0xfc], "entry 2 of subjectAltName, \"\u{fffd}\", has characters outside ASCII"),
        (&[0x86, 2, 0xc3, 0xbc], "URIs are in ASCII"),
        (&[0x82, 9, b'a'], "entry 2 of subjectAltName, at byte"),
        (&[0x30, 0], "entry 2 of subjectAltName, at byte"),
        (&[0xa0, 0], "entry 2 of subjectAltName: a name of kind otherName"),
        (&[0xa3, 0], "entry 2 of subjectAltName: a name of kind x400Address"),
        (&[0x87, 3, 1, 2, 3], "entry 2 of subjectAltName: an IP address of 3 bytes"),
        (&[0x82, 0], "entry 2 of subjectAltName: the name is empty"),
        (&[0x82, 3, b'*', b'.', b'a'], "entry 2 of subjectAltName: wildcard"),
    ] {
        let refused = refusal(&naming(&[&good[..], bad].concat()));
        assert!(refused.contains(words), "{words}: {refused}");
    }
    let no_list = refusal(&asking(&[extension("2.5.29.17", &good)]));
    assert!(no_list.contains("not a list of names in DER"), "{no_list}");
    assert!(refusal(&naming(&[])).contains("no name to certify"));
    // As many as there may be are looked at, and not one more.
    let many = |count: usize| refusal(&naming(&[0x82, 2, 0xc3, 0xbc].repeat(count)));
    assert!(many(SAN_COUNT_MAX).contains("entry 1 "), "{}", many(SAN_COUNT_MAX));
    assert!(many(SAN_COUNT_MAX + 1).contains("33 names, at most 32"));
}

#[test]
fn what_is_asked_for_and_not_given_is_named() {
    let ignored_attributes = |csr: &[u8]| -> Vec<String> {
        let request = CertificateRequest::from_csr(csr).unwrap();
        request.ignored_attributes(csr).unwrap().iter().map(ToString::to_string).collect()
    };
    let text = include_str!("../fixtures/asks_to_be_ca.pem");
    assert_eq!(ignored_attributes(&from_pem(PemLabel::CertificateRequest, text).unwrap()), ["CA:TRUE"]);
    assert_eq!(
        ignored_attributes(include_bytes!("../fixtures/wants_ca.der")),
        ["CA:TRUE", "key usage keyCertSign", "extension nameConstraints", "must-staple (TLS feature)"]
    );
    // Its common name is one of its names.
    assert_eq!(ignored_attributes(ED25519), Vec::<String>::new());
    // What is in every certificate was given.
    let usage = extension("2.5.29.15", &[3, 2, 7, 0x80]);
    let purposes = extension("2.5.29.37", &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1]);
    let given = asking(&[usage, purposes, extension("2.5.29.14", &[4, 1, 7])]);
    assert_eq!(listed(&given), Vec::<String>::new());
    let usage = extension("2.5.29.15", &[3, 2, 5, 0xe0]);
    let purposes = extension("2.5.29.37", &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3]);
    let broken = extension("2.5.29.19", &[4, 1, 7]);
    let mut critical = extension("1.2.3.4", &[5, 0]);
    critical[1] += 3;
    critical.splice(7..7, [1, 1, 0xff]);
    assert_eq!(
        listed(&asking(&[usage, purposes, broken, critical])),
        [
            "critical extension 1.2.3.4",
            "key usage nonRepudiation and keyEncipherment",
            "extended key usage codeSigning",
            "extension basicConstraints"
        ]
    );
    let subject = element(Tag::Sequence, &organisation("Example, Inc."));
    let named = rebuilt(ED25519, |signed| signed[1] = subject);
    assert_eq!(listed(&named), ["subject O=Example\\, Inc."]);
    let subject = element(Tag::Sequence, &organisation("Büro\u{202e}"));
    let reversing = rebuilt(ED25519, |signed| signed[1] = subject);
    assert_eq!(listed(&reversing), ["subject O=Büro\\u{202e}"]);
    let unreadable = rebuilt(ED25519, |signed| signed[1] = element(Tag::Sequence, &[5, 0]));
    assert_eq!(listed(&unreadable).len(), 1);
}

/// What is passed over of a request whose signature is of other bytes.
fn listed(csr: &[u8]) -> Vec<String> {
    let request = CertificateRequest::from_csr(ED25519).unwrap();
    assert!(Outline::of(csr).is_ok());
    request.ignored_attributes(csr).unwrap().iter().map(ToString::to_string).collect()
}

fn organisation(name: &str) -> Vec<u8> {
    let oid = der::oid::db::rfc4519::O.to_der().unwrap();
    let field = element(Tag::Sequence, &[oid, element(Tag::Utf8String, name.as_bytes())].concat());
    element(Tag::Set, &field)
}

#[test]
fn what_is_no_request_is_told_by_its_byte() {
    let fault = |csr: &[u8]| CertificateRequest::from_csr(csr).unwrap_err();
    assert_eq!(fault(&ED25519[..100]), RequestFault::CutShort { bytes: 100, expected: ED25519.len() });
    let swapped = rebuilt(ED25519, |signed| signed.swap(0, 1));
    assert_eq!(fault(&swapped), RequestFault::Malformed { byte: 7, expected: "the version, an INTEGER" });
    let mut broken = ED25519.to_vec();
    broken[8] = 0x84;
    assert!(fault(&broken).to_string().contains("at byte 7, expected an element"), "{}", fault(&broken));
    let surplus = rebuilt(ED25519, |signed| signed.push(vec![5, 0]));
    assert!(format!("{}", fault(&surplus)).contains("expected the attributes, [0], or the end"));
}
