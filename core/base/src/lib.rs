//! What both the deciding core and the transport stand on: numbers that are types, keys, hashing with domains, the canonical
//! codec, the two clocks, and entropy that is handed in.
//!
//! Whoever builds services of their own on the transport needs this crate and nothing else of the core. The core's bans
//! hold here too: no clock, no randomness, no socket, no file, no thread.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod codec;
mod digest;
mod entropy;
mod key;
mod number;
mod scheme;
mod strict;
mod time;
#[cfg(any(test, hypermesh_verification_cache))]
mod verdicts;

pub use codec::{DecodeError, decode, encode};
pub use digest::{Digest, Domain};
pub use entropy::{Entropy, EntropyRng};
pub use key::{InvalidKey, PublicKey, SecretKey, Signature, SignatureError, verify_batch};
pub use number::{Epoch, Height, InCaesar, LeafIndex, MicroCaesar, Sequence};
pub use scheme::SUITE;
#[doc(hidden)]
pub use scheme::simulation;
pub use strict::StrictSignature;
#[cfg(hypermesh_simulation_crypto)]
pub use strict::forge_twisted;
pub use time::{Mono, Now, UnixMillis};
#[cfg(any(test, hypermesh_verification_cache))]
pub use verdicts::VerdictCache;
