//! The state itself: its rows, the tree over them, proofs of rows, and what genesis puts there.

pub(super) mod genesis;
pub(super) mod history;
pub(super) mod row;
pub(super) mod state;
pub(super) mod totals;
pub(super) mod tree;
pub(super) mod witness;
