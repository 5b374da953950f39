//! Reading every row, to find those that the disk has changed.
//!
//! A scan checks the seal of each row, that a look-up by its key finds it (a damaged page above it may lead
//! elsewhere), and that no row is missing in the tables whose keys are consecutive numbers. It checks neither the
//! meaning of rows nor the pages that hold none; the former is done by
//! [`Node::open`](hypermesh_core::node::Node::open), the latter by [`super::check`].

use super::{RedbReader, definition, guarded, row};
use hypermesh_core::base::Table;
use redb::{ReadableDatabase, ReadableTableMetadata};

/// The most missing rows that are named for one gap.
pub(super) const GAP_COUNT_MAX: u64 = 256;
/// What a row counts beside its key and value, so that a pass over small rows ends too.
const ROW_BYTES: u64 = 16;

/// Where a scan continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Where in [`Table::ALL`].
    pub table: usize,
    /// The first key that is to be read.
    pub key: Vec<u8>,
    /// The last number that was seen, in tables whose keys are numbers.
    pub number: Option<u64>,
}

/// What was found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which table.
    pub table: Table,
    /// The row's key; empty if no single row is meant.
    pub key: Vec<u8>,
    /// What is wrong.
    pub damage: Damage,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The row's seal does not fit its key and value.
    Row,
    /// The row is there, but a look-up by its key does not find it.
    Unreachable,
    /// The rows before and after it are there.
    Missing,
    /// The pages of the table contradict each other, so the rest of it cannot be read.
    Pages(String),
}

/// One pass of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Rows that were read.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
    /// Where to continue; `None` after the last row of the last table.
    pub next: Option<Cursor>,
}

impl RedbReader {
    /// Reads rows from `cursor` on until they are of `bytes_max` bytes or the table ends, and checks them.
    #[must_use]
    pub fn scan(&self, cursor: &Cursor, bytes_max: u64) -> Scanned {
        let Some(table) = Table::ALL.get(cursor.table).copied() else { return Scanned::default() };
        let next_table = Cursor { table: cursor.table + 1, ..Cursor::default() };
        let next_table = (next_table.table < Table::ALL.len()).then_some(next_table);
        if table == Table::Shares {
            return Scanned { next: next_table, ..self.scan_shares() };
        }
        let mut pass = ScanPass { table, cursor: cursor.clone(), scanned: Scanned::default() };
        // What was found before the pages contradicted each other is worth as much.
        let outcome = guarded(|| self.scan_rows(&mut pass, bytes_max));
        let ScanPass { mut scanned, cursor, .. } = pass;
        let broken = match outcome {
            Ok(Ok(more)) => {
                scanned.next = if more { Some(cursor) } else { next_table };
                return scanned;
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic,
        };
        scanned.findings.push(Finding { table, key: Vec::new(), damage: Damage::Pages(broken) });
        scanned.next = next_table;
        scanned
    }

    /// Reads on. Tells whether the table has more.
    fn scan_rows(&self, pass: &mut ScanPass, bytes_max: u64) -> Result<bool, redb::Error> {
        let open = self.handle.database().begin_read()?.open_table(definition(pass.table))?;
        let start = pass.cursor.key.clone();
        for entry in open.range::<&[u8]>(start.as_slice()..)? {
            let (key, sealed) = entry?;
            let (key, sealed) = (key.value(), sealed.value());
            let reachable = open.get(key)?.is_some();
            pass.take(key, sealed, reachable);
            if pass.scanned.bytes >= bytes_max {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many rows there are, for telling how far a scan is.
    ///
    /// # Errors
    /// If the pages that say so cannot be read.
    pub fn row_count(&self) -> Result<u64, String> {
        let count = || {
            let transaction = self.handle.database().begin_read()?;
            let mut rows = 0;
            for table in Table::ALL.into_iter().filter(|table| *table != Table::Shares) {
                rows += transaction.open_table(definition(table))?.len()?;
            }
            Ok::<u64, redb::Error>(rows)
        };
        guarded(count)?.map_err(|error| error.to_string())
    }

    /// Key shares are files, whole or absent; what they hold, the core checks when it reads them.
    fn scan_shares(&self) -> Scanned {
        match self.shares.rows() {
            Ok(rows) => {
                let bytes = rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
                Scanned { rows: rows.len() as u64, bytes, ..Scanned::default() }
            }
            Err(failure) => {
                let damage = Damage::Pages(failure.message);
                let finding = Finding { table: Table::Shares, key: Vec::new(), damage };
                Scanned { findings: vec![finding], ..Scanned::default() }
            }
        }
    }
}

/// A pass under way.
struct ScanPass {
    table: Table,
    cursor: Cursor,
    scanned: Scanned,
}

impl ScanPass {
    fn take(&mut self, key: &[u8], sealed: &[u8], reachable: bool) {
        let sound = row::unseal(self.table, key, sealed).is_some();
        let number = first_number(self.table).and(<[u8; 8]>::try_from(key).ok()).map(u64::from_be_bytes);
        if let Some(number) = number {
            self.count(number, sound);
        }
        let damage = match (sound, reachable) {
            (true, true) => None,
            (true, false) => Some(Damage::Unreachable),
            (false, _) => Some(Damage::Row),
        };
        if let Some(damage) = damage {
            self.find(key.to_vec(), damage);
        }
        self.scanned.rows += 1;
        self.scanned.bytes += (key.len() + sealed.len()) as u64 + ROW_BYTES;
        self.cursor.key = [key, &[0]].concat();
    }

    /// Finds the rows that are missing before this one. The key of a damaged row proves nothing, unless it is the
    /// next one anyway.
    fn count(&mut self, number: u64, sound: bool) {
        let first = first_number(self.table).unwrap_or_default();
        let expected = self.cursor.number.map_or(first, |last| last.saturating_add(1));
        if sound {
            for missing in (expected..number).take(usize::try_from(GAP_COUNT_MAX).unwrap_or(usize::MAX)) {
                self.find(missing.to_be_bytes().to_vec(), Damage::Missing);
            }
        }
        if number == expected || (sound && number > expected) {
            self.cursor.number = Some(number);
        }
    }

    fn find(&mut self, key: Vec<u8>, damage: Damage) {
        self.scanned.findings.push(Finding { table: self.table, key, damage });
    }
}

/// The first key of a table whose keys are consecutive numbers.
pub(super) const fn first_number(table: Table) -> Option<u64> {
    match table {
        Table::Blocks | Table::Commits => Some(1),
        Table::LogEntries => Some(0),
        _ => None,
    }
}
