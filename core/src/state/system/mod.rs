//! What validators do by themselves, without fees: key generation, evidence, repairs of key shares, attendance and audits.

pub(super) mod apply;
pub(super) mod attendance;
pub(super) mod audit;
pub(super) mod offence;
pub(super) mod operation;
pub(super) mod share_repair;
