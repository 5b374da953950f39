//! How the node stands, for whoever watches it: status, readiness, gauges and sizes. These reports read all parts.

pub(in crate::node) mod expiry_gauges;
pub(in crate::node) mod gauges;
pub(in crate::node) mod readiness;
mod sizes;
