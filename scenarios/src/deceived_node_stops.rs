//! More than f validators lie: they decide a block that is wrong. A node that is shown it does not follow, votes no
//! more, says so, and goes on answering from what it has.

use crate::Scenario;
use crate::stage::{Stage, ensure, tells};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Place, RunFault, Start, forged_block, serve_block};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "deceived-node-stops",
    shows: "a node that finds a decided block wrong votes no more, says so once, and goes on serving",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let victim = stage.any_place();
    stage.world.excuse_broken(victim);
    stage.wait("all nodes linked", |world| world.views().all(|view| view.status.connected == 4))?;
    // The others are not there to decide anything else meanwhile.
    let liar = (victim + 1) % 4;
    for place in (0..4).filter(|place| *place != victim && *place != liar) {
        stage.world.crash(place);
    }
    let Some(view) = stage.world.view(victim) else { return Ok(()) };
    let height = view.state.height().next();
    let others: Vec<Place> = (0..4).filter(|place| *place != victim).collect();
    let (block, certificate) = forged_block(stage.world.cast(), &others, &view.state, view.commit.clone());
    stage.world.inject(liar, victim, serve_block(height, block, certificate));
    let broken = |event: &Event| matches!(event, Event::Broken { .. });
    stage.wait("the node stops", |world| tells(world, victim, broken))?;
    let pause = Duration::from_secs(20 + stage.random.below(20));
    stage.world.run_for(pause)?;
    ensure(stage.told(victim, broken) == 1, "the node says again and again that it has stopped")?;
    let after = stage.world.view(victim);
    let stands = after.as_ref().is_some_and(|after| after.state.height() == view.state.height());
    ensure(stands, "the node followed")?;
    let told = after.map(|after| (after.status.voting.clone(), after.status.ready));
    ensure(
        told.is_some_and(|(voting, ready)| voting.contains("stopped") && !ready),
        "its status does not say so",
    )?;
    ensure(stage.resolves(victim)?, "it does not answer any more")?;
    stage.world.crash(victim);
    (0..4).filter(|place| *place != victim).try_for_each(|place| stage.world.start(place))?;
    stage.wait("the three ready", |world| world.views().all(|view| view.status.ready))?;
    stage.issue(liar).map(|_| ())
}
