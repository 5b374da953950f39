//! Row repair: corrupted rows of the store are reported, never served, and replaced from memory or from a peer.
//!
//! A block, its certificate or a log entry comes from a peer, and is taken only if it is the very one: a quorum
//! certified the block; the log's tree, which is in memory, holds the entry's hash. A row of the state is written again
//! from memory. Rows of other tables cannot be fetched: key shares, signatures and the log of votes are this node's own.

use super::ask::Ask;
use super::checked::check;
use super::context::ADDRESS_KEY_PREFIX;
use super::message::{Fetch, IndexedLogEntry, Message, SyncedBlock};
use super::stored::MOVEMENTS_KEY;
use super::timers::Timer;
use super::{Event, context::Context};
use crate::base::{Height, LeafIndex, PublicKey, Size, Table, WriteBatch, encode, reached};
use crate::trustchain::ct;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

/// The most rows that are being repaired at a time. More are found when they are read again.
const ROW_REPAIR_COUNT_MAX: usize = 256;
/// A peer that has not sent a row after this long is given up for another.
const ROW_REPAIR_RETRY_AFTER: Duration = Duration::from_millis(1000);

/// What is being repaired.
#[derive(Default)]
pub(super) struct RowRepair {
    blocks: BTreeSet<Height>,
    entries: BTreeSet<LeafIndex>,
    turn: usize,
}

impl RowRepair {
    pub(super) fn size(&self) -> Size {
        let held = self.blocks.len() + self.entries.len();
        Size::limited("rows that are being repaired", held, ROW_REPAIR_COUNT_MAX)
    }
}

impl Context {
    /// Writes a row anew from memory, where all of the state is and all addresses are; what is not there, is removed.
    pub(super) fn rewrite_row(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) {
        let mut writes = WriteBatch::default();
        match value {
            Some(value) => writes.put(table, key, value),
            None => writes.delete(table, key),
        }
        self.rewrite(writes, alloc::format!("a row of table {}, from memory", table.name()));
    }

    fn rewrite(&mut self, writes: WriteBatch, what: alloc::string::String) {
        self.count("hypermesh", "rows_repaired_total", 1);
        let token = self.persist(writes);
        self.outbox.after(token, super::Output::Event(Event::Repaired { what }));
    }
}

impl RowRepair {
    /// ShareRepairs the rows that were found corrupted in this step.
    pub(super) fn repair_corrupted_rows(&mut self, cx: &mut Context) {
        for (table, key) in cx.store.take_damage() {
            if table == Table::Meta && key.starts_with(ADDRESS_KEY_PREFIX) {
                cx.ask(Ask::RestoreAddress(key));
            } else {
                self.repair_row(cx, table, &key);
            }
        }
    }

    fn repair_row(&mut self, cx: &mut Context, table: Table, key: &[u8]) {
        let number = <[u8; 8]>::try_from(key).ok().map(u64::from_be_bytes);
        let room = self.blocks.len() + self.entries.len() < ROW_REPAIR_COUNT_MAX;
        let fresh = match (table, number) {
            (Table::Blocks | Table::Commits, Some(height))
                if !(1..=cx.state.height().0).contains(&height) =>
            {
                return Self::remove_stray(cx, table, key);
            }
            (Table::LogEntries, Some(index)) if index >= cx.state.log().size() => {
                return Self::remove_stray(cx, table, key);
            }
            (Table::State, _) => {
                return cx.rewrite_row(table, key, cx.state.row_bytes(key).map(|row| row.to_vec()));
            }
            (Table::Blocks | Table::Commits, Some(height)) if room => self.blocks.insert(Height(height)),
            (Table::LogEntries, Some(index)) if room => self.entries.insert(LeafIndex(index)),
            (Table::Blocks | Table::Commits | Table::LogEntries, _) => return,
            (Table::Movements, _) => return Self::note_corrupted_movements(cx, number.unwrap_or_default()),
            _ => {
                let reason = alloc::format!(
                    "table {} holds a damaged row, which nobody else has: see the operations guide",
                    table.name()
                );
                return cx.outbox.event(Event::StoreFault { reason });
            }
        };
        if fresh {
            let (table, number) = (table.name(), number.unwrap_or_default());
            let reason =
                alloc::format!("row {number} of table {table} is damaged: it is fetched from a peer");
            cx.outbox.event(Event::StoreFault { reason });
            self.request_row_repairs(cx);
        }
    }

    /// A damaged key leads nowhere: nothing of this store has it.
    fn remove_stray(cx: &mut Context, table: Table, key: &[u8]) {
        let mut writes = WriteBatch::default();
        writes.delete(table, key);
        cx.rewrite(writes, alloc::format!("table {}: a row with a damaged key is removed", table.name()));
    }

