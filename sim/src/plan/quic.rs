//! What plans do in the world of QUIC.

use super::arena::{Arena, Told, as_the_world_does};
use super::client::verify;
use super::path::PathFault;
use super::play::play_in;
use super::{FaultClass, Outcome, Plan};
use crate::quic::{Options, QuicWorld};
use crate::world::{
    BadWrites, Bursts, Cast, Damage, Disk, Lie, Link, Narrow, Owner, Place, Reorders, RunFault, Span, Spikes,
};
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::{Mono, SecretKey, Table, UnixMillis};
use hypermesh_core::node::{Event, RequestId};
use std::sync::Arc;
use std::time::Duration;

/// Plays a plan.
pub(super) fn play(plan: &Plan, keep_lines: bool) -> Outcome {
    play_in::<QuicWorld>(plan, keep_lines)
}

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
        self.trouble(|troubles| *troubles = Default::default());
    }

    fn start(&mut self, place: Place) -> Result<(), RunFault> {
        Self::start(self, place);
        Ok(())
    }

    fn start_or_wipe(&mut self, place: Place) -> Result<(), RunFault> {
        Self::start_or_wipe(self, place);
        Ok(())
    }

    fn disk(&self, place: Place) -> Option<Disk> {
        Self::disk(self, place)
    }

    fn response(&self, id: RequestId) -> Option<Response> {
        self.answer(id)?.response.ok()
    }

    fn refusal(&self, id: RequestId) -> Option<String> {
        self.answer(id)?.response.err().map(|error| error.to_string())
    }

    fn told(&self) -> Told {
        Told {
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
