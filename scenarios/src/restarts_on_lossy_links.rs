//! A node restarts again and again while a third of all messages are lost: what it asks of its peers, and they tell it, comes
//! late or not at all. It asks again, asks others, and votes for nothing before it knows what it said last.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "restarts-on-lossy-links",
    shows: "a node that restarts while messages are lost asks again, asks others, catches up and issues",
    reaches: &[
        "a node's last votes are told late",
        "a peer is asked again for a node's last votes",
        "a peer is silent when asked for blocks, and another is asked",
    ],
    start: Start::Ready,
    play,
};

/// So many restarts are tried.
const RESTART_COUNT_MAX: usize = 60;
/// What has to be seen.
const MARKS: [&str; 3] = [
    "a node's last votes are told late",
    "a peer is asked again for a node's last votes",
    "a peer is silent when asked for blocks, and another is asked",
];

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let seen = |world: &World| MARKS.iter().all(|mark| world.marks().contains_key(mark));
    for _ in 0..RESTART_COUNT_MAX {
        if seen(&run.world) {
            break;
        }
        let place = run.any_place();
        run.world.crash(place);
        for _ in 0..2 {
            run.issue((place + 1) % 4)?;
        }
        run.world.lose(330);
        run.world.start(place)?;
        let pause = Duration::from_millis(500 + run.random.below(3_000));
        run.world.run_for(pause)?;
        run.world.lose(0);
        run.wait("all nodes ready", World::is_ready)?;
        run.settle()?;
    }
    ensure(seen(&run.world), "every message came in time")?;
    (0..4).try_for_each(|place| run.issue(place).map(|_| ()))
}
