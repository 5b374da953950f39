//! What every part of the core stands on: [`hypermesh_base`], whose types the transport has in common with it, and beside
//! them what a node alone knows: the profiles, the marks on rare branches, the store seen from the inside.

mod mark;
mod profile;
mod size;
mod store;

pub use hypermesh_base::*;
pub use mark::{MARKS, Marks};
pub(crate) use mark::{place_of_mark, reached};
pub use profile::{Profile, UnknownProfile};
pub use size::Size;
pub use store::{KeyValue, ReadError, Reader, Table, Write, WriteBatch};
