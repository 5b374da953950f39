//! Half a year passes: the root key has a new revocation list before the last one runs out, alike on every node.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::trustchain::ca::{ROOT_CRL_MS_LIFETIME, ROOT_CRL_MS_PERIOD, RevocationList};
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "root-list-is-renewed",
    shows: "the root key has an empty revocation list from the first, and a new one each half year, alike on every node",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let begin = run.world.view(0).and_then(|view| view.state.committee()).map(|committee| committee.time);
    let begin = begin.ok_or_else(|| RunFault::Unexpected("a ready mesh has no committee".to_string()))?;
    let mut last = alike(run)?;
    ensure(last.number == 1, "the first list is not number 1")?;
    for period in 1..=2 {
        let over = begin.plus(ROOT_CRL_MS_PERIOD * period);
        run.sleep_until(over.minus(15_000))?;
        ensure(alike(run)? == last, "a list came before its time")?;
        run.world.run_for(Duration::from_millis(over.since(run.world.wall()) + 30_000))?;
        let next = alike(run)?;
        ensure(next.number == last.number + 1 && next.entries.is_empty(), "there is no new empty list")?;
        ensure(next.this_update < last.next_update, "the last list ran out before there was a new one")?;
        ensure(
            next.next_update.since(over) + 1000 >= ROOT_CRL_MS_LIFETIME,
            "a list holds for less than a year",
        )?;
        last = next;
    }
    Ok(())
}

/// The list of every node, which is one.
fn alike(run: &mut ScenarioRun) -> Result<RevocationList, RunFault> {
    let list = run.root_list(0)?;
    for place in 1..4 {
        ensure(run.root_list(place)? == list, "two nodes have two lists")?;
    }
    Ok(list)
}
