//! A disk: writes are seen at once, are durable only later, in order, and a crash loses those that are not. Rows
//! may rot: they are then read as damaged, until they are written anew.

use hypermesh_core::base::{Digest, KeyValue, ReadError, Reader, Table, Write, WriteBatch};
use hypermesh_core::node::PersistToken;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

type Rows = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Whether a node may forget what it has voted for when one row of a table is damaged: of the log itself, or of the
/// certificates, since a state that is made anew ends before the block whose certificate cannot be read.
pub(crate) const fn forgets(table: Table) -> bool {
    matches!(table, Table::Wal | Table::Commits)
}

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
    /// Rows that have rotted.
    rotten: BTreeSet<(Table, Vec<u8>)>,
    /// Whether the device gives nothing back.
    reads_fail: bool,
    reads_failed: AtomicU64,
}

impl Contents {
    fn readable(&self, table: Table) -> Result<(), ReadError> {
        if !self.reads_fail {
            return Ok(());
        }
        self.reads_failed.fetch_add(1, Relaxed);
        Err(ReadError::Device { table, reason: "the device does not answer".to_string() })
    }
}

impl Disk {
    /// Another disk with what this one holds durably.
    #[must_use]
    pub fn copy(&self) -> Self {
        let durable = self.lock().durable.clone();
        let contents = Contents { visible: durable.clone(), durable, ..Contents::default() };
        Self(Arc::new(Mutex::new(contents)))
    }

