//! What nodes want done, carried out: writes, messages, jobs, answers.

use super::byzantine::{LiarContext, StolenKeys, Tampering, another};
use super::event::Happening;
use super::machine::{Machine, WriteFault};
use super::network::Sent;
use super::trace::{self, TapeEntry};
use super::{Answer, World};
use crate::base::{Link, NodeIndex};
use crate::check::{Observation, UnmatchedAnswer};
use crate::fault::{FaultClass, Lie};
use hypermesh_core::api::{ApiFault, Request, Response};
use hypermesh_core::base::{Mono, UnixMillis, WriteBatch};
use hypermesh_core::node::{Event, MessageClass, Node, Output, PersistToken, RequestId};
use std::sync::Arc;
use std::time::Duration;

/// A process that ended because its disk failed is started again after this long, by whatever looks after it.
const RESTARTS_AFTER: Duration = Duration::from_millis(500);

impl World {
    pub(super) fn note(&mut self, place: NodeIndex, kind: &'static str, content: &[u8]) {
        self.trace.note(&TapeEntry { at: self.now, place, kind, content });
    }

    /// Carries out what a node wants done, until it wants nothing more.
    pub(super) fn drain(&mut self, place: NodeIndex) {
        while let Some(output) =
            self.machines.get_mut(place).and_then(|machine| machine.node.as_mut()?.poll_output())
        {
            let (kind, content, words) = trace::describe(&output);
            self.note(place, kind, &content);
            if let Some(words) = words {
                self.trace.say(self.now, place, &|| words.clone());
            }
            self.carry_out(place, output);
            self.count_output(place);
        }
        self.watch(place);
        self.arrange_alarm(place);
    }

    /// Crashes a node in the middle of a step, if it has carried out as many outputs as it was to.
    fn count_output(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(left) = &mut machine.outputs_left else { return };
        *left = left.saturating_sub(1);
        if *left == 0 && machine.node.is_some() {
            self.coverage.hit(FaultClass::CrashInStep);
            self.crash(place);
        }
    }

    /// Hands a write to a disk, which may not take it.
    fn persist(&mut self, place: NodeIndex, token: PersistToken, batch: WriteBatch) {
        let at = self.now;
        let Some(machine) = self.machines.get_mut(place) else { return };
        let life = machine.incarnation;
        let class = match machine.write_fault {
            None => None,
            Some(WriteFault::Error) => Some(FaultClass::WriteError),
            Some(WriteFault::Full) => Some(FaultClass::FullDisk),
            Some(WriteFault::Torn(rows)) => {
                machine.write_fault = None;
                machine.disk.write(token, batch);
                let torn = machine.disk.tear(rows);
                if torn {
                    self.excuse_disk(place);
                    self.coverage.hit(FaultClass::TornWrite);
                }
                return self.crash(place);
            }
        };
        if let Some(class) = class {
            // As the real driver does: it ends with the first write that fails, so that nothing is said that is not kept.
            self.coverage.hit(class);
            self.heap.push(at.after(RESTARTS_AFTER), Happening::Restart { place, life });
            return self.fall(place);
        }
        let identity = &machine.validator.member.identity;
        let observation = Observation { at, place, node: identity.public(), disk: &machine.disk };
        if let Err(violation) = self.checks.on_persist(&observation, &batch) {
            self.violation.get_or_insert(violation);
        }
        let delay = machine.disk_random.duration(self.options.disk);
        let durable_at = machine.durable_at(at, delay);
        machine.disk.write(token, batch);
        if machine.hasty_disk {
            self.heap.push(durable_at, Happening::Settled { place, life, token });
            self.heap.push(at, Happening::Persisted { place, life, token });
        } else {
            self.heap.push(durable_at, Happening::Persisted { place, life, token });
        }
    }

    fn carry_out(&mut self, place: NodeIndex, output: Output) {
        let at = self.now;
        if !matches!(output, Output::Persist { .. } | Output::Step { .. }) {
            // What a node says of its last block is held against that block.
            self.watch(place);
        }
        let Some(machine) = self.machines.get_mut(place) else { return };
        let life = machine.incarnation;
        match output {
            Output::Persist { token, batch } => self.persist(place, token, batch),
            Output::Send { to, class, message } => {
                let Some(target) = self.places.get(&to).copied() else { return };
                let link = Link { source: place, target };
                let identity = &machine.validator.member.identity;
                let observation = Observation { at, place, node: identity.public(), disk: &machine.disk };
                if let Err(violation) = self.checks.on_send(&observation, &message) {
                    self.violation.get_or_insert(violation);
                }
                self.tell(link, class, message);
            }
            Output::Respond { id, response } => {
                self.take_answer(place, (id, None), response);
            }
            Output::Run { id, job } => {
                let mut delay = machine.job_random.duration(self.options.job);
                if let Some(lag) = machine.job_lag {
                    self.coverage.hit(FaultClass::LateJob);
                    delay = delay.saturating_add(machine.job_random.duration(lag));
                }
                let outcome = Box::new(job.run());
                self.heap.push(at.after(delay), Happening::Job { place, life, id, outcome });
            }
            Output::Event(event) => self.take_event(place, event),
            // Batches are handed over where roles differ, which no participants' do here.
            Output::Step { .. } | Output::HandOver { .. } => {}
        }
    }

