//! The store on disk: a redb database whose tables and rows the core lays out.
//!
//! One write transaction, synced once, carries all batches that wait, so either all of them survive a loss of
//! power or none. Key shares are the exception: they are [files](crate::share_files) beside the database, written before
//! what is committed together with them. Reads see what was committed; the core itself remembers what it has handed out and is not
//! durable yet.
//!
//! A write that failed is the last one: what the file then holds is known only after it was opened again, so the
//! store takes nothing more, and the node has to end.
//!
//! Opening a store takes the same time whatever its size. Each commit is in two phases and records which pages are in
//! use (redb's *quick-repair*), so a crash leaves nothing to repair: the commit before it is whole. That costs a
//! second sync a commit. It also means that redb never falls back to the commit before the last one, which would
//! silently forget votes that this node has sent.
//!
//! Damage by the disk is found later: each row carries a seal, which is checked when it is read; whether the rows
//! fit together, [`Node::open`](hypermesh_core::node::Node::open) finds out; the scrub reads every row
//! while the node runs; and [`check_store`] reads every page and every row on demand.

mod check;
mod fault;
mod handle;
mod overlay;
mod row;
mod scan;
#[cfg(test)]
mod tests;

pub use check::{CheckReport, CorruptedRow, FINDING_COUNT_MAX, check_store};
pub use fault::StoreError;
pub use scan::{Cursor, Damage, Finding, Scanned};

use crate::data::sync_folder;
use crate::share_files::ShareFiles;
use fault::{advice, opening, reading};
use handle::{Handle, OpenMarker};
use hypermesh_core::base::{KeyValue, ReadError, Reader, Table, Write, WriteBatch};
use redb::backends::FileBackend;
use redb::{
    Database, ReadableDatabase, ReadableTableMetadata, StorageBackend, TableDefinition, TableError,
    WriteTransaction,
};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The database's own cache. What is read again and again, the core holds in memory anyway.
const CACHE_BYTES: usize = 16 << 20;

/// The ending of a store's file while it is made.
const UNFINISHED: &str = "redb-unfinished";
/// How rows are laid out in the file: sealed, from 2 on.
const LAYOUT: u64 = 2;
const LAYOUT_TABLE: TableDefinition<'static, &'static str, u64> = TableDefinition::new("layout");
const LAYOUT_KEY: &str = "layout";

/// A node's store. The driver's storage thread has it; the node has a [`RedbReader`] of it.
pub struct RedbStore {
    path: PathBuf,
    handle: Arc<Handle>,
    shares: ShareFiles,
    /// Whether it was not closed when it was last used.
    crashed: bool,
    /// Why the last write failed, if one has.
    failed: Option<String>,
}

/// Reads of a store, in transactions of their own.
#[derive(Clone)]
pub struct RedbReader {
    handle: Arc<Handle>,
    shares: ShareFiles,
}

impl RedbStore {
    /// Opens a store, and makes an empty one if there is none. Only its owner can read the file.
    ///
    /// # Errors
    /// If another process has it, it is damaged, or the device fails.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let device = |reason: std::io::Error| StoreError::of(path, reason.into());
        if std::fs::metadata(path).map_or(true, |about| about.len() == 0) {
            Self::create(path)?;
            // A marker from before is that of a store that was removed: the new one was never left open.
            OpenMarker::remove_stale(path)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(device)?;
        let backend = FileBackend::new(file).map_err(|error| opening(path, error))?;
        let begun = Instant::now();
        let mut store = Self::on(backend, path, CACHE_BYTES)?;
        let (marker, crashed) = OpenMarker::make(path)?;
        let handle = Arc::get_mut(&mut store.handle).expect("a store has no readers while it is opened");
        handle.set_marker(marker);
        store.crashed = crashed;
        if crashed {
            let (path, ms) = (path.display(), begun.elapsed().as_millis());
            tracing::warn!(%path, ms, "the store was not closed cleanly (the process was killed, or the machine lost power): recovered, nothing is lost");
        }
        // The file's own entry in its folder must survive a loss of power too.
        sync_folder(path.parent()).map_err(device)?;
        Ok(store)
    }

