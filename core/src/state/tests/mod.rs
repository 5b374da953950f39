//! The state, tried by behaviour. `kit` has the mesh that they run on.

mod blocks;
pub(crate) mod kit;
