//! What a node writes to: its disk, how slow that is, and what is wrong with it. It outlives the node.
//!
//! A batch is seen when the node hands it out, as in the world of events; the driver has it made durable, some at a time.

use super::options::Options;
use crate::base::{Disk, Random, Span, Stream};
use crate::fault::FaultClass;
use crate::world::BadWrites;
use hypermesh_core::base::WriteBatch;
use hypermesh_core::node::PersistToken;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// A node's disk, as its driver writes to it.
pub(super) struct Device {
    span: Span,
    contents: Mutex<Contents>,
}

struct Contents {
    disk: Disk,
    random: Random,
    /// The last batch that was handed out, counted from 1.
    given: u64,
    /// The last batch that is to become durable.
    written: u64,
    /// The last batch that is durable.
    durable: u64,
    /// How writes go wrong, if they do.
    bad: Option<BadWrites>,
    /// Whether what it holds may not be what was written: then it may have to be wiped.
    damaged: bool,
}

/// What comes of batches that were handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// They will be durable up to this one, after so long.
    Durable(PersistToken, Duration),
    /// They failed.
    Failed(FaultClass),
}

impl Contents {
    /// Loses what is not durable. Says how many batches that were.
    fn lose(&mut self) -> usize {
        self.written = self.given;
        self.durable = self.given;
        self.disk.crash()
    }
}

impl Device {
    /// A device with a copy of a disk, all of it durable; an empty one if there is none.
    pub(super) fn new(seed: u64, place: usize, options: &Options, disk: Option<&Disk>) -> Self {
        let stream = Stream { seed, purpose: "disk", owner: place as u64, incarnation: 0 };
        let (random, disk) = (Random::new(stream), disk.map(Disk::copy).unwrap_or_default());
        let contents = Contents { disk, random, given: 0, written: 0, durable: 0, bad: None, damaged: false };
        Self { span: options.disk, contents: Mutex::new(contents) }
    }

    /// The disk that is in it.
    pub(super) fn disk(&self) -> Disk {
        self.lock().disk.clone()
    }

    /// Puts another disk in the place of the one that is in it; whole, unless it is said to be damaged.
    pub(super) fn replace(&self, disk: Disk) {
        let mut contents = self.lock();
        contents.disk = disk;
    }

    /// Whether what it holds may not be what was written.
    pub(super) fn is_damaged(&self) -> bool {
        self.lock().damaged
    }

    /// Says whether what it holds may not be what was written. Gives what was said before.
    pub(super) fn set_damaged(&self, damaged: bool) -> bool {
        std::mem::replace(&mut self.lock().damaged, damaged)
    }

    /// Lets writes go wrong from now on, or no longer.
    pub(super) fn set_bad_writes(&self, bad: Option<BadWrites>) {
        self.lock().bad = bad;
    }

    /// Takes a batch that a node hands out: reads see it from now on.
    pub(super) fn give(&self, batch: WriteBatch) {
        let mut contents = self.lock();
        contents.given += 1;
        contents.disk.write(PersistToken(contents.given), batch);
    }

    /// Begins to make so many more of the batches durable that were handed out.
    pub(super) fn begin(&self, count: usize) -> Written {
        let mut contents = self.lock();
        match contents.bad {
            Some(BadWrites::Fail) => return Written::Failed(FaultClass::WriteError),
            Some(BadWrites::NoRoom) => return Written::Failed(FaultClass::FullDisk),
            Some(BadWrites::Torn { rows }) => {
                contents.bad = None;
                contents.damaged |= contents.disk.tear(rows);
                contents.lose();
                return Written::Failed(FaultClass::TornWrite);
            }
            None => {}
        }
        contents.written += count as u64;
        let delay = contents.random.duration(self.span);
        Written::Durable(PersistToken(contents.written), delay)
    }

    /// Makes all batches up to this one durable.
    pub(super) fn finish(&self, token: PersistToken) {
        let mut contents = self.lock();
        contents.durable = contents.durable.max(token.0);
        contents.disk.sync(token);
    }

    /// The power fails: of the batches that were under way, some of the first are durable, and the others are
    /// lost. Says how many are lost.
    pub(super) fn crash(&self) -> usize {
        let mut contents = self.lock();
        let under_way = contents.written - contents.durable;
        let kept = contents.durable + contents.random.below(under_way + 1);
        contents.disk.sync(PersistToken(kept));
        contents.lose()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{ReadError, Reader, Table};

    fn put(key: u8) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.put(Table::Wal, [key], b"value");
        batch
    }

    fn device(seed: u64) -> Device {
        Device::new(seed, 0, &Options::default(), None)
    }

    fn written(device: &Device, batches: Vec<WriteBatch>) -> PersistToken {
        let count = batches.len();
        batches.into_iter().for_each(|batch| device.give(batch));
        match device.begin(count) {
            Written::Durable(token, _) => token,
            Written::Failed(class) => panic!("{}", class.name()),
        }
    }

    #[test]
    fn a_power_failure_keeps_what_was_durable_and_a_first_part_of_what_was_under_way() {
        let lost_of = |seed| {
            let device = device(seed);
            device.finish(written(&device, vec![put(1), put(2)]));
            written(&device, vec![put(3), put(4), put(5)]);
            let lost = device.crash();
            let rows = device.disk().range(Table::Wal, &[], 9).unwrap();
            let expected: Vec<u8> = (1..=5 - lost as u8).collect();
            assert_eq!(rows.into_iter().map(|(key, _)| key[0]).collect::<Vec<_>>(), expected);
            lost
        };
        let lost: std::collections::BTreeSet<usize> = (0..50).map(lost_of).collect();
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn writes_fail_as_long_as_the_device_does_and_a_torn_one_leaves_a_damaged_row() {
        let device = device(1);
        for (bad, class) in
            [(BadWrites::Fail, FaultClass::WriteError), (BadWrites::NoRoom, FaultClass::FullDisk)]
        {
            device.set_bad_writes(Some(bad));
            device.give(put(9));
            assert_eq!(device.begin(1), Written::Failed(class));
            assert_eq!(device.crash(), 1);
        }
        device.set_bad_writes(None);
        device.finish(written(&device, vec![put(1)]));
        device.set_bad_writes(Some(BadWrites::Torn { rows: 1 }));
        [put(2), put(3)].into_iter().for_each(|batch| device.give(batch));
        assert_eq!(device.begin(2), Written::Failed(FaultClass::TornWrite));
        assert!(device.is_damaged());
        assert_eq!(device.crash(), 0);
        let disk = device.disk();
        assert_eq!(disk.get(Table::Wal, &[1]), Ok(Some(b"value".to_vec())));
        assert_eq!(disk.get(Table::Wal, &[2]), Err(ReadError::Damaged { table: Table::Wal }));
        assert_eq!(disk.get(Table::Wal, &[3]), Ok(None));
        written(&device, vec![put(4)]);
    }
}
