//! Links as the nodes see them: made, lost, refused.

use super::World;
use super::event::Happening;
use super::machine::NodeIncarnation;
use super::snapshot::Input;
use crate::base::{Link, NodeIndex};
use hypermesh_core::base::PublicKey;
use hypermesh_core::node::PeerStatus;
use std::time::Duration;

/// A process that was refused a link tries again after this long.
const TWIN_REDIALS_AFTER: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn others(&self, place: NodeIndex) -> impl Iterator<Item = NodeIndex> + use<> {
        let key = |place: NodeIndex| {
            self.machines.get(place).map(|machine| machine.validator.member.identity.public())
        };
        let others: Vec<NodeIndex> =
            (0..self.machines.len()).filter(|other| key(*other) != key(place)).collect();
        others.into_iter()
    }

    /// Arranges that two nodes which run and may be linked will be.
    pub(super) fn arrange_link(&mut self, place: NodeIndex, other: NodeIndex) {
        let link = Link { source: place, target: other };
        let (Some(life), Some(other_life)) = (self.life(place), self.life(other)) else { return };
        if self.network.allows(link) && !self.network.is_up(link) {
            let at = self.now.after(self.network.detection(link));
            self.heap.push(at, Happening::LinkMade { place, other, lives: (life, other_life) });
        }
    }

    pub(super) fn make_link(
        &mut self,
        place: NodeIndex,
        other: NodeIndex,
        lives: (NodeIncarnation, NodeIncarnation),
    ) {
        let link = Link { source: place, target: other };
        let alive = self.is_alive(place, lives.0) && self.is_alive(other, lives.1);
        if !alive || !self.network.allows(link) || self.network.is_up(link) {
            return;
        }
        for (one, two) in [(place, other), (other, place)] {
            if self.refuse_twin(one, two) {
                let at = self.now.after(TWIN_REDIALS_AFTER);
                return self.heap.push(at, Happening::LinkMade { place, other, lives });
            }
        }
        self.network.set_up(link, true);
        self.network.set_up(Link { source: other, target: place }, true);
        let keys = [(self.key(place), place), (self.key(other), other)];
        self.places.extend(keys);
        self.tell_link(place, other, PeerStatus::Connected);
        self.tell_link(other, place, PeerStatus::Connected);
    }

    /// A peer admits one process of each key, as the real transport does: the first for as long as it runs.
    fn refuse_twin(&mut self, peer: NodeIndex, asks: NodeIndex) -> bool {
        let key = self.key(asks);
        let twins: Vec<NodeIndex> =
            (0..self.machines.len()).filter(|place| *place != asks && self.key(*place) == key).collect();
        let linked = twins.into_iter().any(|twin| self.network.is_up(Link { source: twin, target: peer }));
        if linked {
            self.tell_peer(asks, peer, PeerStatus::Refused);
            self.tell_peer(peer, asks, PeerStatus::Doubled);
        }
        linked
    }

    /// Breaks a link: what is under way is lost, and both ends notice after a while.
    pub(super) fn break_link(&mut self, place: NodeIndex, other: NodeIndex) {
        for (place, other) in [(place, other), (other, place)] {
            let link = Link { source: place, target: other };
            if !self.network.is_up(link) {
                continue;
            }
            self.network.set_up(link, false);
            let at = self.now.after(self.network.detection(link));
            if let Some(life) = self.life(place) {
                self.heap.push(at, Happening::LinkLost { place, life, other });
            }
        }
    }

    pub(super) fn tell_link(&mut self, place: NodeIndex, other: NodeIndex, status: PeerStatus) {
        let up = self.network.is_up(Link { source: place, target: other });
        if up != (status == PeerStatus::Connected) {
            return;
        }
        self.tell_peer(place, other, status);
    }

    pub(super) fn tell_peer(&mut self, place: NodeIndex, other: NodeIndex, status: PeerStatus) {
        if self.holds(place) {
            return self.hold(place, Happening::Peer { place, other, status });
        }
        self.tell_peer_now(place, other, status);
    }

    pub(super) fn tell_peer_now(&mut self, place: NodeIndex, other: NodeIndex, status: PeerStatus) {
        let peer = self.key(other);
        let content = [peer.0.as_slice(), format!("{status:?}").as_bytes()].concat();
        self.handle(place, "peer", &content, Input::Peer { peer, status });
    }

    pub(super) fn key(&self, place: NodeIndex) -> PublicKey {
        self.machines
            .get(place)
            .map(|machine| machine.validator.member.identity.public())
            .expect("links lead to nodes of this world")
    }

    pub(super) fn life(&self, place: NodeIndex) -> Option<NodeIncarnation> {
        let machine = self.machines.get(place)?;
        machine.node.as_ref().map(|_| machine.incarnation)
    }

    pub(super) fn is_alive(&self, place: NodeIndex, life: NodeIncarnation) -> bool {
        self.life(place) == Some(life)
    }
}
