//! TrustChain: the certificate authority, its transparency log, and the names.

pub mod ca;
pub mod ct;
pub mod dns;
mod name;

pub use name::{DomainName, InvalidName};
