//! What the mesh knows of a certificate.

use crate::api::{ApiFault, CertificateStatus, CertificateSummary, ReadMethod, View};
use crate::base::UnixMillis;
use crate::state::{Certificate, State};
use crate::trustchain::ca::parse_certificate;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks what the mesh knows of a certificate.
    ValidateCertificateRequest {
        /// The certificate, DER.
        #[serde(with = "hex::serde")]
        certificate_der: Vec<u8>,
    }
}

/// What the mesh knows of a certificate.
///
/// Exhaustive: checkers of runs have to judge each one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum CertificateState {
    /// Approved and logged by this mesh, signed by its committee, and within its time.
    Valid {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// As above, but it was revoked, whether in its time or past it. The summary says when and why.
    Revoked {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// As above, but its time has run out.
    Expired {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// As above, but its time has not begun: the asking or the asked clock is behind.
    NotYetValid {
        /// What is known of it.
        certificate: CertificateSummary,
    },
    /// Of this mesh's issuer by name, but never approved by it.
    Unknown {
        /// Why it is not accepted.
        reason: String,
    },
    /// Of another issuer, or not a certificate.
    NotOfThisMesh {
        /// Why it is not accepted.
        reason: String,
    },
}

impl ReadMethod for ValidateCertificateRequest {
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<CertificateState, ApiFault> {
        Ok(certificate_state(&view.state, &self.certificate_der, wall))
    }
}

fn certificate_state(state: &State, der: &[u8], wall: UnixMillis) -> CertificateState {
    let Some(issuer) = state.issuer() else {
        return CertificateState::NotOfThisMesh {
            reason: "this mesh has no issuing certificate yet".to_string(),
        };
    };
    let certificate = match parse_certificate(der) {
        Ok(certificate) => certificate,
        Err(fault) => return CertificateState::NotOfThisMesh { reason: fault.to_string() },
    };
    if certificate.signed_by(&issuer.issuing_key).is_err() {
        let reason = "it is not signed by this mesh's issuing key".to_string();
        return CertificateState::NotOfThisMesh { reason };
    }
    let Some(row) = state.get::<Certificate>(&certificate.serial) else {
        let reason = "its signature is valid, but it was never approved and logged".to_string();
        return CertificateState::Unknown { reason };
    };
    if !row.is_of(&certificate.pre_tbs) {
        let reason =
            "its signature is valid, but it differs from the certificate that was approved".to_string();
        return CertificateState::Unknown { reason };
    }
    let summary = CertificateSummary::of(certificate.serial, row);
    match summary.status(wall) {
        CertificateStatus::Revoked => CertificateState::Revoked { certificate: summary },
        CertificateStatus::Expired => CertificateState::Expired { certificate: summary },
        CertificateStatus::Valid if certificate.validity.contains(wall) => {
            CertificateState::Valid { certificate: summary }
        }
        CertificateStatus::Valid => CertificateState::NotYetValid { certificate: summary },
    }
}
