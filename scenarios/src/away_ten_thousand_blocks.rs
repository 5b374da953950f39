//! A node is away for ten thousand blocks, comes back, and is up to date by itself, while the others go on issuing.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Place, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "away-ten-thousand-blocks",
    shows: "a node that was away for ten thousand blocks catches up by itself and disturbs nobody meanwhile",
    start: Start::Ready,
    play,
};

const BLOCKS: u64 = 10_000;
/// Catching up may slow an issuance down to this many times its calm duration.
const SLOWER_MAX: u32 = 3;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let away = stage.any_place();
    let others: Vec<Place> = (0..4).filter(|place| *place != away).collect();
    stage.stop_in_step()?;
    stage.world.grow(&others, BLOCKS)?;
    for place in &others {
        stage.world.start(*place)?;
    }
    stage.wait("the others ready", |world| world.views().all(|view| view.status.ready))?;
    let calm = stage.issue_in_turn(&others, 3)?;
    stage.world.start(away)?;
    stage.wait("the node under way", |world| {
        world.view(away).is_some_and(|view| view.status.behind > BLOCKS / 2)
    })?;
    let began = stage.world.now();
    let busy = stage.issue_in_turn(&others, 3)?;
    let behind = stage.world.view(away).map(|view| view.status.behind);
    ensure(behind > Some(0), "the node was back before anything was issued: nothing was shown")?;
    stage.note(&format!("issuing took {:?}, and {:?} while the node caught up", calm.mean, busy.mean));
    ensure(
        busy.mean < calm.mean * SLOWER_MAX,
        &format!("issuing took {:?}, not {:?}", busy.mean, calm.mean),
    )?;
    let highest = stage.world.views().map(|view| view.state.height()).max();
    stage.wait("the node caught up", |world| {
        world.view(away).is_some_and(|view| Some(view.state.height()) >= highest && view.status.behind == 0)
    })?;
    let took = stage.world.now().since(began);
    stage.note(&format!("caught up with {BLOCKS} blocks in {took:?} of simulated time"));
    let told = stage.told(away, |event| matches!(event, Event::Syncing { .. }));
    ensure(told > 2, "the node did not say how it was coming along")?;
    stage.issue(away).map(|_| ())
}
