//! The power fails everywhere while the keys are being generated, at any instant, several times.

use crate::Scenario;
use crate::scenario_run::ScenarioRun;
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "generation-power-loss",
    shows: "power that fails in the middle of key generation, again and again, leaves a mesh that can finish it",
    reaches: &[],
    start: Start::Empty,
    play,
};

/// Key generation in a calm world takes about this long.
const GENERATION_US: u64 = 400_000;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    for _ in 0..2 {
        let pause = Duration::from_micros(run.random.below(GENERATION_US));
        run.world.run_for(pause)?;
        (0..4).for_each(|place| run.world.crash(place));
        for place in 0..4 {
            run.world.start(place)?;
        }
    }
    run.begin()?;
    (0..4).try_for_each(|place| run.issue(place).map(|_| ()))
}