    /// Makes an empty store beside its place and then puts it there: one that was interrupted in its making would be
    /// no store, and nobody could tell it from one that was damaged.
    fn create(path: &Path) -> Result<(), StoreError> {
        let device = |reason: std::io::Error| StoreError::of(path, reason.into());
        let unfinished = path.with_extension(UNFINISHED);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&unfinished).map_err(device)?;
        let backend = FileBackend::new(file).map_err(|error| opening(&unfinished, error))?;
        Self::on(backend, &unfinished, CACHE_BYTES)?.close()?;
        std::fs::rename(&unfinished, path).map_err(device)
    }

    /// Closes a store that was just made. What could not be closed is no store yet, and nothing to recover.
    fn close(self) -> Result<(), StoreError> {
        let handle = Arc::into_inner(self.handle).expect("a store has no readers while it is made");
        handle.close().map_err(|error| StoreError::of(&self.path, error.into()))
    }

    /// The store in these bytes, which messages call by `path`.
    fn on(backend: impl StorageBackend, path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let mut builder = Database::builder();
        // Only after a commit that failed or panicked is there anything to repair: see `write`.
        builder.set_cache_size(cache_bytes).set_repair_callback(|repair| {
            let percent = (100.0 * repair.progress()).round();
            tracing::warn!(percent, "the store has no record of its free pages: reading the whole store");
        });
        let made = guarded(|| {
            let database = builder.create_with_backend(backend).map_err(|error| opening(path, error))?;
            let made = make_tables(&database).map_err(|error| StoreError::of(path, error))?;
            Ok((database, made))
        });
        let (database, layout) = made.unwrap_or_else(|reason| Err(StoreError::damaged(path, reason)))?;
        match layout {
            LAYOUT => Ok(Self {
                path: path.to_path_buf(),
                handle: Arc::new(Handle::new(database)),
                shares: ShareFiles::beside(path),
                crashed: false,
                failed: None,
            }),
            found => Err(StoreError::Layout { path: path.to_path_buf(), found, expected: LAYOUT }),
        }
    }

    /// A reader that sees all that is committed at the time of each read.
    #[must_use]
    pub fn reader(&self) -> RedbReader {
        RedbReader { handle: Arc::clone(&self.handle), shares: self.shares.clone() }
    }

    /// Whether the store was not closed when it was last used.
    #[must_use]
    pub const fn was_crashed(&self) -> bool {
        self.crashed
    }

    fn write(&self, batches: &[WriteBatch]) -> Result<(), redb::Error> {
        let transaction = begin_write(self.handle.database())?;
        // A table is opened once for each run of writes to it, and must be closed before it is cleared.
        let writes = batches.iter().flat_map(WriteBatch::writes);
        let mut writes = writes.filter(|write| table_of(write) != Table::Shares).peekable();
        while let Some(table) = writes.peek().copied().map(table_of) {
            if writes.next_if(|write| matches!(write, Write::Clear { .. })).is_some() {
                transaction.delete_table(definition(table))?;
                transaction.open_table(definition(table))?;
                continue;
            }
            let mut open = transaction.open_table(definition(table))?;
            let here = |write: &&Write| table_of(write) == table && !matches!(write, Write::Clear { .. });
            while let Some(write) = writes.next_if(here) {
                match write {
                    Write::Put { key, value, .. } => {
                        drop(open.insert(key.as_slice(), row::seal(table, key, value).as_slice())?);
                    }
                    Write::Delete { key, .. } => drop(open.remove(key.as_slice())?),
                    Write::Clear { .. } => unreachable!("a table is cleared only while it is closed"),
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl hypermesh_driver::Storage for RedbStore {
    fn commit(&mut self, batches: Vec<WriteBatch>) -> Result<(), String> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let shares = self.shares.apply(&batches).map_err(|failure| failure.message);
        let written = shares.and_then(|()| guarded(|| self.write(&batches)));
        let reason = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => format!("{error}; {}", advice(&error)),
            Err(panic) => panic,
        };
        let failed = format!("cannot write store {}: {reason}", self.path.display());
        self.failed = Some(failed.clone());
        Err(failed)
    }
}

impl RedbReader {
    /// How many rows a table has.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn table_row_count(&self, table: Table) -> Result<u64, ReadError> {
        let read = || Ok(self.handle.database().begin_read()?.open_table(definition(table))?.len()?);
        checked(table, guarded(read))
    }

    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let read = || {
            let open = self.handle.database().begin_read()?.open_table(definition(table))?;
            Ok(open.get(key)?.map(|value| row::unseal(table, key, value.value()).map(<[u8]>::to_vec)))
        };
        match checked(table, guarded(read))? {
            Some(None) => Err(ReadError::Damaged { table }),
            found => Ok(found.flatten()),
        }
    }

    fn rows(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<KeyValue>, ReadError> {
        let read = || {
            let open = self.handle.database().begin_read()?.open_table(definition(table))?;
            let rows = open.range::<&[u8]>(start..)?.take(rows_max);
            let unsealed = rows.map(|row| {
                let (key, value) = row?;
                let unsealed = row::unseal(table, key.value(), value.value()).map(<[u8]>::to_vec);
                Ok(unsealed.map(|value| (key.value().to_vec(), value)))
            });
            unsealed.collect::<Result<Option<Vec<KeyValue>>, redb::Error>>()
        };
        checked(table, guarded(read))?.ok_or(ReadError::Damaged { table })
    }
}

impl Reader for RedbReader {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match table {
            Table::Shares => self.shares.get(key).map_err(|failure| share_reading(&failure)),
            table => self.row(table, key),
        }
    }

    fn range(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<KeyValue>, ReadError> {
        if table != Table::Shares {
            return self.rows(table, start, rows_max);
        }
        let rows = self.shares.rows().map_err(|failure| share_reading(&failure))?;
        Ok(rows.into_iter().filter(|(key, _)| key.as_slice() >= start).take(rows_max).collect())
    }
}

/// Does something with the database, which panics at some kinds of damaged pages.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("its pages contradict each other: {}", text.unwrap_or_default())
    })
}

