//! What a client needs to verify, offline, that a certificate was approved by consensus and logged, and how
//! it does so.
//!
//! A [`TrustBundle`] is exported once, from a place that the client trusts for that moment; a bundle that
//! merely lies beside a certificate anchors nothing. It carries genesis, every genesis validator's signed
//! confirmation of the committee's keys, and the root and issuing certificates.
//!
//! Whether a certificate was revoked since is not in any of that: a [`CheckedList`] says it, a revocation list that the
//! bundle anchors and that has not run out.

mod armour;
mod bundle;
mod checkpoint;
mod proof_file;
mod question;
mod revocation;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

#[cfg(hypermesh_fuzzing)]
pub use armour::armour_again;
pub use bundle::{
    BundleFault, ISSUING_COUNT_MAX, InvalidBundle, IssuingDer, TRUST_BUNDLE_BYTES_MAX, TRUST_PEM_LABEL,
    TrustBundle,
};
pub use checkpoint::{CheckedCheckpoint, CheckpointRefusal};
pub use proof_file::{CertificateProof, InvalidProof, PROOF_BYTES_MAX, PROOF_PEM_LABEL};
pub use question::{Answer, Funds, Holding, NotProved, Proved, Question};
pub use revocation::{CheckedList, ListRefusal};
pub use verify::{Check, CheckName, Verification, verify_certificate};
