//! What a node is made of.

use crate::base::{Entropy, ReadError, Reader, SecretKey};
use crate::hypermesh::RevealChain;
use crate::hypermesh::ordering::Timeouts;
use crate::hypermesh::proof::Plot;
use crate::state::{Genesis, GenesisFault};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

/// What a node is made of.
pub struct NodeConfig {
    /// What the operators agreed on.
    pub genesis: Arc<Genesis>,
    /// Who the node is: a validator of genesis.
    pub identity: SecretKey,
    /// Its plot, whose root genesis lists.
    pub plot: Arc<Plot>,
    /// Its chain of reveals, whose anchor genesis lists.
    pub reveals: RevealChain,
    /// Where its randomness comes from.
    pub entropy: Box<dyn Entropy>,
    /// Its store.
    pub reader: Box<dyn Reader>,
    /// How long ordering waits.
    pub timeouts: Timeouts,
}

/// Why a node cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFault {
    /// Genesis is none.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisFault),
    /// The store cannot be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The node is no validator of this genesis.
    #[error("the node's key is not a validator's in this genesis: only validators run nodes for now")]
    NotValidator,
    /// The plot is not the one that genesis lists.
    #[error("the plot's root is not the one that genesis lists for this node: plot again with this identity")]
    OtherPlot,
    /// The reveal chain is not the one that genesis lists.
    #[error("the chain of reveals is not the one that genesis lists for this node")]
    OtherReveals,
    /// The data belongs to another mesh.
    #[error(
        "the data is of the mesh with genesis {found}, not of {expected}: point the node at its own folder"
    )]
    OtherMesh {
        /// What the data says.
        found: String,
        /// What the node was given.
        expected: String,
    },
    /// The data was written by a newer version.
    #[error(
        "the data has format {found}, and this program reads format {expected}: run the version that \
        wrote it"
    )]
    Format {
        /// What the data says.
        found: u64,
        /// What is read here.
        expected: u64,
    },
    /// What is stored does not fit together.
    #[error("the stored {what} is damaged: restore the folder from a backup, or start it anew")]
    Damaged {
        /// What.
        what: &'static str,
    },
}
