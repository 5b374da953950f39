//! Certificates taken apart, the proof extension, serial numbers.
#![no_main]

use hypermesh_core::trustchain::ca::{
    CERTIFICATE_BYTES_MAX, CRL_BYTES_MAX, PROOF_BYTES_MAX, REVOKED_COUNT_MAX, PemLabel, SerialNumber, TBS_BYTES_MAX, from_pem, pem,
    split, parse_certificate, parse_crl, with_proof,
};
use hypermesh_fuzz::{select, shown, text};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    match which % 7 {
        0 | 1 => {
            let Ok(certificate) = parse_certificate(bytes) else { return };
            assert!(bytes.len() <= CERTIFICATE_BYTES_MAX);
            assert_eq!(certificate.to_der().as_deref(), Ok(bytes));
            let (pre_tbs, proof) = split(&certificate.tbs).expect("it was taken apart");
            assert_eq!((&pre_tbs, &proof), (&certificate.pre_tbs, &certificate.proof));
            let armoured = pem(PemLabel::Certificate, bytes);
            assert_eq!(from_pem(PemLabel::Certificate, &armoured).as_deref(), Ok(bytes));
        }
        2 => {
            let Ok((pre_tbs, proof)) = split(bytes) else { return };
            assert!(pre_tbs.len() <= TBS_BYTES_MAX || proof.is_none());
            match proof {
                Some(proof) => {
                    assert!(proof.len() <= PROOF_BYTES_MAX);
                    assert_eq!(with_proof(&pre_tbs, &proof).as_deref(), Ok(bytes));
                }
                None => assert_eq!(pre_tbs, bytes),
            }
        }
        3 => {
            let _serial: Option<SerialNumber> = shown(bytes, 64);
            if let Ok(serial) = SerialNumber::from_bytes(bytes) {
                assert_eq!(serial.to_string().parse(), Ok(serial));
            }
        }
        4 | 5 => {
            let Ok(list) = parse_crl(bytes) else { return };
            assert!(bytes.len() <= CRL_BYTES_MAX && list.list.entries.len() <= REVOKED_COUNT_MAX);
            assert_eq!(list.to_der().as_deref(), Ok(bytes));
            for entry in &list.list.entries {
                assert_eq!(list.list.entry(&entry.serial), Some(entry), "each entry is found");
            }
        }
        _ => {
            let Some(text) = text(bytes) else { return };
            for label in [PemLabel::Certificate, PemLabel::CertificateRequest, PemLabel::RevocationList] {
                if let Ok(der) = from_pem(label, text) {
                    assert_eq!(from_pem(label, &pem(label, &der)), Ok(der));
                }
            }
        }
    }
});
