//! Bytes from outside: whatever they are, they are refused or taken, and never a panic.

use super::*;
use alloc::string::ToString;
use alloc::vec;
use der::asn1::OctetString;
use der::{Decode, Encode};
use proptest::prelude::*;
use x509_cert::TbsCertificate;
use x509_cert::ext::Extension;

/// Overwrites, cuts, repeats: what a hostile sender does to good bytes.
fn mutated(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = good.len();
    let edits = proptest::collection::vec((0..length, any::<u8>()), 1..6);
    (edits, 0..length, 0..8_usize).prop_map(move |(edits, cut, kind)| {
        let mut bytes = good.clone();
        for (position, value) in edits {
            bytes[position] = value;
        }
        match kind {
            0 => bytes.truncate(cut),
            1 => bytes.drain(..cut).for_each(drop),
            2 => bytes.extend_from_within(cut..),
            _ => {}
        }
        bytes
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (0..TAKEN.len()).prop_flat_map(|kind| mutated(TAKEN[kind].to_vec())),
    ]
}

fn certificate() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..300),
        2 => mutated(Mesh::new().chain(P256).leaf),
        2 => mutated(Mesh::new().chain(P256).root),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn requests_never_panic(bytes in request()) {
        if let Ok(request) = CertificateRequest::from_csr(&bytes) {
            prop_assert!(request.ignored_attributes(&bytes).is_ok());
            prop_assert_eq!(crate::base::decode(&crate::base::encode(&request), 4096), Ok(request));
        }
    }

    #[test]
    fn request_text_never_panics(text in "(-----BEGIN CERTIFICATE REQUEST-----\n)?[ -~\n]{0,200}(-----END CERTIFICATE REQUEST-----)?") {
        prop_assert!(CertificateRequest::from_pem(&text).is_err());
    }

    #[test]
    fn certificates_never_panic_and_come_back_alike(bytes in certificate()) {
        if let Ok(certificate) = parse_certificate(&bytes) {
            prop_assert_eq!(certificate.to_der(), Ok(bytes));
        }
    }

    #[test]
    fn splitting_never_panics_and_is_undone(bytes in mutated(with_proof(&Mesh::new().leaf_tbs(P256), &[5; 99]).unwrap())) {
        match split(&bytes) {
            Ok((pre_tbs, Some(proof))) => prop_assert_eq!(with_proof(&pre_tbs, &proof), Ok(bytes)),
            Ok((pre_tbs, None)) => prop_assert_eq!(pre_tbs, bytes),
            Err(_) => {}
        }
    }

    #[test]
    fn an_altered_certificate_never_passes(bytes in mutated(Mesh::new().chain(P256).leaf)) {
        let mesh = Mesh::new();
        let chain = mesh.chain(P256);
        prop_assume!(bytes != chain.leaf);
        if let Ok(leaf) = parse_certificate(&bytes) {
            let report = ChainCheck {
                leaf: &leaf,
                issuing: &parse_certificate(&chain.issuing).unwrap(),
                root: &parse_certificate(&chain.root).unwrap(),
                anchor: &mesh.anchor(),
                now: AT,
                expected: None,
            }
            .run();
            prop_assert!(!report.holds());
        }
    }
}

fn reshaped(edit: impl FnOnce(&mut TbsCertificate)) -> Result<SignedCertificate, CertificateFault> {
    let mesh = Mesh::new();
    let mut certificate = TbsCertificate::from_der(&mesh.leaf_tbs(ED25519)).unwrap();
    edit(&mut certificate);
    parse_certificate(&signed(&mesh.issuing, &certificate.to_der().unwrap()))
}

fn with_extension(oid: &str, critical: bool) -> Result<SignedCertificate, CertificateFault> {
    reshaped(|certificate| {
        certificate.extensions.as_mut().unwrap().push(Extension {
            extn_id: der::asn1::ObjectIdentifier::new(oid).unwrap(),
            critical,
            extn_value: OctetString::new([5, 0]).unwrap(),
        });
    })
}

#[test]
fn certificates_of_another_shape_are_refused() {
    let is_shape = |outcome| matches!(outcome, Err(CertificateFault::Shape { .. }));
    assert!(reshaped(|_| {}).is_ok());
    assert!(is_shape(reshaped(|certificate| certificate.version = x509_cert::Version::V1)));
    assert!(is_shape(reshaped(|certificate| certificate.extensions = None)));
    assert!(is_shape(reshaped(|certificate| {
        certificate.serial_number = x509_cert::serial_number::SerialNumber::from(7_u32);
    })));
    assert!(is_shape(reshaped(|certificate| {
        certificate.signature.oid = der::oid::db::rfc5912::ECDSA_WITH_SHA_256;
    })));
    for missing in 0..6 {
        let outcome = reshaped(|certificate| {
            certificate.extensions.as_mut().unwrap().remove(missing);
        });
        assert!(is_shape(outcome), "{missing}");
    }
    assert!(is_shape(with_extension("2.5.29.15", true)));
}

