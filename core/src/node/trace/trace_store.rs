//! The steps of the newest requests, in memory, and what they are about.
//!
//! Who asked this node itself, who only looked something up, and each peer that sends ids of its requests have room of
//! their own: the oldest there goes first, so that nobody's requests drive out another's.

use crate::api::{TraceEvent, TraceId, TraceStep};
use crate::base::{Height, Now, PublicKey, Size};
use crate::state::OperationId;
use crate::trustchain::ca::SerialNumber;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

/// The most traces that are kept of what changes something or is to be signed.
pub(super) const ORDER_COUNT_MAX: usize = 4096;
/// The most traces that are kept of what was only looked up.
pub(super) const LOOKUP_COUNT_MAX: usize = 1024;
/// The most traces that are kept of requests that peers sent ids of, of all peers together.
pub(super) const PEER_TRACE_COUNT_MAX: usize = 8192;
/// The most steps of a trace: more than a hundred validators' shares take.
pub(super) const STEP_COUNT_MAX: usize = 256;
/// The most steps of a trace that a peer sent the id of.
pub(super) const PEER_TRACE_STEP_COUNT_MAX: usize = 32;
/// The most things that one trace is about: operations of a batch, certificates, checkpoints.
pub(super) const SUBJECT_COUNT_MAX: usize = 32;

/// In whose room a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A client that asked this node to change or to sign something.
    Order,
    /// A client that asked this node for something that it holds.
    Lookup,
    /// A peer that sent its id.
    Peer(PublicKey),
}

/// What a trace is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::node) enum TraceSubject {
    /// An operation.
    Operation(OperationId),
    /// A certificate, by its serial number.
    Certificate(SerialNumber),
    /// A checkpoint of the log, by its size.
    Checkpoint(u64),
}

/// The steps of the newest requests.
#[derive(Default)]
pub(super) struct TraceStore {
    traces: BTreeMap<TraceId, StoredTrace>,
    /// Of each origin, oldest first.
    rooms: BTreeMap<Origin, VecDeque<TraceId>>,
    subjects: BTreeSet<(TraceSubject, TraceId)>,
    /// What was decided in a block that is not durable yet.
    decided: BTreeMap<Height, Vec<TraceId>>,
}

struct StoredTrace {
    origin: Origin,
    begun: Now,
    steps: Vec<TraceStep>,
    left_out: u64,
    subjects: Vec<TraceSubject>,
}

impl TraceStore {
    /// Begins a trace, unless there is one of this id.
    pub(super) fn begin(&mut self, id: TraceId, origin: Origin, at: Now, validators: usize) {
        if self.traces.contains_key(&id) {
            return;
        }
        let room = self.rooms.entry(origin).or_default();
        let oldest = if room.len() >= origin.count_max(validators) { room.pop_front() } else { None };
        room.push_back(id);
        let (steps, subjects) = (Vec::new(), Vec::new());
        self.traces.insert(id, StoredTrace { origin, begun: at, steps, left_out: 0, subjects });
        if let Some(id) = oldest {
            let gone = self.traces.remove(&id).map(|trace| trace.subjects).unwrap_or_default();
            gone.into_iter().for_each(|subject| _ = self.subjects.remove(&(subject, id)));
        }
    }

    /// Notes what a trace is about, as far as there is room.
    pub(super) fn follow(&mut self, id: TraceId, subject: TraceSubject) {
        let Some(trace) = self.traces.get_mut(&id) else { return };
        if trace.subjects.len() < SUBJECT_COUNT_MAX && self.subjects.insert((subject, id)) {
            trace.subjects.push(subject);
        }
    }

    /// The traces that are about this.
    pub(super) fn of(&self, subject: TraceSubject) -> Vec<TraceId> {
        let (first, last) = ((subject, TraceId([0; 16])), (subject, TraceId([u8::MAX; 16])));
        self.subjects.range(first..=last).map(|(_, id)| *id).collect()
    }

    /// Whether no trace is about anything.
    pub(super) fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Notes a step. `false` if there is no such trace, no more room in it, or it stands there.
    pub(super) fn note(&mut self, id: TraceId, at: Now, step: &TraceEvent) -> bool {
        let Some(trace) = self.traces.get_mut(&id) else { return false };
        if is_once(step) && trace.steps.iter().any(|noted| noted.step == *step) {
            return false;
        }
        let steps_max = match trace.origin {
            Origin::Order | Origin::Lookup => STEP_COUNT_MAX,
            Origin::Peer(_) => PEER_TRACE_STEP_COUNT_MAX,
        };
        if trace.steps.len() >= steps_max {
            trace.left_out = trace.left_out.saturating_add(1);
            return false;
        }
        let after = at.mono.since(trace.begun.mono);
        let after_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        trace.steps.push(TraceStep { time: at.wall, after_us, step: step.clone() });
        true
    }

    /// Notes that what this trace is about was decided in a block.
    pub(super) fn decided(&mut self, id: TraceId, height: Height) {
        self.decided.entry(height).or_default().push(id);
    }

    /// The traces of what was decided in a block, which is durable now.
    pub(super) fn durable(&mut self, height: Height) -> Vec<TraceId> {
        self.decided.remove(&height).unwrap_or_default()
    }

    /// The steps of a trace, and how many were left out.
    pub(super) fn steps(&self, id: TraceId) -> (Vec<TraceStep>, u64) {
        self.traces.get(&id).map(|trace| (trace.steps.clone(), trace.left_out)).unwrap_or_default()
    }

