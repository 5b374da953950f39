//! Building a block when it is this node's turn, and judging those of others.

use crate::api::TraceEvent;
use crate::base::{Digest, Height, PublicKey, reached};
use crate::node::ask::Contents;
use crate::node::ordering::Ordering;
use crate::node::ordering::block_time::proposal_time;
use crate::node::{Event, context::Context};
use crate::state::{Batch, Block, Candidate, CheckedBatch, Executed, SystemOperation};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A block, and who proposed it.
#[derive(Clone)]
pub(in crate::node) struct Proposed {
    /// Who signed the proposal: what the block says of that is not to be relied on.
    pub(in crate::node) proposer: PublicKey,
    /// The block's bytes.
    pub(in crate::node) value: Arc<[u8]>,
}

impl Ordering {
    /// The block for this height, out of what the pool holds.
    pub(in crate::node) fn build_block(
        &mut self,
        cx: &mut Context,
        height: Height,
        contents: Contents,
    ) -> Option<Arc<[u8]>> {
        if height != cx.next_height() {
            return None;
        }
        let mut system: Vec<SystemOperation> = self.reveal(cx).into_iter().collect();
        system.extend(contents.system);
        let mut batches = contents.batches;
        cx.state.put_in_turn(&mut batches);
        let candidate = Candidate {
            time: proposal_time(cx.wall(), cx.state.time()),
            proposer: cx.identity.public(),
            batches,
            system,
            parent_commit: cx.commit.clone(),
        };
        let (block, executed) = cx.state.build(candidate);
        let operations = executed.receipts.iter().map(|receipt| receipt.operation);
        cx.note_operations(operations, &TraceEvent::Proposed { height });
        self.executed.insert(block.header.hash(), executed);
        Some(block.to_bytes().into())
    }

    /// Whether a proposed block is valid; `None` if it is from the future and its verdict was put off.
    ///
    /// Only the first verdict on a fresh proposal looks at the clock: whether a block is valid depends on its parent's
    /// state and itself alone.
    pub(in crate::node) fn judge(
        &mut self,
        cx: &mut Context,
        value_id: Digest,
        proposed: &Proposed,
        is_fresh: bool,
        checked: &dyn Fn(&Batch) -> Option<Arc<CheckedBatch>>,
    ) -> Option<bool> {
        if self.executed.contains_key(&value_id) {
            return Some(true);
        }
        let Some(block) = Block::from_bytes(&proposed.value) else { return Some(false) };
        if is_fresh {
            self.note_clock(cx, proposed.proposer, block.header.time);
            if self.defer_verdict(cx, value_id, proposed, block.header.time) {
                return None;
            }
        }
        match Self::execute(cx, &block, checked) {
            Ok(executed) => {
                let (height, proposer) = (block.header.height, proposed.proposer);
                let operations = executed.receipts.iter().map(|receipt| receipt.operation);
                cx.note_operations(operations, &TraceEvent::BlockChecked { height, proposer });
                self.executed.insert(value_id, executed);
                Some(true)
            }
            Err(reason) => {
                reached!(cx.marks, "a block is found invalid");
                // Who signed the proposal, whoever the block says made it.
                let (height, proposer) = (block.header.height, proposed.proposer);
                cx.outbox.event(Event::InvalidBlock { height, proposer, reason });
                Some(false)
            }
        }
    }

    /// Executes a block on the last committed state, with the batches that the pool has checked already.
    fn execute(
        cx: &Context,
        block: &Block,
        checked: &dyn Fn(&Batch) -> Option<Arc<CheckedBatch>>,
    ) -> Result<Executed, String> {
        let genesis = cx.state.genesis_hash();
        let mut batches = Vec::with_capacity(block.body.batches.len());
        for batch in &block.body.batches {
            let checked = match checked(batch) {
                Some(checked) => checked,
                None => Arc::new(batch.clone().check_included(&genesis).map_err(|fault| fault.to_string())?),
            };
            batches.push(checked);
        }
        cx.state.execute(block, &batches).map_err(|fault| fault.to_string())
    }

    /// A decided block with its outcome, which is at hand if this node has judged it.
    pub(in crate::node) fn outcome(
        &mut self,
        cx: &mut Context,
        value: &[u8],
        value_id: &Digest,
        checked: &dyn Fn(&Batch) -> Option<Arc<CheckedBatch>>,
    ) -> Result<(Block, Executed), String> {
        let block = Block::from_bytes(value).ok_or_else(|| "the decided value is not a block".to_string())?;
        let executed = match self.executed.remove(value_id) {
            Some(executed) => executed,
            None => Self::execute(cx, &block, checked)?,
        };
        Ok((block, executed))
    }
}
