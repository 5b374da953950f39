//! What is to happen, in order of time, and of when it was arranged where the time is the same; and how it does.

use super::lie::{self, Told};
use super::machine::Incarnation;
use super::network::{Epoch, Link, Place, Sent};
use super::trace::{self, Entry};
use super::{Answer, World, read};
use crate::check::{Answering, Moment};
use crate::plan::FaultClass;
use hypermesh_core::api::{ApiFault, Request, Response};
use hypermesh_core::base::{Mono, Now, PublicKey};
use hypermesh_core::node::{Event, JobId, JobOutcome, Node, Output, PeerStatus, PersistToken, RequestId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A process that was refused a link tries again after this long.
const TWIN_REDIALS_AFTER: Duration = Duration::from_secs(1);

/// Something that is to happen.
pub(super) enum Happening {
    Message {
        link: Link,
        epoch: Epoch,
        message: Arc<[u8]>,
    },
    Request {
        place: Place,
        id: RequestId,
        request: Box<Request>,
    },
    Persisted {
        place: Place,
        life: Incarnation,
        token: PersistToken,
    },
    /// A hasty disk has what it said long ago that it had.
    Settled {
        place: Place,
        life: Incarnation,
        token: PersistToken,
    },
    Job {
        place: Place,
        life: Incarnation,
        id: JobId,
        outcome: Box<JobOutcome>,
    },
    Alarm {
        place: Place,
        life: Incarnation,
    },
    LinkMade {
        place: Place,
        other: Place,
        lives: (Incarnation, Incarnation),
    },
    LinkLost {
        place: Place,
        life: Incarnation,
        other: Place,
    },
}

/// What is to happen, in order.
#[derive(Default)]
pub(super) struct Heap {
    events: BTreeMap<(Mono, u64), Happening>,
    arranged: u64,
}

impl Heap {
    pub(super) fn push(&mut self, at: Mono, happening: Happening) {
        self.arranged += 1;
        self.events.insert((at, self.arranged), happening);
    }

    /// The next thing to happen, unless that is after `end`.
    pub(super) fn pop(&mut self, end: Mono) -> Option<(Mono, Happening)> {
        let entry = self.events.first_entry()?;
        let at = entry.key().0;
        (at <= end).then(|| (at, entry.remove()))
    }
}

impl World {
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Message { link, epoch, message } => self.deliver(link, epoch, &message),
            Happening::Request { place, id, request } => self.ask(place, id, *request),
            Happening::Persisted { place, life, token } if self.is_alive(place, life) => {
                if let Some(machine) = self.machines.get(place).filter(|machine| !machine.hasty_disk) {
                    machine.disk.sync(token);
                }
                self.handle(place, "persisted", &token.0.to_le_bytes(), |node, now| {
                    node.handle_persisted(now, token);
                });
            }
            Happening::Settled { place, life, token } if self.is_alive(place, life) => {
                if let Some(machine) = self.machines.get(place) {
                    machine.disk.sync(token);
                }
            }
            Happening::Job { place, life, id, outcome } if self.is_alive(place, life) => {
                self.handle(place, "job", &id.0.to_le_bytes(), |node, now| {
                    node.handle_job(now, id, *outcome);
                });
            }
            Happening::Alarm { place, life } if self.is_alive(place, life) => self.alarm(place),
            Happening::LinkMade { place, other, lives } => self.make_link(place, other, lives),
            Happening::LinkLost { place, life, other } if self.is_alive(place, life) => {
                self.tell_link(place, other, PeerStatus::Lost);
            }
            // Of a life that is over.
            Happening::Persisted { .. }
            | Happening::Settled { .. }
            | Happening::Job { .. }
            | Happening::Alarm { .. }
            | Happening::LinkLost { .. } => {}
        }
    }

    fn deliver(&mut self, link: Link, epoch: Epoch, message: &[u8]) {
        if !self.network.arrives(link, epoch) {
            return;
        }
        let source = self.key(link.source);
        self.checks.on_deliver(self.key(link.target), message);
        let content = [source.0.as_slice(), message].concat();
        self.handle(link.target, "message", &content, |node, now| {
            node.handle_message(now, source, message);
        });
    }

    /// A request is answered from the view if it can be, as the real driver does.
    fn ask(&mut self, place: Place, id: RequestId, request: Request) {
        self.watch(place);
        let Some(machine) = self.machines.get(place) else { return };
        let Some(node) = &machine.node else { return };
        self.checks.on_request(self.now, id, &request);
        let at_once = read(&node.view(), &request, machine.wall(self.now));
        let content = [id.0.to_le_bytes().to_vec(), request.encode()].concat();
        match at_once {
            Some(response) => {
                self.note(place, "request", &content);
                self.take_answer(place, id, response);
            }
            None => self.handle(place, "request", &content, |node, now| {
                node.handle_request(now, id, request);
            }),
        }
    }

    fn alarm(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.alarm = None;
        if machine.timeout().is_some_and(|due| due <= self.now) {
            self.handle(place, "timeout", &[], Node::handle_timeout);
        } else {
            self.arrange_alarm(place);
        }
    }

    /// Hands something to a node that runs, and carries out what it wants done.
    fn handle(
        &mut self,
        place: Place,
        kind: &'static str,
        content: &[u8],
        handle: impl FnOnce(&mut Node, Now),
    ) {
        let at = self.now;
        let Some(machine) = self.machines.get_mut(place) else { return };
        let now = machine.now(at);
        let Some(node) = &mut machine.node else { return };
        self.trace.note(&Entry { at, place, kind, content });
        handle(node, now);
        self.drain(place);
    }

    pub(super) fn note(&mut self, place: Place, kind: &'static str, content: &[u8]) {
        self.trace.note(&Entry { at: self.now, place, kind, content });
    }

    /// Carries out what a node wants done, until it wants nothing more.
    pub(super) fn drain(&mut self, place: Place) {
        while let Some(output) =
            self.machines.get_mut(place).and_then(|machine| machine.node.as_mut()?.poll_output())
        {
            let (kind, content, words) = trace::describe(&output);
            self.note(place, kind, &content);
            if let Some(words) = words {
                self.trace.say(self.now, place, &|| words.clone());
            }
            self.carry_out(place, output);
        }
        self.watch(place);
        self.arrange_alarm(place);
    }

    fn carry_out(&mut self, place: Place, output: Output) {
        let at = self.now;
        if !matches!(output, Output::Persist { .. }) {
            // What a node says of its last block is held against that block.
            self.watch(place);
        }
        let Some(machine) = self.machines.get_mut(place) else { return };
        let life = machine.incarnation;
        match output {
            Output::Persist { token, batch } => {
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
            Output::Send { to, class, message } => {
                let Some(target) = self.places.get(&to).copied() else { return };
                let link = Link { source: place, target };
                let identity = &machine.validator.member.identity;
                let moment = Moment { at, place, node: identity.public(), disk: &machine.disk };
                if let Err(violation) = self.checks.on_send(&moment, &message) {
                    self.violation.get_or_insert(violation);
                }
                let told = machine.lie.map(|lie| (lie, lie::tell(lie, identity, &message)));
                if let Some((lie, Told::Instead(_) | Told::Nothing)) = &told
                    && let Some(class) = lie.class()
                {
                    self.coverage.hit(class);
                }
                let message = match told {
                    None | Some((_, Told::Honestly)) => message,
                    Some((_, Told::Instead(other))) => Arc::from(other),
                    Some((_, Told::Nothing)) => return,
                };
                match self.network.send(at, link, class) {
                    Sent::Arrives(arrival, epoch) => {
                        self.heap.push(arrival, Happening::Message { link, epoch, message });
                    }
                    Sent::Lost => self.coverage.hit(FaultClass::Loss),
                    Sent::NoLink => {}
                }
            }
            Output::Respond { id, response } => {
                self.take_answer(place, id, response);
            }
            Output::Run { id, job } => {
                let delay = machine.job_random.duration(self.options.job);
                let outcome = Box::new(job.run());
                self.heap.push(at.after(delay), Happening::Job { place, life, id, outcome });
            }
            Output::Event(event) => self.take_event(place, event),
        }
    }

    fn take_event(&mut self, place: Place, event: Event) {
        if let Err(violation) = self.checks.on_event(place, &event) {
            self.violation.get_or_insert(violation);
        }
        self.events.push((self.now, place, event));
    }

    fn take_answer(&mut self, place: Place, id: RequestId, response: Result<Response, ApiFault>) {
        let at = self.now;
        let Some(machine) = self.machines.get(place) else { return };
        if let Some(view) = machine.node.as_ref().map(Node::view) {
            let node = machine.validator.member.identity.public();
            let moment = Moment { at, place, node, disk: &machine.disk };
            let answering =
                Answering { moment, id, response: &response, view: &view, wall: machine.wall(at) };
            if let Err(violation) = self.checks.on_answer(answering) {
                self.violation.get_or_insert(violation);
            }
        }
        self.answers.insert(id, Answer { at, response });
    }

    /// Checks the state that a node has come to.
    fn watch(&mut self, place: Place) {
        let Some(machine) = self.machines.get(place) else { return };
        let Some(node) = &machine.node else { return };
        let key = machine.validator.member.identity.public();
        let moment = Moment { at: self.now, place, node: key, disk: &machine.disk };
        let outcome = self.checks.on_view(&moment, &node.view()).and_then(|fresh| match fresh {
            true => self.checks.on_sizes(place, &node.sizes()),
            false => Ok(()),
        });
        if let Err(violation) = outcome {
            self.violation.get_or_insert(violation);
        }
    }

    fn arrange_alarm(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(due) = machine.timeout() else { return };
        let due = due.max(self.now);
        if machine.alarm.is_none_or(|arranged| due < arranged) {
            machine.alarm = Some(due);
            let life = machine.incarnation;
            self.heap.push(due, Happening::Alarm { place, life });
        }
    }

    // --- links ---

    pub(super) fn others(&self, place: Place) -> impl Iterator<Item = Place> + use<> {
        let key =
            |place: Place| self.machines.get(place).map(|machine| machine.validator.member.identity.public());
        let others: Vec<Place> = (0..self.machines.len()).filter(|other| key(*other) != key(place)).collect();
        others.into_iter()
    }

    /// Arranges that two nodes which run and may be linked will be.
    pub(super) fn arrange_link(&mut self, place: Place, other: Place) {
        let link = Link { source: place, target: other };
        let (Some(life), Some(other_life)) = (self.life(place), self.life(other)) else { return };
        if self.network.allows(link) && !self.network.is_up(link) {
            let at = self.now.after(self.network.detection(link));
            self.heap.push(at, Happening::LinkMade { place, other, lives: (life, other_life) });
        }
    }

    fn make_link(&mut self, place: Place, other: Place, lives: (Incarnation, Incarnation)) {
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
    fn refuse_twin(&mut self, peer: Place, asks: Place) -> bool {
        let key = self.key(asks);
        let twins: Vec<Place> =
            (0..self.machines.len()).filter(|place| *place != asks && self.key(*place) == key).collect();
        let linked = twins.into_iter().any(|twin| self.network.is_up(Link { source: twin, target: peer }));
        if linked {
            self.tell_peer(asks, peer, PeerStatus::Refused);
            self.tell_peer(peer, asks, PeerStatus::Doubled);
        }
        linked
    }

    /// Breaks a link: what is under way is lost, and both ends notice after a while.
    pub(super) fn break_link(&mut self, place: Place, other: Place) {
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

    pub(super) fn tell_link(&mut self, place: Place, other: Place, status: PeerStatus) {
        let up = self.network.is_up(Link { source: place, target: other });
        if up != (status == PeerStatus::Connected) {
            return;
        }
        self.tell_peer(place, other, status);
    }

    fn tell_peer(&mut self, place: Place, other: Place, status: PeerStatus) {
        let peer = self.key(other);
        let content = [peer.0.as_slice(), format!("{status:?}").as_bytes()].concat();
        self.handle(place, "peer", &content, |node, now| node.handle_peer(now, peer, status));
    }

    fn key(&self, place: Place) -> PublicKey {
        self.machines
            .get(place)
            .map(|machine| machine.validator.member.identity.public())
            .expect("links lead to nodes of this world")
    }

    fn life(&self, place: Place) -> Option<Incarnation> {
        let machine = self.machines.get(place)?;
        machine.node.as_ref().map(|_| machine.incarnation)
    }

    fn is_alive(&self, place: Place, life: Incarnation) -> bool {
        self.life(place) == Some(life)
    }
}
