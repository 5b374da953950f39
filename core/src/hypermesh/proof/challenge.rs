//! Random positions that a prover cannot choose: expanded from a hash of all that it was bound to before.

use crate::base::Digest;
use alloc::vec::Vec;

/// `count` distinct positions below two to the power `bits`, in ascending order.
///
/// Callers see to it that there are as many positions as are asked for; parameters assert it.
pub(super) fn positions(seed: &Digest, count: u32, bits: u32) -> Vec<u32> {
    assert!(u64::from(count) <= 1 << bits, "more distinct positions asked for than there are");
    let mut stream = blake3::Hasher::new_keyed(seed.as_bytes()).finalize_xof();
    let mask = (1_u64 << bits) - 1;
    let mut positions: Vec<u32> = Vec::with_capacity(count as usize);
    while positions.len() < count as usize {
        let mut word = [0; 8];
        stream.fill(&mut word);
        let position = u32::try_from(u64::from_le_bytes(word) & mask).expect("bits are at most 30");
        if let Err(place) = positions.binary_search(&position) {
            positions.insert(place, position);
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_distinct_ascending_and_in_range() {
        let some = positions(&Digest([1; 32]), 32, 8);
        assert_eq!(some.len(), 32);
        assert!(some.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(some.iter().all(|position| *position < 256));
        assert_ne!(some, positions(&Digest([2; 32]), 32, 8));
    }

    #[test]
    fn all_positions_may_be_asked_for() {
        assert_eq!(positions(&Digest([1; 32]), 16, 4), (0..16).collect::<Vec<_>>());
    }
}
