//! Checking a whole store while no node uses it: every page by redb's checksums, every row by its seal.

use super::overlay::Overlay;
use super::scan::{Cursor, Damage, Finding};
use super::{CACHE_BYTES, Handle, OpenMarker, RedbReader, StoreError, guarded, opening};
use crate::share_files::ShareFiles;
use hypermesh_core::base::Table;
use redb::Database;
use redb::backends::FileBackend;
use serde::{Serialize, Serializer};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The most findings that a report lists. What is beyond is counted.
pub const FINDING_COUNT_MAX: usize = 10_000;
/// How many bytes of rows are read between two reports of progress.
const STEP_BYTES: u64 = 1 << 20;
/// How often the progress of the first part is reported.
const TELL_PERIOD: Duration = Duration::from_millis(100);
/// The parts of a check are reported in thousandths: pages first, then rows.
const PAGES_PER_MILLE: u64 = 500;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The file.
    pub store: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// How many rows were read.
    pub rows: u64,
    /// Whether it was closed when it was last used.
    pub closed_cleanly: bool,
    /// What is wrong with its pages, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<String>,
    /// Rows that are wrong, and what to do.
    pub corrupted: Vec<CorruptedRow>,
    /// How many of them are not listed, because there are more than [`FINDING_COUNT_MAX`].
    pub not_listed: u64,
}

/// A row that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CorruptedRow {
    /// Its table.
    #[serde(serialize_with = "named")]
    pub table: Table,
    /// Its key, in hexadecimal digits; empty if no single row is meant.
    pub key: String,
    /// Its key as a number: a height, or an index in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// What is wrong.
    pub damage: String,
    /// What to do.
    pub remedy: &'static str,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.pages.is_none() && self.corrupted.is_empty()
    }
}

/// Checks a store and changes nothing in it. No process may use it meanwhile: the caller holds the lock of the node's folder.
/// `tell` hears how far it is, in thousandths.
///
/// # Errors
/// If it cannot be opened: then the error says what is wrong with it.
pub fn check_store(path: &Path, tell: &mut dyn FnMut(u64)) -> Result<CheckReport, StoreError> {
    let about = std::fs::metadata(path).map_err(|error| StoreError::of(path, error.into()))?;
    let mut report = CheckReport {
        store: path.to_path_buf(),
        bytes: about.len(),
        rows: 0,
        closed_cleanly: !OpenMarker::is_beside(path),
        pages: check_pages(path, about.len(), tell)?,
        corrupted: Vec::new(),
        not_listed: 0,
    };
    let (overlay, _) = overlay(path)?;
    let database = open(path, overlay, false)?;
    let handle = Arc::new(Handle::new(database));
    let reader = RedbReader { handle, shares: ShareFiles::beside(path) };
    let total = reader.row_count().unwrap_or_default().max(1);
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        let scanned = reader.scan(&at, STEP_BYTES);
        report.rows += scanned.rows;
        for finding in scanned.findings {
            report.add(&finding);
        }
        tell(PAGES_PER_MILLE + (1000 - PAGES_PER_MILLE) * report.rows.min(total) / total);
        cursor = scanned.next;
    }
    Ok(report)
}

/// What is wrong with the pages, by redb's checksums of them.
fn check_pages(path: &Path, bytes: u64, tell: &mut dyn FnMut(u64)) -> Result<Option<String>, StoreError> {
    let (overlay, read) = overlay(path)?;
    let outcome = std::thread::scope(|scope| {
        let checking = scope.spawn(|| open(path, overlay, true).map(drop));
        while !checking.is_finished() {
            tell((PAGES_PER_MILLE * read.load(Relaxed) / bytes.max(1)).min(PAGES_PER_MILLE));
            std::thread::sleep(TELL_PERIOD);
        }
        checking.join().unwrap_or_else(|_| Err(StoreError::damaged(path, "its pages contradict each other")))
    });
    match outcome {
        Ok(()) => Ok(None),
        Err(StoreError::Damaged { reason, .. }) => Ok(Some(reason)),
        Err(error) => Err(error),
    }
}

fn overlay(path: &Path) -> Result<(Overlay, Arc<AtomicU64>), StoreError> {
    let device = |reason: std::io::Error| StoreError::of(path, reason.into());
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(device)?;
    let file = FileBackend::new(file).map_err(|error| opening(path, error))?;
    let read = Arc::new(AtomicU64::new(0));
    Ok((Overlay::over(file, Arc::clone(&read)).map_err(device)?, read))
}

fn open(path: &Path, overlay: Overlay, whole: bool) -> Result<Database, StoreError> {
    let opened = guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(whole);
        builder.create_with_backend(overlay)
    });
    match opened {
        Ok(opened) => opened.map_err(|error| opening(path, error)),
        Err(panic) => Err(StoreError::damaged(path, panic)),
    }
}

impl CheckReport {
    pub(super) fn add(&mut self, finding: &Finding) {
        if self.corrupted.len() == FINDING_COUNT_MAX {
            self.not_listed += 1;
            return;
        }
        let Finding { table, key, damage } = finding;
        let number = super::scan::first_number(*table).and(<[u8; 8]>::try_from(key.as_slice()).ok());
        self.corrupted.push(CorruptedRow {
            table: *table,
            key: hex::encode(key),
            number: number.map(u64::from_be_bytes),
            damage: damage.to_string(),
            remedy: remedy(*table, key, damage),
        });
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row => formatter.write_str("its checksum does not match"),
            Self::Unreachable => formatter.write_str("a look-up by its key does not find it"),
            Self::Missing => formatter.write_str("it is missing"),
            Self::Pages(reason) => write!(formatter, "the rest of the table cannot be read: {reason}"),
        }
    }
}

/// What an operator does about a finding.
fn remedy(table: Table, key: &[u8], damage: &Damage) -> &'static str {
    match (table, damage) {
        (Table::Shares, _) => {
            "restore this file from a backup, or let the other validators repair the key shares"
        }
        (_, Damage::Pages(_) | Damage::Unreachable) => REBUILD,
        (Table::Blocks | Table::Commits | Table::LogEntries, _) => {
            "start the node: it fetches this row from a peer, and verifies it"
        }
        (Table::Meta, Damage::Row) if key.starts_with(b"address ") => {
            "start the node: its peers have the address that this row holds"
        }
        (Table::State, _) => "start the node: it rebuilds the state from the blocks",
        (Table::Movements, _) => {
            "start the node, and restart it once: it rebuilds the movements from the blocks"
        }
        (Table::Wal, _) => "start the node: it abstains from voting for one height",
        _ => REBUILD,
    }
}

const REBUILD: &str = "remove store.redb and start the node: it fetches the blocks again (its key shares \
    are in other files and stay)";

fn named<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(table.name())
}
