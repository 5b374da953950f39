//! hypermesh

pub mod dns_listener;
