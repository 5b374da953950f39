//! A node is away for ten thousand blocks, comes back, and is up to date by itself, while the others go on issuing.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{NodeIndex, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "away-ten-thousand-blocks",
    shows: "a node that was away for ten thousand blocks catches up by itself and disturbs nobody meanwhile",
    reaches: &["applying blocks waits for the disk"],
    start: Start::Ready,
    play,
};

const BLOCKS: u64 = 10_000;
/// Catching up may slow an issuance down to this many times its calm duration.
const SLOWER_MAX: u32 = 3;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let away = run.any_place();
    let others: Vec<NodeIndex> = (0..4).filter(|place| *place != away).collect();
    run.stop_in_step()?;
    run.world.grow(&others, BLOCKS)?;
    for place in &others {
        run.world.start(*place)?;
    }
    run.wait("the others ready", |world| world.views().all(|view| view.status.ready))?;
    let calm = run.issue_in_turn(&others, 3)?;
    run.world.start(away)?;
    run.wait("the node under way", |world| {
        world.view(away).is_some_and(|view| view.status.behind > BLOCKS / 2)
    })?;
    let began = run.world.now();
    let busy = run.issue_in_turn(&others, 3)?;
    let behind = run.world.view(away).map(|view| view.status.behind);
    ensure(behind > Some(0), "the node was back before anything was issued: nothing was shown")?;
    run.note(&format!("issuing took {:?}, and {:?} while the node caught up", calm.mean, busy.mean));
    ensure(
        busy.mean < calm.mean * SLOWER_MAX,
        &format!("issuing took {:?}, not {:?}", busy.mean, calm.mean),
    )?;
    let highest = run.world.views().map(|view| view.state.height()).max();
    run.wait("the node caught up", |world| {
        world.view(away).is_some_and(|view| Some(view.state.height()) >= highest && view.status.behind == 0)
    })?;
    let took = run.world.now().since(began);
    run.note(&format!("caught up with {BLOCKS} blocks in {took:?} of simulated time"));
    let told = run.told(away, |event| matches!(event, Event::Syncing { .. }));
    ensure(told > 2, "the node did not say how it was coming along")?;
    run.issue(away).map(|_| ())
}
