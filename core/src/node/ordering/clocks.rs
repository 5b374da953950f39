//! How far the clocks of the peers are ahead of this node's, as their proposals show.

use super::Ordering;
use crate::base::{PublicKey, UnixMillis};
use crate::node::context::Context;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// By how much the clocks of peers are ahead of this node's, in milliseconds, by the last fresh block that each proposed.
#[derive(Default)]
pub(in crate::node) struct Clocks(BTreeMap<PublicKey, i64>);

impl Clocks {
    /// A fresh block of this time came at that time. One that was long on its way makes its proposer's clock seem behind.
    pub(in crate::node) fn note(&mut self, proposer: PublicKey, block: UnixMillis, here: UnixMillis) {
        let ahead = i64::try_from(block.since(here)).unwrap_or(i64::MAX);
        let behind = i64::try_from(here.since(block)).unwrap_or(i64::MAX);
        self.0.insert(proposer, ahead - behind);
    }

    /// The median; of two in the middle the one that is less far off.
    pub(in crate::node) fn median(&self) -> Option<i64> {
        let mut offsets: Vec<i64> = self.0.values().copied().collect();
        offsets.sort_unstable();
        let (lower, upper) = ((offsets.len().checked_sub(1)?) / 2, offsets.len() / 2);
        let middle = [lower, upper].into_iter().filter_map(|place| offsets.get(place).copied());
        middle.min_by_key(|offset| offset.unsigned_abs())
    }
}

impl Ordering {
    /// By how much the clocks of the peers are ahead of this node's, in milliseconds, once so many are known that those
    /// who may lie do not decide it.
    pub(in crate::node) fn clock_offset_ms(&self, cx: &Context) -> Option<i64> {
        let liars = cx.state.validators().tolerated_faults();
        (self.clocks.0.len() >= 2 * liars.max(1)).then(|| self.clocks.median()).flatten()
    }

    /// A proposed block came for the first time.
    pub(in crate::node) fn note_clock(&mut self, cx: &mut Context, proposer: PublicKey, block: UnixMillis) {
        if proposer != cx.identity.public() && cx.state.validators().contains(&proposer) {
            self.clocks.note(proposer, block, cx.wall());
        }
    }

    /// How many peers' clocks are known.
    pub(in crate::node) fn clocks_known(&self) -> usize {
        self.clocks.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(offsets: &[i64]) -> Clocks {
        Clocks((0_u8..).zip(offsets).map(|(number, offset)| (PublicKey([number; 32]), *offset)).collect())
    }

    #[test]
    fn a_clock_is_held_against_the_middle_of_its_peers() {
        assert_eq!(clocks(&[]).median(), None);
        assert_eq!(clocks(&[7]).median(), Some(7));
        assert_eq!(clocks(&[90_000, -2, 5]).median(), Some(5), "one that is far off moves nothing");
        assert_eq!(clocks(&[-900, -3, 40, 900]).median(), Some(-3));
    }

    #[test]
    fn a_block_from_the_future_shows_a_clock_that_is_ahead() {
        let mut clocks = Clocks::default();
        let key = PublicKey([1; 32]);
        clocks.note(key, UnixMillis(1500), UnixMillis(1000));
        assert_eq!(clocks.median(), Some(500));
        clocks.note(key, UnixMillis(1000), UnixMillis(1020));
        assert_eq!(clocks.median(), Some(-20), "the last counts");
    }
}
