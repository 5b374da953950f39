//! Blocks: what one is made of, what is in it, and what executing it does.

pub(super) mod batch;
pub(super) mod batch_tree;
pub(super) mod execute;
pub(super) mod execute_operation;
pub(super) mod fee;
pub(super) mod format;
pub(super) mod include;
pub(super) mod payable;
pub(super) mod receipt;