#[test]
fn an_unknown_extension_is_passed_over_unless_it_is_critical() {
    assert!(with_extension("1.2.3.4", false).is_ok());
    let fault = CertificateFault::UnknownCritical { oid: "1.2.3.4".into() };
    assert_eq!(with_extension("1.2.3.4", true), Err(fault));
}

#[test]
fn bytes_are_bounded_and_none_may_follow() {
    let mut der = Mesh::new().chain(ED25519).leaf;
    der.push(0);
    assert_eq!(parse_certificate(&der), Err(CertificateFault::Malformed));
    assert_eq!(parse_certificate(&vec![0; CERTIFICATE_BYTES_MAX]), Err(CertificateFault::Malformed));
    let fault = CertificateFault::TooLong { bytes: CERTIFICATE_BYTES_MAX + 1 };
    assert_eq!(parse_certificate(&vec![0; CERTIFICATE_BYTES_MAX + 1]), Err(fault));
}

/// A request as its maker signs it, for names of whatever form, by a key that `rcgen` takes.
fn asking_for(names: &[&str]) -> Vec<u8> {
    crate::state::tests::test_util::csr(&SecretKey::from_seed([9; 32]), names)
}

#[test]
fn ten_thousand_names_are_refused_with_how_many_there_may_be() {
    let names: Vec<_> = (0..10_000).map(|number| alloc::format!("n{number}.demo.hypermesh")).collect();
    let names: Vec<_> = names.iter().map(alloc::string::String::as_str).collect();
    let csr = asking_for(&names);
    assert_eq!(CertificateRequest::from_csr(&csr), Err(RequestFault::TooLong { bytes: csr.len() }));
    assert!(RequestFault::TooLong { bytes: csr.len() }.to_string().contains("at most 32 names"));
    // Within the bytes, the names are counted before they are looked at.
    let short: Vec<_> = (0..200).map(|number| alloc::format!("{number}")).collect();
    let short: Vec<_> = short.iter().map(alloc::string::String::as_str).collect();
    let fault = NameFault::TooMany { count: 200 };
    assert_eq!(CertificateRequest::from_csr(&asking_for(&short)), Err(RequestFault::Names(fault)));
}

#[test]
fn every_cut_of_a_request_is_refused_with_what_to_do() {
    for csr in TAKEN {
        for length in 0..csr.len() {
            let refused = CertificateRequest::from_csr(&csr[..length]).unwrap_err();
            assert!(matches!(refused, RequestFault::Malformed { .. } | RequestFault::CutShort { .. }));
            assert!(refused.to_string().contains("openssl req -new"));
        }
    }
    for other in [&b"hello"[..], b"-----BEGIN CERTIFICATE REQUEST-----", &[0x30, 0x80, 0, 0], &[0x30; 4096]] {
        let refused = CertificateRequest::from_csr(other);
        assert!(matches!(refused, Err(RequestFault::Malformed { .. })), "{refused:?}");
    }
}

#[test]
fn internationalised_names_are_taken_by_the_one_rule() {
    for name in ["xn--bro-hoa.demo.hypermesh", "a.xn--wgv71a119e", "spiffe://xn--bcher-kva.demo/web"] {
        let taken = CertificateRequest::from_csr(&asking_for(&["good.demo.hypermesh", name]));
        assert!(taken.is_ok(), "{name}: {taken:?}");
    }
    // The first three look like apple.demo.hypermesh, web.demo.hypermesh and a.apple, with Cyrillic letters.
    for (name, words) in [
        ("xn--pple-43d.demo.hypermesh", "mixes scripts"),
        ("xn--wb-olc.demo.hypermesh", "mixes scripts"),
        ("a.xn--80ak6aa92e", "looks like"),
        ("ab--c.demo", "reserved"),
        ("xn--n3h.demo", "U+2603"),
        ("spiffe://xn--pple-43d.demo.hypermesh/web", "mixes scripts"),
    ] {
        let refused = CertificateRequest::from_csr(&asking_for(&["good.demo.hypermesh", name])).unwrap_err();
        let by_the_rule = matches!(
            &refused,
            RequestFault::Names(NameFault::Internationalised { .. })
                | RequestFault::Name { fault: NameFault::Internationalised { .. }, .. }
        );
        assert!(by_the_rule, "{refused:?}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    for name in ["a-b.demo.hypermesh", "a--b.demo.hypermesh", "x-n--b.demo.hypermesh", "n--.demo"] {
        let taken = CertificateRequest::from_csr(&asking_for(&[name]));
        assert_eq!(taken.is_ok(), !name.starts_with("n--."), "{name}");
    }
}
