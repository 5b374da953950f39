//! HyperMesh, the four-proof consensus: decides, among nodes of which f may be Byzantine, which operations
//! happen and in what order, and holds the signing keys in shares.

pub mod committee;
pub mod ordering;
pub mod proof;
mod reveal;

pub use reveal::{REVEAL_COUNT_MAX, RevealChain, reveal_link};
