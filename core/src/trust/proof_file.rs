//! The file beside a certificate that names who approved it.

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
