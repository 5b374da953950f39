//! The checkpoints that answers with certificates need.

use crate::trustchain::ca::SerialNumber;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Which certificate's answer needs the checkpoint of which size of the log, and the other way round.
#[derive(Default)]
pub(in crate::node) struct NeededCheckpoints {
    by_serial: BTreeMap<SerialNumber, u64>,
    by_size: BTreeMap<u64, BTreeSet<SerialNumber>>,
}

impl NeededCheckpoints {
    pub(in crate::node) fn insert(&mut self, serial: SerialNumber, size: u64) {
        self.remove(&serial);
        self.by_serial.insert(serial, size);
        self.by_size.entry(size).or_default().insert(serial);
    }

    /// Nobody waits for this certificate any more. Which checkpoint it needed.
    pub(in crate::node) fn remove(&mut self, serial: &SerialNumber) -> Option<u64> {
        let size = self.by_serial.remove(serial)?;
        if let Some(serials) = self.by_size.get_mut(&size) {
            serials.remove(serial);
            if serials.is_empty() {
                self.by_size.remove(&size);
            }
        }
        Some(size)
    }

    /// Whether a certificate that is waited for needs this one.
    pub(in crate::node) fn has(&self, size: u64) -> bool {
        self.by_size.contains_key(&size)
    }

    /// The certificates that need this one.
    pub(in crate::node) fn certificates_at(&self, size: u64) -> Vec<SerialNumber> {
        self.by_size.get(&size).into_iter().flatten().copied().collect()
    }

    pub(in crate::node) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;

    #[test]
    fn a_checkpoint_is_needed_as_long_as_one_certificate_needs_it() {
        let [one, two] = [1, 2].map(|byte| SerialNumber::from_operation(&Digest([byte; 32])));
        let mut needed = NeededCheckpoints::default();
        needed.insert(one, 7);
        needed.insert(two, 7);
        needed.insert(two, 8);
        assert_eq!(
            (needed.certificates_at(7), needed.certificates_at(8)),
            (alloc::vec![one], alloc::vec![two])
        );
        needed.remove(&one);
        assert!(!needed.has(7) && needed.has(8));
        needed.remove(&two);
        assert!(needed.by_serial.is_empty() && needed.by_size.is_empty());
    }
}
