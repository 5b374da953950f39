//! The scrub: reads the whole store in the background while the node runs, slowly, and again and again.
//!
//! A start does not read the store ([`crate::store`]), and a row that nobody asks for is not read for years. The scrub
//! finds what the disk has changed meanwhile, while the peers still have it. What it finds it reports to the node,
//! which repairs it as it does a damaged row that it reads itself.
//!
//! Where it is, it writes to a file beside the store, so a node that is restarted often still gets through.

use crate::file::{self, Access};
use crate::store::{Cursor, Damage, Finding, RedbReader, Scanned};
use hypermesh_core::api::Counters;
use hypermesh_core::base::Table;
use hypermesh_driver::DamageReports;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

/// How fast it reads. 10 GiB take 43 minutes; a disk does a hundred times as much.
pub const SCRUB_BYTES_PER_SECOND: u64 = 4 << 20;
/// How many bytes it reads at a time.
const STEP_BYTES: u64 = 256 << 10;
/// A pass begins no sooner after the one before.
const PASS_PERIOD: Duration = Duration::from_secs(3600);
/// How often it writes down where it is.
const KEEP_PERIOD: Duration = Duration::from_secs(60);
/// The most corrupted rows that a pass logs one by one. Past it they are counted.
const LOGGED_COUNT_MAX: u64 = 100;
/// The most bytes of the file that says where it is.
const POSITION_BYTES_MAX: usize = 4096;

/// A scrub that runs until it is dropped.
pub struct Scrub {
    task: JoinHandle<()>,
}

/// What the scrub has done since the node started.
#[derive(Debug, Default)]
pub struct ScrubCounters {
    bytes: AtomicU64,
    rows: AtomicU64,
    corrupted: AtomicU64,
    passes: AtomicU64,
    /// How much of the store the pass under way has read.
    pass_bytes: AtomicU64,
}

/// Where a scrub is, as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    table: String,
    key: String,
    number: Option<u64>,
}

struct Scrubber {
    reader: RedbReader,
    reports: DamageReports,
    counters: Arc<ScrubCounters>,
    file: PathBuf,
    cursor: Cursor,
    saved_at: Instant,
    /// How many corrupted rows this pass has found.
    found: u64,
}

impl Scrub {
    /// Begins where the last one was. Must be called from within a tokio runtime.
    #[must_use]
    pub fn start(
        reader: RedbReader,
        reports: DamageReports,
        counters: Arc<ScrubCounters>,
        file: PathBuf,
    ) -> Self {
        let cursor = read_position(&file);
        let scrubber =
            Scrubber { reader, reports, counters, file, cursor, saved_at: Instant::now(), found: 0 };
        Self { task: tokio::spawn(scrubber.run()) }
    }
}

impl Drop for Scrub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ScrubCounters {
    /// As a node's services tell them.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let numbers = [
            ("scrub_bytes_total", &self.bytes),
            ("scrub_rows_total", &self.rows),
            ("scrub_rows_corrupted_total", &self.corrupted),
            ("scrub_passes_total", &self.passes),
            ("scrub_pass_bytes", &self.pass_bytes),
        ];
        numbers.into_iter().map(|(name, number)| (name.to_owned(), number.load(Relaxed))).collect()
    }

    fn add(&self, scanned: &Scanned) {
        self.bytes.fetch_add(scanned.bytes, Relaxed);
        self.pass_bytes.fetch_add(scanned.bytes, Relaxed);
        self.rows.fetch_add(scanned.rows, Relaxed);
        self.corrupted.fetch_add(scanned.findings.len() as u64, Relaxed);
    }
}

impl Scrubber {
    /// Reads pass after pass, until the node has stopped.
    async fn run(mut self) {
        loop {
            let begun = Instant::now();
            if !self.pass().await {
                return;
            }
            self.counters.passes.fetch_add(1, Relaxed);
            self.counters.pass_bytes.store(0, Relaxed);
            (self.cursor, self.found) = (Cursor::default(), 0);
            self.save_cursor().await;
            sleep(PASS_PERIOD.saturating_sub(begun.elapsed())).await;
        }
    }

