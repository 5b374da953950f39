//! The bytes to sign: each validator derives them from its own state, and signs no others.

use crate::base::{LeafIndex, ReadError, Reader as _, Table, encode};
use crate::node::context::Context;
use crate::node::signing::Signing;
use crate::node::stored::stored_proof;
use crate::node::task::Task;
use crate::state::{Certificate, ConsensusProof};
use crate::trustchain::ca::{SerialNumber, with_proof};
use crate::trustchain::ct::{self, Checkpoint, LogEntry, TreeHead};
use alloc::vec::Vec;

impl Signing {
    /// The bytes to sign for a task; `None` if the committed state knows of no such thing.
    pub(in crate::node) fn derive(&self, cx: &Context, task: Task) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(match task {
            Task::Root => cx.state.root_tbs(),
            Task::Issuing(number) => cx.state.issuing_tbs(number),
            Task::Leaf(serial) => Self::leaf_bytes(cx, serial)?,
            Task::Checkpoint(size) => cx.checkpoint(size).map(|checkpoint| checkpoint.body().into_bytes()),
            Task::RevocationList(number) => self.revocation_list_bytes(number),
            Task::RootRevocationList(number) => cx.state.root_list_tbs(number),
        })
    }

    fn leaf_bytes(cx: &Context, serial: SerialNumber) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(certificate) = cx.state.get::<Certificate>(&serial) else { return Ok(None) };
        let damaged = |table| ReadError::Damaged { table };
        let entry = cx.log_entry(certificate.leaf_index)?.ok_or(damaged(Table::LogEntries))?;
        let entry = LogEntry::decode(&entry).map_err(|_| damaged(Table::LogEntries))?;
        let proof = stored_proof(&cx.store, certificate.height)?;
        let (header, _) = proof.ok_or(damaged(Table::Commits))?;
        let inclusion = cx.state.log().inclusion_proof(certificate.leaf_index, header.log_size);
        let inclusion = inclusion.map_err(|_| damaged(Table::LogEntries))?;
        let proof = ConsensusProof { header, leaf_index: certificate.leaf_index, inclusion };
        Ok(with_proof(&entry.tbs, &encode(&proof)).ok())
    }
}

impl Context {
    /// The checkpoint of the log at a size that it had or has.
    pub(in crate::node) fn checkpoint(&self, size: u64) -> Option<Checkpoint> {
        let root = self.state.log().root_at(size).ok()?;
        let origin = self.state.genesis_document().log_origin();
        Some(Checkpoint { origin, head: TreeHead { size, root } })
    }

    /// A log entry's bytes.
    pub(in crate::node) fn log_entry(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ReadError> {
        let key = index.0.to_be_bytes();
        let entry = self.store.get(Table::LogEntries, &key)?;
        let stands = |entry: &Vec<u8>| self.state.log().leaf_hash(index) == Some(ct::leaf_hash(entry));
        if entry.as_ref().is_some_and(|entry| !stands(entry)) {
            self.store.note_damage(Table::LogEntries, &key);
            return Err(ReadError::Damaged { table: Table::LogEntries });
        }
        Ok(entry)
    }
}
