//! Catching up: a node that missed blocks, a few or ten thousand, fetches them from its peers by itself.
//!
//! What a peer says of its height is a hint: it decides whom to ask, and a false one costs a question. Several
//! peers are asked at once for what comes next, within a window bounded in blocks and bytes. Every block is taken
//! on a quorum's certificate alone, which is checked, with all signatures in the block, on another thread; then it
//! is executed like any other. Whoever answers rubbish, claims blocks that it has not, or is silent is passed over
//! for a while, the longer the more often; its votes go on being heard.
//!
//! What is not here: changes of the validator set. Every block is held against the validators of now.

pub(in crate::node) mod serve;

use crate::base::{Height, Mono, PublicKey, Size, reached};
use crate::node::checked::{CheckedBlock, FetchedBlocks};
use crate::node::context::REPORT_BLOCK_COUNT_MIN;
use crate::node::job::{Job, Purpose};
use crate::node::message::{Blocks, Fetch, Message};
use crate::node::timers::Timer;
use crate::node::{Ask, Event, PersistToken, context::Context};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The most blocks in one answer.
pub(in crate::node) const FETCH_BLOCK_COUNT_MAX: u64 = 64;
/// At most this many answers are on their way or being checked at a time, one of each peer. Each is one message
/// of [`crate::node::MESSAGE_BYTES_MAX`] at most.
const FETCH_COUNT_MAX: usize = 4;
/// Nothing is asked for that is this many blocks past the next.
const WINDOW_BLOCK_COUNT_MAX: u64 = 512;
/// While more bytes of blocks than this wait for one before them, only that one is asked for.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// This many blocks are applied in one go; what else there is to do comes between.
pub(in crate::node) const APPLY_COUNT_MAX: usize = 32;
/// Applying waits for the disk while so many blocks, or bytes of them, are not durable yet.
const UNWRITTEN_COUNT_MAX: usize = 256;
const UNWRITTEN_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A peer that has not answered after this long is silent.
const FETCH_TIMEOUT: Duration = Duration::from_millis(1000);
/// A node that is one block behind is about to decide it: it asks only if it has not after this long.
const GRACE: Duration = Duration::from_millis(50);
/// How long a silent peer is passed over at first. Doubled with each silence on end, up to the next.
const SILENCE_MS_REST: u64 = 250;
const SILENCE_MS_REST_MAX: u64 = 8_000;
/// How long a peer that sent rubbish is passed over at first. Doubled with each time, up to the next.
const RUBBISH_MS_REST: u64 = 10_000;
const RUBBISH_MS_REST_MAX: u64 = 600_000;
/// A node that is far behind reports it again each time it has applied as many blocks as this.
const REPORT_BLOCK_COUNT_STEP: u64 = 1000;

/// What the peers have, what was asked of them, and what has come and waits for its turn.
#[derive(Default)]
pub(in crate::node) struct Sync {
    peers: BTreeMap<PublicKey, SyncPeer>,
    /// Checked blocks above the next.
    held: BTreeMap<Height, CheckedBlock>,
    held_bytes: usize,
    /// Blocks that were applied and are not durable yet: their writes, and their bytes.
    unwritten: VecDeque<(PersistToken, usize)>,
    /// The highest block that a quorum is known to have decided.
    proven: Height,
    /// Since when the block of this height has been known to be decided elsewhere.
    behind_since: Option<(Height, Mono)>,
    /// At which height this node last said that it is catching up.
    reported: Option<Height>,
    /// Counts questions, so that peers take turns.
    asked: u64,
}

#[derive(Default)]
struct SyncPeer {
    /// The height that it is thought to have.
    hint: Height,
    fetch: Option<UnderWay>,
    /// Whether a block that it sent unasked is being checked.
    pushed: bool,
    /// How often on end it was silent.
    silences: u32,
    /// How often it sent rubbish.
    offences: u32,
    resting_until: Mono,
    last_asked: u64,
}

struct UnderWay {
    fetch: Fetch,
    sent: Mono,
    /// The answer has come and is being checked.
    checking: bool,
}

