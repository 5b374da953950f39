//! The certificate authority: requests in, to-be-signed certificates out, and signed ones checked.
//!
//! Everything here is a pure function. A [`CertificateRequest`] is what is taken from a PKCS#10 request: the
//! key and the names, nothing else. [`Issuer::leaf_tbs`] turns it into to-be-signed bytes, alike on every node,
//! which the committee signs; [`certificate_der`] joins bytes and signature. [`parse_certificate`] reads a certificate
//! back, and [`ChainCheck`] judges it, step by step, without a network.
//!
//! X.509 is written by `rcgen` and read by `x509-cert` and `x509-parser`; no DER is made by hand.
//!
//! What is *not* decided here: who owns a name, what it costs, whether a certificate was revoked, and whether
//! consensus approved and logged it. Those are the state's business, on top of these checks.

mod assemble;
mod build;
mod ignored;
mod key;
mod names;
mod parse;
mod proof_extension;
mod request;
mod request_outline;
mod revocation;
mod serial;
mod validity;
mod verify;

#[cfg(test)]
mod tests;

pub use assemble::{AssembleFault, PemLabel, certificate_der, from_pem, pem};
pub use build::{BuildFault, Issuer, LeafParameters, NETWORK_BYTES_MAX, TBS_BYTES_MAX};
pub use ignored::IgnoredAttribute;
pub use key::{KeyFault, SubjectAlgorithm, SubjectKey};
pub use names::{NAMES_BYTES_MAX, NameFault, SAN_COUNT_MAX, SPIFFE_BYTES_MAX, SubjectNames};
pub use parse::{
    CERTIFICATE_BYTES_MAX, CertificateFault, CertificateRole, SignedCertificate, parse_certificate,
    role_of_tbs,
};
pub use proof_extension::{PROOF_BYTES_MAX, ProofFault, split, with_proof};
pub use request::{CSR_BYTES_MAX, CertificateRequest, PEM_BYTES_MAX, RequestFault};
pub use revocation::{
    CRL_BYTES_MAX, CRL_MS_LIFETIME, CRL_MS_PERIOD, InvalidReason, REVOKED_COUNT_MAX, ROOT_CRL_MS_LIFETIME,
    ROOT_CRL_MS_PERIOD, RevocationList, RevocationListFault, RevocationReason, RevokedEntry,
    SignedRevocationList, crl_der, parse_crl,
};
pub use serial::{InvalidSerial, SerialNumber};
pub use validity::{CLOCK_MS_TOLERANCE, ISSUING_MS_LIFETIME, LEAF_MS_LIFETIME, ROOT_MS_LIFETIME, Validity};
pub use verify::{
    ChainAnchor, ChainCheck, ChainFault, ChainReport, ChainStep, ExpectedName, InvalidExpectedName,
};
