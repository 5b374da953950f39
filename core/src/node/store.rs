//! The store as the node sees it: what the driver can read, and on top of it the writes that were handed out
//! and are not durable yet.

use super::{PersistToken, context::Context};
use crate::base::{KeyValue, ReadError, Reader, Table, Write, WriteBatch};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cell::RefCell;

/// A row that is not durable yet; `None` where it was removed.
struct Fresh {
    token: PersistToken,
    value: Option<Vec<u8>>,
}

/// The driver's store and what is on its way there.
pub(super) struct Store {
    reader: Box<dyn Reader>,
    fresh: BTreeMap<(Table, Vec<u8>), Fresh>,
    by_token: BTreeMap<PersistToken, Vec<(Table, Vec<u8>)>>,
    /// Rows that were found damaged since this was last looked at. Reads are many and their readers only read, so
    /// it is noted here, whoever meets it.
    damage: RefCell<BTreeSet<(Table, Vec<u8>)>>,
}

impl Store {
    pub(super) const fn new(reader: Box<dyn Reader>) -> Self {
        let damage = RefCell::new(BTreeSet::new());
        Self { reader, fresh: BTreeMap::new(), by_token: BTreeMap::new(), damage }
    }

    /// Notes that a row does not hold what was written.
    pub(super) fn note_damage(&self, table: Table, key: &[u8]) {
        self.damage.borrow_mut().insert((table, key.to_vec()));
    }

    /// The rows that were found damaged since this was last asked.
    pub(super) fn take_damage(&mut self) -> BTreeSet<(Table, Vec<u8>)> {
        core::mem::take(self.damage.get_mut())
    }

    fn note(&mut self, token: PersistToken, batch: &WriteBatch) {
        for write in batch.writes() {
            let (table, key, value) = match write {
                Write::Put { table, key, value } => (*table, key.clone(), Some(value.clone())),
                Write::Delete { table, key } => (*table, key.clone(), None),
                // Only the log of votes is ever cleared, and that is read at the start alone.
                Write::Clear { .. } => continue,
            };
            self.by_token.entry(token).or_default().push((table, key.clone()));
            self.fresh.insert((table, key), Fresh { token, value });
        }
    }

    /// Forgets writes that the driver's store has by now.
    fn settle(&mut self, durable: PersistToken) {
        let later = self.by_token.split_off(&PersistToken(durable.0 + 1));
        for key in core::mem::replace(&mut self.by_token, later).into_values().flatten() {
            if self.fresh.get(&key).is_some_and(|fresh| fresh.token <= durable) {
                self.fresh.remove(&key);
            }
        }
    }
}

impl Reader for Store {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        // The state's rows are read from memory; of what is read here, blocks and entries are written once.
        match self.fresh.get(&(table, key.to_vec())) {
            Some(fresh) => Ok(fresh.value.clone()),
            None => self.reader.get(table, key).inspect_err(|fault| {
                if matches!(fault, ReadError::Damaged { .. }) {
                    self.note_damage(table, key);
                }
            }),
        }
    }

    fn range(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<KeyValue>, ReadError> {
        self.reader.range(table, start, rows_max)
    }
}

impl Context {
    /// Hands out a write.
    pub(super) fn persist(&mut self, batch: WriteBatch) -> PersistToken {
        let token = self.outbox.next_token();
        self.store.note(token, &batch);
        self.outbox.persist(batch)
    }

    /// Writes up to this one are durable: what waited for them goes out.
    pub(super) fn settle_writes(&mut self, durable: PersistToken) {
        self.store.settle(durable);
        self.outbox.release(durable);
    }
}
