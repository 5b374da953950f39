//! Ordering, as the node turns it: when a height begins, what the engine asks for, what it decides.

pub(in crate::node) mod block_time;
mod clocks;
pub(in crate::node) mod proposal;
mod reveals;

use crate::base::{Digest, Height, PublicKey, Size, Table, WriteBatch, reached};
use crate::hypermesh::RevealChain;
use crate::hypermesh::ordering::{
    CommitCertificate, Engine, EngineFault, Input, Output as EngineOutput, Round,
};
use crate::node::message::Message;
use crate::node::ordering::block_time::AheadReport;
use crate::node::ordering::block_time::Deferred;
use crate::node::ordering::proposal::Proposed;
use crate::node::timers::Timer;
use crate::node::{Event, MessageClass, PersistToken, context::Context};
use crate::planted::{self, Bug};
use crate::state::{Executed, Offence};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use clocks::Clocks;
use reveals::RevealsLeft;

/// This many of the last messages of a height are kept for peers that are linked late: a round's are three.
const SENT_COUNT_MAX: usize = 8;

/// What ordering needs of the rest of the node before it goes on.
pub(in crate::node) enum Need {
    /// The block that this node proposes, out of what waits to be ordered.
    Block { height: Height, round: Round },
    /// Whether a proposed block is valid. One that is fresh, and from the future, is judged later.
    Verdict { value_id: Digest, proposed: Proposed, is_fresh: bool },
    /// A block is decided: it is to be applied.
    Settle { value: Arc<[u8]>, certificate: CommitCertificate },
    /// A peer is stuck at a height that is decided: it is to be sent the block.
    Serve { peer: PublicKey, height: Height },
}

/// One run of the engine: what is still to be fed to it, and what it asked for and is still to be done.
pub(in crate::node) struct Run {
    inputs: VecDeque<Input>,
    outputs: VecDeque<EngineOutput>,
    /// Entries of the log of votes that are not handed out yet.
    entries: WriteBatch,
}

impl Run {
    pub(in crate::node) fn new(input: Input) -> Self {
        Self { inputs: [input].into(), outputs: VecDeque::new(), entries: WriteBatch::default() }
    }

    /// Has this fed to the engine once all is done that it has asked for.
    pub(in crate::node) fn push(&mut self, input: Input) {
        self.inputs.push_back(input);
    }
}

/// Where ordering stands.
pub(in crate::node) struct Ordering {
    pub(in crate::node) engine: Engine,
    /// This node's contributions to the beacon.
    pub(in crate::node) reveals: RevealChain,
    pub(in crate::node) reveals_left: RevealsLeft,
    /// How far the clocks of the peers are ahead, as their proposals show.
    pub(in crate::node) clocks: Clocks,
    pub(in crate::node) ahead_report: AheadReport,
    /// Whether the next height has begun.
    pub(in crate::node) started: bool,
    /// Whether what follows from the last block is still being seen to: the next height waits for that.
    pub(in crate::node) settling: bool,
    /// Whether the heartbeat has run out since the last block.
    pub(in crate::node) heartbeat_due: bool,
    /// The log of votes of the height under way, or next, as it is in the store.
    pub(in crate::node) log: Vec<Vec<u8>>,
    /// The write that holds the last log entry.
    wal_token: PersistToken,
    /// What was sent last in the height under way: a peer that is linked only now has not got it.
    sent: VecDeque<Arc<[u8]>>,
    /// Outcomes of blocks that were built or checked at the height under way, by block.
    pub(in crate::node) executed: BTreeMap<Digest, Executed>,
    /// Blocks from the future, which wait for their time.
    pub(in crate::node) deferred: Deferred,
}

impl Ordering {
    pub(in crate::node) fn new(engine: Engine, reveals: RevealChain) -> Self {
        Self {
            engine,
            reveals,
            reveals_left: RevealsLeft::default(),
            clocks: Clocks::default(),
            ahead_report: AheadReport::default(),
            started: false,
            settling: false,
            heartbeat_due: false,
            log: Vec::new(),
            wal_token: PersistToken::default(),
            sent: VecDeque::new(),
            executed: BTreeMap::new(),
            deferred: Deferred::default(),
        }
    }

    /// The log of the height that begins is empty, but for what keeps this node from voting, if that stands there.
    pub(in crate::node) fn keep_log(&mut self, abstention: Option<Vec<u8>>) {
        self.log = abstention.into_iter().collect();
    }

    pub(in crate::node) fn sizes(&self) -> [Size; 4] {
        [
            Size::limited(
                "messages of the height that are kept to be repeated",
                self.sent.len(),
                SENT_COUNT_MAX,
            ),
            Size::unstated("outcomes of blocks of the height", self.executed.len()),
            Size::unstated("blocks that wait for their time", self.deferred.len()),
            Size::unstated("entries of the log of votes", self.log.len()),
        ]
    }

