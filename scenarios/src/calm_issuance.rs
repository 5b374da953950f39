//! Nothing goes wrong: the mesh generates its keys and issues certificates at every node.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "calm-issuance",
    shows: "a calm mesh issues certificates at every node, one after another, and they verify offline",
    reaches: &["commitments have run out"],
    start: Start::Empty,
    play,
};

const ROUNDS: usize = 3;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let mut before = None;
    for place in (0..4).cycle().take(4 * ROUNDS) {
        let issued = run.issue(place)?;
        ensure(before < Some(issued.leaf_index), "the log's entries are not in the order of their approval")?;
        before = Some(issued.leaf_index);
    }
    Ok(())
}
