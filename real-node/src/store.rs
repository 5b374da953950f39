//! The store on disk: a redb database whose tables and rows the core lays out.
//!
//! One write transaction, synced once, carries all batches that wait, so either all of them survive a loss of
//! power or none. Key shares are the exception: they are [files](crate::share_files) beside the database, written before
//! what is committed together with them. Reads see what was committed; the core itself remembers what it has handed out and is not
//! durable yet. redb checks its pages when it opens a file that was not closed cleanly; whether the rows fit
//! together, [`Node::open`](hypermesh_core::node::Node::open) finds out.

#[cfg(test)]
mod tests;

use crate::data::sync_folder;
use crate::share_files::ShareFiles;
use hypermesh_core::base::{ReadError, Reader, Row, Table, Write, WriteBatch};
use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};
use std::fmt::Display;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The database's own cache. What is read again and again, the core holds in memory anyway.
const CACHE_BYTES: usize = 16 << 20;

/// A store that cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "store {path} is in use by another process: does a node run in this folder already? (node.pid says which)",
        path = path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is no store, or its pages contradict each other.
    #[error(
        "store {path} is damaged: {reason}; restore the folder from a backup, or remove this file and let the node fetch \
         the blocks again (its key shares lie beside it and stay)",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The device gave an error.
    #[error("store {path}: {reason}", path = path.display())]
    Device {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
}

/// A node's store. The driver's storage thread has it; the node has a [`RedbReader`] of it.
pub struct RedbStore {
    database: Arc<Database>,
    shares: ShareFiles,
}

/// Reads of a store, in transactions of their own.
#[derive(Clone)]
pub struct RedbReader {
    database: Arc<Database>,
    shares: ShareFiles,
}

impl RedbStore {
    /// Opens a store, and makes an empty one if there is none. Only its owner can read the file.
    ///
    /// # Errors
    /// If another process has it, it is damaged, or the device fails.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let device = |reason: &dyn Display| StoreError::Device {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        drop(options.open(path).map_err(|error| device(&error))?);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_repair_callback(|repair| {
            let percent = (100.0 * repair.progress()).round();
            tracing::info!(percent, "checking the store, which was not closed cleanly");
        });
        let database = builder.create(path).map_err(|error| opening(path, error))?;
        make_tables(&database).map_err(|error| device(&error))?;
        // The file's own entry in its folder must survive a loss of power too.
        sync_folder(path.parent()).map_err(|error| device(&error))?;
        let shares = ShareFiles::beside(path);
        move_shares(&database, &shares).map_err(|reason| device(&reason))?;
        Ok(Self { database: Arc::new(database), shares })
    }

    /// A reader that sees all that is committed at the time of each read.
    #[must_use]
    pub fn reader(&self) -> RedbReader {
        RedbReader { database: Arc::clone(&self.database), shares: self.shares.clone() }
    }

    fn write(&self, batches: &[WriteBatch]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
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
                    Write::Put { key, value, .. } => drop(open.insert(key.as_slice(), value.as_slice())?),
                    Write::Delete { key, .. } => drop(open.remove(key.as_slice())?),
                    Write::Clear { .. } => unreachable!("a table is cleared only while it is closed"),
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl stoq::Storage for RedbStore {
    fn commit(&mut self, batches: Vec<WriteBatch>) -> Result<(), String> {
        let failed = |error: &dyn Display| format!("the store cannot be written: {error}");
        self.shares.apply(&batches).map_err(|error| failed(&error))?;
        self.write(&batches).map_err(|error| failed(&error))
    }
}

impl RedbReader {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let open = self.database.begin_read()?.open_table(definition(table))?;
        Ok(open.get(key)?.map(|value| value.value().to_vec()))
    }

    fn rows(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<Row>, redb::Error> {
        let open = self.database.begin_read()?.open_table(definition(table))?;
        let rows = open.range::<&[u8]>(start..)?.take(rows_max);
        rows.map(|row| {
            let (key, value) = row?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        })
        .collect()
    }
}

impl Reader for RedbReader {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match table {
            Table::Shares => self.shares.get(key).map_err(|failure| share_reading(&failure)),
            table => self.row(table, key).map_err(|error| reading(table, &error)),
        }
    }

    fn range(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<Row>, ReadError> {
        if table != Table::Shares {
            return self.rows(table, start, rows_max).map_err(|error| reading(table, &error));
        }
        let rows = self.shares.rows().map_err(|failure| share_reading(&failure))?;
        Ok(rows.into_iter().filter(|(key, _)| key.as_slice() >= start).take(rows_max).collect())
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

/// Makes the tables that are not there yet. A store that has them all is not written to.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let known = database.begin_read()?.list_tables()?.count();
    if known >= Table::ALL.len() {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    for table in Table::ALL {
        transaction.open_table(definition(table))?;
    }
    transaction.commit()?;
    Ok(())
}

/// Takes key shares out of a database that was written when they lay there.
fn move_shares(database: &Database, shares: &ShareFiles) -> Result<(), String> {
    let failed = |error: redb::Error| error.to_string();
    let take = || -> Result<Vec<Row>, redb::Error> {
        let open = database.begin_read()?.open_table(definition(Table::Shares))?;
        let rows = open
            .range::<&[u8]>(..)?
            .map(|row| row.map(|(key, row)| (key.value().to_vec(), row.value().to_vec())));
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let rows = take().map_err(failed)?;
    for (key, row) in &rows {
        shares.put(key, row).map_err(|failure| failure.message)?;
    }
    let clear = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.delete_table(definition(Table::Shares))?;
        transaction.open_table(definition(Table::Shares))?;
        Ok(transaction.commit()?)
    };
    if rows.is_empty() { Ok(()) } else { clear().map_err(failed) }
}

fn share_reading(failure: &crate::failure::Failure) -> ReadError {
    ReadError::Device { table: Table::Shares, reason: failure.message.clone() }
}

fn opening(path: &Path, error: DatabaseError) -> StoreError {
    let path = path.to_path_buf();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Locked { path }
        }
        DatabaseError::Storage(StorageError::Corrupted(reason)) => StoreError::Damaged { path, reason },
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            StoreError::Damaged { path, reason: error.to_string() }
        }
        error @ (DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_)) => {
            StoreError::Damaged { path, reason: error.to_string() }
        }
        error => StoreError::Device { path, reason: error.to_string() },
    }
}

fn reading(table: Table, error: &redb::Error) -> ReadError {
    match error {
        redb::Error::Corrupted(_) => ReadError::Damaged { table },
        error => ReadError::Device { table, reason: error.to_string() },
    }
}
