//! Links that stand lose one message of ten.

use crate::Scenario;
use crate::scenario_run::ScenarioRun;
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "lossy-links",
    shows: "with one message of ten lost, the mesh still generates its keys and issues at every node",
    reaches: &[
        "a block comes unasked",
        "a message comes before its height",
        "a peer is served the block that it is stuck at",
        "another coordinator steps in",
    ],
    start: Start::Empty,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.world.lose(100);
    run.begin()?;
    for place in (0..4).cycle().take(8) {
        run.issue(place)?;
    }
    run.world.lose(0);
    Ok(())
}
