//! A node's key shares on disk: a file for each attempt at key generation, beside the store and not in it.
//!
//! Why files: the store belongs to one process at a time, and shares must be had while that runs, for a backup; and a
//! store that is damaged can be fetched from the peers again, which shares cannot. Each file is written whole or
//! not at all, so whoever reads it needs no lock.
//!
//! Shares are not encrypted here: the file is for its owner alone.

use crate::data::make_private_folder;
use crate::failure::Failure;
use crate::file::{self, Access};
use hypermesh_core::base::{KeyValue, Table, Write, WriteBatch};
use hypermesh_core::hypermesh::committee::StoredShares;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the files' names end in.
const EXTENSION: &str = "share";

/// The files of a node's key shares.
#[derive(Clone, Debug)]
pub struct ShareFiles {
    folder: PathBuf,
}

impl ShareFiles {
    /// Those that belong to this store.
    #[must_use]
    pub fn beside(store: &Path) -> Self {
        Self { folder: store.with_extension("shares") }
    }

    /// The folder that they are in. Made with the first of them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The row under this key, if there is one.
    ///
    /// # Errors
    /// If the device fails, or the file is larger than any row.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path(key);
        if path.exists() { file::read(&path, StoredShares::BYTES_MAX).map(Some) } else { Ok(None) }
    }

    /// Every row, in order of their keys.
    ///
    /// # Errors
    /// If the device fails. Files of other names are not looked at.
    pub fn rows(&self) -> Result<Vec<KeyValue>, Failure> {
        let mut keys = self.keys().map_err(|error| file::failed(&self.folder, &error))?;
        keys.sort();
        let mut rows = Vec::new();
        for key in keys {
            if let Some(row) = self.get(&key)? {
                rows.push((key, row));
            }
        }
        Ok(rows)
    }

    /// Sets a row: on disk when this returns.
    ///
    /// # Errors
    /// If the disk or the permissions do not allow it.
    pub fn put(&self, key: &[u8], row: &[u8]) -> Result<(), Failure> {
        make_private_folder(&self.folder)?;
        file::write(&self.path(key), row, Access::Private)
    }

    /// Carries out those of the writes that are about shares.
    ///
    /// # Errors
    /// If the disk or the permissions do not allow it.
    pub fn apply(&self, batches: &[WriteBatch]) -> Result<(), Failure> {
        for write in batches.iter().flat_map(WriteBatch::writes) {
            match write {
                Write::Put { table: Table::Shares, key, value } => self.put(key, value)?,
                Write::Delete { table: Table::Shares, key } => self.remove(key)?,
                Write::Clear { table: Table::Shares } => {
                    for (key, _) in self.rows()? {
                        self.remove(&key)?;
                    }
                }
                Write::Put { .. } | Write::Delete { .. } | Write::Clear { .. } => {}
            }
        }
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<(), Failure> {
        match std::fs::remove_file(self.path(key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(file::failed(&self.folder, &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn keys(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let named = path.extension().is_some_and(|extension| extension == EXTENSION);
            let stem = path.file_stem().filter(|_| named).and_then(|stem| hex::decode(stem.to_str()?).ok());
            keys.extend(stem);
        }
        Ok(keys)
    }

    fn path(&self, key: &[u8]) -> PathBuf {
        self.folder.join(format!("{}.{EXTENSION}", hex::encode(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn rows_are_files_for_their_owner_alone_and_others_are_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let shares = ShareFiles::beside(&folder.path().join("store.redb"));
        assert_eq!((shares.rows(), shares.get(&[0, 1])), (Ok(vec![]), Ok(None)));
        shares.put(&[0, 2], b"two").unwrap();
        shares.put(&[0, 1], b"one").unwrap();
        shares.put(&[0, 1], b"uno").unwrap();
        std::fs::write(shares.folder().join("notes.txt"), "mine").unwrap();
        let rows = [(vec![0, 1], b"uno".to_vec()), (vec![0, 2], b"two".to_vec())];
        assert_eq!(shares.rows().unwrap(), rows);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(shares.folder()), mode(&shares.path(&[0, 1]))), (0o700, 0o600));
    }

    #[test]
    fn a_batch_does_to_shares_what_it_says_and_leaves_other_tables_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shares = ShareFiles::beside(&folder.path().join("store.redb"));
        let mut batch = WriteBatch::default();
        batch.put(Table::Shares, [1], b"one");
        batch.put(Table::Shares, [2], b"two");
        batch.delete(Table::Shares, [1]);
        batch.put(Table::Wal, [3], b"vote");
        shares.apply(&[batch]).unwrap();
        assert_eq!(shares.rows().unwrap(), [(vec![2], b"two".to_vec())]);
        let mut batch = WriteBatch::default();
        batch.clear(Table::Shares);
        shares.apply(&[batch]).unwrap();
        assert_eq!(shares.rows().unwrap(), []);
    }
}