    /// The movements of the ledger follow from the blocks, so the next start makes them anew.
    fn note_corrupted_movements(cx: &mut Context, height: u64) {
        let reason = alloc::format!(
            "the movements of block {height} are damaged: they are made anew from the blocks when this node starts again"
        );
        let mut writes = WriteBatch::default();
        writes.put(Table::Meta, MOVEMENTS_KEY, []);
        let _token = cx.persist(writes);
        cx.outbox.event(Event::StoreFault { reason });
    }

    pub(super) fn request_row_repairs(&mut self, cx: &mut Context) {
        if self.blocks.is_empty() && self.entries.is_empty() {
            return;
        }
        cx.timers.start(Timer::RowRepair, cx.now.mono.after(ROW_REPAIR_RETRY_AFTER));
        let peers: Vec<PublicKey> = cx.connected.iter().copied().collect();
        let Some(turn) = self.turn.checked_rem(peers.len()) else { return };
        let Some(peer) = peers.get(turn).copied() else { return };
        let blocks = self.blocks.iter().map(|height| Message::Fetch(Fetch { first: *height, count: 1 }));
        let entries = self.entries.iter().map(|index| Message::FetchEntry(*index));
        for message in blocks.chain(entries).collect::<Vec<_>>() {
            cx.send(peer, &message);
        }
    }

    pub(super) fn on_timeout(&mut self, cx: &mut Context) {
        self.turn = self.turn.wrapping_add(1);
        self.request_row_repairs(cx);
    }

    /// Takes a block that stands in for a damaged one, if that is what it is.
    pub(super) fn take_repaired_block(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        first: Height,
        blocks: &[SyncedBlock],
    ) -> bool {
        let ([block], true) = (blocks, self.blocks.contains(&first)) else { return false };
        let genesis = cx.state.genesis_hash();
        match check(&genesis, cx.state.validators(), first, block.clone()) {
            Ok(checked) => {
                let mut writes = WriteBatch::default();
                let key = first.0.to_be_bytes();
                writes.put(Table::Blocks, key, checked.value.to_vec());
                writes.put(Table::Commits, key, encode(&(&checked.block.header, &checked.certificate)));
                self.blocks.remove(&first);
                reached!(cx.marks, "a damaged row is fetched from a peer");
                cx.rewrite(writes, alloc::format!("block {first} and its certificate"));
            }
            Err(reason) => cx.outbox.event(Event::PeerFault { peer: from, reason }),
        }
        true
    }

    pub(super) fn on_entry(&mut self, cx: &mut Context, from: PublicKey, entry: IndexedLogEntry) {
        let IndexedLogEntry { index, entry } = entry;
        if !self.entries.contains(&index) {
            return;
        }
        if cx.state.log().leaf_hash(index) != Some(ct::leaf_hash(&entry)) {
            let reason =
                alloc::format!("sent another entry {index} of the log than the one that stands in it");
            return cx.outbox.event(Event::PeerFault { peer: from, reason });
        }
        let mut writes = WriteBatch::default();
        writes.put(Table::LogEntries, index.0.to_be_bytes(), entry);
        self.entries.remove(&index);
        reached!(cx.marks, "a damaged row is fetched from a peer");
        cx.rewrite(writes, alloc::format!("entry {index} of the log"));
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::base::Reader as _;
    use crate::node::test_util::{context, mesh, reported, sent};

    #[test]
    fn an_entry_is_asked_of_a_peer_and_another_than_the_logs_is_not_taken() {
        let mesh = mesh();
        let (mut cx, mut part) = (context(&mesh), RowRepair::default());
        let (liar, honest) = (mesh.validators[1].public(), mesh.validators[2].public());
        cx.store.note_damage(Table::LogEntries, &0_u64.to_be_bytes());
        part.repair_corrupted_rows(&mut cx);
        let index = LeafIndex(0);
        let asked = sent(&mut cx);
        assert!(matches!(asked[..], [(_, Message::FetchEntry(LeafIndex(0)))]), "one peer is asked");
        part.on_entry(&mut cx, liar, IndexedLogEntry { index, entry: b"another".to_vec() });
        assert!(matches!(reported(&mut cx)[..], [Event::PeerFault { peer, .. }] if peer == liar));
        assert_eq!(part.size().held, 1, "it is still asked for");
        let entry = mesh.entries[0].clone();
        part.on_entry(&mut cx, honest, IndexedLogEntry { index, entry: entry.clone() });
        assert_eq!(
            (part.size().held, cx.store.get(Table::LogEntries, &0_u64.to_be_bytes())),
            (0, Ok(Some(entry)))
        );
    }

    #[test]
    fn the_row_of_an_address_is_left_to_who_holds_the_addresses() {
        let mut cx = context(&mesh());
        let key = [ADDRESS_KEY_PREFIX, &[7; 32]].concat();
        cx.store.note_damage(Table::Meta, &key);
        RowRepair::default().repair_corrupted_rows(&mut cx);
        assert!(matches!(cx.asks.pop_front(), Some(Ask::RestoreAddress(asked)) if asked == key));
    }
}
