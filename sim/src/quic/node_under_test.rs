//! A node as its host runs it: all that it takes and says is looked at, and it lies if it is to.
//!
//! The driver that ships turns it as it turns every node. The checks and the lies are those of the world of events.

use super::host::{NodeExit, NodeHost};
use super::record::now;
use crate::base::{Disk, Random};
use crate::check::{Observation, UnmatchedAnswer};
use crate::fault::FaultClass;
use crate::world::{Liar, LiarContext, StolenKeys, Tampering, another};
use hypermesh_core::api::{ApiFault, Counters, Request, Response, View};
use hypermesh_core::base::{Marks, Mono, Now, PublicKey, Table, WriteBatch};
use hypermesh_core::node::{
    Discontinuity, JobId, JobOutcome, MessageClass, Node, Output, PeerStatus, PersistToken, RequestId, Traced,
};
use hypermesh_driver::StateMachine;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV6;
use std::sync::Arc;

/// A node that lies, and its stream of randomness.
pub(super) struct Lying {
    pub(super) liar: Liar,
    pub(super) random: Random,
    pub(super) stolen_keys: StolenKeys,
}

/// A node in one of its lives.
pub(super) struct NodeUnderTest {
    node: Node,
    host: Arc<NodeHost>,
    key: PublicKey,
    disk: Disk,
    /// From 1.
    life: u64,
    /// What time it was when something happened to it last.
    now: Now,
    /// The marks that its lives before reached.
    before: Marks,
    /// What goes out next.
    ready: VecDeque<Output>,
    /// What goes out then, of those that are late the first first.
    late: BTreeMap<(Mono, u64), Output>,
    late_count: u64,
    /// Whether it crashed in the middle of a step: nothing more comes out of it.
    halted: bool,
}

impl NodeUnderTest {
    /// A node that was opened now in a life of its host.
    pub(super) fn new(node: Node, host: Arc<NodeHost>, life: u64, now: Now) -> Self {
        let before = host.behaviour().marks.clone();
        let (key, disk) = (node.identity(), host.device.disk());
        let (ready, late) = (VecDeque::new(), BTreeMap::new());
        Self { node, host, key, disk, life, now, before, ready, late, late_count: 0, halted: false }
    }

    /// What the whole world calls a request that the driver has numbered for itself.
    fn request_id(&self, id: RequestId) -> RequestId {
        RequestId((self.host.place as u64 + 1) << 48 | self.life << 32 | id.0)
    }

    fn observation(&self) -> Observation<'_> {
        Observation { at: now(), place: self.host.place, node: self.key, disk: &self.disk }
    }

    /// Checks the state that it has come to.
    fn watch(&self) {
        let view = self.node.view();
        self.host.common.record.check(|checks| match checks.on_view(&self.observation(), &view)? {
            true => checks.on_sizes(self.host.place, &self.node.sizes()),
            false => Ok(()),
        });
    }

    /// Looks at something that the node wants done, and makes of it what is done.
    fn take(&mut self, output: Output) {
        if !matches!(output, Output::Persist { .. } | Output::Step { .. }) {
            // What a node says of its last block is held against that block.
            self.watch();
        }
        match output {
            Output::Send { to, class, message } => {
                self.host.common.record.check(|checks| checks.on_send(&self.observation(), &message));
                self.tell(to, class, message);
            }
            Output::Respond { id, response } => {
                let response = self.answer(id, response);
                self.ready.push_back(Output::Respond { id, response });
            }
            Output::Persist { token, batch } => {
                self.host.common.record.check(|checks| checks.on_persist(&self.observation(), &batch));
                self.host.device.give(batch);
                self.ready.push_back(Output::Persist { token, batch: WriteBatch::default() });
            }
            other => self.ready.push_back(other),
        }
        self.count_output();
    }

    /// Crashes in the middle of a step, if it has carried out as many outputs as it was to.
    fn count_output(&mut self) {
        let mut behaviour = self.host.behaviour();
        let Some(left) = &mut behaviour.outputs_left else { return };
        *left = left.saturating_sub(1);
        self.halted = *left == 0;
    }

    /// Sends what the node says, or what it says in its place if it lies.
    fn tell(&mut self, to: PublicKey, class: MessageClass, message: Arc<[u8]>) {
        let told = self.told(to, &message);
        let output = |message: Arc<[u8]>| Output::Send { to, class, message };
        match told {
            Tampering::Honestly => self.ready.push_back(output(message)),
            Tampering::Instead(other) => self.ready.push_back(output(other.into())),
            Tampering::Both(other) => self.ready.extend([output(message), output(other.into())]),
            Tampering::Late(late) => {
                self.late_count += 1;
                self.late.insert((self.now.mono.after(late), self.late_count), output(message));
            }
            Tampering::Nothing => {}
        }
    }

    fn told(&self, to: PublicKey, message: &[u8]) -> Tampering {
        let common = &self.host.common;
        let mut behaviour = self.host.behaviour();
        let Some(Lying { liar, random, stolen_keys }) = &mut behaviour.lying else {
            return Tampering::Honestly;
        };
        let Some(target) = common.participants.keys().position(|key| key == to) else {
            return Tampering::Honestly;
        };
        let member = &self.host.validator.member;
        let mut context = LiarContext {
            identity: &member.identity,
            plot: &member.plot,
            stolen: &common.participants.member.identity,
            view: &self.node.view(),
            target,
            another: another(&common.participants, self.key, target),
            stolen_keys,
            agreed: &mut common.agreed(),
            random,
        };
        let told = liar.tell(&mut context, message);
        if let Some(class) = liar.lie.class().filter(|_| told != Tampering::Honestly) {
            common.record.hit(class);
        }
        told
    }

    /// Checks an answer, and makes of it what the client gets.
    fn answer(&self, id: RequestId, mut response: Result<Response, ApiFault>) -> Result<Response, ApiFault> {
        let (view, observation) = (self.node.view(), self.observation());
        let id = self.request_id(id);
        let answering =
            UnmatchedAnswer { observation, id, response: &response, view: &view, wall: self.now.wall };
        let record = &self.host.common.record;
        record.check(|checks| checks.on_answer(answering));
        if let (Some(Lying { liar, .. }), Ok(response)) = (&mut self.host.behaviour().lying, &mut response)
            && liar.answer(None, response)
            && let Some(class) = liar.lie.class()
        {
            record.hit(class);
        }
        response
    }
}

