//! More than f validators lie: they decide a block that is wrong. A node that is shown it does not follow, votes no
//! more, says so, and goes on answering from what it has.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{NodeIndex, RunFault, Start, forged_block, serve_block};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "deceived-node-stops",
    shows: "a node that finds a decided block wrong votes no more, says so once, and goes on serving",
    reaches: &["a node stops at a decision that it finds invalid"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let victim = run.any_place();
    run.world.excuse_broken(victim);
    run.wait("all nodes linked", |world| world.views().all(|view| view.status.connected == 4))?;
    // The others are not there to decide anything else meanwhile.
    let liar = (victim + 1) % 4;
    for place in (0..4).filter(|place| *place != victim && *place != liar) {
        run.world.crash(place);
    }
    let Some(view) = run.world.view(victim) else { return Ok(()) };
    let height = view.state.height().next();
    let others: Vec<NodeIndex> = (0..4).filter(|place| *place != victim).collect();
    let (block, certificate) =
        forged_block(run.world.participants(), &others, &view.state, view.commit.clone());
    run.world.inject(liar, victim, serve_block(height, block, certificate));
    let broken = |event: &Event| matches!(event, Event::Broken { .. });
    run.wait("the node stops", |world| tells(world, victim, broken))?;
    let pause = Duration::from_secs(20 + run.random.below(20));
    run.world.run_for(pause)?;
    ensure(run.told(victim, broken) == 1, "the node says again and again that it has stopped")?;
    let after = run.world.view(victim);
    let stands = after.as_ref().is_some_and(|after| after.state.height() == view.state.height());
    ensure(stands, "the node followed")?;
    let told = after.map(|after| (after.status.voting.clone(), after.status.ready));
    ensure(
        told.is_some_and(|(voting, ready)| voting.contains("stopped") && !ready),
        "its status does not say so",
    )?;
    ensure(run.resolves(victim)?, "it does not answer any more")?;
    run.world.crash(victim);
    (0..4).filter(|place| *place != victim).try_for_each(|place| run.world.start(place))?;
    run.wait("the three ready", |world| world.views().all(|view| view.status.ready))?;
    run.issue(liar).map(|_| ())
}
