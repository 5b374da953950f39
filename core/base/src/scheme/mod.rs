//! The signature scheme under the keys: Ed25519, or a stand-in for simulations.
//!
//! Which of the two is compiled in is decided by rustc's `--cfg hypermesh_simulation_crypto` for the whole build. It
//! is no Cargo feature, because features leak between the crates of a workspace; and everything that touches a
//! network refuses to compile with it. Both have the same interface, the same sizes and the same ways to fail,
//! points of small and mixed order included.

#[cfg(not(hypermesh_simulation_crypto))]
mod ed25519;
pub mod simulation;
#[cfg(any(test, hypermesh_simulation_crypto))]
pub(crate) mod stand_in;

#[cfg(not(hypermesh_simulation_crypto))]
pub(super) use ed25519::{Batch, Signing, is_key, verify, verify_strict};
#[cfg(hypermesh_simulation_crypto)]
pub(super) use {
    simulation::verify,
    stand_in::{Batch, Signing, is_key, verify_strict},
};

/// Which cryptography this build has: `real`, or `simulation`, in which anybody can forge anything.
pub const SUITE: &str = if cfg!(hypermesh_simulation_crypto) { "simulation" } else { "real" };
