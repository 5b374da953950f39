//! A node catches up although one of those whom it asks serves rubbish, claims blocks that there are none of, or
//! does not answer.

use crate::Scenario;
use crate::stage::{Stage, ensure, tells};
use hypermesh_core::base::Height;
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, Place, RunFault, Start, World};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "rubbish-sync-peer-is-dropped",
    shows: "a node that catches up drops the peer that serves rubbish, lies about its height or is silent, and no other",
    start: Start::Ready,
    play,
};

const BLOCKS: u64 = 600;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let away = stage.any_place();
    let others: Vec<Place> = (0..4).filter(|place| *place != away).collect();
    stage.stop_in_step()?;
    stage.world.grow(&others, BLOCKS)?;
    let chosen = usize::try_from(stage.random.below(3)).unwrap_or_default();
    let liar = others.get(chosen).copied().unwrap_or_default();
    let lies = [Lie::RubbishBlocks, Lie::FalseHeights, Lie::NoBlocks];
    let lie = lies[usize::try_from(stage.random.below(3)).unwrap_or_default()];
    stage.world.corrupt(liar, lie);
    // The liar is there first, so that it is asked.
    stage.world.start(liar)?;
    stage.world.start(away)?;
    stage.wait("the liar linked", |world| world.view(away).is_some_and(|view| view.status.connected > 1))?;
    for place in 0..4 {
        stage.world.start(place)?;
    }
    let highest = Height(BLOCKS);
    stage.wait("the node caught up", |world| {
        world.view(away).is_some_and(|view| view.state.height() > highest && view.status.behind == 0)
    })?;
    let blames = |world: &World, place: Place| {
        let key = world.cast().keys().nth(place);
        tells(world, away, |event| matches!(event, Event::PeerFault { peer, .. } if Some(*peer) == key))
    };
    stage.wait(&format!("the peer that lies dropped ({lie:?})"), |world| blames(world, liar))?;
    let honest = others.iter().filter(|place| **place != liar);
    ensure(!honest.clone().any(|place| blames(&stage.world, *place)), "an honest peer was dropped")?;
    // Its votes go on being heard.
    stage.wait("all nodes ready", World::is_ready)?;
    stage.issue(away).map(|_| ())
}
