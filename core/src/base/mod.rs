//! What every part stands on: numbers that are types, keys, hashing with domains, the canonical codec,
//! the two clocks, entropy that is handed in, and the store seen from the inside.

mod codec;
mod digest;
mod entropy;
mod key;
mod mark;
mod number;
mod profile;
mod scheme;
mod size;
mod store;
mod strict;
mod time;
#[cfg(any(test, hypermesh_verification_cache))]
mod verdicts;

pub use codec::{DecodeError, decode, encode};
pub use digest::{Digest, Domain};
pub use entropy::{Entropy, EntropyRng};
pub use key::{InvalidKey, PublicKey, SecretKey, Signature, SignatureError, verify_batch};
pub use mark::{MARKS, Marks};
pub(crate) use mark::{place_of_mark, reached};
pub use number::{Epoch, Height, InCaesar, LeafIndex, MicroCaesar, Sequence};
pub use profile::{Profile, UnknownProfile};
pub use scheme::SUITE;
#[cfg(any(test, hypermesh_simulation_crypto))]
pub(crate) use scheme::simulation;
pub use size::Size;
pub use store::{ReadError, Reader, Row, Table, Write, WriteBatch};
pub use strict::StrictSignature;
#[cfg(hypermesh_simulation_crypto)]
pub use strict::forge_twisted;
pub use time::{Mono, Now, UnixMillis};
#[cfg(any(test, hypermesh_verification_cache))]
pub use verdicts::VerdictCache;
