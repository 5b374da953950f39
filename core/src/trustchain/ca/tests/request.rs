//! Requests as openssl makes them (`fixtures/README.md` has the commands), taken and refused.

use super::*;
use alloc::string::ToString;

fn refusal(csr: &[u8]) -> alloc::string::String {
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
        (include_bytes!("../fixtures/san_33.der"), "33 names where at most 32"),
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
    assert!(matches!(take_apart(&chain.leaf).unwrap().role, CertificateRole::Leaf(_)));
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
    assert_eq!(CertificateRequest::from_csr(&[]), Err(RequestFault::Malformed));
}
