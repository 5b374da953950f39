//! What plans do in the world of QUIC.

use super::client::verify;
use super::plan_world::{PlanWorld, RunReport, as_the_world_does};
use super::play::play_in;
use super::{FaultClass, Plan, PlanOutcome};
use crate::base::{Disk, Link, NodeIndex, Participants, Span};
use crate::fault::{Lie, PathFault};
use crate::quic::{Options, QuicWorld};
use crate::world::{BadWrites, Bursts, Damage, Narrow, Owner, Reorders, RunFault, Spikes};
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::{Mono, SecretKey, Table, UnixMillis};
use hypermesh_core::node::{Event, RequestId};
use std::sync::Arc;
use std::time::Duration;

/// Plays a plan.
pub(super) fn play(plan: &Plan, keep_lines: bool) -> PlanOutcome {
    play_in::<QuicWorld>(plan, keep_lines)
}

impl PlanWorld for QuicWorld {
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

    as_the_world_does!();

    fn allow_unsafe(&mut self) {
        Self::allow_unsafe(self);
    }

    fn begin_path(&mut self, path: &PathFault) {
        begin(self, path);
    }

    fn end_path(&mut self, path: &PathFault) {
        end(self, path);
    }

    fn calm(&mut self) {
        self.change_faults(|faults| *faults = Default::default());
    }

    fn start(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        Self::start(self, place);
        Ok(())
    }

    fn start_or_wipe(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        Self::start_or_wipe(self, place);
        Ok(())
    }

    fn disk(&self, place: NodeIndex) -> Option<Disk> {
        Self::disk(self, place)
    }

    fn response(&self, id: RequestId) -> Option<Response> {
        self.answer(id)?.response.ok()
    }

    fn refusal(&self, id: RequestId) -> Option<String> {
        self.answer(id)?.response.err().map(|error| error.to_string())
    }

    fn told(&self) -> RunReport {
        RunReport {
            hash: self.trace(),
            events: self.happenings(),
            lines: self.lines(),
            tape: self.tape(),
            records: self.records(),
            coverage: self.coverage(),
            marks: self.marks(),
        }
    }
}

fn begin(world: &mut QuicWorld, path: &PathFault) {
    match *path {
        PathFault::Silent { place } => world.silence(place, true),
        PathFault::Moves { place } => world.relocate(place, true),
        _ => world.change_faults(|faults| match *path {
            PathFault::Bursts { enter_per_mille, leave_per_mille, loss_per_mille } => {
                faults.bursts = Some(Bursts { enter_per_mille, leave_per_mille, loss_per_mille });
            }
            PathFault::Spikes { per_mille, longest_ms } => {
                faults.spikes = Some(Spikes { per_mille, longest_ms });
            }
            PathFault::Duplicates { per_mille } => faults.duplicates_per_mille = per_mille,
            PathFault::Reorders { per_mille, within_ms } => {
                faults.reorders = Some(Reorders { per_mille, within_ms });
            }
            PathFault::Narrow { bytes_per_second, queue_bytes_max } => {
                faults.narrow = Some(Narrow { bytes_per_second, queue_bytes_max });
            }
            PathFault::BlackHole { bytes_max } => faults.bytes_max = Some(bytes_max),
            PathFault::OneWay { source, target } => {
                faults.one_way.insert(Link { source, target });
            }
            PathFault::Cut { source, target } => {
                faults.cut.insert(Link { source, target });
            }
            PathFault::Damage { place, per_mille, truncates } => {
                faults.damaged.insert(place, Damage { per_mille, truncates });
            }
            PathFault::Silent { .. } | PathFault::Moves { .. } => {}
        }),
    }
}

fn end(world: &mut QuicWorld, path: &PathFault) {
    match *path {
        PathFault::Silent { place } => world.silence(place, false),
        PathFault::Moves { place } => world.relocate(place, false),
        _ => world.change_faults(|faults| match path {
            PathFault::Bursts { .. } => faults.bursts = None,
            PathFault::Spikes { .. } => faults.spikes = None,
            PathFault::Duplicates { .. } => faults.duplicates_per_mille = 0,
            PathFault::Reorders { .. } => faults.reorders = None,
            PathFault::Narrow { .. } => faults.narrow = None,
            PathFault::BlackHole { .. } => faults.bytes_max = None,
            PathFault::OneWay { source, target } => {
                faults.one_way.remove(&Link { source: *source, target: *target });
            }
            PathFault::Cut { source, target } => {
                faults.cut.remove(&Link { source: *source, target: *target });
            }
            PathFault::Damage { place, .. } => {
                faults.damaged.remove(place);
            }
            PathFault::Silent { .. } | PathFault::Moves { .. } => {}
        }),
    }
}
