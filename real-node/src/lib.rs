//! The `hypermesh` binary as a library, so that tests run the very code that ships.

pub mod amount;
pub mod cli;
pub mod client;
pub mod context;
pub mod dns_listener;
pub mod failure;
pub mod file;
pub mod moment;
pub mod output;
pub mod progress;