    /// Reads to the end of the store. `false` if the node has stopped.
    async fn pass(&mut self) -> bool {
        loop {
            let (reader, cursor) = (self.reader.clone(), self.cursor.clone());
            let Ok(scanned) = spawn_blocking(move || reader.scan(&cursor, STEP_BYTES)).await else {
                return false;
            };
            self.counters.add(&scanned);
            for finding in &scanned.findings {
                if !self.report(finding).await {
                    return false;
                }
            }
            let Some(next) = scanned.next else { return true };
            self.cursor = next;
            if self.saved_at.elapsed() >= KEEP_PERIOD {
                self.save_cursor().await;
            }
            sleep(pause(scanned.bytes)).await;
        }
    }

    /// Logs what was found, and has the node repair what it can.
    async fn report(&mut self, Finding { table, key, damage }: &Finding) -> bool {
        self.found += 1;
        if self.found <= LOGGED_COUNT_MAX {
            let key = hex::encode(key);
            tracing::error!(table = table.name(), key, %damage, "the scrub found a corrupted row");
        }
        match damage {
            Damage::Row | Damage::Missing => self.reports.report(*table, key.clone()).await,
            // A write through pages that contradict each other would end the node. As it is, it goes on.
            Damage::Unreachable | Damage::Pages(_) if self.found <= LOGGED_COUNT_MAX => {
                tracing::error!("stop the node and run `hypermesh node fsck`, which reports what to do");
                true
            }
            Damage::Unreachable | Damage::Pages(_) => true,
        }
    }

    async fn save_cursor(&mut self) {
        self.saved_at = Instant::now();
        let (file, cursor) = (self.file.clone(), self.cursor.clone());
        // Without it the next scrub begins at the beginning, which does no harm.
        drop(spawn_blocking(move || write_position(&file, &cursor)).await);
    }
}

/// How long to wait after so many bytes.
fn pause(bytes: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / SCRUB_BYTES_PER_SECOND)
}

fn write_position(path: &Path, cursor: &Cursor) {
    let table = Table::ALL.get(cursor.table).map_or("", |table| table.name()).to_owned();
    let position = Position { table, key: hex::encode(&cursor.key), number: cursor.number };
    let text = serde_json::to_vec(&position).unwrap_or_default();
    if let Err(failure) = file::write(path, &text, Access::Private) {
        tracing::warn!(%failure, "cannot write the position of the scrub");
    }
}

/// Where the last scrub was; the beginning, if that cannot be read.
fn read_position(path: &Path) -> Cursor {
    let position = || {
        let bytes = file::read(path, POSITION_BYTES_MAX).ok()?;
        let position: Position = serde_json::from_slice(&bytes).ok()?;
        let table = Table::ALL.iter().position(|table| table.name() == position.table)?;
        Some(Cursor { table, key: hex::decode(position.key).ok()?, number: position.number })
    };
    position().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrub_reads_no_faster_than_its_bound() {
        assert_eq!(pause(SCRUB_BYTES_PER_SECOND), Duration::from_secs(1));
        assert_eq!(pause(0), Duration::ZERO);
        assert!(pause(STEP_BYTES) >= Duration::from_millis(62));
    }

    #[test]
    fn a_scrub_goes_on_where_it_was_and_at_the_beginning_if_that_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.scrub");
        assert_eq!(read_position(&path), Cursor::default());
        let cursor = Cursor { table: 4, key: vec![0, 0, 0, 7, 0], number: Some(7) };
        write_position(&path, &cursor);
        assert_eq!(read_position(&path), cursor);
        for junk in ["", "{}", "{\"table\": \"moon\", \"key\": \"\", \"number\": null}"] {
            std::fs::write(&path, junk).unwrap();
            assert_eq!(read_position(&path), Cursor::default());
        }
        write_position(&path, &cursor);
        let long = std::fs::read_to_string(&path).unwrap() + &" ".repeat(POSITION_BYTES_MAX);
        std::fs::write(&path, long).unwrap();
        assert_eq!(read_position(&path), Cursor::default(), "a file past its bound is not read");
    }
}
