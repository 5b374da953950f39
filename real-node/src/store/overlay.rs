//! A file that is read and never written: what is written stays in memory. A check of redb's repairs what it checks,
//! and a check that an operator asks for must not change the file.

use redb::StorageBackend;
use redb::backends::FileBackend;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const PAGE_BYTES: u64 = 4096;

/// The file, and over it what was written.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    written: Mutex<Written>,
    /// How many bytes were read, for telling how far a check is.
    read: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Written {
    bytes: u64,
    /// How much of the file still shows: less than all, once it was cut.
    shown: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE_BYTES as usize]>>,
}

impl Overlay {
    pub(super) fn over(file: FileBackend, read: Arc<AtomicU64>) -> io::Result<Self> {
        let bytes = file.len()?;
        Ok(Self { file, written: Mutex::new(Written { bytes, shown: bytes, pages: BTreeMap::new() }), read })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of the file alone; zeros past what shows of it.
    fn read_file(&self, shown: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let held = shown.saturating_sub(offset);
        let held = usize::try_from(held).unwrap_or(usize::MAX).min(out.len());
        let (held, past) = out.split_at_mut(held);
        past.fill(0);
        if held.is_empty() { Ok(()) } else { self.file.read(offset, held) }
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        let end = offset.saturating_add(out.len() as u64);
        if end > written.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read.fetch_add(out.len() as u64, Relaxed);
        self.read_file(written.shown, offset, out)?;
        for (number, page) in written.pages.range(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let (out, page) = overlap(offset, out, *number, &**page);
            out.copy_from_slice(page);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        written.bytes = len;
        written.shown = written.shown.min(len);
        drop(written.pages.split_off(&len.div_ceil(PAGE_BYTES)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let end = offset.saturating_add(data.len() as u64);
        for number in offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            if !written.pages.contains_key(&number) {
                let mut page = Box::new([0; PAGE_BYTES as usize]);
                self.read_file(written.shown, number * PAGE_BYTES, &mut *page)?;
                written.pages.insert(number, page);
            }
            let page = written.pages.get_mut(&number).expect("it was put there");
            let start = number * PAGE_BYTES;
            let (from, to) = (offset.max(start), end.min(start + PAGE_BYTES));
            page[index(from - start)..index(to - start)]
                .copy_from_slice(&data[index(from - offset)..index(to - offset)]);
        }
        Ok(())
    }
}

/// The parts of a read and of a page that are the same bytes.
fn overlap<'a, 'b>(offset: u64, out: &'a mut [u8], number: u64, page: &'b [u8]) -> (&'a mut [u8], &'b [u8]) {
    let (start, end) = (number * PAGE_BYTES, offset + out.len() as u64);
    let (from, to) = (offset.max(start), end.min(start + PAGE_BYTES));
    (&mut out[index(from - offset)..index(to - offset)], &page[index(from - start)..index(to - start)])
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset within a buffer fits")
}
