//! PKCS#10 certificate requests and subject keys.
#![no_main]

use hypermesh_core::base::{decode, encode};
use hypermesh_core::trustchain::ca::{
    CSR_BYTES_MAX, CertificateRequest, NAMES_BYTES_MAX, PemLabel, SAN_COUNT_MAX, SubjectKey, SubjectNames, pem,
};
use hypermesh_fuzz::{canonical, select, shown, text};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    match which % 5 {
        0 | 1 => {
            let Ok(request) = CertificateRequest::from_csr(bytes) else { return };
            request.ignored_attributes(bytes).expect("what is taken can be read for what else it asks");
            assert!(bytes.len() <= CSR_BYTES_MAX && (1..=SAN_COUNT_MAX).contains(&request.names.count()));
            assert_eq!(decode(&encode(&request), CSR_BYTES_MAX), Ok(request.clone()));
            assert_eq!(SubjectKey::from_spki_der(request.subject_key.spki_der()), Ok(request.subject_key.clone()));
            let armoured = pem(PemLabel::CertificateRequest, bytes);
            assert_eq!(CertificateRequest::from_pem(&armoured), Ok(request));
        }
        2 => {
            if let Ok(key) = SubjectKey::from_spki_der(bytes) {
                assert_eq!(key.spki_der(), bytes);
                assert_eq!(key.key_bytes().len(), key.algorithm().key_bytes());
            }
        }
        3 => {
            if let Some(names) = shown::<SubjectNames>(bytes, 2 * NAMES_BYTES_MAX) {
                assert!((1..=SAN_COUNT_MAX).contains(&names.count()));
            }
            drop(canonical::<SubjectKey>(bytes, CSR_BYTES_MAX));
        }
        _ => {
            if let Some(text) = text(bytes) {
                drop(CertificateRequest::from_pem(text));
            }
        }
    }
});
