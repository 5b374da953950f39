//! A block: the header that validators vote on, and the body that it commits to.

use crate::base::{Digest, Domain, Height, PublicKey, UnixMillis, decode, encode};
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::{BATCH_BYTES_MAX, Batch, SystemOperation};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most bytes in one encoded block.
pub const BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most batches in one block.
pub const BLOCK_BATCH_COUNT_MAX: usize = 64;
/// The most operations in one block, over all its batches.
pub const BLOCK_OPERATION_COUNT_MAX: usize = 4096;
/// Room in a block for its header and the lengths of its lists.
pub(in crate::state) const BLOCK_FRAME_BYTES_MAX: usize = 1024;
/// No block is later: 2999-12-31T23:59:59Z. Certificates can write times up to the year 9999, and theirs end up
/// to ten years after their block's.
pub const BLOCK_TIME_MAX: UnixMillis = UnixMillis(32_503_679_999_000);
/// The format that this code reads and writes.
pub const BLOCK_VERSION: u16 = 4;

const _: () = assert!(BATCH_BYTES_MAX + BLOCK_FRAME_BYTES_MAX < BLOCK_BYTES_MAX);

const HEADER: Domain = Domain::new("hypermesh v1 block header");
const BODY: Domain = Domain::new("hypermesh v1 block body");
const COMMIT: Domain = Domain::new("hypermesh v1 parent commit");

/// What validators vote on. The roots are those *after* this block, so that its commit certificate proves
/// the outcome at once.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Header {
    /// [`BLOCK_VERSION`].
    pub version: u16,
    /// The mesh: its genesis hash.
    pub genesis: Digest,
    /// One more than the parent's.
    pub height: Height,
    /// The parent header's hash; zero at height 1.
    pub parent: Digest,
    /// Later than the parent's, and no later than [`BLOCK_TIME_MAX`].
    pub time: UnixMillis,
    /// Who built the block.
    pub proposer: PublicKey,
    /// The body's hash: batches and system operations.
    pub body_root: Digest,
    /// The authenticated state after this block.
    pub state_root: Digest,
    /// How many entries the certificate log has after this block.
    pub log_size: u64,
    /// The certificate log's root after this block (SHA-256, RFC 6962).
    pub log_root: Digest,
    /// The hash of the validator set that decides this block.
    pub validators_hash: Digest,
    /// The beacon's value after this block.
    pub beacon: Digest,
    /// The hash of the parent's commit certificate in the body; zero at height 1.
    pub parent_commit: Digest,
}

/// What happens in the block.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Body {
    /// At most one of each member.
    pub batches: Vec<Batch>,
    /// What validators say on the running of the mesh.
    pub system: Vec<SystemOperation>,
    /// The precommits of a quorum that decided the parent; none at height 1.
    pub parent_commit: Option<CommitCertificate>,
}

/// A header and its body.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Block {
    /// What validators vote on.
    pub header: Header,
    /// What happens.
    pub body: Body,
}

impl Header {
    /// What votes name the block by.
    #[must_use]
    pub fn hash(&self) -> Digest {
        HEADER.hash_of(self)
    }
}

impl Body {
    /// The hash of the batches and system operations.
    #[must_use]
    pub fn root(&self) -> Digest {
        BODY.hash_of(&(&self.batches, &self.system))
    }

    /// The hash of the parent's commit certificate; zero if there is none.
    #[must_use]
    pub fn parent_commit_hash(&self) -> Digest {
        self.parent_commit.as_ref().map_or(Digest::ZERO, |commit| COMMIT.hash_of(commit))
    }
}

impl Block {
    /// The block that these bytes encode, if they do, and its header commits to its body.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let block: Self = decode(bytes, BLOCK_BYTES_MAX).ok()?;
        let fits = block.header.body_root == block.body.root()
            && block.header.parent_commit == block.body.parent_commit_hash();
        fits.then_some(block)
    }

    /// The block's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// What votes name these bytes by; `None` if they are no block.
    #[must_use]
    pub fn identify(bytes: &[u8]) -> Option<Digest> {
        Self::from_bytes(bytes).map(|block| block.header.hash())
    }
}
