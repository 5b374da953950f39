//! What is wrong with the network at the moment, and what becomes of a message because of it.
//!
//! Messages travel over QUIC in the real transport: what a path does to datagrams, QUIC mends while its connection
//! lives, so that a message is late, or lost with its connection or in a full queue. Some of what is tried here goes
//! beyond that, because the contract of [`Output::Send`](hypermesh_core::node::Output) promises less than QUIC does;
//! each condition says so.

use crate::base::{Link, NodeIndex, Random, Span, Stream};
use crate::fault::{Coverage, FaultClass};
use hypermesh_core::base::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is wrong with the network. Nothing is by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Messages are lost in bursts, on each link on its own (Gilbert and Elliott): a connection that dies takes all
    /// that was under way with it, not one message.
    pub bursts: Option<Bursts>,
    /// Some messages take very long, and those of their class behind them wait: QUIC sends lost datagrams again.
    pub spikes: Option<Spikes>,
    /// So many messages of a thousand arrive twice. QUIC delivers none twice; a peer may send one twice.
    pub duplicates_per_mille: u64,
    /// Some messages are overtaken by later ones of their class. QUIC keeps the order of a stream; over two
    /// connections of one peer, the old and the new, there is none.
    pub reorders: Option<Reorders>,
    /// Links have a bandwidth: messages wait, and are dropped when too much waits.
    pub narrow: Option<Narrow>,
    /// Messages of more bytes than this do not arrive: a path that swallows large datagrams and passes small ones.
    /// QUIC finds that out and sends smaller ones; here it never does.
    pub bytes_max: Option<usize>,
    /// Nothing arrives over these links, and nobody is told.
    pub one_way: BTreeSet<Link>,
    /// Nothing comes of these nodes, although their links stand.
    pub silent: BTreeSet<NodeIndex>,
    /// There is no link between these nodes, lower place first.
    pub cut: BTreeSet<Link>,
    /// What these nodes send is damaged. QUIC's ciphers refuse what a path has damaged, so this is damage before they
    /// see it: in the sender's memory. Such a node is as bad as one that lies.
    pub damaged: BTreeMap<NodeIndex, Damage>,
}

/// Loss in bursts: a link is good or bad, and loses messages while it is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// How often of a thousand messages it becomes bad.
    pub enter_per_mille: u64,
    /// How often of a thousand messages it becomes good again.
    pub leave_per_mille: u64,
    /// How many of a thousand messages are lost while it is bad.
    pub loss_per_mille: u64,
}

/// Messages that take very long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spikes {
    /// How many of a thousand.
    pub per_mille: u64,
    /// How much longer at most, in milliseconds.
    pub longest_ms: u64,
}

/// Messages that are overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorders {
    /// How many of a thousand.
    pub per_mille: u64,
    /// Those of how many milliseconds later overtake them, at most.
    pub within_ms: u64,
}

/// Links that carry so much and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrow {
    /// How much, in bytes a second.
    pub bytes_per_second: u64,
    /// How many bytes may wait.
    pub queue_bytes_max: u64,
}

/// Messages that are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// How many of a thousand.
    pub per_mille: u64,
    /// Whether they are cut short; one bit is changed otherwise.
    pub truncates: bool,
}

/// What a link remembers of the conditions on it.
pub(super) struct LinkConditions {
    random: Random,
    bad: bool,
    free_at: Mono,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    /// It does not arrive.
    pub(super) lost: bool,
    /// It arrives so much later than it would, and what comes after it in its class no earlier.
    pub(super) late: Duration,
    /// It arrives so much later than that, and others overtake it.
    pub(super) overtaken: Duration,
    /// It arrives once more, so much after the first time.
    pub(super) again: Option<Duration>,
}

impl LinkConditions {
    pub(super) fn new(seed: u64, owner: u64) -> Self {
        let random = Random::new(Stream { seed, purpose: "network conditions", owner, incarnation: 1 });
        Self { random, bad: false, free_at: Mono(0) }
    }
}

