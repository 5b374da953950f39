//! The committee's keys on this node: their generation, and the repair of key shares that were lost.

pub(in crate::node) mod generation;
pub(in crate::node) mod share_repair;
