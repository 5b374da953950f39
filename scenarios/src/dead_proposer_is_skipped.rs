//! One node of four is dead. After a few turns the others no longer wait for its proposals; when it is back, it
//! proposes again.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{NodeIndex, RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dead-proposer-is-skipped",
    shows: "a dead proposer costs nothing after a few turns, and one that is back gets its turns back by itself",
    reaches: &[],
    start: Start::Ready,
    play,
};

/// No height of those that follow waits for a proposal: the propose timeout is a second.
const HEIGHT_MAX: Duration = Duration::from_millis(500);
const HEIGHTS: u64 = 12;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let dead = run.any_place();
    let alive: Vec<NodeIndex> = (0..4).filter(|place| *place != dead).collect();
    run.world.crash(dead);
    let before = run.issue_in_turn(&alive, HEIGHTS)?;
    let patience = run.world.now();
    run.wait("the dead node passed over", |world| {
        world.views().all(|view| view.state.roster().absent().len() == 1)
    })?;
    run.note(&format!("passed over {:?} after that", run.world.now().since(patience)));
    let after = run.issue_in_turn(&alive, HEIGHTS)?;
    run.note(&format!("slowest of {HEIGHTS}: before {:?}, after {:?}", before.slowest, after.slowest));
    run.note(&format!("mean: before {:?}, after {:?}", before.mean, after.mean));
    ensure(before.slowest > HEIGHT_MAX, "no height waited for the dead proposer: nothing was shown")?;
    ensure(after.slowest < HEIGHT_MAX, &format!("a height took {:?} with one of four dead", after.slowest))?;
    run.world.start(dead)?;
    let key = run.world.participants().keys().nth(dead);
    run.wait("the node proposes again", |world| {
        let head = world.view(0).or_else(|| world.view(1));
        head.is_some_and(|view| view.state.head().map(|head| head.proposer) == key)
    })
}
