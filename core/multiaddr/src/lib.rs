//! Stand-in for the `multiaddr` crate.
//!
//! `arc-malachitebft-core-consensus` 0.8.2 re-exports `multiaddr::Multiaddr` and uses it nowhere, without a feature that
//! turns it off. The real crate brings libp2p's identities, multibase and 10 more crates; this one brings none.
//! A version of Malachite that begins to use addresses does not compile against it.
#![no_std]

/// A network address that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiaddr {}
