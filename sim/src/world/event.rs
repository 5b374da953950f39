//! What is to happen, in order of time, and of when it was arranged where the time is the same; and how it does.

use super::machine::{Machine, NodeIncarnation, ProcessSpeed};
use super::network::Epoch;
use super::snapshot::Input;
use super::trace::TapeEntry;
use super::{World, read};
use crate::base::{Link, NodeIndex};
use crate::check::Heard;
use crate::fault::FaultClass;
use hypermesh_core::api::{ApiFault, Request, TraceId};
use hypermesh_core::base::Mono;
use hypermesh_core::node::{JobId, JobOutcome, Node, PeerStatus, PersistToken, RequestId, Traced};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Something that is to happen.
pub(super) enum Happening {
    Message {
        link: Link,
        epoch: Epoch,
        message: Arc<[u8]>,
    },
    Request {
        place: NodeIndex,
        id: RequestId,
        request: Box<Request>,
        /// When it came.
        received: Mono,
    },
    /// The caller of a request stops waiting.
    Cancelled {
        place: NodeIndex,
        id: RequestId,
    },
    Persisted {
        place: NodeIndex,
        life: NodeIncarnation,
        token: PersistToken,
    },
    /// A hasty disk has what it said long ago that it had.
    Settled {
        place: NodeIndex,
        life: NodeIncarnation,
        token: PersistToken,
    },
    Job {
        place: NodeIndex,
        life: NodeIncarnation,
        id: JobId,
        outcome: Box<JobOutcome>,
    },
    Alarm {
        place: NodeIndex,
        life: NodeIncarnation,
    },
    LinkMade {
        place: NodeIndex,
        other: NodeIndex,
        lives: (NodeIncarnation, NodeIncarnation),
    },
    LinkLost {
        place: NodeIndex,
        life: NodeIncarnation,
        other: NodeIndex,
    },
    /// Something is to be told to a process that handles nothing at the moment.
    Peer {
        place: NodeIndex,
        other: NodeIndex,
        status: PeerStatus,
    },
    /// A slow process has its turn.
    Turn {
        place: NodeIndex,
        life: NodeIncarnation,
    },
    /// A process that ended by itself is started again.
    Restart {
        place: NodeIndex,
        life: NodeIncarnation,
    },
}

