//! Pages of the ledger's history, out of the side table that is kept beside the blocks.

use super::Node;
use crate::api::{
    ApiFault, FaultKind, HISTORY_COUNT_MAX, History, HistoryCursor, HistoryRequest, Movements,
    MovementsRequest,
};
use crate::base::{Digest, Height, ReadError, Reader as _, Table, decode};
use crate::caesar::{BlockMovements, HistoryPage};
use crate::state::BLOCK_OPERATION_COUNT_MAX;
use alloc::vec::Vec;

/// The most bytes in a block's movements with the heads before it: a bound for decoding what this node wrote itself.
/// Three for each operation, and those that the mesh makes by rule.
const MOVEMENTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// For one page, no further block is looked at when so many movements have been, of whomever: a page is short then, and the
/// next begins where it ends. Without this, a page of 256 could take 256 full blocks.
const HISTORY_SCAN_COUNT_MAX: usize = 16_384;

const _: () = assert!(MOVEMENTS_BYTES_MAX > BLOCK_OPERATION_COUNT_MAX * 6 * 256);

impl Node {
    /// A page of a holder's history: the newest movements before the cursor.
    pub(super) fn history(&self, request: &HistoryRequest) -> Result<History, ApiFault> {
        let limit = request.limit.clamp(1, HISTORY_COUNT_MAX) as usize;
        let head = self.cx.state.history(request.holder);
        let newest = HistoryCursor { height: head.last, number: head.count };
        let cursor = request.before.clone().unwrap_or_else(|| newest.clone());
        if cursor.number > newest.number || cursor.height > newest.height {
            return Err(ApiFault::invalid("the history does not go so far: begin without a cursor"));
        }
        let mut left = cursor.number;
        let mut height = cursor.height;
        let mut newest_first = Vec::new();
        let mut before = Digest::ZERO;
        let mut looked_at = 0;
        while newest_first.len() < limit && left > 0 && looked_at < HISTORY_SCAN_COUNT_MAX {
            let block = self.movements_of(height)?;
            looked_at += block.movements.len().max(1);
            let first = block.before.get(&request.holder).copied().unwrap_or_default();
            let own = block.of(request.holder, height);
            let mut own: Vec<_> = own.take_while(|(_, entry)| entry.number < left).collect();
            // A cursor that somebody made up: what it names is in another block.
            if own.last().map(|(_, entry)| entry.number.saturating_add(1)) != Some(left) {
                return Err(ApiFault::invalid(
                    "no movement of this history is there: begin without a cursor",
                ));
            }
            let excess = own.len().saturating_sub(limit - newest_first.len());
            own.drain(..excess);
            left -= own.len() as u64;
            if let Some((digest, _)) = own.first() {
                before = *digest;
            }
            newest_first.extend(own.into_iter().rev().map(|(_, entry)| entry));
            if left == first.count {
                height = first.last;
            }
        }
        newest_first.reverse();
        let page = HistoryPage { before, movements: newest_first };
        let next = (left > 0).then_some(HistoryCursor { height, number: left });
        Ok(History { head, page, next, height: self.cx.state.height() })
    }

    /// What moved in a block.
    pub(super) fn block_movements(&self, request: &MovementsRequest) -> Result<Movements, ApiFault> {
        let height = request.height.unwrap_or(self.cx.state.height());
        let BlockMovements { time, movements, journal: before, .. } = self.movements_of(height)?;
        let after = if movements.is_empty() { before } else { before.after(height, &movements) };
        Ok(Movements { height, time, movements, before, after })
    }

    fn movements_of(&self, height: Height) -> Result<BlockMovements, ApiFault> {
        if height > self.cx.state.height() {
            return Err(ApiFault::not_found(alloc::format!("there is no block {height} here")));
        }
        if height == Height::GENESIS {
            return Ok(self.cx.state.genesis_document().movements());
        }
        let damaged = || {
            let message = alloc::format!(
                "this node's record of what moved in block {height} is damaged: ask another node; this one makes it anew \
                 when it starts again"
            );
            ApiFault::new(FaultKind::Unavailable, message)
        };
        match self.cx.store.get(Table::Movements, &height.0.to_be_bytes()) {
            Ok(row) => row.and_then(|row| decode(&row, MOVEMENTS_BYTES_MAX).ok()).ok_or_else(damaged),
            Err(ReadError::Damaged { .. }) => Err(damaged()),
            Err(fault) => Err(fault.into()),
        }
    }
}
