//! How stores fail, and what to do then.

use hypermesh_core::base::{ReadError, Table};
use redb::{DatabaseError, StorageError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A store that cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "store {path} is in use by another process: stop the node that runs in this folder (node.pid has \
        its process id)",
        path = path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is no store, or its pages contradict each other.
    #[error(
        "store {path} is damaged: {reason}; restore the folder from a backup, or remove this file and let the node fetch \
         the blocks again (its key shares are in other files and stay)",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file was written by another version.
    #[error(
        "store {path} has layout {found}, and this program reads layout {expected}: run the version that wrote it, or remove \
         this file and let the node fetch the blocks again (its key shares are in other files and stay)",
        path = path.display()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: u64,
        /// What is read here.
        expected: u64,
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

impl StoreError {
    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), reason: reason.into() }
    }

    /// What an error of the database means for the file.
    pub(super) fn of(path: &Path, error: redb::Error) -> Self {
        match error {
            redb::Error::Corrupted(reason) => Self::damaged(path, reason),
            error @ (redb::Error::TableTypeMismatch { .. } | redb::Error::TableIsMultimap(_)) => {
                Self::damaged(path, error.to_string())
            }
            redb::Error::Io(error)
                if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                Self::damaged(path, error.to_string())
            }
            error => {
                let reason = format!("{error}; {}", advice(&error));
                Self::Device { path: path.to_path_buf(), reason }
            }
        }
    }
}

/// What to do about an error.
pub(super) fn advice(error: &redb::Error) -> &'static str {
    let redb::Error::Io(error) = error else {
        return "start the node again, which checks the file";
    };
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free space there and start the node again: no committed data is lost"
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            "make the file writable for this user and start the node again"
        }
        _ => {
            "check the disk (dmesg, smartctl) before you start the node again: no committed data is lost \
            if the disk keeps what it has synced"
        }
    }
}

/// What an error of opening means for the file.
pub(super) fn opening(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Locked { path: path.to_path_buf() }
        }
        DatabaseError::Storage(StorageError::Corrupted(reason)) => StoreError::damaged(path, reason),
        error @ (DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_)) => {
            StoreError::damaged(path, error.to_string())
        }
        error => StoreError::of(path, error.into()),
    }
}

/// What an error of reading means for the row.
pub(super) fn reading(table: Table, error: &redb::Error) -> ReadError {
    match error {
        redb::Error::Corrupted(_) => ReadError::Damaged { table },
        error => ReadError::Device { table, reason: error.to_string() },
    }
}