    pub(in crate::node) fn begin(&mut self, cx: &mut Context, wal: Vec<Vec<u8>>) {
        self.log = wal;
        Self::set_heartbeat(cx);
    }

    /// Leaves the height under way as a restart would: what was voted in it stands in its log.
    pub(in crate::node) fn suspend(&mut self, cx: &mut Context) {
        self.engine.restart(cx.state.height().next(), cx.state.roster());
        self.started = false;
        self.sent.clear();
        self.deferred.clear();
        cx.timers.cancel_engine();
        cx.timers.cancel(Timer::Verdict);
        Self::set_heartbeat(cx);
    }

    pub(in crate::node) fn set_heartbeat(cx: &mut Context) {
        let heartbeat = cx.state.genesis_document().profile.heartbeat();
        cx.timers.set(Timer::Heartbeat, cx.now.mono.after(heartbeat));
    }

    /// The heartbeat has run out: the next height begins, whether there is anything to order or not.
    pub(in crate::node) const fn note_heartbeat(&mut self) {
        self.heartbeat_due = true;
    }

    /// Whether the next height may begin.
    pub(in crate::node) fn may_start(&self, cx: &Context) -> bool {
        !(self.started || self.settling || cx.is_stopped())
    }

    /// Whether there is reason to begin the next height, other than what there is to order: others began it, or the
    /// heartbeat has run out.
    pub(in crate::node) fn has_cause_to_start(&self, cx: &Context) -> bool {
        let others = self.engine.future_message_signers() > cx.state.validators().tolerated_faults();
        self.heartbeat_due || others || self.engine.has_future_proposal()
    }

    /// Starts the next height. Returns the input for the engine, with the log of votes that it continues from.
    pub(in crate::node) fn start_height(&mut self, cx: &mut Context, wal: Vec<Vec<u8>>) -> Input {
        self.started = true;
        self.heartbeat_due = false;
        cx.timers.cancel(Timer::Heartbeat);
        let fuller = |commit| self.engine.fuller_certificate(commit);
        if let Some(fuller) = cx.commit.as_ref().and_then(fuller) {
            cx.commit = Some(fuller);
        }
        Input::StartHeight { height: cx.next_height(), roster: cx.state.roster(), wal }
    }

    /// Feeds the engine, and does what it asks for: all of it if nothing is returned, and else up to what ordering needs of
    /// the rest of the node.
    pub(in crate::node) fn proceed(&mut self, cx: &mut Context, run: &mut Run) -> Option<Need> {
        loop {
            while let Some(output) = run.outputs.pop_front() {
                if let EngineOutput::Wal { entry } = output {
                    self.log_vote(run, entry);
                    continue;
                }
                // An entry is handed out before what follows from it.
                self.write_log(cx, run);
                if let Some(need) = self.carry_out(cx, output) {
                    return Some(need);
                }
            }
            self.write_log(cx, run);
            let input = run.inputs.pop_front()?;
            run.outputs = self.engine.step(cx.now.mono, input).into_iter().collect();
        }
    }

    fn log_vote(&mut self, run: &mut Run, entry: Vec<u8>) {
        if planted::is(Bug::WalSkipped) {
            return;
        }
        let number = self.log.len() as u64;
        run.entries.put(Table::Wal, number.to_be_bytes(), entry.clone());
        self.log.push(entry);
    }

    fn write_log(&mut self, cx: &mut Context, run: &mut Run) {
        if !run.entries.is_empty() {
            self.wal_token = cx.persist(core::mem::take(&mut run.entries));
        }
    }

    fn carry_out(&mut self, cx: &mut Context, output: EngineOutput) -> Option<Need> {
        match output {
            EngineOutput::Wal { .. } => {}
            EngineOutput::Broadcast(message) => self.broadcast_durably(cx, &Message::Consensus(message)),
            EngineOutput::SetTimeout { token, at } => cx.timers.set(Timer::Engine(token), at),
            EngineOutput::NeedValue { height, round } => return Some(Need::Block { height, round }),
            EngineOutput::Validate { proposer, value_id, value, .. } => {
                let proposed = Proposed { proposer, value };
                return Some(Need::Verdict { value_id, proposed, is_fresh: true });
            }
            EngineOutput::Endorsed { value_id, .. } => {
                let proposed = self.deferred.remove(&value_id)?;
                return Some(Need::Verdict { value_id, proposed, is_fresh: false });
            }
            EngineOutput::Decided { value, certificate, .. } => {
                return Some(Need::Settle { value, certificate });
            }
            EngineOutput::Evidence(evidence) => {
                cx.outbox.event(Event::Equivocation(Box::new(evidence)));
                cx.report_offence(Offence::Equivocation(evidence));
            }
            EngineOutput::PeerBehind { peer, height } => {
                reached!(cx.marks, "a peer is served the block that it is stuck at");
                return Some(Need::Serve { peer, height });
            }
            EngineOutput::Fault(fault) => match fault.peer() {
                Some(peer) => cx.outbox.event(Event::PeerFault { peer, reason: fault.to_string() }),
                None => self.tell_fault(cx, &fault),
            },
        }
        None
    }

