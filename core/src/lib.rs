//! The part of HyperMesh that decides.
//!
//! It has no clock, no randomness of its own, no socket, no file, no thread and no async: what it needs is
//! handed in, what it wants is handed out, and the same inputs give the same outputs, bit for bit, on every
//! node and every run. The driver on STOQ (`hypermesh-driver`) and the simulator turn one and the same [`node::Node`].
//!
//! The layers, each importing only those before it: [`base`]; then [`caesar`], [`trustchain`] and
//! [`hypermesh`], which do not know one another; then [`state`], where they meet; then [`api`] and [`node`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod api;
pub mod base;
pub mod caesar;
pub mod hypermesh;
pub mod node;
pub mod planted;
pub mod state;
pub mod trust;
pub mod trustchain;

#[cfg(test)]
mod models;
