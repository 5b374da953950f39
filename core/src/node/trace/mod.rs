//! Following requests: which steps this node took for which of them, and when.
//!
//! A request is known by its trace id from the call that brings it on. Other nodes learn the ids beside the messages that
//! its operation travels in ([`message_traces`]), and know from then on what they do for whom. The newest are kept
//! ([`trace_store`]) and reported to whoever knows the id; each step also goes out to whoever logs. Nothing is decided by
//! any of this.

mod message_traces;
mod trace_store;

pub(super) use message_traces::{MessageTraces, TracedPart};
pub(super) use trace_store::TraceSubject;

use super::message::ShareRequests;
use super::task::Task;
use super::{Output, RequestId, context::Context};
use crate::api::{ApiFault, NodeTrace, Request, Signed, TraceEvent, TraceId};
use crate::base::{Height, Mono, Now, PublicKey, Size};
use crate::hypermesh::committee::ShareRequest;
use crate::state::{Batch, CheckedBatch, OperationId, Outcome, Receipt, Validator};
use crate::trustchain::ca::SerialNumber;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;
use trace_store::{Origin, SUBJECT_COUNT_MAX, TraceStore};

/// How long a batch that no client waits for may take at another node.
const UNASKED_PATIENCE: Duration = Duration::from_secs(10);

/// The request that a caller wants followed, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// What the caller calls it.
    pub id: TraceId,
    /// When it came, which may be before the node takes it up.
    pub received: Now,
    /// When its caller stops waiting.
    pub deadline: Mono,
}

/// What this node knows of requests that are followed.
#[derive(Default)]
pub(super) struct Traces {
    store: TraceStore,
    /// Requests that are not answered yet.
    requests: BTreeMap<RequestId, Followed>,
}

/// A request that is followed until its answer.
struct Followed {
    traced: Traced,
    /// Whether it asks for a new certificate.
    issues: bool,
}

impl Traces {
    pub(super) fn sizes(&self, validators: usize) -> Vec<Size> {
        let mut sizes = self.store.sizes(validators).to_vec();
        sizes.push(Size::unstated("requests that are followed until their answer", self.requests.len()));
        sizes
    }
}

impl Context {
    /// Begins to follow a request.
    pub(super) fn trace_request(&mut self, request: RequestId, traced: Traced, asked: &Request) {
        let Traced { id, received, .. } = traced;
        if matches!(asked, Request::Trace(_)) {
            return;
        }
        let subjects = subjects(asked);
        let method = asked.method();
        let origin = match subjects.is_empty() && !method.writes {
            true => Origin::Lookup,
            false => Origin::Order,
        };
        self.traces.store.begin(id, origin, received, self.state.validators().count());
        subjects.into_iter().for_each(|subject| self.traces.store.follow(id, subject));
        let issues = matches!(asked, Request::IssueCertificate(_));
        self.traces.requests.insert(request, Followed { traced, issues });
        self.note(
            id,
            received,
            TraceEvent::Received { method: format!("{}/{}", method.service, method.name) },
        );
        self.note(id, self.now, TraceEvent::TakenUp);
    }

    /// What this node did for a request.
    pub(super) fn trace(&self, id: TraceId) -> NodeTrace {
        let node = self.identity.public();
        let name = self.state.get::<Validator>(&node).map(|row| row.name).unwrap_or_default();
        let (steps, left_out) = self.traces.store.steps(id);
        NodeTrace { node, name, steps, left_out }
    }

    fn note(&mut self, id: TraceId, at: Now, step: TraceEvent) {
        if self.traces.store.note(id, at, &step) {
            self.outbox.step(id, step);
        }
    }

    /// Notes a step for whatever is about this.
    fn note_of(&mut self, subject: TraceSubject, step: &TraceEvent) {
        if self.traces.store.is_empty() {
            return;
        }
        for id in self.traces.store.of(subject) {
            self.note(id, self.now, step.clone());
        }
    }

    /// Notes a step for all these operations.
    pub(super) fn note_operations(
        &mut self,
        operations: impl Iterator<Item = OperationId>,
        step: &TraceEvent,
    ) {
        if !self.traces.store.is_empty() {
            operations.for_each(|operation| self.note_of(TraceSubject::Operation(operation), step));
        }
    }

    /// Notes a step of signing, if it is for a certificate or a checkpoint that somebody waits for.
    pub(super) fn note_signing(&mut self, task: Task, step: impl Fn(Signed) -> TraceEvent) {
        if let Some((subject, on)) = signed(task) {
            self.note_of(subject, &step(on));
        }
    }

    /// The checkpoint of this size is to be signed for a certificate: whoever waits for that waits for this.
    pub(super) fn follow_checkpoint(&mut self, serial: SerialNumber, size: u64) {
        for id in self.traces.store.of(TraceSubject::Certificate(serial)) {
            self.traces.store.follow(id, TraceSubject::Checkpoint(size));
        }
    }

    /// A request alone waits for the checkpoint of this size.
    pub(super) fn follow_request(&mut self, request: RequestId, size: u64) {
        if let Some(followed) = self.traces.requests.get(&request) {
            self.traces.store.follow(followed.traced.id, TraceSubject::Checkpoint(size));
        }
    }

    /// A block was decided and applied.
    pub(super) fn note_decided(&mut self, height: Height, receipts: &[Receipt]) {
        if self.traces.store.is_empty() {
            return;
        }
        for receipt in receipts {
            let refused = match &receipt.outcome {
                Outcome::Refused(refusal) => Some(refusal),
                Outcome::Done(_) => None,
            };
            for id in self.traces.store.of(TraceSubject::Operation(receipt.operation)) {
                let refused = refused.map(ToString::to_string);
                self.note(id, self.now, TraceEvent::Decided { height, refused });
                self.traces.store.decided(id, height);
            }
        }
    }

