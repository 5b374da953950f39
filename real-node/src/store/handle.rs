//! The open database, and the marker beside it that says that it is open.
//!
//! The marker is removed when the database was closed without an error, so a marker that is found at the start means
//! that the process was killed or that the machine lost power. redb recovers from both by itself; the marker is only
//! there to report it.

use super::StoreError;
use crate::data::sync_folder;
use redb::Database;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The ending of the marker's name.
const OPEN: &str = "redb-open";

/// A database that is closed, and whose marker is removed, with the last one that uses it.
pub(super) struct Handle {
    /// There until it is dropped.
    database: Option<Database>,
    marker: Option<OpenMarker>,
}

/// The marker of an open store.
pub(super) struct OpenMarker(PathBuf);

impl OpenMarker {
    /// Makes the marker of a store, unless one is there from before. Tells whether it was.
    pub(super) fn make(store: &Path) -> Result<(Self, bool), StoreError> {
        let marker = Self::of(store);
        let found = marker.0.exists();
        if !found {
            let made = File::create(&marker.0).and_then(|_| sync_folder(store.parent()));
            made.map_err(|error| StoreError::of(&marker.0, error.into()))?;
        }
        Ok((marker, found))
    }

    /// Removes the marker of a store that is no more.
    pub(super) fn remove_stale(store: &Path) -> Result<(), StoreError> {
        let marker = Self::of(store).0;
        match std::fs::remove_file(&marker) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::of(&marker, error.into())),
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
        Self { database: Some(database), marker: None }
    }

    /// Has this marker removed when the database is closed.
    pub(super) fn set_marker(&mut self, marker: OpenMarker) {
        self.marker = Some(marker);
    }

    /// Closes a database that has no marker.
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
        let marker = self.marker.take();
        if let Err(error) = closed {
            return tracing::warn!(%error, "the store was not closed cleanly: the next start recovers it");
        }
        if let Some(OpenMarker(path)) = marker
            && let Err(error) = std::fs::remove_file(&path)
        {
            let path = path.display();
            tracing::warn!(%error, %path, "cannot remove the marker of an open store: the next start will report a crash");
        }
    }
}
