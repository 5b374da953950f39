//! The power fails everywhere while the keys are being generated, at any instant, several times.

use crate::Scenario;
use crate::stage::Stage;
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "generation-power-loss",
    shows: "power that fails in the middle of key generation, again and again, leaves a mesh that can finish it",
    start: Start::Empty,
    play,
};

/// Key generation in a calm world takes about this long.
const GENERATION_US: u64 = 400_000;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    for _ in 0..2 {
        let pause = Duration::from_micros(stage.random.below(GENERATION_US));
        stage.world.run_for(pause)?;
        (0..4).for_each(|place| stage.world.crash(place));
        for place in 0..4 {
            stage.world.start(place)?;
        }
    }
    stage.begin()?;
    (0..4).try_for_each(|place| stage.issue(place).map(|_| ()))
}