impl UnderWay {
    fn covers(&self, height: Height) -> bool {
        height.0.checked_sub(self.fetch.first.0).is_some_and(|past| past < self.fetch.count)
    }
}

impl Sync {
    pub(in crate::node) fn on_peer_height(&mut self, cx: &mut Context, from: PublicKey, height: Height) {
        cx.quorum.hear(from);
        self.hint(cx, from, height);
        self.consider_fetch(cx);
    }

    fn hint(&mut self, cx: &mut Context, peer: PublicKey, height: Height) {
        let known = &mut self.peers.entry(peer).or_default().hint;
        *known = height.max(*known);
        self.note_decided_elsewhere(cx);
    }

    /// Takes what ordering has seen: these peers vote on these heights, so they have the blocks before them.
    pub(in crate::node) fn note_votes_ahead(&mut self, cx: &mut Context, ahead: &[(PublicKey, Height)]) {
        for (peer, height) in ahead {
            self.hint(cx, *peer, Height(height.0.saturating_sub(1)));
        }
        self.consider_fetch(cx);
    }

    /// A peer is gone, and with it what it was asked for and all that it claimed.
    pub(in crate::node) fn forget(&mut self, cx: &mut Context, peer: PublicKey) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            (peer.fetch, peer.hint) = (None, Height::GENESIS);
        }
        self.note_decided_elsewhere(cx);
        self.consider_fetch(cx);
    }

    /// Notes which height others have decided: at least one honest validator says so, or a certificate.
    fn note_decided_elsewhere(&mut self, cx: &mut Context) {
        let mut hints: Vec<Height> = self.peers.values().map(|peer| peer.hint).collect();
        hints.sort_unstable_by(|one, other| other.cmp(one));
        let believed = hints.get(cx.state.validators().tolerated_faults()).copied().unwrap_or_default();
        cx.decided_elsewhere = believed.max(self.proven);
    }

    // --- asking ---

    /// Asks for what is missing, as far as somebody is thought to have it.
    pub(in crate::node) fn consider_fetch(&mut self, cx: &mut Context) {
        if cx.is_stopped() {
            return;
        }
        let next = cx.next_height();
        let highest = self.peers.values().map(|peer| peer.hint).max().unwrap_or_default();
        if highest < next {
            self.behind_since = None;
            return cx.timers.cancel(Timer::Sync);
        }
        let now = cx.now.mono;
        let since = self.behind_since.filter(|(height, _)| *height == next).map_or(now, |(_, since)| since);
        self.behind_since = Some((next, since));
        let due = since.after(GRACE);
        if highest == next && now < due {
            return cx.timers.start(Timer::Sync, due);
        }
        while let Some((peer, fetch)) = self.next_fetch(cx) {
            self.ask_for(cx, peer, fetch);
        }
        self.set_sync_timer(cx);
    }

    /// Whom to ask for what next; `None` if nobody is to be asked for anything now.
    fn next_fetch(&self, cx: &Context) -> Option<(PublicKey, Fetch)> {
        let Self { peers, held, held_bytes, .. } = self;
        let under_way = || peers.values().filter_map(|peer| peer.fetch.as_ref());
        if under_way().count() >= FETCH_COUNT_MAX {
            return None;
        }
        let next = cx.next_height();
        let window = next.0..next.0.saturating_add(WINDOW_BLOCK_COUNT_MAX);
        let covered =
            |height: Height| held.contains_key(&height) || under_way().any(|one| one.covers(height));
        let first = window.clone().map(Height).find(|height| !covered(*height))?;
        if *held_bytes > HELD_BYTES_MAX && first != next {
            return None;
        }
        let free = |(key, peer): &(&PublicKey, &SyncPeer)| {
            let rested = peer.resting_until <= cx.now.mono;
            peer.fetch.is_none() && rested && peer.hint >= first && cx.connected.contains(*key)
        };
        let (key, peer) = peers
            .iter()
            .filter(free)
            .min_by_key(|(_, peer)| (peer.offences, peer.silences, peer.last_asked))?;
        let last = peer.hint.0.min(window.end - 1).min(first.0.saturating_add(FETCH_BLOCK_COUNT_MAX - 1));
        let run = (first.0..=last).take_while(|height| !covered(Height(*height)));
        Some((*key, Fetch { first, count: run.count() as u64 }))
    }

    fn ask_for(&mut self, cx: &mut Context, key: PublicKey, fetch: Fetch) {
        self.asked += 1;
        let peer = self.peers.entry(key).or_default();
        peer.last_asked = self.asked;
        peer.fetch = Some(UnderWay { fetch, sent: cx.now.mono, checking: false });
        cx.send(key, &Message::Fetch(fetch));
    }

    /// Wakes when an answer is overdue, or when someone who is passed over may be asked again.
    fn set_sync_timer(&mut self, cx: &mut Context) {
        let next = cx.next_height();
        let due = |peer: &SyncPeer| match &peer.fetch {
            Some(one) if one.checking => None,
            Some(one) => Some(one.sent.after(FETCH_TIMEOUT)),
            None => (peer.hint >= next && peer.resting_until > cx.now.mono).then_some(peer.resting_until),
        };
        match self.peers.values().filter_map(due).min() {
            Some(at) => cx.timers.set(Timer::Sync, at),
            None => cx.timers.cancel(Timer::Sync),
        }
    }

    pub(in crate::node) fn on_timeout(&mut self, cx: &mut Context) {
        let now = cx.now.mono;
        let overdue = |one: &UnderWay| !one.checking && one.sent.after(FETCH_TIMEOUT) <= now;
        let silent: Vec<PublicKey> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.fetch.as_ref().is_some_and(overdue))
            .map(|(key, _)| *key)
            .collect();
        for key in silent {
            let Some(peer) = self.peers.get_mut(&key) else { continue };
            peer.fetch = None;
            reached!(cx.marks, "a peer is silent when asked for blocks, and another is asked");
            let rest = doubled(SILENCE_MS_REST, peer.silences, SILENCE_MS_REST_MAX);
            peer.silences = peer.silences.saturating_add(1);
            self.rest(cx, key, rest, "did not answer a question for blocks");
        }
        self.consider_fetch(cx);
    }

    // --- answers ---

    pub(in crate::node) fn on_blocks(&mut self, cx: &mut Context, from: PublicKey, answer: Blocks) {
        let Blocks { first, blocks } = answer;
        if cx.is_stopped() {
            return;
        }
        let next = cx.next_height();
        let peer = self.peers.entry(from).or_default();
        match &mut peer.fetch {
            Some(one) if one.fetch.first == first && !one.checking => {
                if blocks.is_empty() {
                    peer.hint = Height(first.0.saturating_sub(1));
                    peer.fetch = None;
                    self.note_decided_elsewhere(cx);
                    return self.drop_peer(cx, from, "does not have a block that it claimed to have");
                }
                if blocks.len() as u64 > one.fetch.count {
                    peer.fetch = None;
                    return self.drop_peer(cx, from, "sent more blocks than it was asked for");
                }
                one.checking = true;
            }
            // Unasked, because this node is stuck at a height that the peer has decided.
            _ if blocks.len() == 1 && first == next && !peer.pushed => {
                reached!(cx.marks, "a block comes unasked");
                peer.pushed = true;
            }
            // Too late, or a repeat.
            _ => return,
        }
        let validators = cx.state.validators().clone();
        let fetched = FetchedBlocks { genesis: cx.state.genesis_hash(), validators, first, blocks };
        let _job = cx.run(Purpose::Blocks { from, first }, Job::CheckBlocks(Box::new(fetched)));
    }

    pub(in crate::node) fn on_checked_blocks(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        first: Height,
        checked: Result<Vec<CheckedBlock>, String>,
    ) {
        let peer = self.peers.entry(from).or_default();
        match &peer.fetch {
            Some(one) if one.checking && one.fetch.first == first => peer.fetch = None,
            _ => peer.pushed = false,
        }
        match checked {
            Err(reason) => self.drop_peer(cx, from, &reason),
            Ok(blocks) => {
                peer.silences = 0;
                blocks.into_iter().for_each(|block| self.hold(cx, from, block));
                cx.ask(Ask::ApplyBlocks);
            }
        }
    }

    /// Keeps a checked block until its turn has come.
    fn hold(&mut self, cx: &mut Context, from: PublicKey, block: CheckedBlock) {
        let height = block.certificate.height;
        self.proven = self.proven.max(height);
        self.hint(cx, from, height);
        let next = cx.next_height();
        let wanted = (next.0..next.0.saturating_add(WINDOW_BLOCK_COUNT_MAX)).contains(&height.0);
        if wanted && !self.held.contains_key(&height) {
            if height > next {
                reached!(cx.marks, "a block waits for those before it");
            }
            self.held_bytes += block.bytes();
            self.held.insert(height, block);
        }
    }

    /// A peer that sent what no correct node sends.
    fn drop_peer(&mut self, cx: &mut Context, key: PublicKey, reason: &str) {
        reached!(cx.marks, "a peer that sent no good blocks is dropped");
        let peer = self.peers.entry(key).or_default();
        let rest = doubled(RUBBISH_MS_REST, peer.offences, RUBBISH_MS_REST_MAX);
        peer.offences = peer.offences.saturating_add(1);
        self.rest(cx, key, rest, reason);
        self.consider_fetch(cx);
    }

    fn rest(&mut self, cx: &mut Context, key: PublicKey, rest: Duration, reason: &str) {
        let peer = self.peers.entry(key).or_default();
        peer.resting_until = cx.now.mono.after(rest);
        let reason = alloc::format!("{reason}: it is not asked for blocks for {} ms", rest.as_millis());
        cx.outbox.event(Event::PeerFault { peer: key, reason });
    }

    // --- applying ---

    /// The next block, if it has come and can be applied now; with how many bytes it has.
    pub(in crate::node) fn next_to_apply(&mut self, cx: &mut Context) -> Option<CheckedBlock> {
        if cx.is_stopped() {
            return None;
        }
        if self.waits_for_disk() {
            reached!(cx.marks, "applying blocks waits for the disk");
            return None;
        }
        let block = self.take_held(cx)?;
        self.report_progress(cx);
        Some(block)
    }

    /// Takes note that a block of this many bytes was applied.
    pub(in crate::node) fn note_applied(&mut self, cx: &mut Context, bytes: usize) {
        self.unwritten.push_back((cx.outbox.last_token(), bytes));
    }

    /// After some blocks were applied: reports it, and goes on in a moment if there are more.
    pub(in crate::node) fn go_on_applying(&mut self, cx: &mut Context, has_advanced: bool) {
        if has_advanced {
            self.report_progress(cx);
        }
        if self.held.contains_key(&cx.next_height()) && !self.waits_for_disk() {
            cx.timers.set(Timer::Apply, Mono(cx.now.mono.0 + 1));
        }
    }

    /// Writes up to this one are durable: what waited for the disk goes on.
    pub(in crate::node) fn apply_after(&mut self, cx: &mut Context, durable: PersistToken) {
        let waited = self.waits_for_disk();
        while self.unwritten.front().is_some_and(|(token, _)| *token <= durable) {
            self.unwritten.pop_front();
        }
        if waited {
            cx.timers.start(Timer::Apply, Mono(cx.now.mono.0 + 1));
        }
    }

    fn take_held(&mut self, cx: &mut Context) -> Option<CheckedBlock> {
        let block = self.held.remove(&cx.next_height())?;
        self.held_bytes -= block.bytes();
        Some(block)
    }

    /// After a block: what waited for it is dropped or comes next, and more may be missing.
    pub(in crate::node) fn after_block(&mut self, cx: &mut Context) {
        let next = cx.next_height();
        let later = self.held.split_off(&next);
        let stale = core::mem::replace(&mut self.held, later);
        self.held_bytes -= stale.values().map(CheckedBlock::bytes).sum::<usize>();
        if self.reported.is_some() {
            self.report_progress(cx);
        }
        if self.held.is_empty() {
            self.consider_fetch(cx);
        } else {
            cx.timers.start(Timer::Apply, Mono(cx.now.mono.0 + 1));
        }
    }

    /// Says how far it is, if it is far behind.
    fn report_progress(&mut self, cx: &mut Context) {
        let (height, behind) = (cx.state.height(), cx.behind());
        let due = match self.reported {
            None => behind >= REPORT_BLOCK_COUNT_MIN,
            Some(reported) => {
                behind == 0 && !self.claims(cx.next_height())
                    || height.0 - reported.0 >= REPORT_BLOCK_COUNT_STEP
            }
        };
        if due {
            if self.reported.is_none() {
                reached!(cx.marks, "a node catches up over a long way");
            }
            self.reported = (behind > 0).then_some(height);
            cx.outbox.event(Event::Syncing { height, behind });
        }
    }

    /// Whether someone of whom there is nothing to complain says that it has this block.
    fn claims(&self, height: Height) -> bool {
        let mut peers = self.peers.values();
        peers.any(|peer| peer.hint >= height && peer.silences == 0 && peer.offences == 0)
    }

    pub(in crate::node) fn sizes(&self, validators: usize) -> [Size; 4] {
        // Answers that are on their way when the limit is reached still come.
        let bytes_max = HELD_BYTES_MAX + FETCH_COUNT_MAX * crate::node::MESSAGE_BYTES_MAX;
        let blocks_max = WINDOW_BLOCK_COUNT_MAX as usize;
        [
            Size::limited("peers that may have blocks", self.peers.len(), validators),
            Size::limited("blocks that wait for one before them", self.held.len(), blocks_max),
            Size::limited("bytes of blocks that wait for one before them", self.held_bytes, bytes_max),
            Size::limited("applied blocks that are not durable", self.unwritten.len(), UNWRITTEN_COUNT_MAX),
        ]
    }

    fn waits_for_disk(&self) -> bool {
        let bytes: usize = self.unwritten.iter().map(|(_, bytes)| bytes).sum();
        self.unwritten.len() >= UNWRITTEN_COUNT_MAX || bytes >= UNWRITTEN_BYTES_MAX
    }
}