    pub(super) fn sizes(&self, validators: usize) -> [Size; 3] {
        let peers = validators * Origin::Peer(PublicKey([0; 32])).count_max(validators);
        let traces_max = ORDER_COUNT_MAX + LOOKUP_COUNT_MAX + peers;
        let steps = self.traces.values().map(|trace| trace.steps.len()).max().unwrap_or_default();
        [
            Size::limited("traces", self.traces.len(), traces_max),
            Size::limited("what traces are about", self.subjects.len(), traces_max * SUBJECT_COUNT_MAX),
            Size::limited("steps of one trace", steps, STEP_COUNT_MAX),
        ]
    }
}

impl Origin {
    const fn count_max(self, validators: usize) -> usize {
        match self {
            Self::Order => ORDER_COUNT_MAX,
            Self::Lookup => LOOKUP_COUNT_MAX,
            // A mesh has four validators at least, and a hundred at most.
            Self::Peer(_) => PEER_TRACE_COUNT_MAX / validators,
        }
    }
}

/// Whether a step that comes again is a message that came again, and no step.
const fn is_once(step: &TraceEvent) -> bool {
    matches!(
        step,
        TraceEvent::BatchSent { .. }
            | TraceEvent::BatchHandedOver { .. }
            | TraceEvent::BatchReceived { .. }
            | TraceEvent::BatchTaken { .. }
            | TraceEvent::Proposed { .. }
            | TraceEvent::BlockChecked { .. }
            | TraceEvent::ShareWanted { .. }
            | TraceEvent::ShareGiven { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Mono, Sequence, UnixMillis};

    const VALIDATORS: usize = 4;

    fn id(number: usize) -> TraceId {
        TraceId((number as u128).to_be_bytes())
    }

    fn now(micros: u64) -> Now {
        Now { mono: Mono(micros), wall: UnixMillis(micros / 1000) }
    }

    fn begin(store: &mut TraceStore, number: usize, origin: Origin) {
        store.begin(id(number), origin, now(0), VALIDATORS);
        assert!(store.note(id(number), now(5), &TraceEvent::TakenUp));
    }

    #[test]
    fn traces_hold_at_their_limits_and_past_them_the_oldest_goes_and_nobody_elses() {
        let peer = Origin::Peer(PublicKey([1; 32]));
        let origins = [Origin::Order, Origin::Lookup, peer];
        let mut store = TraceStore::default();
        let limit = |origin: Origin| origin.count_max(VALIDATORS);
        let first_of = |place: usize| place * 1_000_000;
        for (place, origin) in origins.into_iter().enumerate() {
            (0..limit(origin)).for_each(|number| begin(&mut store, first_of(place) + number, origin));
        }
        assert!(
            (0..3).all(|place| store.steps(id(first_of(place))).0.len() == 1),
            "all are there at the limit"
        );
        let subject = TraceSubject::Checkpoint(7);
        store.follow(id(first_of(2)), subject);
        begin(&mut store, first_of(2) + limit(peer), peer);
        assert!(store.steps(id(first_of(2))).0.is_empty() && store.of(subject).is_empty(), "the oldest went");
        assert_eq!(store.steps(id(first_of(2) + 1)).0.len(), 1);
        assert!((0..2).all(|place| store.steps(id(first_of(place))).0.len() == 1), "nobody else's went");
        let [traces, subjects, _] = store.sizes(VALIDATORS);
        assert_eq!((traces.held, subjects.held), (origins.into_iter().map(limit).sum(), 0));
    }

    #[test]
    fn steps_hold_at_their_limits_and_past_them_are_counted() {
        let peer = Origin::Peer(PublicKey([1; 32]));
        for (origin, limit) in [(Origin::Order, STEP_COUNT_MAX), (peer, PEER_TRACE_STEP_COUNT_MAX)] {
            let mut store = TraceStore::default();
            store.begin(id(1), origin, now(0), VALIDATORS);
            assert!((0..limit).all(|_| store.note(id(1), now(1), &TraceEvent::TakenUp)));
            assert_eq!((store.steps(id(1)).0.len(), store.steps(id(1)).1), (limit, 0));
            assert!(!store.note(id(1), now(1), &TraceEvent::TakenUp));
            assert_eq!((store.steps(id(1)).0.len(), store.steps(id(1)).1), (limit, 1));
        }
    }

    #[test]
    fn what_a_trace_is_about_holds_at_its_limit_and_not_one_past_it() {
        let mut store = TraceStore::default();
        store.begin(id(1), Origin::Order, now(0), VALIDATORS);
        (0..=SUBJECT_COUNT_MAX as u64).for_each(|size| store.follow(id(1), TraceSubject::Checkpoint(size)));
        assert_eq!(store.of(TraceSubject::Checkpoint(SUBJECT_COUNT_MAX as u64 - 1)), [id(1)]);
        assert!(store.of(TraceSubject::Checkpoint(SUBJECT_COUNT_MAX as u64)).is_empty());
    }

    #[test]
    fn a_message_that_comes_again_is_one_step() {
        let mut store = TraceStore::default();
        store.begin(id(1), Origin::Order, now(3), VALIDATORS);
        let taken = TraceEvent::BatchTaken { sequence: Sequence(1) };
        assert!(store.note(id(1), now(10), &taken));
        assert!(!store.note(id(1), now(20), &taken));
        let again = TraceEvent::SharesAsked { on: crate::api::Signed::Certificate, of: Vec::new() };
        assert!(
            store.note(id(1), now(30), &again) && store.note(id(1), now(40), &again),
            "a further attempt is"
        );
        let after: Vec<u64> = store.steps(id(1)).0.iter().map(|step| step.after_us).collect();
        assert_eq!(after, [7, 27, 37]);
        assert!(!store.note(id(2), now(50), &taken), "nothing is begun by a step");
    }
}
