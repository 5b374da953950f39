//! Blocks and log entries for peers that miss them, bounded for each peer: one answer is one message, so many
//! answers and bytes a second and no more, and one question waits while they are spent. All of it is bulk: votes never wait for it.

use crate::base::{Height, LeafIndex, Mono, PublicKey, ReadError, Table, reached};
use crate::node::context::Context;
use crate::node::message::{Blocks, Fetch, IndexedLogEntry, Message, SyncedBlock};
use crate::node::stored::{stored_block, stored_proof};
use crate::node::sync::FETCH_BLOCK_COUNT_MAX;
use crate::node::timers::Timer;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// An answer has no more bytes of blocks than this, unless its first block alone has.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// So many bytes of blocks are sent to a peer in a [`SERVE_PERIOD`]; the answer that goes past it is the last.
const SERVE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// So many questions of a peer are answered in a [`SERVE_PERIOD`].
const SERVE_ANSWER_COUNT_MAX: u32 = 100;
const SERVE_PERIOD: Duration = Duration::from_secs(1);

/// What each peer was sent lately.
#[derive(Default)]
pub(in crate::node) struct Serving {
    peers: BTreeMap<PublicKey, Served>,
}

#[derive(Default)]
struct Served {
    since: Mono,
    bytes: usize,
    answers: u32,
    /// The last question, while the peer has had its share.
    waiting: Option<Fetch>,
}

impl Serving {
    pub(in crate::node) fn on_fetch(&mut self, cx: &mut Context, from: PublicKey, fetch: Fetch) {
        let now = cx.now.mono;
        let served = self.peers.entry(from).or_default();
        if now.since(served.since) >= SERVE_PERIOD {
            (served.since, served.bytes, served.answers) = (now, 0, 0);
        }
        if served.bytes >= SERVE_BYTES_MAX || served.answers >= SERVE_ANSWER_COUNT_MAX {
            reached!(cx.marks, "a peer has had its share of blocks");
            served.waiting = Some(fetch);
            let at = served.since.after(SERVE_PERIOD);
            return cx.timers.start(Timer::Serve, at);
        }
        served.answers += 1;
        let blocks = Self::blocks_from(cx, fetch);
        let bytes: usize = blocks.iter().map(|block| block.block.len()).sum();
        if let Some(served) = self.peers.get_mut(&from) {
            served.bytes = served.bytes.saturating_add(bytes);
        }
        cx.send(from, &Message::Blocks(Blocks { first: fetch.first, blocks }));
    }

    pub(in crate::node) fn on_serve(&mut self, cx: &mut Context) {
        let waiting = self.peers.iter_mut();
        let waiting: Vec<_> =
            waiting.filter_map(|(peer, served)| Some((*peer, served.waiting.take()?))).collect();
        for (peer, fetch) in waiting {
            self.on_fetch(cx, peer, fetch);
        }
    }

    /// The blocks from the first that was asked for on, as many as there are and fit.
    fn blocks_from(cx: &mut Context, fetch: Fetch) -> Vec<SyncedBlock> {
        let count = fetch.count.min(FETCH_BLOCK_COUNT_MAX);
        let end = fetch.first.0.saturating_add(count).min(cx.state.height().0.saturating_add(1));
        let mut blocks = Vec::new();
        let mut bytes = 0_usize;
        for height in (fetch.first.0..end).map(Height) {
            let Some(block) = Self::synced_block(cx, height) else { break };
            bytes += block.block.len();
            if bytes > ANSWER_BYTES_MAX && !blocks.is_empty() {
                break;
            }
            blocks.push(block);
        }
        blocks
    }

    /// Sends a peer the block of the height that it is stuck at.
    pub(in crate::node) fn serve_block(cx: &mut Context, peer: PublicKey, height: Height) {
        if let Some(block) = Self::synced_block(cx, height) {
            cx.send(peer, &Message::Blocks(Blocks { first: height, blocks: alloc::vec![block] }));
        }
    }

    fn synced_block(cx: &mut Context, height: Height) -> Option<SyncedBlock> {
        let read = || -> Result<Option<SyncedBlock>, ReadError> {
            let Some(block) = stored_block(&cx.store, height)? else { return Ok(None) };
            let Some((_, certificate)) = stored_proof(&cx.store, height)? else { return Ok(None) };
            if block.header.hash() != certificate.value_id {
                cx.store.note_damage(Table::Blocks, &height.0.to_be_bytes());
                return Err(ReadError::Damaged { table: Table::Blocks });
            }
            Ok(Some(SyncedBlock { block: block.to_bytes(), certificate }))
        };
        // A failed read was noted where it happened, and is seen to.
        read().ok().flatten()
    }

    pub(in crate::node) fn on_fetch_entry(cx: &mut Context, from: PublicKey, index: LeafIndex) {
        if let Ok(Some(entry)) = cx.log_entry(index) {
            cx.send(from, &Message::Entry(IndexedLogEntry { index, entry }));
        }
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::node::test_util::{context, mesh, sent};

    #[test]
    fn a_peer_is_sent_the_blocks_that_it_asks_for_and_no_others() {
        let mesh = mesh();
        let (mut cx, mut serving) = (context(&mesh), Serving::default());
        let peer = mesh.validators[1].public();
        let head = mesh.state.height();
        serving.on_fetch(&mut cx, peer, Fetch { first: head, count: 5 });
        let answers = sent(&mut cx);
        let [(to, Message::Blocks(Blocks { first, blocks }))] = &answers[..] else { panic!("one answer") };
        assert_eq!((*to, *first, blocks.len()), (peer, head, 1));
        assert_eq!(blocks[0].block, mesh.blocks.last().unwrap().to_bytes());
        serving.on_fetch(&mut cx, peer, Fetch { first: head.next(), count: 1 });
        let answers = sent(&mut cx);
        assert!(matches!(&answers[..], [(_, Message::Blocks(Blocks { blocks, .. }))] if blocks.is_empty()));
    }
}
