//! The `hypermesh` binary as a library, so that tests run the very code that ships.

pub mod cli;
pub mod context;
pub mod data;
pub mod dns_listener;
pub mod failure;
pub mod node_config;
pub mod output;
pub mod plot;
pub mod store;
