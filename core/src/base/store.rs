//! The store, seen from the inside: tables of rows, read at once and written in atomic batches.
//!
//! The layout is the core's, so the real node's database and the simulated disk hold the same bytes.

use alloc::vec::Vec;

/// A table of rows, each a key and a value. The names are part of the on-disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// The format's version and the genesis that the data belongs to.
    Meta,
    /// Blocks by height, eight big-endian bytes.
    Blocks,
    /// Commit certificates by height.
    Commits,
    /// The authenticated state, by key.
    State,
    /// Log entries by leaf index.
    LogEntries,
    /// What was voted for in the height under way, by entry number.
    Wal,
    /// Signed certificates and checkpoints: side tables, outside every root.
    Signed,
    /// This node's key shares.
    Shares,
    /// What moved in the ledger, by height: a side table, which the state has the hashes of.
    Movements,
}

impl Table {
    /// Every table, in order.
    pub const ALL: [Self; 9] = [
        Self::Meta,
        Self::Blocks,
        Self::Commits,
        Self::State,
        Self::LogEntries,
        Self::Wal,
        Self::Signed,
        Self::Shares,
        Self::Movements,
    ];

    /// The table's name in a database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Blocks => "blocks",
            Self::Commits => "commits",
            Self::State => "state",
            Self::LogEntries => "log_entries",
            Self::Wal => "wal",
            Self::Signed => "signed",
            Self::Shares => "shares",
            Self::Movements => "movements",
        }
    }
}

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The device gave an error.
    #[error("reading table {table} failed: {reason}", table = table.name())]
    Device {
        /// Where.
        table: Table,
        /// What the device said.
        reason: alloc::string::String,
    },
    /// The bytes are not what was written.
    #[error("table {table} has a corrupted row", table = table.name())]
    Damaged {
        /// Where.
        table: Table,
    },
}

/// A row: its key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Reads of the store. They see every write that was handed out, durable or not.
pub trait Reader: Send {
    /// The value under `key`.
    ///
    /// # Errors
    /// If the device fails or the row is damaged.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// At most `rows_max` rows with keys from `start` on, in order of their keys.
    ///
    /// # Errors
    /// If the device fails or a row is damaged.
    fn range(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<KeyValue>, ReadError>;
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a row.
    Put {
        /// Where.
        table: Table,
        /// The row's key.
        key: Vec<u8>,
        /// The row's new value.
        value: Vec<u8>,
    },
    /// Removes a row, if it is there.
    Delete {
        /// Where.
        table: Table,
        /// The row's key.
        key: Vec<u8>,
    },
    /// Removes every row of a table.
    Clear {
        /// Where.
        table: Table,
    },
}

/// Writes that happen all together or not at all, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    writes: Vec<Write>,
}

impl WriteBatch {
    /// Sets a row.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(Write::Put { table, key: key.into(), value: value.into() });
    }

    /// Removes a row.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.push(Write::Delete { table, key: key.into() });
    }

    /// Removes every row of a table.
    pub fn clear(&mut self, table: Table) {
        self.writes.push(Write::Clear { table });
    }

    /// Adds another batch's writes behind these.
    pub fn extend(&mut self, other: Self) {
        self.writes.extend(other.writes);
    }

    /// The writes, in order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