impl Conditions {
    /// Whether nothing is wrong that a link has to remember.
    pub(super) fn is_calm(&self) -> bool {
        let Self {
            bursts, spikes, duplicates_per_mille, reorders, narrow, bytes_max, one_way, silent, ..
        } = self;
        let rates = bursts.is_none() && spikes.is_none() && *duplicates_per_mille == 0 && reorders.is_none();
        rates && narrow.is_none() && bytes_max.is_none() && one_way.is_empty() && silent.is_empty()
    }

    /// Whether a link may stand.
    pub(super) fn allow(&self, link: Link) -> bool {
        self.cut.is_empty() || !self.cut.contains(&link.sorted())
    }

    /// What becomes of a message.
    pub(super) fn pass(
        &self,
        now: Mono,
        link: Link,
        bytes: usize,
        link_conditions: &mut LinkConditions,
        coverage: &mut Coverage,
    ) -> Delivery {
        if let Some(class) = self.loses(link, bytes, link_conditions) {
            coverage.hit(class);
            return Delivery { lost: true, ..Delivery::default() };
        }
        let mut passage = Delivery::default();
        if let Some(Spikes { per_mille, longest_ms }) = self.spikes
            && link_conditions.random.per_mille(per_mille)
        {
            coverage.hit(FaultClass::DelaySpike);
            passage.late = link_conditions.random.duration(Span::us(1_000, longest_ms.saturating_mul(1_000)));
        }
        if let Some(narrow) = self.narrow {
            match narrow.take(now, bytes as u64, &mut link_conditions.free_at) {
                Some(waits) => {
                    if waits > Duration::ZERO {
                        coverage.hit(FaultClass::NarrowLink);
                    }
                    passage.late = passage.late.max(link_conditions.free_at.since(now));
                }
                None => {
                    coverage.hit(FaultClass::FullQueue);
                    passage.lost = true;
                }
            }
        }
        if let Some(Reorders { per_mille, within_ms }) = self.reorders
            && link_conditions.random.per_mille(per_mille)
        {
            coverage.hit(FaultClass::Reordering);
            passage.overtaken = link_conditions.random.duration(Span::us(1, within_ms.saturating_mul(1_000)));
        }
        if self.duplicates_per_mille > 0 && link_conditions.random.per_mille(self.duplicates_per_mille) {
            coverage.hit(FaultClass::Duplication);
            passage.again = Some(link_conditions.random.duration(Span::us(1, 100_000)));
        }
        passage
    }

    /// Why a message does not arrive, if it does not.
    fn loses(&self, link: Link, bytes: usize, link_conditions: &mut LinkConditions) -> Option<FaultClass> {
        if self.one_way.contains(&link) {
            return Some(FaultClass::OneWayPartition);
        }
        if self.silent.contains(&link.source) {
            return Some(FaultClass::SilentPeer);
        }
        if self.bytes_max.is_some_and(|most| bytes > most) {
            return Some(FaultClass::BlackHole);
        }
        let Bursts { enter_per_mille, leave_per_mille, loss_per_mille } = self.bursts?;
        let turns = link_conditions.random.per_mille(if link_conditions.bad {
            leave_per_mille
        } else {
            enter_per_mille
        });
        link_conditions.bad ^= turns;
        (link_conditions.bad && link_conditions.random.per_mille(loss_per_mille))
            .then_some(FaultClass::BurstLoss)
    }
}

impl Narrow {
    /// How long a message waits before it is sent, which it is by `free_at`; `None` if there is no room for it.
    fn take(self, now: Mono, bytes: u64, free_at: &mut Mono) -> Option<Duration> {
        let rate = self.bytes_per_second.max(1);
        let waits = free_at.since(now);
        let waiting_bytes =
            u64::try_from(waits.as_micros()).unwrap_or(u64::MAX).saturating_mul(rate) / 1_000_000;
        if waiting_bytes.saturating_add(bytes) > self.queue_bytes_max {
            return None;
        }
        let takes = Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        *free_at = now.after(waits).after(takes);
        Some(waits)
    }
}

