//! The worlds in which nodes are tried: every fault from a seed, on the code that ships.
//!
//! [`world`] is an event heap over [`Node`](hypermesh_core::node::Node)s, without async, sockets or threads.
//! [`quic`] runs them behind the driver that ships, on the real QUIC over a simulated network.
//! [`check`] watches what the nodes do and says when a promise is broken. The same seed gives the same run,
//! to the byte, in every process and build.
//!
//! Modules import only from those to the left: `base` (randomness, disks, participants), `fault` (what a fault is),
//! [`check`], [`world`], [`quic`], [`plan`] (which picks faults and injects them). Tests may use all.

mod base;
pub mod check;
mod fault;
pub mod plan;
// Builds for simulations leave the transport out: it refuses to carry keys that anybody can forge.
#[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
pub mod quic;
pub mod world;
