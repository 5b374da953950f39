//! The network that all hosts of a world share: its paths, who is where, and who has moved.

use super::path::Paths;
use crate::base::{Link, NodeIndex};
use hypermesh_core::base::Mono;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// What the hosts and the world share.
#[derive(Clone)]
pub(super) struct Network(Arc<Mutex<Contents>>);

pub(super) struct Contents {
    pub(super) paths: Paths,
    places: BTreeMap<IpAddr, NodeIndex>,
    moves: BTreeMap<NodeIndex, Moves>,
}

/// Where a host's datagrams come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// How often its address has changed.
    pub(super) count: u64,
    /// Whether it is another than the one that it bound.
    pub(super) away: bool,
}

impl Network {
    pub(super) fn new(paths: Paths, places: BTreeMap<IpAddr, NodeIndex>) -> Self {
        Self(Arc::new(Mutex::new(Contents { paths, places, moves: BTreeMap::new() })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }
}

impl Contents {
    /// What becomes of a datagram; `None` if there is no such host.
    pub(super) fn send(
        &mut self,
        now: Mono,
        source: NodeIndex,
        target: IpAddr,
        len: usize,
    ) -> Option<super::path::DatagramFate> {
        let target = *self.places.get(&target)?;
        Some(self.paths.send(now, Link { source, target }, len))
    }

    /// Gives a host another address, or the one that it bound.
    pub(super) fn relocate(&mut self, place: NodeIndex, away: bool) {
        let moves = self.moves.entry(place).or_default();
        if moves.away || away {
            *moves = Moves { count: moves.count + 1, away };
        }
    }

    /// Where a host's datagrams come from.
    pub(super) fn moves(&self, place: NodeIndex) -> Moves {
        self.moves.get(&place).copied().unwrap_or_default()
    }
}
