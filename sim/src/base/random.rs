//! Randomness out of a seed, a stream for each purpose, so that a new use of one does not reshuffle the others.

use core::time::Duration;
use hypermesh_core::base::Entropy;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

const STREAM: &str = "hypermesh-sim v1 random stream";

/// What a stream of randomness is for. Two streams that differ in any field have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream<'a> {
    /// The run's seed.
    pub seed: u64,
    /// What it is for.
    pub purpose: &'a str,
    /// Whose it is: a node, or a pair of nodes.
    pub owner: u64,
    /// Which life of its owner, from 1; it never repeats in a run.
    pub incarnation: u64,
}

/// A source of random numbers, and of a node's [`Entropy`].
pub struct Random(ChaCha12Rng);

/// A range of durations, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest, in microseconds.
    pub from_us: u64,
    /// The longest, in microseconds.
    pub to_us: u64,
}

impl Span {
    /// From so many microseconds to so many.
    #[must_use]
    pub const fn us(from_us: u64, to_us: u64) -> Self {
        Self { from_us, to_us }
    }
}

impl Random {
    /// The stream for a purpose.
    #[must_use]
    pub fn new(stream: Stream<'_>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(STREAM);
        for number in [stream.seed, stream.owner, stream.incarnation] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(stream.purpose.as_bytes());
        Self(ChaCha12Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// A number below `bound`; zero if that is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of a product of 64-bit numbers has 64 bits")
    }

    /// A duration of a span.
    pub fn duration(&mut self, span: Span) -> Duration {
        let width = span.to_us.saturating_sub(span.from_us).saturating_add(1);
        Duration::from_micros(span.from_us + self.below(width))
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}

impl Entropy for Random {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream<'static> = Stream { seed: 7, purpose: "network", owner: 1, incarnation: 1 };

    #[test]
    fn streams_that_differ_in_one_field_have_nothing_in_common() {
        let first = |stream| Random::new(stream).below(u64::MAX);
        let others = [
            Stream { seed: 8, ..STREAM },
            Stream { purpose: "disk", ..STREAM },
            Stream { owner: 2, ..STREAM },
            Stream { incarnation: 2, ..STREAM },
        ];
        assert!(others.into_iter().all(|other| first(other) != first(STREAM)));
        assert_eq!(first(STREAM), first(STREAM));
    }

    #[test]
    fn a_stream_is_the_same_for_ever() {
        let mut random = Random::new(STREAM);
        let drawn: Vec<u64> = (0..4).map(|_| random.below(1000)).collect();
        assert_eq!(drawn, [526, 483, 717, 270]);
    }

    #[test]
    fn durations_stay_in_their_span() {
        let mut random = Random::new(STREAM);
        let span = Span::us(3, 5);
        let drawn: std::collections::BTreeSet<u128> =
            (0..100).map(|_| random.duration(span).as_micros()).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }
}
