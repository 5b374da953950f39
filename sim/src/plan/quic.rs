//! What plans do in the world of QUIC.

use super::arena::{Arena, Told};
use super::fault::{Fault, Memory, TimedFault};
use super::path::PathFault;
use super::{FaultClass, Plan};
use crate::quic::{Options, QuicWorld};
use crate::world::{Bursts, Cast, Damage, Lie, Link, Narrow, Owner, Place, Reorders, RunFault, Span, Spikes};
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::{Mono, SecretKey, UnixMillis};
use hypermesh_core::node::RequestId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Arena for QuicWorld {
    fn of_plan(plan: &Plan, keep_lines: bool) -> Self {
        Self::new(
            plan.seed,
            Options {
                nodes: plan.nodes,
                start: plan.start,
                latency: Span::us(plan.latency.from_us, plan.latency.to_us),
                disk: Span::us(plan.disk.from_us, plan.disk.to_us),
                job: Span::us(plan.job.from_us, plan.job.to_us),
                skew_ms_max: plan.skew_ms_max,
                keep_lines,
            },
        )
    }

    fn request(&mut self, place: Place, request: Request) -> RequestId {
        Self::request(self, place, request)
    }

    fn begin(&mut self, timed: &TimedFault) -> Result<Memory, RunFault> {
        match &timed.fault {
            Fault::Crash { place } => Self::crash(self, *place),
            Fault::PowerLoss => {
                Self::hit(self, FaultClass::PowerLoss);
                (0..self.cast().validators.len()).for_each(|place| Self::crash(self, place));
            }
            Fault::Partition { sides } => Self::partition(self, sides),
            Fault::Loss { per_mille } => self.lose(*per_mille),
            Fault::Path { path } => begin(self, path),
            // Plans of this world hold no others: see `Fault::is_of`.
            _ => {}
        }
        Ok(Memory::Nothing)
    }

    fn end(&mut self, timed: &TimedFault, _memory: &Memory) -> Result<(), RunFault> {
        match &timed.fault {
            Fault::Crash { place } => Self::start(self, *place),
            Fault::PowerLoss => {
                (0..self.cast().validators.len()).for_each(|place| Self::start(self, place));
            }
            Fault::Partition { .. } => self.heal(),
            Fault::Loss { .. } => self.lose(0),
            Fault::Path { path } => end(self, path),
            _ => {}
        }
        Ok(())
    }

    /// Plans of this world hold no liars.
    fn corrupt(&mut self, _place: Place, _lie: Lie) {}

    fn crash(&mut self, place: Place) {
        Self::crash(self, place);
    }

    fn start(&mut self, place: Place) -> Result<(), RunFault> {
        Self::start(self, place);
        Ok(())
    }

    fn partition(&mut self, sides: &[u8]) {
        Self::partition(self, sides);
    }

    fn calm(&mut self) {
        self.trouble(|troubles| *troubles = Default::default());
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
        self.answer(id)?.response.ok()
    }

    fn count(&self, class: FaultClass) -> u64 {
        self.coverage().count(class)
    }

    fn refusal(&self, id: RequestId) -> Option<String> {
        self.answer(id)?.response.err().map(|error| error.to_string())
    }

    fn describe(&self) -> String {
        Self::describe(self)
    }

    fn finish(&self) -> Result<(), RunFault> {
        Self::finish(self)
    }

    fn told(&self) -> Told {
        Told {
            hash: self.trace(),
            events: self.happenings(),
            lines: self.lines(),
            tape: self.tape(),
            records: self.records(),
            coverage: self.coverage(),
            // The driver that ships keeps its node to itself.
            marks: BTreeMap::new(),
        }
    }
}

fn begin(world: &mut QuicWorld, path: &PathFault) {
    match *path {
        PathFault::Silent { place } => world.silence(place, true),
        PathFault::Moves { place } => world.relocate(place, true),
        _ => world.trouble(|troubles| match *path {
            PathFault::Bursts { enter_per_mille, leave_per_mille, loss_per_mille } => {
                troubles.bursts = Some(Bursts { enter_per_mille, leave_per_mille, loss_per_mille });
            }
            PathFault::Spikes { per_mille, longest_ms } => {
                troubles.spikes = Some(Spikes { per_mille, longest_ms });
            }
            PathFault::Duplicates { per_mille } => troubles.duplicates_per_mille = per_mille,
            PathFault::Reorders { per_mille, within_ms } => {
                troubles.reorders = Some(Reorders { per_mille, within_ms });
            }
            PathFault::Narrow { bytes_per_second, queue_bytes_max } => {
                troubles.narrow = Some(Narrow { bytes_per_second, queue_bytes_max });
            }
            PathFault::BlackHole { bytes_max } => troubles.bytes_max = Some(bytes_max),
            PathFault::OneWay { source, target } => {
                troubles.one_way.insert(Link { source, target });
            }
            PathFault::Cut { source, target } => {
                troubles.cut.insert(Link { source, target });
            }
            PathFault::Damage { place, per_mille, truncates } => {
                troubles.damaged.insert(place, Damage { per_mille, truncates });
            }
            PathFault::Silent { .. } | PathFault::Moves { .. } => {}
        }),
    }
}

fn end(world: &mut QuicWorld, path: &PathFault) {
    match *path {
        PathFault::Silent { place } => world.silence(place, false),
        PathFault::Moves { place } => world.relocate(place, false),
        _ => world.trouble(|troubles| match path {
            PathFault::Bursts { .. } => troubles.bursts = None,
            PathFault::Spikes { .. } => troubles.spikes = None,
            PathFault::Duplicates { .. } => troubles.duplicates_per_mille = 0,
            PathFault::Reorders { .. } => troubles.reorders = None,
            PathFault::Narrow { .. } => troubles.narrow = None,
            PathFault::BlackHole { .. } => troubles.bytes_max = None,
            PathFault::OneWay { source, target } => {
                troubles.one_way.remove(&Link { source: *source, target: *target });
            }
            PathFault::Cut { source, target } => {
                troubles.cut.remove(&Link { source: *source, target: *target });
            }
            PathFault::Damage { place, .. } => {
                troubles.damaged.remove(place);
            }
            PathFault::Silent { .. } | PathFault::Moves { .. } => {}
        }),
    }
}
