//! A certificate is fetched again when many others have been issued since, and the mesh has forgotten what it had
//! in memory of it.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "old-certificate",
    shows: "a certificate can be fetched, proof and all, however many were issued since",
    reaches: &[],
    start: Start::Ready,
    play,
};

/// More blocks with certificates than any node keeps checkpoints of in memory.
const SINCE: usize = 70;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let first = run.issue(0)?;
    for _ in 0..SINCE {
        run.issue(0)?;
    }
    for place in 0..4 {
        let again = run.fetch(place, first.serial_number)?;
        ensure(again.leaf_index == first.leaf_index, "another certificate was fetched")?;
    }
    Ok(())
}
