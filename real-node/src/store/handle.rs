//! The open database, and the mark beside it that says that it is open.
//!
//! The mark is removed when the database was closed without an error, so a mark that is found at the start means
//! that the process was killed or that the machine lost power. redb recovers from both by itself; the mark is only
//! there to report it.

use super::StoreError;
use crate::data::sync_folder;
use redb::Database;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The ending of the mark's name.
const OPEN: &str = "redb-open";

/// A database that is closed, and whose mark is removed, with the last one that uses it.
pub(super) struct Handle {
    /// There until it is dropped.
    database: Option<Database>,
    mark: Option<Mark>,
}

/// The mark of an open store.
pub(super) struct Mark(PathBuf);

impl Mark {
    /// Makes the mark of a store, unless one is there from before. Tells whether it was.
    pub(super) fn make(store: &Path) -> Result<(Self, bool), StoreError> {
        let mark = Self::of(store);
        let found = mark.0.exists();
        if !found {
            let made = File::create(&mark.0).and_then(|_| sync_folder(store.parent()));
            made.map_err(|error| StoreError::of(&mark.0, error.into()))?;
        }
        Ok((mark, found))
    }

    /// Removes the mark of a store that is no more.
    pub(super) fn remove_stale(store: &Path) -> Result<(), StoreError> {
        let mark = Self::of(store).0;
        match std::fs::remove_file(&mark) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::of(&mark, error.into())),
            _ => Ok(()),
        }
    }

    /// Whether a store has one: it is open, or was not closed.
    pub(super) fn is_beside(store: &Path) -> bool {
        Self::of(store).0.exists()
    }

    fn of(store: &Path) -> Self {
        Self(store.with_extension(OPEN))
    }
}

impl Handle {
    pub(super) const fn new(database: Database) -> Self {
        Self { database: Some(database), mark: None }
    }

    /// Has this mark removed when the database is closed.
    pub(super) fn set_mark(&mut self, mark: Mark) {
        self.mark = Some(mark);
    }

    /// Closes a database that has no mark.
    pub(super) fn close(mut self) -> Result<(), redb::DatabaseError> {
        self.database.take().map_or(Ok(()), Database::close)
    }

    pub(super) const fn database(&self) -> &Database {
        self.database.as_ref().expect("a database is closed with its handle only")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let closed = self.database.take().map_or(Ok(()), Database::close);
        let mark = self.mark.take();
        if let Err(error) = closed {
            return tracing::warn!(%error, "the store was not closed cleanly: the next start recovers it");
        }
        if let Some(Mark(path)) = mark
            && let Err(error) = std::fs::remove_file(&path)
        {
            let path = path.display();
            tracing::warn!(%error, %path, "cannot remove the mark of an open store: the next start will report a crash");
        }
    }
}
