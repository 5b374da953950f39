//! The links between nodes: each message takes its time, those of one link and class keep their order, and a
//! link that breaks takes with it what was under way.

use super::conditions::{Conditions, Delivery, LinkConditions};
use crate::base::{Link, Random, Span, Stream};
use crate::fault::{Coverage, FaultClass};
use hypermesh_core::base::Mono;
use hypermesh_core::node::MessageClass;
use std::collections::BTreeMap;

/// A life of a link: what was sent in one does not arrive in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// How long a message takes.
    pub latency: Span,
    /// How many messages of a thousand are lost, although the link stands.
    pub loss_per_mille: u64,
    /// How long it takes to make a link, or to notice that it is lost.
    pub detection: Span,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It arrives then, if the link is still in this life.
    Arrives {
        at: Mono,
        /// And then once more.
        again: Option<Mono>,
        epoch: Epoch,
    },
    /// It is lost, although the link stands, or there is no link.
    Lost,
}

pub(super) struct Network {
    seed: u64,
    options: NetworkOptions,
    links: BTreeMap<Link, State>,
    /// The side of a partition that each node is on; all on one when there is none.
    sides: Vec<u8>,
    pub(super) conditions: Conditions,
}

struct State {
    random: Random,
    link_conditions: Option<LinkConditions>,
    up: bool,
    epoch: Epoch,
    /// When the last message of each class arrives.
    last: BTreeMap<MessageClass, Mono>,
}

impl Network {
    pub(super) fn new(seed: u64, options: NetworkOptions, nodes: usize) -> Self {
        Self {
            seed,
            options,
            links: BTreeMap::new(),
            sides: vec![0; nodes],
            conditions: Conditions::default(),
        }
    }

    pub(super) const fn set_loss(&mut self, per_mille: u64) {
        self.options.loss_per_mille = per_mille;
    }

    pub(super) fn set_sides(&mut self, sides: Vec<u8>) {
        self.sides = sides;
    }

    /// Makes room for another node, on the first side.
    pub(super) fn add(&mut self) {
        self.sides.push(0);
    }

    /// Whether the partition, if there is one, lets a link stand.
    pub(super) fn allows(&self, link: Link) -> bool {
        self.sides.get(link.source) == self.sides.get(link.target) && self.conditions.allow(link)
    }

    pub(super) fn is_up(&mut self, link: Link) -> bool {
        self.state(link).up
    }

    /// When a link is made or its loss noticed, counted from now.
    pub(super) fn detection(&mut self, link: Link) -> core::time::Duration {
        let span = self.options.detection;
        self.state(link).random.duration(span)
    }

    /// Makes or breaks a link; either begins a new life of it.
    pub(super) fn set_up(&mut self, link: Link, up: bool) {
        let state = self.state(link);
        if state.up != up {
            state.up = up;
            state.epoch.0 += 1;
            state.last.clear();
        }
    }

    /// When a message of so many bytes that is sent now arrives, and in which life of the link.
    pub(super) fn send(
        &mut self,
        now: Mono,
        link: Link,
        (class, bytes): (MessageClass, usize),
        coverage: &mut Coverage,
    ) -> Sent {
        let NetworkOptions { latency, loss_per_mille, .. } = self.options;
        let (seed, is_calm) = (self.seed, self.conditions.is_calm());
        let state = state(&mut self.links, seed, link);
        let (lost, delay) = (state.random.per_mille(loss_per_mille), state.random.duration(latency));
        if !state.up {
            return Sent::Lost;
        }
        if lost {
            coverage.hit(FaultClass::Loss);
            return Sent::Lost;
        }
        let passage = if is_calm {
            Delivery::default()
        } else {
            let link_conditions =
                state.link_conditions.get_or_insert_with(|| LinkConditions::new(seed, owner(link)));
            self.conditions.pass(now, link, bytes, link_conditions, coverage)
        };
        if passage.lost {
            return Sent::Lost;
        }
        let last = state.last.entry(class).or_default();
        *last = now.after(delay).after(passage.late).max(*last);
        let at = last.after(passage.overtaken);
        Sent::Arrives { at, again: passage.again.map(|later| at.after(later)), epoch: state.epoch }
    }

    /// Whether a message that was sent in this life of the link still arrives.
    pub(super) fn arrives(&mut self, link: Link, epoch: Epoch) -> bool {
        let state = self.state(link);
        state.up && state.epoch == epoch
    }

    fn state(&mut self, link: Link) -> &mut State {
        state(&mut self.links, self.seed, link)
    }
}

fn state(links: &mut BTreeMap<Link, State>, seed: u64, link: Link) -> &mut State {
    links.entry(link).or_insert_with(|| {
        let random = Random::new(Stream { seed, purpose: "network", owner: owner(link), incarnation: 1 });
        State { random, link_conditions: None, up: false, epoch: Epoch::default(), last: BTreeMap::new() }
    })
}

const fn owner(link: Link) -> u64 {
    (link.source as u64) << 32 | link.target as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link { source: 0, target: 1 };

    fn network() -> Network {
        let options =
            NetworkOptions { latency: Span::us(500, 5000), loss_per_mille: 0, detection: Span::us(1, 1) };
        let mut network = Network::new(3, options, 4);
        network.set_up(LINK, true);
        network
    }

    fn send(network: &mut Network, now: u64) -> Sent {
        network.send(Mono(now), LINK, (MessageClass::Bulk, 100), &mut Coverage::default())
    }

    fn arrival(sent: Sent) -> (Mono, Epoch) {
        match sent {
            Sent::Arrives { at, epoch, .. } => (at, epoch),
            Sent::Lost => panic!("{sent:?}"),
        }
    }

    #[test]
    fn messages_of_one_link_and_class_arrive_in_order() {
        let mut network = network();
        let arrivals: Vec<Mono> = (0..100).map(|now| arrival(send(&mut network, now)).0).collect();
        assert!(arrivals.is_sorted());
    }

    #[test]
    fn what_was_under_way_when_a_link_broke_never_arrives() {
        let mut network = network();
        let (_, epoch) = arrival(send(&mut network, 0));
        assert!(network.arrives(LINK, epoch));
        network.set_up(LINK, false);
        assert_eq!(send(&mut network, 1), Sent::Lost);
        network.set_up(LINK, true);
        assert!(!network.arrives(LINK, epoch));
    }

    #[test]
    fn a_partition_allows_links_on_one_side_only() {
        let mut network = network();
        network.set_sides(vec![0, 1, 0, 1]);
        assert!(!network.allows(LINK));
        assert!(network.allows(Link { source: 0, target: 2 }));
    }

    #[test]
    fn a_cut_link_is_not_allowed_from_either_end() {
        let mut network = network();
        network.conditions.cut.insert(LINK);
        assert!(!network.allows(LINK) && !network.allows(Link { source: 1, target: 0 }));
        assert!(network.allows(Link { source: 0, target: 2 }));
    }
}