impl Damage {
    /// What is left of a message, if it is one of those that are damaged.
    pub(super) fn strike(self, message: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        if !random.per_mille(self.per_mille) {
            return None;
        }
        let place = usize::try_from(random.below(message.len() as u64)).unwrap_or_default();
        let mut struck = message.to_vec();
        if self.truncates {
            struck.truncate(place);
        } else if let Some(byte) = struck.get_mut(place) {
            *byte ^= 1 << random.below(8);
        }
        Some(struck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link { source: 0, target: 1 };

    fn pass(conditions: &Conditions, count: u64, bytes: usize) -> (Vec<Delivery>, Coverage) {
        let (mut link_conditions, mut coverage) = (LinkConditions::new(5, 1), Coverage::default());
        let one = |now| conditions.pass(Mono(now), LINK, bytes, &mut link_conditions, &mut coverage);
        ((0..count).map(one).collect(), coverage)
    }

    #[test]
    fn losses_come_in_bursts() {
        let bursts = Bursts { enter_per_mille: 10, leave_per_mille: 100, loss_per_mille: 1000 };
        let (passed, coverage) =
            pass(&Conditions { bursts: Some(bursts), ..Conditions::default() }, 10_000, 1);
        let lost = passed.iter().filter(|passage| passage.lost).count() as u64;
        let bursts =
            passed.chunk_by(|one, next| one.lost == next.lost).filter(|run| run[0].lost).count() as u64;
        assert!((500..2_000).contains(&lost) && lost > 5 * bursts, "{lost} in {bursts}");
        assert_eq!(coverage.count(FaultClass::BurstLoss), lost);
    }

    #[test]
    fn a_narrow_link_lets_messages_wait_and_then_drops_them() {
        let narrow = Some(Narrow { bytes_per_second: 1_000_000, queue_bytes_max: 3_000 });
        let (passed, coverage) = pass(&Conditions { narrow, ..Conditions::default() }, 4, 1_000);
        let late: Vec<u64> = passed.iter().map(|passage| passage.late.as_micros() as u64).collect();
        assert_eq!(late[..3], [1_000, 1_999, 2_998]);
        assert_eq!((coverage.count(FaultClass::NarrowLink), coverage.count(FaultClass::FullQueue)), (2, 1));
    }

    #[test]
    fn large_messages_vanish_one_direction_is_cut_and_some_come_late_again_or_overtaken() {
        let hole = Conditions { bytes_max: Some(100), ..Conditions::default() };
        assert!(pass(&hole, 1, 101).0[0].lost && !pass(&hole, 1, 100).0[0].lost);
        let one_way = Conditions { one_way: BTreeSet::from([LINK]), ..Conditions::default() };
        assert!(pass(&one_way, 1, 1).0[0].lost && !one_way.is_calm());
        let rates = Conditions {
            spikes: Some(Spikes { per_mille: 500, longest_ms: 100 }),
            reorders: Some(Reorders { per_mille: 500, within_ms: 20 }),
            duplicates_per_mille: 500,
            ..Conditions::default()
        };
        let (passed, coverage) = pass(&rates, 100, 1);
        assert!(passed.iter().any(|passage| passage.again.is_some() && passage.overtaken > Duration::ZERO));
        for class in [FaultClass::DelaySpike, FaultClass::Reordering, FaultClass::Duplication] {
            assert!(coverage.count(class) > 20, "{}", class.name());
        }
    }

    #[test]
    fn damage_changes_one_bit_or_cuts_short() {
        let mut random = Random::new(Stream { seed: 1, purpose: "damage", owner: 0, incarnation: 0 });
        let message = [7; 40];
        let struck = Damage { per_mille: 1000, truncates: false }.strike(&message, &mut random).unwrap();
        let bits: u32 = struck.iter().zip(message).map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!((struck.len(), bits), (40, 1));
        let cut = Damage { per_mille: 1000, truncates: true }.strike(&message, &mut random).unwrap();
        assert!(cut.len() < 40);
        assert_eq!(Damage { per_mille: 0, truncates: true }.strike(&message, &mut random), None);
    }
}
