//! A node catches up although one of those whom it asks serves rubbish, claims blocks that there are none of, or
//! does not answer.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::base::Height;
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start, World};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "rubbish-sync-peer-is-dropped",
    shows: "a node that catches up drops the peer that serves rubbish, lies about its height or is silent, and no other",
    reaches: &[],
    start: Start::Ready,
    play,
};

const BLOCKS: u64 = 600;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let away = run.any_place();
    let others: Vec<NodeIndex> = (0..4).filter(|place| *place != away).collect();
    run.stop_in_step()?;
    run.world.grow(&others, BLOCKS)?;
    let chosen = usize::try_from(run.random.below(3)).unwrap_or_default();
    let liar = others.get(chosen).copied().unwrap_or_default();
    let lies = [Lie::RubbishBlocks, Lie::FalseHeights, Lie::NoBlocks];
    let lie = lies[usize::try_from(run.random.below(3)).unwrap_or_default()];
    run.world.corrupt(liar, lie);
    // The liar is there first, so that it is asked.
    run.world.start(liar)?;
    run.world.start(away)?;
    run.wait("the liar linked", |world| world.view(away).is_some_and(|view| view.status.connected > 1))?;
    for place in 0..4 {
        run.world.start(place)?;
    }
    let highest = Height(BLOCKS);
    run.wait("the node caught up", |world| {
        world.view(away).is_some_and(|view| view.state.height() > highest && view.status.behind == 0)
    })?;
    let blames = |world: &World, place: NodeIndex| {
        let key = world.participants().keys().nth(place);
        tells(world, away, |event| matches!(event, Event::PeerFault { peer, .. } if Some(*peer) == key))
    };
    run.wait(&format!("the peer that lies dropped ({lie:?})"), |world| blames(world, liar))?;
    let honest = others.iter().filter(|place| **place != liar);
    ensure(!honest.clone().any(|place| blames(&run.world, *place)), "an honest peer was dropped")?;
    // Its votes go on being heard.
    run.wait("all nodes ready", World::is_ready)?;
    run.issue(away).map(|_| ())
}
