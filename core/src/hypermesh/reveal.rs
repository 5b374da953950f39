//! The hash chain that a validator's contributions to the beacon come from.
//!
//! Genesis lists the chain's last link. Each reveal is the link before the last one known, so a validator can
//! only reveal or withhold, never choose.

use crate::base::{Digest, Domain};
use alloc::vec::Vec;

/// How many reveals a chain holds: one a beacon period, two years of them at a minute each.
pub const REVEAL_COUNT_MAX: u32 = 1 << 20;
/// Every this many links one is kept, and those between are computed again when needed.
const CHECKPOINT_LINKS: u32 = 1 << 10;

const SEED: Domain = Domain::new("hypermesh v1 reveal seed");
const LINK: Domain = Domain::new("hypermesh v1 reveal link");

/// The link after this one.
#[must_use]
pub fn reveal_link(link: &Digest) -> Digest {
    LINK.hash(&[&link.0])
}

/// A validator's chain of reveals.
#[derive(Clone)]
pub struct RevealChain {
    checkpoints: Vec<Digest>,
    anchor: Digest,
    /// Links up to this many steps from the seed have not been found revealed yet.
    hint: u32,
    segment: Segment,
}

/// The links between two checkpoints, both included: what the next thousand reveals come from.
#[derive(Clone)]
struct Segment {
    number: u32,
    links: Vec<Digest>,
}

impl RevealChain {
    /// The chain that grows out of a secret seed.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self::with_count(secret, REVEAL_COUNT_MAX)
    }

    /// A shorter chain, for a mesh that does not last for years: it holds `count` reveals, at most
    /// [`REVEAL_COUNT_MAX`]. A chain of a thousand takes a thousandth of the time to make.
    #[must_use]
    pub fn with_count(secret: &[u8; 32], count: u32) -> Self {
        let count = count.min(REVEAL_COUNT_MAX);
        let mut link = SEED.hash(&[secret]);
        let mut checkpoints = Vec::with_capacity(count.div_ceil(CHECKPOINT_LINKS) as usize);
        for step in 0..count {
            if step % CHECKPOINT_LINKS == 0 {
                checkpoints.push(link);
            }
            link = reveal_link(&link);
        }
        let number = count.div_ceil(CHECKPOINT_LINKS).saturating_sub(1);
        let segment = Segment::of(&checkpoints, number).unwrap_or(Segment { number, links: Vec::new() });
        Self { checkpoints, anchor: link, hint: count, segment }
    }

    /// The last link, which genesis lists.
    #[must_use]
    pub const fn anchor(&self) -> Digest {
        self.anchor
    }

    /// The link before `link`; `None` once the chain is used up, or for a link of another chain.
    pub fn preimage(&mut self, link: &Digest) -> Option<Digest> {
        // Reveals run from the end to the seed, so the answer is nearly always in the segment at hand.
        for number in (0..self.hint.div_ceil(CHECKPOINT_LINKS)).rev() {
            if self.segment.number != number {
                self.segment = Segment::of(&self.checkpoints, number)?;
            }
            if let Some((step, preimage)) = self.segment.preimage(link) {
                self.hint = number * CHECKPOINT_LINKS + step;
                return Some(preimage);
            }
        }
        None
    }

    /// How many reveals are left when `link` is the last one known; none for a link of another chain.
    pub fn left(&mut self, link: &Digest) -> u32 {
        // The search leaves behind where the link stands, counted from the seed.
        self.preimage(link).map_or(0, |_| self.hint)
    }
}

impl Segment {
    fn of(checkpoints: &[Digest], number: u32) -> Option<Self> {
        let first = *checkpoints.get(number as usize)?;
        let links = core::iter::successors(Some(first), |link| Some(reveal_link(link)));
        Some(Self { number, links: links.take(CHECKPOINT_LINKS as usize + 1).collect() })
    }

    /// Where a link stands, counted from the checkpoint, and the link before it; `None` if that is not here.
    fn preimage(&self, link: &Digest) -> Option<(u32, Digest)> {
        let before = self.links.iter().zip(self.links.iter().skip(1)).position(|(_, next)| next == link)?;
        Some((u32::try_from(before).ok()? + 1, *self.links.get(before)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reveals_run_from_the_anchor_towards_the_seed() {
        let mut chain = RevealChain::new(&[5; 32]);
        let mut link = chain.anchor();
        for _ in 0..CHECKPOINT_LINKS + 3 {
            let preimage = chain.preimage(&link).unwrap();
            assert_eq!(reveal_link(&preimage), link);
            link = preimage;
        }
    }

    #[test]
    fn a_short_chain_is_used_up_after_its_last_reveal() {
        const COUNT: u32 = CHECKPOINT_LINKS + 5;
        let mut chain = RevealChain::with_count(&[5; 32], COUNT);
        let mut link = chain.anchor();
        for used in 0..COUNT {
            assert_eq!(chain.left(&link), COUNT - used);
            link = chain.preimage(&link).unwrap();
        }
        assert_eq!(link, SEED.hash(&[&[5; 32]]));
        assert_eq!(chain.preimage(&link), None);
        assert_eq!(chain.left(&link), 0);
    }

    #[test]
    fn the_seed_has_no_preimage_and_neither_has_a_strangers_link() {
        let mut chain = RevealChain::new(&[5; 32]);
        assert_eq!(chain.preimage(&SEED.hash(&[&[5; 32]])), None);
        assert_eq!(chain.preimage(&Digest([9; 32])), None);
        assert_eq!(chain.left(&Digest([9; 32])), 0);
    }
}