impl Happening {
    /// The process that handles it, if one does.
    const fn handler(&self) -> Option<NodeIndex> {
        match self {
            Self::Message { link, .. } => Some(link.target),
            Self::Request { place, .. }
            | Self::Cancelled { place, .. }
            | Self::Persisted { place, .. }
            | Self::Job { place, .. }
            | Self::Alarm { place, .. }
            | Self::LinkMade { place, .. }
            | Self::LinkLost { place, .. }
            | Self::Peer { place, .. } => Some(*place),
            Self::Settled { .. } | Self::Turn { .. } | Self::Restart { .. } => None,
        }
    }
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
    /// Lets something happen, or keeps it for a process that is paused or slow.
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening.handler() {
            Some(place) if self.holds(place) => self.hold(place, happening),
            _ => self.happen_now(happening),
        }
    }

    /// Whether what happens to a process waits.
    pub(super) fn holds(&self, place: NodeIndex) -> bool {
        self.machines.get(place).is_some_and(|machine| machine.speed != ProcessSpeed::Full)
    }

    /// Keeps something for a process.
    pub(super) fn hold(&mut self, place: NodeIndex, happening: Happening) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.held.push_back(happening);
        match machine.speed {
            ProcessSpeed::Slow(_) => {
                self.coverage.hit(FaultClass::SlowNode);
                if machine.held.len() == 1 {
                    self.arrange_turn(place);
                }
            }
            ProcessSpeed::Paused => self.coverage.hit(FaultClass::Pause),
            ProcessSpeed::Full => {}
        }
    }

    fn arrange_turn(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let ProcessSpeed::Slow(span) = machine.speed else { return };
        let at = self.now.after(machine.job_random.duration(span));
        let life = machine.incarnation;
        self.heap.push(at, Happening::Turn { place, life });
    }

    /// A slow process handles what has waited longest.
    fn turn(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        if !matches!(machine.speed, ProcessSpeed::Slow(_)) {
            return;
        }
        let Some(happening) = machine.held.pop_front() else { return };
        let more = !machine.held.is_empty();
        self.happen_now(happening);
        if more {
            self.arrange_turn(place);
        }
    }

    fn happen_now(&mut self, happening: Happening) {
        match happening {
            Happening::Message { link, epoch, message } => self.deliver(link, epoch, message),
            Happening::Request { place, id, request, received } => self.ask(place, (id, received), *request),
            Happening::Cancelled { place, id } => {
                self.handle(place, "cancelled", &id.0.to_le_bytes(), Input::Cancelled(id));
            }
            Happening::Persisted { place, life, token } if self.is_alive(place, life) => {
                if let Some(machine) = self.machines.get(place).filter(|machine| !machine.hasty_disk) {
                    machine.disk.sync(token);
                }
                self.handle(place, "persisted", &token.0.to_le_bytes(), Input::Persisted(token));
            }
            Happening::Settled { place, life, token } if self.is_alive(place, life) => {
                if let Some(machine) = self.machines.get(place) {
                    machine.disk.sync(token);
                }
            }
            Happening::Job { place, life, id, outcome } if self.is_alive(place, life) => {
                self.handle(place, "job", &id.0.to_le_bytes(), Input::Job { id, outcome });
            }
            Happening::Alarm { place, life } if self.is_alive(place, life) => self.alarm(place),
            Happening::LinkMade { place, other, lives } => self.make_link(place, other, lives),
            Happening::LinkLost { place, life, other } if self.is_alive(place, life) => {
                self.tell_link(place, other, PeerStatus::Lost);
            }
            Happening::Peer { place, other, status } => self.tell_peer_now(place, other, status),
            Happening::Turn { place, life } if self.is_alive(place, life) => self.turn(place),
            Happening::Restart { place, life } => self.restart(place, life),
            // Of a life that is over.
            Happening::Turn { .. }
            | Happening::Persisted { .. }
            | Happening::Settled { .. }
            | Happening::Job { .. }
            | Happening::Alarm { .. }
            | Happening::LinkLost { .. } => {}
        }
    }

    fn deliver(&mut self, link: Link, epoch: Epoch, message: Arc<[u8]>) {
        let arrives = self.network.arrives(link, epoch);
        self.trace.arrive(self.now, link, arrives);
        if !arrives {
            return;
        }
        if let Some(liar) = self.machines.get_mut(link.target).and_then(|machine| machine.lie.as_mut()) {
            liar.hear(&message);
        }
        let (place, node, source) = (link.target, self.key(link.target), self.key(link.source));
        self.checks.on_deliver(node, &message);
        let content = [source.0.as_slice(), &message].concat();
        let life =
            |machine: &Machine| (machine.incarnation, machine.node.as_ref().map(Node::counts_votes_of));
        let before = self.machines.get(place).map(life);
        let input = Input::Message { source, message: Arc::clone(&message) };
        self.handle(place, "message", &content, input);
        // Who crashed in that step may not have come to telling what it found.
        let after = self.machines.get(place).map(life);
        if let (Some((life, Some(counted))), Some((now, Some(_)))) = (before, after)
            && life == now
            && let Err(violation) =
                self.checks.on_heard(node, &Heard { place, source, counted, message: &message })
        {
            self.violation.get_or_insert(violation);
        }
    }

    /// A request is answered from the view if it can be, and otherwise handed to the node if that admits it, as the real
    /// driver does. One whose caller has left meanwhile is handed to nobody.
    fn ask(&mut self, place: NodeIndex, (id, received): (RequestId, Mono), request: Request) {
        if self.cancelled.contains(&id) {
            return;
        }
        self.watch(place);
        self.trace.ask(self.now, place, id, request.method().name);
        let Some(machine) = self.machines.get(place) else { return };
        let Some(node) = &machine.node else { return };
        self.checks.on_request(self.now, id, &request);
        let at_once = read(&node.view(), &request, machine.wall(self.now));
        let received = machine.now(received);
        let content = [id.0.to_le_bytes().to_vec(), request.encode()].concat();
        match at_once {
            Some(response) => {
                self.note(place, "request", &content);
                self.take_answer(place, (id, Some(&request)), response);
            }
            None => {
                let traced = Traced {
                    id: TraceId(u128::from(id.0).to_be_bytes()),
                    received,
                    deadline: received.mono.after(CALLER_PATIENCE),
                };
                let input = Input::Request { id, traced, request: Box::new(request) };
                if let Some(fault) = self.handle(place, "request", &content, input) {
                    self.take_answer(place, (id, None), Err(fault));
                }
            }
        }
    }

    fn alarm(&mut self, place: NodeIndex) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.alarm = None;
        if machine.timeout().is_some_and(|due| due <= self.now) {
            self.handle(place, "timeout", &[], Input::Timeout);
        } else {
            self.arrange_alarm(place);
        }
    }

    /// Hands something to a node that runs, and carries out what it wants done. Why it does not admit a request, if so.
    pub(super) fn handle(
        &mut self,
        place: NodeIndex,
        kind: &'static str,
        content: &[u8],
        input: Input,
    ) -> Option<ApiFault> {
        let at = self.now;
        let machine = self.machines.get_mut(place)?;
        let now = machine.now(at);
        let node = machine.node.as_mut()?;
        self.trace.note(&TapeEntry { at, place, kind, content });
        if let Some(inputs) = &mut machine.inputs {
            inputs.keep(now, &input);
        }
        let refused = input.apply(node, now);
        self.drain(place);
        refused
    }
}

/// How long a client of the world waits for an answer, as far as nodes know.
const CALLER_PATIENCE: Duration = Duration::from_secs(30);
