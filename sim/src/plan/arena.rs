//! What a run asks of a world, whichever it is: the one of events, or the one of QUIC.

use super::client::verify;
use super::fault::{Memory, TimedFault};
use super::{Coverage, FaultClass, Plan};
use crate::world::{Cast, Lie, Owner, Place, Record, RunFault, Taken, World};
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::{Digest, Mono, SecretKey, UnixMillis};
use hypermesh_core::node::{Event, RequestId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A world that plans are played in.
pub(super) trait Arena: Sized {
    /// The world that a plan describes, in which every node has just been started.
    fn of_plan(plan: &Plan, keep_lines: bool) -> Self;

    // --- what is done in it ---

    /// Asks a node.
    fn request(&mut self, place: Place, request: Request) -> RequestId;
    /// Lets a fault begin.
    fn begin(&mut self, timed: &TimedFault) -> Result<Memory, RunFault>;
    /// Lets a fault end.
    fn end(&mut self, timed: &TimedFault, memory: &Memory) -> Result<(), RunFault>;
    /// Makes a node lie from now on.
    fn corrupt(&mut self, place: Place, lie: Lie);
    /// Stops a node without warning.
    fn crash(&mut self, place: Place);
    /// Starts a node that is down.
    fn start(&mut self, place: Place) -> Result<(), RunFault>;
    /// Starts a node that is down, with an empty disk if its own is not to be used any more.
    fn start_or_wipe(&mut self, place: Place) -> Result<(), RunFault> {
        self.start(place)
    }
    /// Lets safety go: more lie than can be tolerated.
    fn allow_unsafe(&mut self) {}
    /// Divides the nodes.
    fn partition(&mut self, sides: &[u8]);
    /// Ends everything that is wrong with links, partitions excepted.
    fn calm(&mut self);
    /// Counts an effect of a class of faults.
    fn hit(&mut self, class: FaultClass);
    /// Runs for a while.
    fn run_for(&mut self, duration: Duration) -> Result<(), RunFault>;
    /// Runs until something is so, and for `within` at most.
    fn run_until(
        &mut self,
        what: &str,
        within: Duration,
        is_so: impl FnMut(&Self) -> bool,
    ) -> Result<(), RunFault>;

    // --- what there is to see ---

    /// The time, since the world began.
    fn now(&self) -> Mono;
    /// What the true wall clock says.
    fn wall(&self) -> UnixMillis;
    /// Who takes part.
    fn cast(&self) -> &Cast;
    /// Someone who asks now.
    fn owner(&self, key: &SecretKey) -> Owner;
    /// A node's view, if it runs.
    fn view(&self, place: Place) -> Option<Arc<View>>;
    /// Whether a request was answered, be it with a refusal.
    fn is_answered(&self, id: RequestId) -> bool;
    /// What was asked for, if it was given.
    fn response(&self, id: RequestId) -> Option<Response>;
    /// Whether a client takes an answer of a node. It verifies every certificate with the bundle that its operator gave
    /// it; here only those that a liar has handed out, because the others are all verified in the end.
    fn is_taken(&self, _place: Place, _response: &Response) -> bool {
        true
    }
    /// Whether one of these nodes has told of a validator that contradicts itself.
    fn tells_of_equivocation(&self, _places: &[Place]) -> bool {
        false
    }
    /// Whether messages get through between two nodes, both ways, as far as is known.
    fn is_linked(&self, _one: Place, _other: Place) -> bool {
        true
    }
    /// How often a class of faults has taken effect.
    fn count(&self, class: FaultClass) -> u64;
    /// Why it was not given, if it was refused.
    fn refusal(&self, id: RequestId) -> Option<String>;
    /// How the nodes are, in words.
    fn describe(&self) -> String;
    /// Checks what can only be checked at the end.
    fn finish(&self) -> Result<(), RunFault>;
    /// Everything that happened.
    fn told(&self) -> Told;
}

/// Everything that happened in a world.
pub(super) struct Told {
    pub(super) hash: Digest,
    pub(super) events: u64,
    pub(super) lines: Vec<String>,
    pub(super) tape: Vec<Taken>,
    /// What happened, as it is drawn, where that is kept.
    pub(super) records: Vec<Record>,
    pub(super) coverage: Coverage,
    /// Which marks of the protocol were reached, where that is to be seen.
    pub(super) marks: BTreeMap<&'static str, u64>,
}

impl Arena for World {
    fn of_plan(plan: &Plan, keep_lines: bool) -> Self {
        Self::new(plan.seed, plan.options(keep_lines))
    }

    fn request(&mut self, place: Place, request: Request) -> RequestId {
        Self::request(self, place, request)
    }

    fn begin(&mut self, timed: &TimedFault) -> Result<Memory, RunFault> {
        timed.fault.begin(self)
    }

    fn end(&mut self, timed: &TimedFault, memory: &Memory) -> Result<(), RunFault> {
        timed.fault.end(self, memory)
    }

    fn corrupt(&mut self, place: Place, lie: Lie) {
        Self::corrupt(self, place, lie);
    }

    fn crash(&mut self, place: Place) {
        Self::crash(self, place);
    }

    fn start(&mut self, place: Place) -> Result<(), RunFault> {
        Self::start(self, place)
    }

    fn start_or_wipe(&mut self, place: Place) -> Result<(), RunFault> {
        Self::start_or_wipe(self, place)
    }

    fn allow_unsafe(&mut self) {
        Self::allow_unsafe(self);
        (0..Self::cast(self).validators.len()).for_each(|place| self.excuse_deceived(place));
    }

    fn partition(&mut self, sides: &[u8]) {
        Self::partition(self, sides);
    }

    fn calm(&mut self) {
        self.lose(0);
    }

    fn hit(&mut self, class: FaultClass) {
        Self::hit(self, class);
    }

    fn run_for(&mut self, duration: Duration) -> Result<(), RunFault> {
        Self::run_for(self, duration)
    }

    fn run_until(
        &mut self,
        what: &str,
        within: Duration,
        is_so: impl FnMut(&Self) -> bool,
    ) -> Result<(), RunFault> {
        Self::run_until(self, what, within, is_so)
    }

    fn now(&self) -> Mono {
        Self::now(self)
    }

    fn wall(&self) -> UnixMillis {
        Self::wall(self)
    }

    fn cast(&self) -> &Cast {
        Self::cast(self)
    }

    fn owner(&self, key: &SecretKey) -> Owner {
        Self::owner(self, key)
    }

    fn view(&self, place: Place) -> Option<Arc<View>> {
        Self::view(self, place)
    }

    fn is_answered(&self, id: RequestId) -> bool {
        self.answer(id).is_some()
    }

    fn response(&self, id: RequestId) -> Option<Response> {
        self.answer(id)?.response.as_ref().ok().cloned()
    }

    fn is_taken(&self, place: Place, response: &Response) -> bool {
        match response {
            Response::IssueCertificate(issued) if self.is_liar(place) => {
                self.trust_bundle().is_some_and(|bundle| verify(self, &bundle, issued).is_ok())
            }
            _ => true,
        }
    }

    fn tells_of_equivocation(&self, places: &[Place]) -> bool {
        let tells = |event: &Event| matches!(event, Event::Equivocation(_));
        self.events().iter().any(|(_, place, event)| places.contains(place) && tells(event))
    }

    fn is_linked(&self, one: Place, other: Place) -> bool {
        Self::is_linked(self, one, other)
    }

    fn count(&self, class: FaultClass) -> u64 {
        self.coverage().count(class)
    }

    fn refusal(&self, id: RequestId) -> Option<String> {
        self.answer(id)?.response.as_ref().err().map(ToString::to_string)
    }

    fn describe(&self) -> String {
        Self::describe(self)
    }

    fn finish(&self) -> Result<(), RunFault> {
        Self::finish(self)
    }

    fn told(&self) -> Told {
        let trace = self.trace();
        Told {
            hash: trace.hash(),
            events: trace.count(),
            lines: trace.lines().to_vec(),
            tape: trace.tape().to_vec(),
            records: trace.records().to_vec(),
            coverage: self.coverage().clone(),
            marks: self.marks(),
        }
    }
}
