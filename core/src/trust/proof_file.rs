//! The file beside a certificate that names who approved it.

use super::armour::{armour, unarmour};
use crate::base::{decode, encode};
use crate::hypermesh::ordering::CommitCertificate;
use crate::trustchain::ca::SerialNumber;
use alloc::string::String;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The label of its PEM armour.
pub const PROOF_PEM_LABEL: &str = "HYPERMESH CERTIFICATE PROOF";
/// The most bytes in an encoded proof.
pub const PROOF_BYTES_MAX: usize = 128 * 1024;

/// Who approved a certificate. The certificate itself proves only that the committee signed it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct CertificateProof {
    /// Which certificate.
    pub serial_number: SerialNumber,
    /// The precommits of a quorum for the block whose header the certificate carries.
    pub commit: CommitCertificate,
    /// A checkpoint of the log at that header's size: a note signed by the log key and cosigned by validators.
    pub checkpoint: String,
}

/// A text that is no certificate proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate proof: expected cert.proof from the certificate's folder")]
pub struct InvalidProof;

impl CertificateProof {
    /// The proof in PEM armour (RFC 7468).
    #[must_use]
    pub fn to_pem(&self) -> String {
        armour(PROOF_PEM_LABEL, &encode(self))
    }

    /// The proof in this armour.
    ///
    /// # Errors
    /// If the text is not one such proof and nothing else.
    pub fn from_pem(text: &str) -> Result<Self, InvalidProof> {
        let bytes = unarmour(PROOF_PEM_LABEL, text, PROOF_BYTES_MAX).ok_or(InvalidProof)?;
        decode(&bytes, PROOF_BYTES_MAX).map_err(|_| InvalidProof)
    }
}
