//! One node is cut off from the three others; then it comes back.

use crate::Scenario;
use crate::scenario_run::ScenarioRun;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "partition-one",
    shows: "three nodes go on without the fourth, which catches up and then answers what it was asked meanwhile",
    reaches: &[
        "a batch is refused",
        "a block waits for those before it",
        "a node catches up over a long way",
        "operations wait for a ticket",
    ],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let lonely = run.any_place();
    let mut sides = [0_u8; 4];
    if let Some(side) = sides.get_mut(lonely) {
        *side = 1;
    }
    run.world.partition(&sides);
    let waiting = run.ask_certificate(lonely);
    for _ in 0..2 {
        for place in (0..4).filter(|place| *place != lonely) {
            run.issue(place)?;
        }
    }
    let apart = Duration::from_millis(run.random.below(30_000));
    run.world.run_for(apart)?;
    let refused = run.was_refused_for_want_of_quorum(&waiting)?;
    run.world.heal();
    // Whoever was told that quorum is missing asks again.
    let waiting = if refused { run.ask_again(lonely, waiting)? } else { waiting };
    run.certificate(&waiting)?;
    run.wait("all nodes ready again", World::is_ready)?;
    run.issue(lonely).map(|_| ())
}
