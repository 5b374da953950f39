//! A block's header, with the proof that it was decided. The node answers it from its store.

use crate::base::Height;
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::Header;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for a block's header and the proof that it was decided.
    HeaderRequest {
        /// Which block, or the last.
        height: Option<Height>,
    }
}

message! {
    /// A block's header and the precommits of a quorum for it.
    BlockProof {
        /// The header.
        header: Header,
        /// The precommits.
        commit: CommitCertificate,
    }
}