    /// One of those who wait for a batch's operations, and when the last of them stops waiting.
    pub(super) fn who_waits_for(&self, batch: &CheckedBatch) -> (Option<TraceId>, Mono) {
        let ids = batch
            .operations
            .iter()
            .flat_map(|operation| self.traces.store.of(TraceSubject::Operation(operation.id)));
        let ids: BTreeSet<TraceId> = ids.collect();
        let waiting = self.traces.requests.values().filter(|followed| ids.contains(&followed.traced.id));
        let last = waiting.max_by_key(|followed| followed.traced.deadline);
        let soon = self.now.mono.after(UNASKED_PATIENCE);
        last.map_or((None, soon), |followed| (Some(followed.traced.id), followed.traced.deadline))
    }

    /// The caller of a request disconnected.
    pub(super) fn trace_abandoned(&mut self, request: RequestId) {
        if let Some(Followed { traced, .. }) = self.traces.requests.remove(&request) {
            self.note(traced.id, self.now, TraceEvent::Abandoned);
        }
    }

    /// Notes what goes out.
    pub(super) fn note_output(&mut self, output: &Output) {
        match output {
            Output::Respond { id, response } => {
                self.admission.end(self.now.mono, *id, response.is_ok());
                if let Some(Followed { traced, issues }) = self.traces.requests.remove(id) {
                    let fault = response.as_ref().err().map(|fault: &ApiFault| fault.kind);
                    self.note(traced.id, self.now, TraceEvent::Answered { fault });
                    if issues && fault.is_none() {
                        self.count_issuance(self.now.mono.since(traced.received.mono));
                    }
                }
            }
            Output::Event(super::Event::Durable { height }) => {
                for id in self.traces.store.durable(*height) {
                    self.note(id, self.now, TraceEvent::Durable { height: *height });
                }
            }
            _ => {}
        }
    }

    // --- trace ids beside messages ---

    /// The trace ids that go beside a batch.
    pub(super) fn traces_of_batch(&self, batch: &CheckedBatch) -> MessageTraces {
        let store = &self.traces.store;
        if store.is_empty() {
            return MessageTraces::default();
        }
        let operations = (0..).zip(&batch.operations);
        MessageTraces::new(operations.flat_map(|(index, operation)| {
            let ids = store.of(TraceSubject::Operation(operation.id));
            ids.into_iter().map(move |trace| TracedPart { index, trace })
        }))
    }

    /// The trace ids that go beside requests for shares.
    pub(super) fn traces_of_tasks(&self, requests: &[(Task, ShareRequest)]) -> MessageTraces {
        let store = &self.traces.store;
        if store.is_empty() {
            return MessageTraces::default();
        }
        let tasks = (0..).zip(requests);
        MessageTraces::new(tasks.flat_map(|(index, (task, _))| {
            let ids = signed(*task).map(|(subject, _)| store.of(subject)).unwrap_or_default();
            ids.into_iter().map(move |trace| TracedPart { index, trace })
        }))
    }

    /// A batch came, with trace ids. It is not checked yet, so what it says may be false.
    pub(super) fn trace_batch(&mut self, from: PublicKey, batch: &Batch, traces: &MessageTraces) {
        let validators = self.state.validators().count();
        for TracedPart { index, trace } in traces.parts() {
            let Some(operation) = batch.operations.get(usize::from(*index)) else { continue };
            let store = &mut self.traces.store;
            store.begin(*trace, Origin::Peer(from), self.now, validators);
            of_operation(operation.id()).into_iter().for_each(|subject| store.follow(*trace, subject));
            self.note(*trace, self.now, TraceEvent::BatchReceived { from, sequence: batch.sequence });
        }
    }

    /// Shares were asked for, with trace ids.
    pub(super) fn trace_share_requests(&mut self, by: PublicKey, requests: &ShareRequests) {
        let validators = self.state.validators().count();
        for TracedPart { index, trace } in requests.traces.parts() {
            let Some((task, _)) = requests.requests.get(usize::from(*index)) else { continue };
            let Some((subject, on)) = signed(*task) else { continue };
            self.traces.store.begin(*trace, Origin::Peer(by), self.now, validators);
            self.traces.store.follow(*trace, subject);
            self.note(*trace, self.now, TraceEvent::ShareWanted { on, by });
        }
    }
}

/// An operation, and the certificate that it asks for, if it asks for one.
fn of_operation(operation: OperationId) -> [TraceSubject; 2] {
    [
        TraceSubject::Operation(operation),
        TraceSubject::Certificate(SerialNumber::from_operation(&operation.0)),
    ]
}

/// What a request is about.
fn subjects(request: &Request) -> Vec<TraceSubject> {
    let of_batch = |batch: &Batch| -> Vec<TraceSubject> {
        let operations = batch.operations.iter().take(SUBJECT_COUNT_MAX / 2);
        operations.flat_map(|operation| of_operation(operation.id())).collect()
    };
    match request {
        Request::GetCertificate(request) => alloc::vec![TraceSubject::Certificate(request.serial_number)],
        Request::ValidateBatch(request) => of_batch(&request.batch),
        other => other.operation().map_or_else(Vec::new, |operation| of_operation(operation.id()).into()),
    }
}

/// What a task is to those who wait for it, if anybody does.
const fn signed(task: Task) -> Option<(TraceSubject, Signed)> {
    match task {
        Task::Leaf(serial) => Some((TraceSubject::Certificate(serial), Signed::Certificate)),
        Task::Checkpoint(size) => Some((TraceSubject::Checkpoint(size), Signed::Checkpoint)),
        Task::Root | Task::Issuing(_) | Task::RevocationList(_) | Task::RootRevocationList(_) => None,
    }
}
