//! How blocks and the state lie in the store.

use crate::base::{Height, ReadError, Reader, Table, WriteBatch, decode};
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::{BLOCK_BYTES_MAX, Block, Changes, Header};

/// Stands where a row of the ledger's movements was found damaged: the next start makes all anew from the blocks.
pub(super) const MOVEMENTS_KEY: &[u8] = b"movements damaged";
/// The height of the last block that is stored whole.
pub(super) const HEAD_KEY: &[u8] = b"head";

/// The writes that bring the stored rows up to a new state.
pub(super) fn state_writes(batch: &mut WriteBatch, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(Table::State, key.clone(), value.to_vec()),
            None => batch.delete(Table::State, key.clone()),
        }
    }
}

/// A stored block.
pub(super) fn stored_block(reader: &dyn Reader, height: Height) -> Result<Option<Block>, ReadError> {
    let bytes = reader.get(Table::Blocks, &height.0.to_be_bytes())?;
    bytes
        .map(|bytes| Block::from_bytes(&bytes).ok_or(ReadError::Damaged { table: Table::Blocks }))
        .transpose()
}

/// A block's header and the proof that it was decided, which are stored apart from the block: they are read often.
pub(super) fn stored_proof(
    reader: &dyn Reader,
    height: Height,
) -> Result<Option<(Header, CommitCertificate)>, ReadError> {
    let bytes = reader.get(Table::Commits, &height.0.to_be_bytes())?;
    let damaged = |_| ReadError::Damaged { table: Table::Commits };
    bytes.map(|bytes| decode(&bytes, BLOCK_BYTES_MAX).map_err(damaged)).transpose()
}