/// `first` doubled so many times, `max` at most.
fn doubled(first_ms: u64, times: u32, max_ms: u64) -> Duration {
    let factor = 1_u64.checked_shl(times).unwrap_or(u64::MAX);
    Duration::from_millis(first_ms.saturating_mul(factor).min(max_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(not(hypermesh_simulation_crypto))]
    use crate::node::test_util::{context, mesh, pass, sent};

    #[test]
    fn rests_grow_and_have_an_end() {
        assert_eq!(doubled(250, 0, 8_000), Duration::from_millis(250));
        assert_eq!(doubled(250, 4, 8_000), Duration::from_millis(4_000));
        assert_eq!(doubled(250, 5, 8_000), Duration::from_millis(8_000));
        assert_eq!(doubled(250, u32::MAX, 8_000), Duration::from_millis(8_000));
    }

    #[test]
    #[cfg(not(hypermesh_simulation_crypto))]
    fn a_peer_that_is_silent_is_passed_over_for_another() {
        let mesh = mesh();
        let (mut cx, mut sync) = (context(&mesh), Sync::default());
        let [one, other] = [1, 2].map(|place| mesh.validators[place].public());
        let next = mesh.state.height().next();
        sync.on_peer_height(&mut cx, one, next);
        assert_eq!(
            (sent(&mut cx).len(), cx.behind()),
            (0, 0),
            "one may lie, and the block may be on its way"
        );
        sync.on_peer_height(&mut cx, other, next);
        assert_eq!(cx.behind(), 1, "one of two is honest");
        pass(&mut cx, 100);
        sync.on_timeout(&mut cx);
        let [(first, Message::Fetch(Fetch { first: at, count: 1 }))] = sent(&mut cx)[..] else {
            panic!("one is asked")
        };
        assert_eq!(at, next);
        pass(&mut cx, 1_000);
        sync.on_timeout(&mut cx);
        let [(second, Message::Fetch(_))] = sent(&mut cx)[..] else { panic!("another is asked") };
        assert_ne!(first, second);
        sync.forget(&mut cx, one);
        sync.forget(&mut cx, other);
        assert_eq!(cx.behind(), 0, "what a peer claimed goes with its link");
    }
}
