//! Services: what instances announce of themselves, and the records that follow from it.

pub(super) mod announce;
pub(super) mod instances;
pub(super) mod port;
