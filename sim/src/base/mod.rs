//! What the worlds and the checks have in common: seeded randomness, a disk, the participants of a run, node numbers.

mod disk;
mod index;
mod participants;
mod random;

pub use disk::Disk;
pub(crate) use disk::forgets;
pub use index::{Link, NodeIndex};
pub(crate) use participants::identity;
pub use participants::{Member, NETWORK, Participants, Validator, WORLD_BEGINS, ZONE, name};
pub use random::{Random, Span, Stream};
