//! What nodes are put through on the real QUIC and TLS: the scenarios in which the transport matters. Each is a plan:
//! certificates are asked for while something is wrong, and all of them are issued and verify offline in the end.

use crate::Run;
use hypermesh_sim::plan::{
    ClientRequest, Fault, FollowUp, PLAN_FORMAT, PathFault, Plan, Range, Rest, Suite, TimedFault,
    TimedRequest, WorldKind, play_traced,
};
use hypermesh_sim::world::{RunFault, Start};

/// Something that nodes are put through, behind the driver that ships.
#[derive(Clone, Copy)]
pub struct QuicScenario {
    /// What it is called: as the scenario of the same events without QUIC, if there is one.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub shows: &'static str,
    faults: fn() -> Vec<TimedFault>,
}

/// Every scenario.
pub const QUIC_SCENARIOS: &[QuicScenario] = &[
    QuicScenario {
        name: "calm-issuance",
        shows: "a calm mesh issues certificates at every node over QUIC, and they verify offline",
        faults: Vec::new,
    },
    QuicScenario {
        name: "crash-and-restart",
        shows: "nodes that die without a word to their peers come back, and issue again",
        faults: || {
            (0..4).map(|place| at(1_000 + 3_000 * place as u64, 2_000, Fault::Crash { place })).collect()
        },
    },
    QuicScenario {
        name: "power-loss",
        shows: "all nodes die at once, come back, and issue again",
        faults: || vec![at(3_000, 1_000, Fault::PowerLoss)],
    },
    QuicScenario {
        name: "partition-one",
        shows: "three nodes go on without the fourth, whose connections time out and are made again",
        faults: || vec![at(1_000, 10_000, Fault::Partition { sides: vec![1, 0, 0, 0] })],
    },
    QuicScenario {
        name: "partition-halves",
        shows: "halves wait for each other, and go on when they are one again",
        faults: || vec![at(1_000, 10_000, Fault::Partition { sides: vec![0, 0, 1, 1] })],
    },
    QuicScenario {
        name: "lossy-links",
        shows: "three datagrams of a hundred are lost, and certificates are issued all the same",
        faults: || vec![at(0, CHAOS_MS, Fault::Loss { per_mille: 30 })],
    },
    QuicScenario {
        name: "bursts-of-loss",
        shows: "links lose ten datagrams in a row, time and again, and certificates are issued all the same",
        faults: || {
            path(PathFault::Bursts { enter_per_mille: 10, leave_per_mille: 100, loss_per_mille: 1000 })
        },
    },
    QuicScenario {
        name: "delayed-duplicated-reordered",
        shows: "datagrams come late, twice and out of order, and QUIC puts them right",
        faults: || {
            [
                path(PathFault::Spikes { per_mille: 20, longest_ms: 400 }),
                path(PathFault::Duplicates { per_mille: 200 }),
                path(PathFault::Reorders { per_mille: 200, within_ms: 50 }),
            ]
            .concat()
        },
    },
    QuicScenario {
        name: "damaged-datagrams",
        shows: "a fifth of what a node sends is damaged on its way, and none of it is taken for what was sent",
        faults: || path(PathFault::Damage { place: 3, per_mille: 200, truncates: false }),
    },
    QuicScenario {
        name: "narrow-links",
        shows: "links carry 32 kB/s behind short queues, and certificates are issued all the same",
        faults: || path(PathFault::Narrow { bytes_per_second: 32_000, queue_bytes_max: 16_000 }),
    },
    QuicScenario {
        name: "black-hole",
        shows: "datagrams of more than 1200 bytes vanish without a word, and QUIC sends smaller ones",
        faults: || vec![at(3_000, CHAOS_MS, Fault::Path { path: PathFault::BlackHole { bytes_max: 1_200 } })],
    },
    QuicScenario {
        name: "one-way-partition",
        shows: "a node hears another that does not hear it, and the mesh goes on",
        faults: || vec![at(1_000, 10_000, Fault::Path { path: PathFault::OneWay { source: 0, target: 1 } })],
    },
    QuicScenario {
        name: "address-change",
        shows: "a node's address changes under it: its connections go with it, and the others find it",
        faults: || vec![at(2_000, 9_000, Fault::Path { path: PathFault::Moves { place: 2 } })],
    },
    QuicScenario {
        name: "silent-peer",
        shows: "something takes connections in a node's name and never answers, and the mesh goes on",
        faults: || vec![at(1_000, 9_000, Fault::Path { path: PathFault::Silent { place: 1 } })],
    },
    QuicScenario {
        name: "many-troubles",
        shows: "a node dies and comes back, another is cut off and comes back, and certificates are issued meanwhile",
        faults: || {
            vec![
                at(1_000, 3_000, Fault::Crash { place: 2 }),
                at(6_000, 7_000, Fault::Partition { sides: vec![0, 0, 0, 1] }),
            ]
        },
    },
];

/// How long things go wrong. Longer than a connection lives without an answer, twice.
const CHAOS_MS: u64 = 15_000;
/// How long nodes have to answer everything after that.
const PROGRESS_MS: u64 = 60_000;
/// A certificate is asked for this often, at one node after another.
const ASKS_EVERY_MS: u64 = 1_000;

impl QuicScenario {
    /// The plan that is played.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        let ask = |number: u64| TimedRequest {
            at_ms: number * ASKS_EVERY_MS,
            place: (number % 4) as usize,
            ask: ClientRequest::Issue,
            then: FollowUp::Wait,
        };
        let range = |from_us, to_us| Range { from_us, to_us };
        Plan {
            format: PLAN_FORMAT,
            seed,
            world: WorldKind::Quic,
            suite: Suite::BUILT,
            nodes: 4,
            start: Start::Ready,
            chaos_ms: CHAOS_MS,
            progress_ms: PROGRESS_MS,
            healed: (0..4).filter(|place| !self.impairs(*place)).collect(),
            rest: Rest::AsLeft,
            skew_ms_max: 20,
            latency: range(2_000, 6_000),
            disk: range(100, 4_000),
            job: range(50, 3_000),
            beyond_tolerated: false,
            liars: Vec::new(),
            faults: (self.faults)(),
            requests: (0..CHAOS_MS / ASKS_EVERY_MS).map(ask).collect(),
        }
    }

    /// Plays the scenario in a world out of this seed.
    #[must_use]
    pub fn play(&self, seed: u64, keep_lines: bool) -> Run {
        let outcome = play_traced(&self.plan(seed), keep_lines);
        Run {
            hash: outcome.hash,
            events: outcome.events,
            simulated: outcome.simulated,
            lines: outcome.lines,
            records: outcome.records,
            marks: outcome.marks,
            fault: outcome.failure.map(|failure| RunFault::Unexpected(failure.to_string())),
        }
    }

    fn impairs(&self, place: usize) -> bool {
        (self.faults)().iter().any(|timed| timed.fault.damages() == Some(place))
    }
}

const fn at(at_ms: u64, for_ms: u64, fault: Fault) -> TimedFault {
    TimedFault { at_ms, for_ms, fault }
}

/// Something that is wrong with the paths all the while.
fn path(path: PathFault) -> Vec<TimedFault> {
    vec![at(0, CHAOS_MS, Fault::Path { path })]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_on_quic_passes_and_is_a_plan_that_can_be_played() {
        for scenario in QUIC_SCENARIOS {
            assert_eq!(scenario.plan(1).check(), Ok(()), "{}", scenario.name);
            assert_eq!(scenario.play(1, false).fault, None, "{}", scenario.name);
        }
    }
}