    /// Another disk with what this one holds durably of one table.
    pub(crate) fn only(&self, table: Table) -> Self {
        let durable: Rows = self
            .lock()
            .durable
            .get_key_value(&table)
            .map(|(table, rows)| (*table, rows.clone()))
            .into_iter()
            .collect();
        let contents = Contents { visible: durable.clone(), durable, ..Contents::default() };
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
            contents.rotten.retain(|row| !overwrites(&batch, row));
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

    /// Loses a whole table, as it is on the disk.
    pub(crate) fn lose(&self, table: Table) {
        let mut contents = self.lock();
        contents.visible.remove(&table);
        contents.durable.remove(&table);
    }

    /// Lets a row rot. Says whether there is one.
    pub(crate) fn rot(&self, table: Table, key: &[u8]) -> bool {
        let mut contents = self.lock();
        let stands = contents.visible.get(&table).is_some_and(|rows| rows.contains_key(key));
        if stands {
            contents.rotten.insert((table, key.to_vec()));
        }
        stands
    }

    /// Lets the first write that is under way be torn: so many of its rows reach the disk, the last of them damaged.
    /// Says whether there is one.
    ///
    /// redb takes a commit whole or not at all, so that this stands for a disk that acknowledges what it has not got,
    /// and loses power: the seal on each row shows what is damaged, and the root in the last header what is missing.
    pub(crate) fn tear(&self, rows: usize) -> bool {
        let mut contents = self.lock();
        let Some((_, batch)) = contents.pending.front() else { return false };
        let torn: Vec<Write> = batch.writes().iter().take(rows.max(1)).cloned().collect();
        let damaged = torn.last().and_then(|write| match write {
            Write::Put { table, key, .. } => Some((*table, key.clone())),
            Write::Delete { .. } | Write::Clear { .. } => None,
        });
        for write in &torn {
            apply_one(&mut contents.durable, write);
        }
        contents.rotten.extend(damaged);
        true
    }

    /// Lets a row have been written in another's place: that one is then damaged, because its seal is for another
    /// key, and the row itself is missing. Says whether there are two such rows.
    pub(crate) fn misdirect(&self, table: Table, key: &[u8], instead_of: &[u8]) -> bool {
        let mut contents = self.lock();
        let stand = |key: &[u8]| contents.visible.get(&table).is_some_and(|rows| rows.contains_key(key));
        if key == instead_of || !stand(key) || !stand(instead_of) {
            return false;
        }
        let Contents { visible, durable, rotten, .. } = &mut *contents;
        for rows in [visible, durable].into_iter().filter_map(|rows| rows.get_mut(&table)) {
            rows.remove(key);
        }
        rotten.insert((table, instead_of.to_vec()))
    }

    /// Whether the device answers reads.
    pub(crate) fn answers_reads(&self) -> bool {
        !self.lock().reads_fail
    }

    /// Lets reads fail from now on, or no longer. Says how many did.
    pub(crate) fn fail_reads(&self, fail: bool) -> u64 {
        let mut contents = self.lock();
        contents.reads_fail = fail;
        contents.reads_failed.swap(0, Relaxed)
    }

    /// Puts a format of an older version on the disk, which has one.
    pub(crate) fn age(&self, format: u64) -> bool {
        let mut contents = self.lock();
        let Contents { visible, durable, .. } = &mut *contents;
        let mut aged = false;
        for rows in [visible, durable].into_iter().filter_map(|rows| rows.get_mut(&Table::Meta)) {
            if let Some(row) = rows.get_mut(b"format".as_slice()) {
                *row = format.to_be_bytes().to_vec();
                aged = true;
            }
        }
        aged
    }

    /// How many rows are rotten.
    #[must_use]
    pub fn rotten_count(&self) -> usize {
        self.lock().rotten.len()
    }

    /// The keys of a table, as reads see them.
    #[must_use]
    pub fn keys(&self, table: Table) -> Vec<Vec<u8>> {
        self.lock().visible.get(&table).map(|rows| rows.keys().cloned().collect()).unwrap_or_default()
    }

    /// A digest of the last block that the disk holds durably, and of all that led to it.
    #[must_use]
    pub fn durable_digest(&self) -> Digest {
        let head = self.durable(Table::Meta, b"head").unwrap_or_default();
        let block = self.durable(Table::Blocks, &head).unwrap_or_default();
        Digest(*blake3::hash(&block).as_bytes())
    }

    /// The row that was written last with this key, whether or not the device gives it back.
    pub(crate) fn written(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.lock().visible.get(&table)?.get(key).cloned()
    }

    /// The durable row with this key.
    pub(crate) fn durable(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.lock().durable.get(&table)?.get(key).cloned()
    }

    /// Whether a durable row of a table ends with these bytes, or has them near its beginning.
    pub(crate) fn holds_durably(&self, table: Table, bytes: &[u8]) -> bool {
        const NEAR: usize = 512;
        let contents = self.lock();
        let mut rows = contents.durable.get(&table).into_iter().flat_map(BTreeMap::values);
        rows.any(|value| {
            let beginning = value.get(..NEAR).unwrap_or(value);
            value.ends_with(bytes) || beginning.windows(bytes.len()).any(|window| window == bytes)
        })
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
        let contents = self.lock();
        contents.readable(table)?;
        if contents.rotten.contains(&(table, key.to_vec())) {
            return Err(ReadError::Damaged { table });
        }
        Ok(contents.visible.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<KeyValue>, ReadError> {
        let contents = self.lock();
        contents.readable(table)?;
        let Some(rows) = contents.visible.get(&table) else { return Ok(Vec::new()) };
        let rows: Vec<_> = rows.range(start.to_vec()..).take(rows_max).collect();
        if rows.iter().any(|(key, _)| contents.rotten.contains(&(table, key.to_vec()))) {
            return Err(ReadError::Damaged { table });
        }
        Ok(rows.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

fn apply(rows: &mut Rows, batch: &WriteBatch) {
    batch.writes().iter().for_each(|write| apply_one(rows, write));
}

fn apply_one(rows: &mut Rows, write: &Write) {
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

/// Whether a batch sets or removes a row.
fn overwrites(batch: &WriteBatch, row: &(Table, Vec<u8>)) -> bool {
    batch.writes().iter().any(|write| match write {
        Write::Put { table, key, .. } | Write::Delete { table, key } => (table, key) == (&row.0, &row.1),
        Write::Clear { table } => *table == row.0,
    })
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
    fn a_rotten_row_is_read_as_damaged_until_it_is_durably_written_anew() {
        let disk = Disk::default();
        disk.write(PersistToken(1), put(b"a"));
        disk.sync(PersistToken(1));
        assert!(disk.rot(Table::Wal, b"a") && !disk.rot(Table::Wal, b"b"));
        let damaged = ReadError::Damaged { table: Table::Wal };
        assert_eq!(disk.get(Table::Wal, b"a"), Err(damaged.clone()));
        assert_eq!(disk.range(Table::Wal, b"", 9), Err(damaged));
        disk.write(PersistToken(2), put(b"a"));
        assert_eq!(disk.rotten_count(), 1);
        disk.sync(PersistToken(2));
        assert_eq!(disk.get(Table::Wal, b"a"), Ok(Some(b"value".to_vec())));
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

    #[test]
    fn a_torn_write_leaves_its_first_rows_and_the_last_of_them_damaged() {
        let disk = Disk::default();
        let mut batch = put(b"a");
        batch.put(Table::Wal, b"b", b"value");
        batch.put(Table::Wal, b"c", b"value");
        disk.write(PersistToken(1), batch);
        assert!(disk.tear(2));
        assert_eq!((disk.crash(), disk.tear(1)), (1, false));
        assert_eq!(disk.get(Table::Wal, b"a"), Ok(Some(b"value".to_vec())));
        assert_eq!(disk.get(Table::Wal, b"b"), Err(ReadError::Damaged { table: Table::Wal }));
        assert_eq!(disk.get(Table::Wal, b"c"), Ok(None));
    }

    #[test]
    fn a_misdirected_write_leaves_one_row_missing_and_another_damaged() {
        let disk = Disk::default();
        for (token, key) in (1..).zip([b"a", b"b"]) {
            disk.write(PersistToken(token), put(key));
            disk.sync(PersistToken(token));
        }
        assert!(!disk.misdirect(Table::Wal, b"a", b"a") && !disk.misdirect(Table::Wal, b"c", b"a"));
        assert!(disk.misdirect(Table::Wal, b"b", b"a"));
        assert_eq!(disk.get(Table::Wal, b"a"), Err(ReadError::Damaged { table: Table::Wal }));
        assert_eq!(disk.get(Table::Wal, b"b"), Ok(None));
    }

    #[test]
    fn reads_fail_as_long_as_the_device_does() {
        let disk = Disk::default();
        disk.write(PersistToken(1), put(b"a"));
        assert_eq!(disk.fail_reads(true), 0);
        assert!(matches!(disk.get(Table::Wal, b"a"), Err(ReadError::Device { .. })));
        assert!(matches!(disk.range(Table::Wal, b"", 1), Err(ReadError::Device { .. })));
        assert_eq!(disk.written(Table::Wal, b"a"), Some(b"value".to_vec()), "it is there all the same");
        assert_eq!(disk.fail_reads(false), 2);
        assert_eq!(disk.get(Table::Wal, b"a"), Ok(Some(b"value".to_vec())));
    }
}
