//! What nodes are put through on the real QUIC and TLS: the scenarios in which the transport matters.

use crate::Run;
use hypermesh_sim::quic::{Options, Plan, Step, run};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that nodes are put through, behind the driver that ships.
#[derive(Clone, Copy)]
pub struct QuicScenario {
    /// What it is called: as the scenario of the same events without QUIC, if there is one.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub shows: &'static str,
    steps: fn() -> Vec<Step>,
}

/// Every scenario.
pub const QUIC_SCENARIOS: &[QuicScenario] = &[
    QuicScenario {
        name: "calm-issuance",
        shows: "a calm mesh issues certificates at every node over QUIC, and they verify offline",
        steps: calm_issuance,
    },
    QuicScenario {
        name: "crash-and-restart",
        shows: "a node that dies without a word to its peers comes back, and issues again",
        steps: crash_and_restart,
    },
    QuicScenario {
        name: "partition-one",
        shows: "three nodes go on without the fourth, whose connections time out and are made again",
        steps: partition_one,
    },
    QuicScenario {
        name: "partition-halves",
        shows: "halves wait for each other, and go on when they are one again",
        steps: partition_halves,
    },
    QuicScenario {
        name: "lossy-links",
        shows: "three datagrams of a hundred are lost, and certificates are issued all the same",
        steps: lossy_links,
    },
    QuicScenario {
        name: "many-troubles",
        shows: "a node dies and comes back, another is cut off and comes back, and certificates are issued meanwhile",
        steps: || Plan::standard(false).steps,
    },
];

impl QuicScenario {
    /// Plays the scenario in a world out of this seed.
    #[must_use]
    pub fn play(&self, seed: u64, keep_lines: bool) -> Run {
        let plan = Plan { options: Options { keep_lines, ..Options::default() }, steps: (self.steps)() };
        let report = run(seed, &plan);
        Run {
            hash: report.trace,
            events: report.happenings,
            simulated: report.simulated,
            lines: report.lines,
            marks: BTreeMap::new(),
            fault: report.fault,
        }
    }
}

fn issue_everywhere() -> impl Iterator<Item = Step> {
    (0..4).map(|place| Step::Issue { place, bundle: (place + 1) % 4 })
}

fn calm_issuance() -> Vec<Step> {
    core::iter::once(Step::AwaitReady).chain(issue_everywhere()).collect()
}

fn crash_and_restart() -> Vec<Step> {
    let mut steps = vec![Step::AwaitReady];
    for victim in 0..4 {
        let (next, after) = ((victim + 1) % 4, (victim + 2) % 4);
        steps.extend([
            Step::Crash { place: victim },
            Step::Issue { place: next, bundle: after },
            Step::Start { place: victim },
            Step::AwaitReady,
            Step::AwaitSameHeight,
            Step::Issue { place: victim, bundle: next },
        ]);
    }
    steps
}

fn partition_one() -> Vec<Step> {
    let mut steps = vec![Step::AwaitReady, Step::Partition { sides: vec![1, 0, 0, 0] }];
    steps.extend((1..4).map(|place| Step::Issue { place, bundle: 1 }));
    // Longer than a connection lives without an answer.
    steps.extend([Step::Pass { duration: Duration::from_secs(10) }, Step::Heal, Step::AwaitSameHeight]);
    steps.extend(issue_everywhere());
    steps
}

fn partition_halves() -> Vec<Step> {
    let mut steps = vec![
        Step::AwaitReady,
        Step::Partition { sides: vec![0, 0, 1, 1] },
        Step::Pass { duration: Duration::from_secs(10) },
        Step::Heal,
    ];
    steps.extend(issue_everywhere());
    steps
}

fn lossy_links() -> Vec<Step> {
    let lossy = [Step::AwaitReady, Step::Lose { per_mille: 30 }];
    lossy.into_iter().chain(issue_everywhere()).collect()
}
