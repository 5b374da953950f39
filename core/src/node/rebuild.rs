//! Making the state anew from the blocks that are stored, when its own rows or the log's are damaged.
//!
//! The state is a function of the blocks, so nothing is lost as long as they are whole. Each is held against its
//! certificate and executed, as if a peer had sent it. Where one is damaged the rest comes from the peers: the node
//! is as far behind as that.

use super::checked::{CheckedBlock, check};
use super::message::SyncedBlock;
use super::stored::{HEAD_KEY, MOVEMENTS_KEY, state_writes, stored_block, stored_proof};
use crate::base::{Height, ReadError, Reader, Table, WriteBatch, encode};
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::{Changes, Genesis, State};
use alloc::sync::Arc;

/// A state made anew, and the writes that put it in place of the damaged one.
pub(super) struct Rebuilt {
    pub(super) state: State,
    pub(super) commit: Option<CommitCertificate>,
    pub(super) writes: WriteBatch,
}

/// Makes the state anew from the stored blocks up to `head`, or as far as they are whole.
///
/// # Errors
/// If the device fails.
pub(super) fn rebuild(
    genesis: &Arc<Genesis>,
    reader: &dyn Reader,
    head: Height,
) -> Result<Rebuilt, ReadError> {
    let (mut state, mut rows) = State::genesis(Arc::clone(genesis));
    let mut commit = None;
    let mut writes = WriteBatch::default();
    writes.clear(Table::State);
    writes.clear(Table::LogEntries);
    writes.clear(Table::Movements);
    writes.delete(Table::Meta, MOVEMENTS_KEY);
    for height in (1..=head.0).map(Height) {
        let Some(block) = whole_block(reader, &state, height)? else { break };
        let Ok(batches) = &block.batches else { break };
        let Ok(executed) = state.execute(&block.block, batches) else { break };
        for (index, entry) in (state.log().size()..).zip(executed.entries) {
            writes.put(Table::LogEntries, index.to_be_bytes(), entry);
        }
        writes.put(Table::Movements, height.0.to_be_bytes(), encode(&executed.movements));
        merge(&mut rows, executed.changes);
        (state, commit) = (executed.state, Some(block.certificate));
    }
    state_writes(&mut writes, &rows);
    writes.put(Table::Meta, HEAD_KEY, state.height().0.to_be_bytes());
    Ok(Rebuilt { state, commit, writes })
}

/// A stored block with its certificate, if both are whole and a quorum decided it.
fn whole_block(
    reader: &dyn Reader,
    state: &State,
    height: Height,
) -> Result<Option<CheckedBlock>, ReadError> {
    let read = || -> Result<Option<SyncedBlock>, ReadError> {
        let Some(block) = stored_block(reader, height)? else { return Ok(None) };
        let proof = stored_proof(reader, height)?;
        Ok(proof.map(|(_, certificate)| SyncedBlock { block: block.to_bytes(), certificate }))
    };
    match read() {
        Ok(Some(block)) => Ok(check(&state.genesis_hash(), state.validators(), height, block).ok()),
        Ok(None) | Err(ReadError::Damaged { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What stands in the end: a row that was removed again need not be written.
fn merge(rows: &mut Changes, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => {
                rows.insert(key, Some(value));
            }
            None => {
                rows.remove(&key);
            }
        }
    }
}
