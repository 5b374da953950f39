//! The `hypermesh` binary as a library, so that tests run the very code that ships.

pub mod cli;
pub mod context;
pub mod dns_listener;
pub mod failure;
pub mod output;