impl StateMachine for NodeUnderTest {
    fn handle_message(&mut self, now: Now, from: PublicKey, bytes: &[u8]) {
        self.now = now;
        if let Some(Lying { liar, .. }) = &mut self.host.behaviour().lying {
            liar.hear(bytes);
        }
        self.host.common.record.check(|checks| {
            checks.on_deliver(self.key, bytes);
            Ok(())
        });
        self.node.handle_message(now, from, bytes);
    }

    fn handle_request(&mut self, at: Now, id: RequestId, traced: Option<Traced>, request: Request) {
        self.now = at;
        self.watch();
        let known = self.request_id(id);
        self.host.common.record.check(|checks| {
            checks.on_request(now(), known, &request);
            Ok(())
        });
        self.node.handle_request(at, id, traced, request);
    }

    fn admit(
        &mut self,
        now: Now,
        id: RequestId,
        caller: &PublicKey,
        request: &Request,
    ) -> Result<(), ApiFault> {
        self.node.admit(now, id, caller, request)
    }

    fn handle_cancelled(&mut self, now: Now, id: RequestId) {
        self.now = now;
        self.node.handle_cancelled(now, id);
    }

    fn handle_peer(&mut self, now: Now, peer: PublicKey, status: PeerStatus) {
        self.now = now;
        self.node.handle_peer(now, peer, status);
    }

    fn handle_persisted(&mut self, now: Now, token: PersistToken) {
        self.now = now;
        self.node.handle_persisted(now, token);
    }

    fn announce_address(&mut self, now: Now, address: SocketAddrV6) {
        self.now = now;
        self.node.announce_address(now, address);
    }

    fn handle_damage(&mut self, now: Now, table: Table, key: &[u8]) {
        self.now = now;
        self.node.handle_damage(now, table, key);
    }

    fn handle_job(&mut self, now: Now, id: JobId, outcome: JobOutcome) {
        self.now = now;
        self.node.handle_job(now, id, outcome);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        while let Some(first) = self.late.first_entry().filter(|first| first.key().0 <= now.mono) {
            self.ready.push_back(first.remove());
        }
        self.node.handle_timeout(now);
    }

    fn handle_discontinuity(&mut self, now: Now, what: Discontinuity) {
        self.now = now;
        self.node.handle_discontinuity(now, what);
    }

    fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Some(output);
            }
            if self.halted {
                self.host.fall(NodeExit::Stays, FaultClass::CrashInStep);
                return None;
            }
            match self.node.poll_output() {
                Some(output) => self.take(output),
                None => {
                    self.host.behaviour().marks = self.before.joined(&self.node.marks());
                    return None;
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<Mono> {
        let late = self.late.first_key_value().map(|((due, _), _)| *due);
        self.node.poll_timeout().into_iter().chain(late).min()
    }

    fn view(&self) -> Arc<View> {
        self.node.view()
    }

    fn numbers(&self) -> BTreeMap<&'static str, Counters> {
        self.node.numbers()
    }
}
