//! What the network does to datagrams: a model of paths, without sockets or clocks.
//!
//! [`Paths::send`] says of each datagram when it arrives, how often, and with which of its bytes changed. The model
//! knows nothing of QUIC, and the sockets carry out what it says (as str0m's `netem` is built). Each direction of a
//! link draws for each kind of trouble from a stream of its own, so that one more trouble leaves the others as they
//! were.
//!
//! It does not model what routers do to several flows of one queue, nor ECN: both ends of a link have it to
//! themselves.

use crate::base::{Link, NodeIndex, Random, Span, Stream};
use crate::fault::FaultClass;
use crate::world::{Bursts, Damage, Narrow, Reorders, Spikes};
use hypermesh_core::base::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is wrong with every link, or with all that a host sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkFaults {
    /// How many datagrams of a thousand are lost, each by itself.
    pub(crate) loss_per_mille: u64,
    /// Losses that come in bursts.
    pub(crate) bursts: Option<Bursts>,
    /// Some take very long, and those behind them wait.
    pub(crate) spikes: Option<Spikes>,
    /// How many of a thousand arrive twice.
    pub(crate) duplicates_per_mille: u64,
    /// Some are held back, and others overtake them.
    pub(crate) reorders: Option<Reorders>,
    /// How much each link carries, behind a queue that drops what does not fit in any more.
    pub(crate) narrow: Option<Narrow>,
    /// Longer datagrams are lost, and nobody is told. All paths of QUIC take 1200 bytes (RFC 9000 §14).
    pub(crate) bytes_max: Option<usize>,
    /// Directions that carry nothing.
    pub(crate) one_way: BTreeSet<Link>,
    /// Links that carry nothing either way, seen from either end.
    pub(crate) cut: BTreeSet<Link>,
    /// What these hosts send is damaged on its way.
    pub(crate) damaged: BTreeMap<NodeIndex, Damage>,
}

/// What becomes of a datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DatagramFate {
    /// When it arrives, as often as it does; nothing if it is lost.
    pub(super) arrivals: Vec<Arrival>,
    /// The classes of faults that took effect.
    pub(super) hits: Vec<FaultClass>,
}

/// One arrival of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) at: Mono,
    pub(super) corruption: Option<Corruption>,
}

/// What is wrong with a datagram's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Corruption {
    /// A bit is not what it was.
    Flip { byte: usize, bit: u8 },
    /// There are no more than so many bytes.
    Cut { len: usize },
}

impl Corruption {
    /// Damages a datagram.
    pub(super) fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip { byte, bit } => {
                if let Some(byte) = bytes.get_mut(byte) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Cut { len } => bytes.truncate(len),
        }
    }
}

/// All paths of a world, each direction by itself.
pub(super) struct Paths {
    seed: u64,
    /// How long datagrams take, at best and at worst.
    latency: Span,
    faults: LinkFaults,
    /// The side of a partition that each node is on. Who is on none reaches all.
    sides: Vec<u8>,
    paths: BTreeMap<Link, Path>,
}

/// One direction of a link.
#[derive(Default)]
struct Path {
    /// The streams that it has drawn from.
    random: BTreeMap<&'static str, Random>,
    /// Whether bursts find it bad.
    is_bad: bool,
    /// When all that was sent has left the queue.
    free_at: Mono,
    /// When the last of those that keep their order arrives.
    last: Mono,
    /// When the last that was held back arrives.
    late_until: Mono,
}

impl Paths {
    /// Paths without troubles on which a datagram takes as long as this says, and none overtakes another.
    pub(super) fn new(seed: u64, latency: Span) -> Self {
        let (faults, sides, paths) = (LinkFaults::default(), Vec::new(), BTreeMap::new());
        Self { seed, latency, faults, sides, paths }
    }

    /// What is wrong, to look at and to change.
    pub(super) const fn faults(&mut self) -> &mut LinkFaults {
        &mut self.faults
    }

    /// Divides the nodes: what goes from one side to another is lost.
    pub(super) fn set_sides(&mut self, sides: &[u8]) {
        self.sides = sides.to_vec();
    }

    /// What becomes of a datagram that is sent now.
    pub(super) fn send(&mut self, now: Mono, link: Link, len: usize) -> DatagramFate {
        let mut verdict = DatagramFate::default();
        if let Some(class) = self.severed(link) {
            verdict.hits.push(class);
            return verdict;
        }
        let Self { seed, latency, faults, paths, .. } = self;
        let path = paths.entry(link).or_default();
        let mut draw = Draw { seed: *seed, link, random: &mut path.random };
        if let Some(class) = faults.loses(&mut draw, &mut path.is_bad, len) {
            verdict.hits.push(class);
            return verdict;
        }
        if faults.narrow.is_none() && path.free_at > now {
            // A link that is wide again does not keep what follows behind what still waits.
            path.free_at = now;
            path.last = now;
        }
        let Some(leaves) = faults.leaves(now, &mut path.free_at, len, &mut verdict) else { return verdict };
        let mut at = leaves.after(draw.of("latency").duration(*latency));
        if let Some(spikes) = faults.spikes.filter(|spikes| draw.chance("spike", spikes.per_mille)) {
            verdict.hits.push(FaultClass::DelaySpike);
            at = at.after(draw.of("spike").duration(up_to_ms(spikes.longest_ms)));
        }
        at = at.max(path.last);
        match faults.reorders.filter(|reorders| draw.chance("reordering", reorders.per_mille)) {
            Some(reorders) => {
                at = at.after(draw.of("reordering").duration(up_to_ms(reorders.within_ms)));
                path.late_until = path.late_until.max(at);
            }
            None => {
                if at < path.late_until {
                    verdict.hits.push(FaultClass::Reordering);
                }
                path.last = at;
            }
        }
        let corruption = faults.corrupt(&mut draw, len, &mut verdict);
        verdict.arrivals.push(Arrival { at, corruption });
        if draw.chance("duplication", faults.duplicates_per_mille) {
            verdict.hits.push(FaultClass::Duplication);
            let again = at.after(draw.of("duplication").duration(AGAIN));
            verdict.arrivals.push(Arrival { at: again, corruption: None });
        }
        verdict
    }

