//! A certificate is issued, and shown again. The node answers both from its store.

use crate::base::{Height, LeafIndex, MicroCaesar, UnixMillis};
use crate::state::Operation;
use crate::trustchain::ca::SerialNumber;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for a certificate. Answered when it is committed, logged and signed.
    IssueCertificateRequest {
        /// The owner's signed operation, with the certificate request in it.
        operation: Operation,
    }
}

message! {
    /// Asks for a certificate that was issued.
    CertificateRequestBySerial {
        /// Its serial number.
        serial_number: SerialNumber,
    }
}

message! {
    /// A certificate with all that proves it.
    IssuedCertificate {
        /// Its serial number.
        serial_number: SerialNumber,
        /// The certificate, DER.
        #[serde(with = "hex::serde")]
        certificate_der: Vec<u8>,
        /// The certificate, PEM.
        certificate_pem: String,
        /// The issuing certificate, PEM.
        chain_pem: String,
        /// The root certificate, PEM.
        root_pem: String,
        /// Who approved it: the commit certificate and the cosigned checkpoint, PEM.
        proof_pem: String,
        /// The block that approved it.
        height: Height,
        /// Its place in the log.
        leaf_index: LeafIndex,
        /// Its last moment.
        not_after: UnixMillis,
        /// What it cost.
        fee: MicroCaesar,
    }
}
