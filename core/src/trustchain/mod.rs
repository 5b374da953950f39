//! TrustChain: the certificate authority, its transparency log, and the names.

pub mod ca;
pub mod ct;
pub mod dns;
mod idn;
mod name;

pub use idn::IdnFault;
pub use name::{DomainName, InvalidName};
