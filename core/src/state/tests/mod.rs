//! The state, tried by behaviour. `kit` has the mesh that they run on.

mod actions;
mod attendance;
mod blocks;
mod certificates;
mod encoding;
mod fields;
mod genesis;
pub(crate) mod kit;
mod names;
mod operations;
mod repairs;
mod running;
mod zone;