    /// A fault of no peer's: this node abstains, or something is broken.
    fn tell_fault(&mut self, cx: &mut Context, fault: &EngineFault) {
        let reason = fault.to_string();
        match (fault, self.engine.abstains_through()) {
            (
                EngineFault::OwnMessageUnknown { .. }
                | EngineFault::WalDamaged { .. }
                | EngineFault::WalDiverged { .. },
                Some(through),
            ) => {
                cx.outbox.event(Event::Abstains { through, reason });
                cx.publish();
            }
            _ => cx.outbox.event(Event::Broken { reason }),
        }
    }

    /// Sends once every log entry so far is durable.
    fn broadcast_durably(&mut self, cx: &mut Context, message: &Message) {
        let bytes = cx.broadcast_after(self.wal_token, message);
        if self.sent.len() == SENT_COUNT_MAX {
            reached!(cx.marks, "the oldest message of a height is let go");
            self.sent.pop_front();
        }
        self.sent.push_back(bytes);
    }

    /// Sends a peer that was not linked what it has missed of the height under way.
    pub(in crate::node) fn repeat_to(&mut self, cx: &mut Context, peer: PublicKey) {
        let token = self.wal_token;
        if !self.sent.is_empty() {
            reached!(cx.marks, "a peer that is linked late is sent what it missed");
        }
        for message in self.sent.clone() {
            let output = crate::node::Output::Send { to: peer, class: MessageClass::Consensus, message };
            cx.outbox.after(token, output);
        }
    }

    /// Forgets what belonged to the height that is over.
    pub(in crate::node) fn end_height(&mut self, cx: &mut Context) {
        self.started = false;
        self.heartbeat_due = false;
        self.log.clear();
        self.sent.clear();
        self.executed.clear();
        self.deferred.clear();
        cx.timers.cancel_engine();
        cx.timers.cancel(Timer::Verdict);
        Self::set_heartbeat(cx);
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::hypermesh::ordering::{EngineConfig, Timeouts};
    use crate::node::ask::Contents;
    use crate::node::test_util::{context, mesh};
    use crate::state::{BLOCK_BYTES_MAX, Block};

    #[test]
    fn ordering_asks_for_a_block_when_it_is_its_turn_and_goes_on_with_it() {
        let mesh = mesh();
        let mut proposed = 0;
        for identity in mesh.validators.clone() {
            let mut cx = context(&mesh);
            cx.identity = identity.clone();
            let config = EngineConfig {
                genesis: mesh.genesis_hash(),
                identity,
                timeouts: Timeouts::default(),
                identify: Block::identify,
                value_bytes_max: BLOCK_BYTES_MAX,
            };
            let engine = Engine::new(config, cx.next_height(), cx.state.roster());
            let mut ordering = Ordering::new(engine, RevealChain::with_count(&[9; 32], 4));
            assert!(ordering.may_start(&cx) && !ordering.has_cause_to_start(&cx));
            ordering.note_heartbeat();
            assert!(ordering.has_cause_to_start(&cx));
            let mut run = Run::new(ordering.start_height(&mut cx, Vec::new()));
            assert!(!ordering.may_start(&cx), "it has started");
            match ordering.proceed(&mut cx, &mut run) {
                Some(Need::Block { height, round }) => {
                    assert_eq!(height, cx.next_height());
                    let contents = Contents { batches: Vec::new(), system: Vec::new() };
                    let value = ordering.build_block(&mut cx, height, contents).unwrap();
                    run.push(Input::Value { height, round, value });
                    assert!(ordering.proceed(&mut cx, &mut run).is_none(), "it waits for the others");
                    let entries = core::iter::from_fn(|| cx.outbox.pop());
                    let writes =
                        entries.filter(|output| matches!(output, crate::node::Output::Persist { .. }));
                    assert!(writes.count() > 0, "its votes are in its log before they go out");
                    proposed += 1;
                }
                need => assert!(need.is_none()),
            }
        }
        assert_eq!(proposed, 1, "one of four proposes");
    }
}
