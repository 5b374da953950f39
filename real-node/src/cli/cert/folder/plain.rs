//! Plain files in a certificate's folder: as an earlier version wrote them, or as a person put them there.

use super::FILES;
use super::pending::{PendingGeneration, STATE_FILE};
use super::writer::{FolderWriter, read_copy};
use crate::failure::Failure;
use hypermesh_core::trustchain::ca::PEM_BYTES_MAX;

impl FolderWriter<'_> {
    /// Makes plain files into links to a generation that holds the same. What a file's name leads to never changes by that, so
    /// whoever uses the files may use them meanwhile, and it can end anywhere and be begun again.
    pub(super) fn adopt_plain_files(&self) -> Result<(), Failure> {
        let is_plain =
            |name: &&str| self.folder.path(name).symlink_metadata().is_ok_and(|about| about.is_file());
        let plain: Vec<&str> = FILES.into_iter().filter(is_plain).collect();
        if plain.is_empty() {
            return Ok(());
        }
        // Beyond every other. A generation that waits is kept, as its key may be certified: it goes on waiting for those in use.
        let number = self.held.numbers()?.last().map_or(1, |last| last.saturating_add(1));
        if let Some(waiting) = self.pending()? {
            self.copy_waiting(&waiting, number.saturating_add(1))?;
        }
        let generation = self.make_generation(number)?;
        for name in FILES {
            let Some(file) = self.read_with_access(name, FILE_BYTES_MAX)? else { continue };
            self.put(generation.at(name), &file.bytes, file.access)?;
        }
        self.switch_to(number)?;
        for name in plain {
            self.link(name)?;
        }
        self.sync_folder(&self.held.root)
    }

    /// Copies a generation that waits to where it is the next after one with the number before. The original goes when that is in
    /// use, so there is one that can be gone on with at each moment. The state is the last: without it, a copy is none.
    fn copy_waiting(&self, waiting: &PendingGeneration, number: u64) -> Result<(), Failure> {
        let (source, copy) = (self.generation(waiting.number)?, self.make_generation(number)?);
        for name in FILES.into_iter().chain([STATE_FILE]) {
            let Some(file) = read_copy(&source, name, FILE_BYTES_MAX)? else { continue };
            self.put(copy.at(name), &file.bytes, file.access)?;
        }
        self.sync_folder(&copy)
    }
}

/// The longest file of a folder: a proof, or a chain that somebody put together.
const FILE_BYTES_MAX: usize = 64 * PEM_BYTES_MAX;
