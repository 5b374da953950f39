//! Catching up: a node that missed blocks asks its peers for them, and takes none that a quorum did not decide.
//!
//! This is for absences of seconds. Longer ones work too, block by block, without the care for bandwidth and
//! for peers that serve rubbish that they would deserve.

use super::Node;
use super::message::{Message, SyncedBlock};
use super::open::{stored_block, stored_proof};
use super::timers::Timer;
use crate::base::{Height, PublicKey};
use crate::hypermesh::ordering::Input;
use crate::state::Block;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// The most blocks that are sent for one request.
const FETCH_BLOCK_COUNT_MAX: u64 = 16;
/// The most bytes of blocks that are sent for one request.
const FETCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A peer that has not sent a block after this long is given up for another.
const FETCH_TIMEOUT: Duration = Duration::from_millis(500);

/// Where the others are.
#[derive(Default)]
pub(super) struct Sync {
    heights: BTreeMap<PublicKey, Height>,
    /// The last height that was asked for, and of whom.
    asked: Option<(PublicKey, Height)>,
    /// Turns with each request, so that a silent peer is not asked twice in a row.
    turn: usize,
}

impl Sync {
    /// How far the others said, or showed, that they are.
    pub(super) fn heights(&self) -> impl Iterator<Item = (&PublicKey, Height)> {
        self.heights.iter().map(|(peer, height)| (peer, *height))
    }
}

impl Node {
    pub(super) fn on_connected(&mut self, peer: PublicKey) {
        self.send(peer, &Message::Height(self.state.height()));
        self.ask_for_commitments(peer);
        self.send_authority(peer);
        self.repeat_to(peer);
        let me = self.identity.public();
        let own = self.pool.system.values().filter(|operation| operation.validator == me);
        for operation in own.cloned().collect::<Vec<_>>() {
            self.send(peer, &Message::System(operation));
        }
        if let Some(batch) = self.pool.batches.get(&me).cloned() {
            self.send(peer, &Message::Batch(batch.batch.clone()));
        }
    }

    pub(super) fn on_peer_height(&mut self, from: PublicKey, height: Height) {
        self.sync.heights.insert(from, height);
        self.consider_fetch();
    }

    /// Asks for blocks if someone is ahead and nobody is being asked.
    pub(super) fn consider_fetch(&mut self) {
        if let Some((peer, height)) = self.engine.highest_seen() {
            let decided = Height(height.0.saturating_sub(1));
            let known = self.sync.heights.entry(peer).or_default();
            *known = (*known).max(decided);
        }
        if self.sync.asked.is_some() {
            return;
        }
        let next = self.next_height();
        let ahead = self.sync.heights.iter().filter(|(_, height)| **height >= next).map(|(peer, _)| *peer);
        let ahead: Vec<PublicKey> = ahead.collect();
        let Some(peer) = self.sync.turn.checked_rem(ahead.len()).and_then(|turn| ahead.get(turn).copied())
        else {
            return;
        };
        self.sync.turn = self.sync.turn.wrapping_add(1);
        self.sync.asked = Some((peer, next));
        self.send(peer, &Message::Fetch(next));
        self.timers.set(Timer::Sync, self.now.mono.after(FETCH_TIMEOUT));
    }

    pub(super) fn on_sync_timeout(&mut self) {
        self.sync.asked = None;
        self.consider_fetch();
    }

    pub(super) fn on_fetch(&mut self, from: PublicKey, height: Height) {
        let last = self.state.height().0.min(height.0.saturating_add(FETCH_BLOCK_COUNT_MAX - 1));
        let mut room = FETCH_BYTES_MAX;
        for height in height.0..=last {
            let Some(block) = self.synced_block(Height(height)) else { return };
            let Some(left) = room.checked_sub(block.block.len()) else { return };
            room = left;
            self.send(from, &Message::Block(block));
        }
    }

    /// Sends a peer the block of the height that it is stuck at.
    pub(super) fn serve_block(&mut self, peer: PublicKey, height: Height) {
        if let Some(block) = self.synced_block(height) {
            self.send(peer, &Message::Block(block));
        }
    }

    fn synced_block(&mut self, height: Height) -> Option<SyncedBlock> {
        let block = stored_block(&self.store, height);
        let proof = stored_proof(&self.store, height);
        match (block, proof) {
            (Ok(block), Ok(proof)) => {
                let (_, certificate) = proof?;
                Some(SyncedBlock { block: block?.to_bytes(), certificate })
            }
            (Err(fault), _) | (_, Err(fault)) => {
                self.store_fault(&fault);
                None
            }
        }
    }

    pub(super) fn on_synced_block(&mut self, from: PublicKey, block: SyncedBlock) {
        let SyncedBlock { block, certificate } = block;
        let known = self.sync.heights.entry(from).or_default();
        *known = (*known).max(certificate.height);
        let fits = Block::identify(&block) == Some(certificate.value_id)
            && certificate.height == self.next_height()
            && certificate.verify(&self.state.genesis_hash(), self.state.validators()).is_ok();
        if !fits {
            return;
        }
        if !self.ordering.started {
            self.start_for_sync();
        }
        self.drive(Input::Synced { value: block.into(), certificate });
    }

    /// After a block: what was asked for may have come, and more may be missing.
    pub(super) fn sync_after(&mut self) {
        let Some((_, height)) = self.sync.asked else { return self.consider_fetch() };
        // The rest of what was asked for is on its way; ask on when it has all come.
        if self.state.height().0 >= height.0.saturating_add(FETCH_BLOCK_COUNT_MAX - 1) {
            self.sync.asked = None;
            self.consider_fetch();
        } else {
            self.timers.set(Timer::Sync, self.now.mono.after(FETCH_TIMEOUT));
        }
    }
}
