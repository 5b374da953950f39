//! The proof extension: put in, taken out, and every way in which it may not stand.

use super::*;
use crate::trustchain::ca::proof_extension::{CONSENSUS_PROOF, PROVEN_TBS_BYTES_MAX};
use alloc::vec;
use der::asn1::OctetString;
use der::{Decode, Encode};
use x509_cert::TbsCertificate;
use x509_cert::ext::Extension;

fn edited(tbs: &[u8], edit: impl FnOnce(&mut Vec<Extension>)) -> Vec<u8> {
    let mut certificate = TbsCertificate::from_der(tbs).unwrap();
    edit(certificate.extensions.as_mut().unwrap());
    certificate.to_der().unwrap()
}

#[test]
fn taking_out_undoes_putting_in_for_every_kind_of_key() {
    let mesh = Mesh::new();
    for csr in TAKEN {
        let pre_tbs = mesh.leaf_tbs(csr);
        for bytes in [0, 1, 127, 128, 255, 256, PROOF_BYTES_MAX] {
            let proof = vec![bytes as u8; bytes];
            let tbs = with_proof(&pre_tbs, &proof).unwrap();
            assert_eq!(split(&tbs), Ok((pre_tbs.clone(), Some(proof))));
        }
        assert_eq!(split(&pre_tbs), Ok((pre_tbs.clone(), None)));
    }
}

#[test]
fn a_proof_stands_once_last_and_uncritical() {
    let mesh = Mesh::new();
    let tbs = with_proof(&mesh.leaf_tbs(ED25519), b"proof").unwrap();
    assert_eq!(with_proof(&tbs, b"proof"), Err(ProofFault::Present));
    let twice = edited(&tbs, |extensions| extensions.push(extensions.last().unwrap().clone()));
    assert_eq!(split(&twice), Err(ProofFault::Repeated));
    let first = edited(&tbs, |extensions| extensions.rotate_right(1));
    assert_eq!(split(&first), Err(ProofFault::NotLast));
    let critical = edited(&tbs, |extensions| extensions.last_mut().unwrap().critical = true);
    assert_eq!(split(&critical), Err(ProofFault::Critical));
    let bare = edited(&tbs, |extensions| {
        extensions.last_mut().unwrap().extn_value = OctetString::new(*b"proof").unwrap();
    });
    assert_eq!(split(&bare), Err(ProofFault::Malformed));
    for tbs in [twice, first, critical, bare] {
        assert!(matches!(parse_certificate(&signed(&mesh.issuing, &tbs)), Err(CertificateFault::Proof(_))));
    }
}

#[test]
fn lengths_hold_at_the_limit_and_one_past_it() {
    let pre_tbs = Mesh::new().leaf_tbs(ED25519);
    assert!(with_proof(&pre_tbs, &[0; PROOF_BYTES_MAX]).is_ok());
    let fault = ProofFault::TooLong { bytes: PROOF_BYTES_MAX + 1, bytes_max: PROOF_BYTES_MAX };
    assert_eq!(with_proof(&pre_tbs, &[0; PROOF_BYTES_MAX + 1]), Err(fault));
    let filler = |bytes| {
        edited(&pre_tbs, |extensions| {
            let content = OctetString::new(vec![0; bytes]).unwrap().to_der().unwrap();
            extensions.push(Extension {
                extn_id: CONSENSUS_PROOF,
                critical: false,
                extn_value: OctetString::new(content).unwrap(),
            });
        })
    };
    assert_eq!(split(&filler(PROOF_BYTES_MAX + 1)), Err(fault));
    let oversized = vec![0; PROVEN_TBS_BYTES_MAX + 1];
    assert!(matches!(split(&oversized), Err(ProofFault::TooLong { .. })));
    assert_eq!(split(&oversized[1..]), Err(ProofFault::Malformed));
    assert!(with_proof(&vec![0; TBS_BYTES_MAX + 1], b"").is_err());
}
