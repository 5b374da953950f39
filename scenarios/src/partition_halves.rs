//! The network falls into two halves, neither of which is a quorum; then it heals.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "partition-halves",
    shows: "two halves decide nothing while they are apart, and everything that was asked once they are together",
    reaches: &["a batch comes before its turn"],
    start: Start::Ready,
    play,
};

/// What was decided in the instant of the division is still told within this time.
const SETTLES: Duration = Duration::from_secs(2);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    let before = run.ask_certificate(0);
    let pause = Duration::from_micros(run.random.below(40_000));
    run.world.run_for(pause)?;
    run.world.partition(&[0, 0, 1, 1]);
    run.world.run_for(SETTLES)?;
    let height = highest(&run.world);
    let asked = [run.ask_certificate(1), run.ask_certificate(2)];
    let apart = Duration::from_millis(1_000 + run.random.below(20_000));
    run.world.run_for(apart)?;
    ensure(highest(&run.world) == height, "half a mesh decided a block")?;
    for one in &asked {
        run.was_refused_for_want_of_quorum(one)?;
    }
    if run.world.answer(before.id).is_some_and(|answer| answer.response.is_err()) {
        run.was_refused_for_want_of_quorum(&before)?;
    }
    run.world.heal();
    for (one, place) in asked.into_iter().chain([before]).zip([1, 2, 0]) {
        // Whoever is told that quorum is missing, also while the halves find each other, asks again.
        let is_refused = run.answer(&one)?.is_err() && run.was_refused_for_want_of_quorum(&one)?;
        let one = if is_refused { run.ask_again(place, one)? } else { one };
        run.certificate(&one)?;
    }
    run.wait("all nodes ready again", World::is_ready)
}

fn highest(world: &World) -> Option<hypermesh_core::base::Height> {
    world.views().map(|view| view.state.height()).max()
}
