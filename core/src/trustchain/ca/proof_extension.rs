//! The extension `ConsensusProof`, which carries in the certificate itself why it was issued.
//!
//! The *pre-certificate bytes* are the to-be-signed bytes without it; state and log know only those. It is not
//! critical, so that every TLS stack passes over it, and stands once and last, so that taking it out and putting
//! it back are exact inverses. Its content is opaque here.

use super::TBS_BYTES_MAX;
use alloc::vec::Vec;
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use x509_cert::TbsCertificate;
use x509_cert::ext::Extension;

/// The longest proof: a header and an inclusion proof in a log of 2^32 entries, with room.
pub const PROOF_BYTES_MAX: usize = 2048;
/// Room for the extension's own frame: object identifier, two octet strings, two sequences, longer lengths.
const FRAME_BYTES_MAX: usize = 64;
/// The longest to-be-signed certificate, its proof included.
pub(super) const PROVEN_TBS_BYTES_MAX: usize = TBS_BYTES_MAX + PROOF_BYTES_MAX + FRAME_BYTES_MAX;

/// `ConsensusProof`. The arc below 1.3.6.1.4.1 is not registered yet; whoever registers one changes it here,
/// which changes every certificate.
pub(super) const CONSENSUS_PROOF: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1.1");

/// Why a proof was not added or taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFault {
    /// More than [`PROOF_BYTES_MAX`], or a to-be-signed certificate longer than any of this authority.
    #[error("{bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// What came.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// Not a to-be-signed certificate in canonical DER.
    #[error("not a to-be-signed certificate in canonical DER")]
    Malformed,
    /// A proof where none may be.
    #[error("the certificate already carries a consensus proof")]
    Present,
    /// More than one proof.
    #[error("the certificate carries more than one consensus proof")]
    Repeated,
    /// A proof that is not the last extension.
    #[error("the consensus proof is not the last extension")]
    NotLast,
    /// A proof that is marked critical.
    #[error("the consensus proof is marked critical")]
    Critical,
}

/// The to-be-signed bytes with this proof, from the pre-certificate bytes.
///
/// # Errors
/// If either is too long, the bytes are no to-be-signed certificate, or they carry a proof already.
pub fn with_proof(pre_tbs: &[u8], proof: &[u8]) -> Result<Vec<u8>, ProofFault> {
    check_length(proof, PROOF_BYTES_MAX)?;
    let mut certificate = decode(pre_tbs, TBS_BYTES_MAX)?;
    let extensions = certificate.extensions.get_or_insert_default();
    if extensions.iter().any(|extension| extension.extn_id == CONSENSUS_PROOF) {
        return Err(ProofFault::Present);
    }
    let content = OctetString::new(proof).and_then(|proof| proof.to_der()).and_then(OctetString::new);
    extensions.push(Extension {
        extn_id: CONSENSUS_PROOF,
        critical: false,
        extn_value: content.map_err(|_| ProofFault::Malformed)?,
    });
    certificate.to_der().map_err(|_| ProofFault::Malformed)
}

/// The pre-certificate bytes and the proof, from the to-be-signed bytes: the inverse of [`with_proof`]. Bytes
/// without a proof come back as they are.
///
/// # Errors
/// If they are no to-be-signed certificate in canonical DER, or the proof is critical, not last, or not alone.
pub fn split(tbs: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), ProofFault> {
    let mut certificate = decode(tbs, PROVEN_TBS_BYTES_MAX)?;
    let extensions = certificate.extensions.get_or_insert_default();
    let is_proof = |extension: &Extension| extension.extn_id == CONSENSUS_PROOF;
    match extensions.iter().filter(|extension| is_proof(extension)).count() {
        0 => return Ok((tbs.to_vec(), None)),
        1 => {}
        _ => return Err(ProofFault::Repeated),
    }
    let Some(proof) = extensions.pop_if(|last| is_proof(last)) else {
        return Err(ProofFault::NotLast);
    };
    if proof.critical {
        return Err(ProofFault::Critical);
    }
    let content = OctetString::from_der(proof.extn_value.as_bytes()).map_err(|_| ProofFault::Malformed)?;
    check_length(content.as_bytes(), PROOF_BYTES_MAX)?;
    if extensions.is_empty() {
        certificate.extensions = None;
    }
    let pre_tbs = certificate.to_der().map_err(|_| ProofFault::Malformed)?;
    check_length(&pre_tbs, TBS_BYTES_MAX)?;
    Ok((pre_tbs, Some(content.into_bytes())))
}

fn decode(tbs: &[u8], bytes_max: usize) -> Result<TbsCertificate, ProofFault> {
    check_length(tbs, bytes_max)?;
    let certificate = TbsCertificate::from_der(tbs).map_err(|_| ProofFault::Malformed)?;
    // The library takes a few encodings that DER forbids; whatever does not come back alike is refused.
    match certificate.to_der() {
        Ok(again) if again == tbs => Ok(certificate),
        Ok(_) | Err(_) => Err(ProofFault::Malformed),
    }
}

fn check_length(bytes: &[u8], bytes_max: usize) -> Result<(), ProofFault> {
    if bytes.len() > bytes_max {
        return Err(ProofFault::TooLong { bytes: bytes.len(), bytes_max });
    }
    Ok(())
}
