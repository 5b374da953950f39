//! A node's disk is gone. Once its operator has a backup of the key shares, once it has not: then the other three
//! repair them. Either way the node fetches the chain and signs again.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Place, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "wiped-disk",
    shows: "a node that lost its disk gets its key shares from its backup, or repaired by the others, and signs again",
    start: Start::Ready,
    play,
};

/// The mesh goes on for so long that what the node said last is of heights long past.
const AWAY: Duration = Duration::from_secs(8);

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    stage.issue(0)?;
    let victim = stage.any_place();
    stage.world.crash(victim);
    stage.world.run_for(AWAY)?;
    stage.world.wipe_all_but_shares(victim);
    stage.world.start(victim)?;
    signs_again(stage, victim)?;
    ensure(!repaired(&stage.world), "shares that came from a backup were repaired")?;
    stage.world.crash(victim);
    stage.world.run_for(AWAY)?;
    stage.world.wipe(victim);
    stage.world.start(victim)?;
    signs_again(stage, victim)?;
    ensure(repaired(&stage.world), "the shares were not repaired, and yet the node signs")
}

/// With another node dead, certificates take the victim's signature share.
fn signs_again(stage: &mut Stage, victim: Place) -> Result<(), RunFault> {
    stage.wait("the victim ready and in possession of its shares", |world| {
        let whole = |status: &str| status.starts_with("active") && !status.contains("lacks");
        world.view(victim).is_some_and(|view| view.status.ready && whole(&view.status.committee))
    })?;
    let other = (victim + 1) % 4;
    stage.world.crash(other);
    stage.issue(victim)?;
    stage.issue((victim + 2) % 4)?;
    stage.world.start(other)?;
    stage.wait("all nodes ready", World::is_ready)
}

fn repaired(world: &World) -> bool {
    world.events().iter().any(|(_, _, event)| matches!(event, Event::SharesRepaired { .. }))
}
