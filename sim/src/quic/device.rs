//! What a node writes to: its disk, and how slow that is. It outlives the node.

use super::options::Options;
use crate::world::{Disk, Random, Span, Stream};
use hypermesh_core::base::WriteBatch;
use hypermesh_core::node::PersistToken;
use std::sync::Mutex;
use std::time::Duration;

/// A node's disk, as its driver writes to it: batches in order, some at a time.
pub(super) struct Device {
    pub(super) disk: Disk,
    span: Span,
    progress: Mutex<Progress>,
}

struct Progress {
    random: Random,
    /// The last batch that was handed in, counted from 1.
    written: u64,
    /// The last batch that is durable.
    durable: u64,
}

impl Device {
    pub(super) fn new(seed: u64, place: usize, options: &Options) -> Self {
        let stream = Stream { seed, purpose: "disk", owner: place as u64, incarnation: 0 };
        let progress = Progress { random: Random::new(stream), written: 0, durable: 0 };
        Self { disk: Disk::default(), span: options.disk, progress: Mutex::new(progress) }
    }

    /// A device with a copy of a disk, all of it durable.
    pub(super) fn with_disk(mut self, disk: &Disk) -> Self {
        self.disk = disk.copy();
        self
    }

    /// Takes batches. Says which was the last, and after how long it will be durable.
    pub(super) fn begin(&self, batches: Vec<WriteBatch>) -> (PersistToken, Duration) {
        let mut progress = self.lock();
        for batch in batches {
            progress.written += 1;
            self.disk.write(PersistToken(progress.written), batch);
        }
        (PersistToken(progress.written), progress.random.duration(self.span))
    }

    /// Makes all batches up to this one durable.
    pub(super) fn finish(&self, token: PersistToken) {
        let mut progress = self.lock();
        progress.durable = progress.durable.max(token.0);
        self.disk.sync(token);
    }

    /// The power fails: of the batches that were under way, some of the first are durable, and the others are
    /// lost. Says how many are lost.
    pub(super) fn crash(&self) -> usize {
        let mut progress = self.lock();
        let under_way = progress.written - progress.durable;
        let kept = progress.durable + progress.random.below(under_way + 1);
        self.disk.sync(PersistToken(kept));
        progress.durable = progress.written;
        self.disk.crash()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Reader, Table};

    fn put(key: u8) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.put(Table::Wal, [key], b"value");
        batch
    }

    #[test]
    fn a_power_failure_keeps_what_was_durable_and_a_first_part_of_what_was_under_way() {
        let lost_of = |seed| {
            let device = Device::new(seed, 0, &Options::default());
            let (token, _) = device.begin(vec![put(1), put(2)]);
            device.finish(token);
            device.begin(vec![put(3), put(4), put(5)]);
            let lost = device.crash();
            let rows = device.disk.range(Table::Wal, &[], 9).unwrap();
            let expected: Vec<u8> = (1..=5 - lost as u8).collect();
            assert_eq!(rows.into_iter().map(|(key, _)| key[0]).collect::<Vec<_>>(), expected);
            lost
        };
        let lost: std::collections::BTreeSet<usize> = (0..50).map(lost_of).collect();
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
