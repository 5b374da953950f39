//! Days pass in which nothing happens: there is a new revocation list each period, the same on every node.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::trustchain::ca::{CRL_MS_LIFETIME, CRL_MS_PERIOD};
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "crl-is-renewed-each-period",
    shows: "there is a new revocation list each period, before the last one runs out, alike on every node",
    reaches: &[],
    start: Start::Ready,
    play,
};

const PERIODS: u64 = 3;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let mut last = run.revocation_list(0, None)?;
    ensure(last.number == 1, "the first list is not number 1")?;
    for _ in 0..PERIODS {
        // Awake a little before the period is over, so that the block that finds it over is one of a running mesh.
        let over = last.this_update.plus(CRL_MS_PERIOD);
        run.sleep_until(over.minus(15_000))?;
        ensure(run.revocation_list(0, None)?.number == last.number, "a list came before its time")?;
        run.world.run_for(Duration::from_millis(over.since(run.world.wall()) + 5_000))?;
        let next = run.revocation_list(0, Some(last.number + 1))?;
        ensure(next.number == last.number + 1, "a list was left out")?;
        ensure(next.this_update.since(over) < 5_000, "a list came late")?;
        ensure(next.next_update == next.this_update.plus(CRL_MS_LIFETIME), "a list holds for another time")?;
        for place in 1..4 {
            ensure(run.revocation_list(place, Some(next.number))? == next, "two nodes have two lists")?;
        }
        last = next;
    }
    Ok(())
}