fn checked<T>(table: Table, read: Result<Result<T, redb::Error>, String>) -> Result<T, ReadError> {
    match read {
        Ok(read) => read.map_err(|error| reading(table, &error)),
        Err(_) => Err(ReadError::Damaged { table }),
    }
}

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

const fn table_of(write: &Write) -> Table {
    match write {
        Write::Put { table, .. } | Write::Delete { table, .. } | Write::Clear { table } => *table,
    }
}

/// Makes the tables that are not there yet, and tells how rows are laid out. A store that has them all is not
/// written to.
fn make_tables(database: &Database) -> Result<u64, redb::Error> {
    let known = database.begin_read()?.list_tables()?.count();
    if known > 0 {
        let layout = match database.begin_read()?.open_table(LAYOUT_TABLE) {
            Ok(table) => table.get(LAYOUT_KEY)?.map(|layout| layout.value()),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        // The first layout did not say so.
        let layout = layout.unwrap_or(1);
        if layout != LAYOUT || known > Table::ALL.len() {
            return Ok(layout);
        }
    }
    let transaction = begin_write(database)?;
    for table in Table::ALL {
        transaction.open_table(definition(table))?;
    }
    transaction.open_table(LAYOUT_TABLE)?.insert(LAYOUT_KEY, LAYOUT)?;
    transaction.commit()?;
    Ok(LAYOUT)
}

/// A transaction after which a crash leaves nothing to repair.
fn begin_write(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn share_reading(failure: &crate::failure::Failure) -> ReadError {
    ReadError::Device { table: Table::Shares, reason: failure.message.clone() }
}
