//! Trust bundles, proof files and their armour, and verifying with what they say.
#![no_main]

use hypermesh_core::base::{UnixMillis, encode};
use hypermesh_core::trust::{
    CertificateProof, PROOF_BYTES_MAX, PROOF_PEM_LABEL, TRUST_BUNDLE_BYTES_MAX, TrustBundle, armour_again,
    verify_certificate,
};
use hypermesh_fuzz::{select, shown, text};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    match which % 4 {
        0 => {
            let Some(bundle) = shown::<TrustBundle>(bytes, TRUST_BUNDLE_BYTES_MAX) else { return };
            assert_eq!(TrustBundle::from_pem(&bundle.to_pem()), Ok(bundle.clone()));
            let sound = bundle.check().is_ok();
            let verification = verify_certificate(&bundle, &bundle.root_der, None, None, UnixMillis(1));
            assert!(!verification.valid, "an authority is no leaf");
            assert_eq!(verification.checks.first().is_some_and(|check| check.passed == Some(true)), sound);
        }
        1 => {
            let Some(proof) = shown::<CertificateProof>(bytes, PROOF_BYTES_MAX) else { return };
            assert_eq!(CertificateProof::from_pem(&proof.to_pem()), Ok(proof));
        }
        2 => {
            let Some(text) = text(bytes) else { return };
            if let Ok(proof) = CertificateProof::from_pem(text) {
                assert!(encode(&proof).len() <= PROOF_BYTES_MAX);
            }
            drop(TrustBundle::from_pem(text));
        }
        _ => {
            let Some(text) = text(bytes) else { return };
            if let Some(again) = armour_again(PROOF_PEM_LABEL, text, 512) {
                let normal = text.replace("\r\n", "\n");
                assert_eq!(again.trim_end(), normal.strip_suffix('\n').unwrap_or(&normal), "one form only");
            }
        }
    }
});
