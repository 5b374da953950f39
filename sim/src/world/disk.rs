//! A disk: writes are seen at once, are durable only later, in order, and a crash loses those that are not.

use hypermesh_core::base::{ReadError, Reader, Row, Table, Write, WriteBatch};
use hypermesh_core::node::PersistToken;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

type Rows = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// A node's disk. It outlives the node.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    /// What reads see.
    visible: Rows,
    /// What a crash leaves.
    durable: Rows,
    /// What is on its way from the one to the other.
    pending: VecDeque<(PersistToken, WriteBatch)>,
}

impl Disk {
    /// Another disk with what this one holds durably.
    pub(super) fn copy(&self) -> Self {
        let durable = self.lock().durable.clone();
        let contents = Contents { visible: durable.clone(), durable, pending: VecDeque::new() };
        Self(Arc::new(Mutex::new(contents)))
    }

    /// Another disk with what this one holds durably of one table.
    pub(super) fn only(&self, table: Table) -> Self {
        let durable: Rows = self
            .lock()
            .durable
            .get_key_value(&table)
            .map(|(table, rows)| (*table, rows.clone()))
            .into_iter()
            .collect();
        let contents = Contents { visible: durable.clone(), durable, pending: VecDeque::new() };
        Self(Arc::new(Mutex::new(contents)))
    }

    /// Takes a write: reads see it from now on.
    pub(crate) fn write(&self, token: PersistToken, batch: WriteBatch) {
        let mut contents = self.lock();
        apply(&mut contents.visible, &batch);
        contents.pending.push_back((token, batch));
    }

    /// Makes all writes up to this one durable.
    pub(crate) fn sync(&self, token: PersistToken) {
        let mut contents = self.lock();
        while contents.pending.front().is_some_and(|(held, _)| *held <= token) {
            let Some((_, batch)) = contents.pending.pop_front() else { return };
            apply(&mut contents.durable, &batch);
        }
    }

    /// Loses what is not durable. Says how many writes that were.
    pub(crate) fn crash(&self) -> usize {
        let mut contents = self.lock();
        contents.visible = contents.durable.clone();
        let lost = contents.pending.len();
        contents.pending.clear();
        lost
    }

    /// How many rows there are in a table, as reads see it.
    #[must_use]
    pub fn row_count(&self, table: Table) -> usize {
        self.lock().visible.get(&table).map_or(0, BTreeMap::len)
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }
}

impl Reader for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.lock().visible.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<Row>, ReadError> {
        let contents = self.lock();
        let Some(rows) = contents.visible.get(&table) else { return Ok(Vec::new()) };
        let rows = rows.range(start.to_vec()..).take(rows_max);
        Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

fn apply(rows: &mut Rows, batch: &WriteBatch) {
    for write in batch.writes() {
        match write {
            Write::Put { table, key, value } => {
                rows.entry(*table).or_default().insert(key.clone(), value.clone());
            }
            Write::Delete { table, key } => {
                rows.entry(*table).or_default().remove(key);
            }
            Write::Clear { table } => {
                rows.remove(table);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &[u8]) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.put(Table::Wal, key, b"value");
        batch
    }

    #[test]
    fn a_crash_loses_what_is_not_durable_and_nothing_else() {
        let disk = Disk::default();
        disk.write(PersistToken(1), put(b"a"));
        disk.write(PersistToken(2), put(b"b"));
        disk.write(PersistToken(3), put(b"c"));
        disk.sync(PersistToken(2));
        assert_eq!(disk.row_count(Table::Wal), 3);
        assert_eq!(disk.crash(), 1);
        assert_eq!(disk.get(Table::Wal, b"b").unwrap(), Some(b"value".to_vec()));
        assert_eq!(disk.get(Table::Wal, b"c").unwrap(), None);
    }

    #[test]
    fn ranges_begin_where_asked_and_end_at_the_bound() {
        let disk = Disk::default();
        for (token, key) in (1..).zip([b"a", b"b", b"c"]) {
            disk.write(PersistToken(token), put(key));
        }
        let keys = |start: &[u8], max| {
            disk.range(Table::Wal, start, max).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys(b"b", 9), [b"b".to_vec(), b"c".to_vec()]);
        assert_eq!(keys(b"", 1), [b"a".to_vec()]);
    }
}
