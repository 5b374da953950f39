//! One node of four gives good shares of the log's signature, and cosignatures that do not hold. Checkpoints need a
//! quorum of those.

use crate::Scenario;
use crate::scenario_run::ScenarioRun;
use hypermesh_sim::world::{Lie, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "checkpoint-needs-cosignatures",
    shows: "whose cosignatures do not hold is passed over, and every certificate comes with its checkpoint",
    reaches: &["a share comes without its cosignature"],
    start: Start::Ready,
    play,
};

const ROUNDS: usize = 4;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let liar = run.any_place();
    run.world.corrupt(liar, Lie::SplitView);
    for _ in 0..ROUNDS {
        for place in (0..4).filter(|place| *place != liar) {
            run.issue(place)?;
        }
    }
    Ok(())
}