    /// What keeps a direction from carrying anything.
    fn severed(&self, link: Link) -> Option<FaultClass> {
        let Link { source, target } = link;
        let LinkFaults { one_way, cut, .. } = &self.faults;
        let (side, other) = (self.sides.get(source), self.sides.get(target));
        if side.zip(other).is_some_and(|(side, other)| side != other) {
            return Some(FaultClass::Partition);
        }
        if one_way.contains(&link) {
            return Some(FaultClass::OneWayPartition);
        }
        let back = Link { source: target, target: source };
        (cut.contains(&link) || cut.contains(&back)).then_some(FaultClass::SwizzledPartition)
    }
}

impl LinkFaults {
    /// What a datagram is lost by, if it is.
    fn loses(&self, draw: &mut Draw<'_>, is_bad: &mut bool, len: usize) -> Option<FaultClass> {
        if draw.chance("loss", self.loss_per_mille) {
            return Some(FaultClass::Loss);
        }
        match self.bursts {
            Some(bursts) => {
                let turns = if *is_bad { bursts.leave_per_mille } else { bursts.enter_per_mille };
                *is_bad ^= draw.chance("burst turns", turns);
                if *is_bad && draw.chance("burst", bursts.loss_per_mille) {
                    return Some(FaultClass::BurstLoss);
                }
            }
            None => *is_bad = false,
        }
        self.bytes_max.is_some_and(|most| len > most).then_some(FaultClass::BlackHole)
    }

    /// When a datagram has left the queue of its link; `None` if it does not fit in.
    fn leaves(&self, now: Mono, free_at: &mut Mono, len: usize, verdict: &mut DatagramFate) -> Option<Mono> {
        let Some(narrow) = self.narrow else { return Some(now) };
        let takes = |bytes: u64| {
            Duration::from_micros(bytes.saturating_mul(1_000_000) / narrow.bytes_per_second.max(1))
        };
        let waits = free_at.since(now);
        if waits > takes(narrow.queue_bytes_max) {
            verdict.hits.push(FaultClass::FullQueue);
            return None;
        }
        if !waits.is_zero() {
            verdict.hits.push(FaultClass::NarrowLink);
        }
        *free_at = now.max(*free_at).after(takes(len as u64));
        Some(*free_at)
    }

    /// What becomes of a datagram's bytes, if they are damaged.
    fn corrupt(&self, draw: &mut Draw<'_>, len: usize, verdict: &mut DatagramFate) -> Option<Corruption> {
        let damage = self.damaged.get(&draw.link.source)?;
        if !draw.chance("damage", damage.per_mille) {
            return None;
        }
        let random = draw.of("damage");
        let byte = usize::try_from(random.below(len as u64)).unwrap_or_default();
        let bit = u8::try_from(random.below(8)).unwrap_or_default();
        let (class, corruption) = if damage.truncates {
            (FaultClass::Truncation, Corruption::Cut { len: byte })
        } else {
            (FaultClass::Corruption, Corruption::Flip { byte, bit })
        };
        verdict.hits.push(class);
        Some(corruption)
    }
}

const fn up_to_ms(ms: u64) -> Span {
    Span::us(0, ms.saturating_mul(1000))
}

/// The streams of one direction of a link, one for each purpose.
struct Draw<'a> {
    seed: u64,
    link: Link,
    random: &'a mut BTreeMap<&'static str, Random>,
}

impl Draw<'_> {
    fn of(&mut self, purpose: &'static str) -> &mut Random {
        let Self { seed, link, .. } = *self;
        self.random.entry(purpose).or_insert_with(|| {
            let owner = (link.source as u64) << 32 | link.target as u64;
            Random::new(Stream { seed, purpose: &format!("path {purpose}"), owner, incarnation: 0 })
        })
    }

    /// True so many times in a thousand; nothing is drawn for what is never so.
    fn chance(&mut self, purpose: &'static str, per_mille: u64) -> bool {
        per_mille > 0 && self.of(purpose).per_mille(per_mille)
    }
}

/// How much later a datagram arrives for the second time.
const AGAIN: Span = Span::us(0, 10_000);

#[cfg(test)]
mod tests;
