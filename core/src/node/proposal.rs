//! Building a block when it is this node's turn, and judging those of others.

use super::block_time::proposal_time;
use super::{Event, Node};
use crate::api::TraceEvent;
use crate::base::{Digest, Height, PublicKey, reached};
use crate::state::{Block, Candidate, Executed, SystemAction, SystemOperation, Validator};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A block, and who proposed it.
#[derive(Clone)]
pub(super) struct Proposed {
    /// Who signed the proposal: what the block says of that is not to be relied on.
    pub(super) proposer: PublicKey,
    /// The block's bytes.
    pub(super) value: Arc<[u8]>,
}

impl Node {
    /// The block for this height, out of what the pool holds.
    pub(super) fn build_block(&mut self, height: Height) -> Option<Arc<[u8]>> {
        if height != self.next_height() {
            return None;
        }
        let mut system: Vec<SystemOperation> = self.reveal().into_iter().collect();
        system.extend(self.pool.system_in_turn(self.state.validators(), height));
        let mut batches: Vec<_> = self.pool.batches.values().cloned().collect();
        self.state.put_in_turn(&mut batches);
        let candidate = Candidate {
            time: proposal_time(self.wall(), self.state.time()),
            proposer: self.identity.public(),
            batches,
            system,
            parent_commit: self.commit.clone(),
        };
        let (block, executed) = self.state.build(candidate);
        let operations = executed.receipts.iter().map(|receipt| receipt.operation);
        self.note_operations(operations, &TraceEvent::Proposed { height });
        self.ordering.executed.insert(block.header.hash(), executed);
        Some(block.to_bytes().into())
    }

    /// This node's contribution to the next beacon, unless it has made it.
    fn reveal(&mut self) -> Option<SystemOperation> {
        let me = self.identity.public();
        if self.state.beacon().reveals.contains_key(&me) {
            return None;
        }
        let last = self.state.get::<Validator>(&me)?.reveal;
        let preimage = self.reveals.preimage(&last)?;
        Some(SystemOperation::sign(self.state.genesis_hash(), SystemAction::Reveal(preimage), &self.identity))
    }

    /// Whether a proposed block is valid; `None` if it is from the future and its verdict was put off.
    ///
    /// Only the first verdict on a fresh proposal looks at the clock: whether a block is valid depends on its parent's
    /// state and itself alone.
    pub(super) fn judge(&mut self, value_id: Digest, proposed: &Proposed, is_fresh: bool) -> Option<bool> {
        if self.ordering.executed.contains_key(&value_id) {
            return Some(true);
        }
        let Some(block) = Block::from_bytes(&proposed.value) else { return Some(false) };
        if is_fresh {
            self.note_clock(proposed.proposer, block.header.time);
            if self.defer_verdict(value_id, proposed, block.header.time) {
                return None;
            }
        }
        match self.execute(&block) {
            Ok(executed) => {
                let (height, proposer) = (block.header.height, proposed.proposer);
                let operations = executed.receipts.iter().map(|receipt| receipt.operation);
                self.note_operations(operations, &TraceEvent::BlockChecked { height, proposer });
                self.ordering.executed.insert(value_id, executed);
                Some(true)
            }
            Err(reason) => {
                reached!(self.marks, "a block is found invalid");
                // Who signed the proposal, whoever the block says made it.
                let (height, proposer) = (block.header.height, proposed.proposer);
                self.outbox.event(Event::InvalidBlock { height, proposer, reason });
                Some(false)
            }
        }
    }

    /// Executes a block on the last committed state, with the batches that the pool has checked already.
    pub(super) fn execute(&self, block: &Block) -> Result<Executed, String> {
        let genesis = self.state.genesis_hash();
        let mut batches = Vec::with_capacity(block.body.batches.len());
        for batch in &block.body.batches {
            let checked = match self.pool.included(batch) {
                Some(checked) => checked,
                None => Arc::new(batch.clone().check_included(&genesis).map_err(|fault| fault.to_string())?),
            };
            batches.push(checked);
        }
        self.state.execute(block, &batches).map_err(|fault| fault.to_string())
    }
}
