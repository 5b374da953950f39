//! A node's disk is gone. Once its operator has a backup of the key shares, once it has not: then the other three
//! repair them. Either way the node fetches the chain and signs again.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{NodeIndex, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "wiped-disk",
    shows: "a node that lost its disk gets its key shares from its backup, or repaired by the others, and signs again",
    reaches: &[
        "a signature comes before its block",
        "a ticket comes too late",
        "an abstention outlives a height",
        "key shares are repaired",
    ],
    start: Start::Ready,
    play,
};

/// The mesh goes on for so long that what the node said last is of heights long past.
const AWAY: Duration = Duration::from_secs(8);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    let victim = run.any_place();
    run.world.crash(victim);
    run.world.run_for(AWAY)?;
    run.world.wipe_all_but_shares(victim);
    run.world.start(victim)?;
    signs_again(run, victim)?;
    ensure(!repaired(&run.world), "shares that came from a backup were repaired")?;
    run.world.crash(victim);
    run.world.run_for(AWAY)?;
    run.world.wipe(victim);
    run.world.start(victim)?;
    signs_again(run, victim)?;
    ensure(repaired(&run.world), "the shares were not repaired, and yet the node signs")
}

/// With another node dead, certificates take the victim's signature share.
fn signs_again(run: &mut ScenarioRun, victim: NodeIndex) -> Result<(), RunFault> {
    run.wait("the victim ready and in possession of its shares", |world| {
        let whole = |status: &str| status.starts_with("active") && !status.contains("lacks");
        world.view(victim).is_some_and(|view| view.status.ready && whole(&view.status.committee))
    })?;
    let other = (victim + 1) % 4;
    run.world.crash(other);
    run.issue(victim)?;
    run.issue((victim + 2) % 4)?;
    run.world.start(other)?;
    run.wait("all nodes ready", World::is_ready)
}

fn repaired(world: &World) -> bool {
    world.events().iter().any(|(_, _, event)| matches!(event, Event::SharesRepaired { .. }))
}