    /// Sends what a node says, or what it says in its place if it lies.
    fn tell(&mut self, link: Link, class: MessageClass, message: Arc<[u8]>) {
        self.find_loot(link.source);
        let told = match self.machines.get_mut(link.source) {
            Some(Machine { lie: Some(liar), node: Some(node), validator, lie_random, .. }) => {
                let mut context = LiarContext {
                    identity: &validator.member.identity,
                    plot: &validator.member.plot,
                    stolen: &self.participants.member.identity,
                    view: &node.view(),
                    target: link.target,
                    another: another(&self.participants, validator.member.identity.public(), link.target),
                    stolen_keys: &self.stolen_keys,
                    agreed: &mut self.agreed,
                    random: lie_random,
                };
                let told = liar.tell(&mut context, &message);
                if let Some(class) = liar.lie.class().filter(|_| told != Tampering::Honestly) {
                    self.coverage.hit(class);
                }
                told
            }
            _ => Tampering::Honestly,
        };
        match told {
            Tampering::Honestly => self.send(link, class, message, Duration::ZERO),
            Tampering::Instead(other) => self.send(link, class, other.into(), Duration::ZERO),
            Tampering::Both(other) => {
                self.send(link, class, message, Duration::ZERO);
                self.send(link, class, other.into(), Duration::ZERO);
            }
            Tampering::Late(late) => self.send(link, class, message, late),
            Tampering::Nothing => {}
        }
    }

    /// Has a liar that finishes signatures find what it needs for them, once there are keys.
    fn find_loot(&mut self, place: NodeIndex) {
        let lies =
            |machine: &Machine| machine.lie.as_ref().is_some_and(|liar| liar.lie == Lie::TwistedSignatures);
        if self.stolen_keys.is_empty() && self.machines.get(place).is_some_and(lies) {
            self.stolen_keys = StolenKeys::take(self.machines.iter().map(|machine| &machine.disk));
        }
    }

    /// Puts a message on its way, on which it is held up for so long.
    pub(super) fn send(&mut self, link: Link, class: MessageClass, message: Arc<[u8]>, late: Duration) {
        let message = self.strike(link.source, message);
        let sent = self.network.send(self.now, link, (class, message.len()), &mut self.coverage);
        let arrives = if let Sent::Arrives { at, .. } = sent { Some(at.after(late)) } else { None };
        self.trace.send(self.now, link, &message, arrives);
        let Sent::Arrives { at, again, epoch } = sent else { return };
        let at = at.after(late);
        if let Some(again) = again {
            self.heap.push(again, Happening::Message { link, epoch, message: Arc::clone(&message) });
        }
        self.heap.push(at, Happening::Message { link, epoch, message });
    }

    /// A message as it leaves a node whose memory may be bad.
    fn strike(&mut self, source: NodeIndex, message: Arc<[u8]>) -> Arc<[u8]> {
        if self.network.conditions.damaged.is_empty() {
            return message;
        }
        let Some(damage) = self.network.conditions.damaged.get(&source).copied() else { return message };
        let Some(machine) = self.machines.get_mut(source) else { return message };
        let Some(struck) = damage.strike(&message, &mut machine.lie_random) else { return message };
        self.coverage.hit(if damage.truncates { FaultClass::Truncation } else { FaultClass::Corruption });
        Arc::from(struck)
    }

    fn take_event(&mut self, place: NodeIndex, event: Event) {
        if let Err(violation) = self.checks.on_event(place, &event) {
            self.violation.get_or_insert(violation);
        }
        self.trace.tell(self.now, place, &event);
        self.events.push((self.now, place, event));
    }

    pub(super) fn take_answer(
        &mut self,
        place: NodeIndex,
        (id, request): (RequestId, Option<&Request>),
        mut response: Result<Response, ApiFault>,
    ) {
        let at = self.now;
        let Some(machine) = self.machines.get(place) else { return };
        if let Some(view) = machine.node.as_ref().map(Node::view) {
            let node = machine.validator.member.identity.public();
            let observation = Observation { at, place, node, disk: &machine.disk };
            let answering =
                UnmatchedAnswer { observation, id, response: &response, view: &view, wall: machine.wall(at) };
            if let Err(violation) = self.checks.on_answer(answering) {
                self.violation.get_or_insert(violation);
            }
        }
        let liar = self.machines.get_mut(place).and_then(|machine| machine.lie.as_mut());
        if let (Some(liar), Ok(response)) = (liar, &mut response)
            && liar.answer(request, response)
            && let Some(class) = liar.lie.class()
        {
            self.coverage.hit(class);
        }
        self.trace.answer(at, id, response.as_ref().err().map(|fault| fault as &dyn core::fmt::Display));
        self.answers.insert(id, Answer { at, response });
    }

    /// Checks the state that a node has come to.
    pub(super) fn watch(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get(place) else { return };
        let Some(node) = &machine.node else { return };
        if self.checks.is_new(node.view().state.height()) {
            self.checks.on_clocks(honest_walls(&self.machines, self.now));
        }
        let key = machine.validator.member.identity.public();
        let observation = Observation { at: self.now, place, node: key, disk: &machine.disk };
        let outcome = self.checks.on_view(&observation, &node.view()).and_then(|fresh| match fresh {
            true => self.checks.on_sizes(place, &node.sizes()),
            false => Ok(()),
        });
        if let Err(violation) = outcome {
            self.violation.get_or_insert(violation);
        }
    }

    /// Hands the readings of the honest nodes' clocks to the checks.
    pub(super) fn read_clocks(&mut self) {
        self.checks.on_clocks(honest_walls(&self.machines, self.now));
    }

    pub(super) fn arrange_alarm(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(due) = machine.timeout() else { return };
        let due = due.max(self.now);
        if machine.alarm.is_none_or(|arranged| due < arranged) {
            machine.alarm = Some(due);
            let life = machine.incarnation;
            self.heap.push(due, Happening::Alarm { place, life });
        }
    }
}

/// What the clocks of the nodes that do not lie show.
fn honest_walls(machines: &[Machine], at: Mono) -> impl Iterator<Item = UnixMillis> {
    machines.iter().filter(|machine| machine.lie.is_none()).map(move |machine| machine.wall(at))
}
