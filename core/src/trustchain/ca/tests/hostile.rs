//! Bytes from outside: whatever they are, they are refused or taken, and never a panic.

use super::*;
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
            prop_assert_eq!(crate::base::decode(&crate::base::encode(&request), 4096), Ok(request));
        }
    }

    #[test]
    fn request_text_never_panics(text in "(-----BEGIN CERTIFICATE REQUEST-----\n)?[ -~\n]{0,200}(-----END CERTIFICATE REQUEST-----)?") {
        prop_assert!(CertificateRequest::from_pem(&text).is_err());
    }

    #[test]
    fn certificates_never_panic_and_come_back_alike(bytes in certificate()) {
        if let Ok(certificate) = take_apart(&bytes) {
            prop_assert_eq!(certificate_der(&certificate.tbs, &certificate.signature.0), Ok(bytes));
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
        if let Ok(leaf) = take_apart(&bytes) {
            let report = ChainCheck {
                leaf: &leaf,
                issuing: &take_apart(&chain.issuing).unwrap(),
                root: &take_apart(&chain.root).unwrap(),
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
    take_apart(&signed(&mesh.issuing, &certificate.to_der().unwrap()))
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
    assert_eq!(take_apart(&der), Err(CertificateFault::Malformed));
    assert_eq!(take_apart(&vec![0; CERTIFICATE_BYTES_MAX]), Err(CertificateFault::Malformed));
    let fault = CertificateFault::TooLong { bytes: CERTIFICATE_BYTES_MAX + 1 };
    assert_eq!(take_apart(&vec![0; CERTIFICATE_BYTES_MAX + 1]), Err(fault));
}
