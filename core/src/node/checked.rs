//! Blocks that peers sent, and the check that costs time: certificates and every signature in them. It is a pure
//! function, so it runs on another thread.

use crate::base::{Digest, Height};
use crate::hypermesh::ordering::{CommitCertificate, ValidatorSet};
use crate::node::message::SyncedBlock;
use crate::planted::{self, Bug};
use crate::state::{Block, CheckedBatch};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Blocks as a peer sent them.
pub struct FetchedBlocks {
    pub(in crate::node) genesis: Digest,
    pub(in crate::node) validators: ValidatorSet,
    /// The height that the first of them should have.
    pub(in crate::node) first: Height,
    pub(in crate::node) blocks: Vec<SyncedBlock>,
}

/// A block that a quorum decided.
pub struct CheckedBlock {
    pub(in crate::node) block: Block,
    pub(in crate::node) value: Arc<[u8]>,
    /// Its batches, checked. If one of them does not hold, a quorum has decided what it must not.
    pub(in crate::node) batches: Result<Vec<Arc<CheckedBatch>>, String>,
    pub(in crate::node) certificate: CommitCertificate,
}

impl FetchedBlocks {
    /// Checks that these are blocks of these heights on which a quorum decided.
    ///
    /// # Errors
    /// In words, if one of them is not: whoever sent it is at fault.
    pub(in crate::node) fn check(self) -> Result<Vec<CheckedBlock>, String> {
        let Self { genesis, validators, first, blocks } = self;
        let heights = (first.0..).map(Height);
        heights.zip(blocks).map(|(height, block)| check(&genesis, &validators, height, block)).collect()
    }
}

/// Checks one block that is to have this height.
pub(in crate::node) fn check(
    genesis: &Digest,
    validators: &ValidatorSet,
    height: Height,
    synced: SyncedBlock,
) -> Result<CheckedBlock, String> {
    let SyncedBlock { block: value, certificate } = synced;
    let block = Block::from_bytes(&value);
    let block = block.ok_or_else(|| alloc::format!("sent bytes that are no block for height {height}"))?;
    let fits = certificate.height == height
        && block.header.height == height
        && block.header.hash() == certificate.value_id;
    if !fits {
        return Err(alloc::format!("sent a block for height {height} that is not the one certified"));
    }
    let decided = match planted::is(Bug::SyncUnchecked) {
        true => Ok(()),
        false => certificate.verify(genesis, validators),
    };
    decided.map_err(|fault| alloc::format!("sent a block for height {height} that none decided: {fault}"))?;
    let batches = block.body.batches.iter().map(|batch| batch.clone().check_included(genesis).map(Arc::new));
    let batches = batches.collect::<Result<_, _>>().map_err(|fault| fault.to_string());
    Ok(CheckedBlock { batches, value: value.into(), block, certificate })
}

impl CheckedBlock {
    /// About how much memory it takes: its bytes, and what they decode to.
    pub(in crate::node) fn bytes(&self) -> usize {
        2 * self.value.len()
    }
}
