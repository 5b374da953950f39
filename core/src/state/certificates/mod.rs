//! Certificates: what is approved and published, compromised keys, and revocation.

pub(super) mod authority;
pub(super) mod compromise;
pub(super) mod revocation;
