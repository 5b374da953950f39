//! Every node loses its disk, one after the other: the next as soon as the last one says that it is ready, and nothing else
//! is waited for. That is what the manual tells an operator to do.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::api::Condition;
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Place, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "rebuilt-in-turn",
    shows: "nodes that are rebuilt from nothing one after the other, each once the last is ready, leave an authority that signs",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let first = stage.any_place();
    for turn in 0..4 {
        rebuild(stage, (first + turn) % 4)?;
    }
    // With a node dead, each of the other three has to sign with the shares that it got.
    stage.world.crash(first);
    stage.issue((first + 1) % 4).map(|_| ())
}

fn rebuild(stage: &mut Stage, victim: Place) -> Result<(), RunFault> {
    stage.world.crash(victim);
    stage.world.wipe(victim);
    stage.world.start(victim)?;
    let mut named = false;
    stage.wait("the victim ready", |world| {
        let Some(view) = world.view(victim) else { return false };
        named |= view.status.not_ready.iter().any(|unmet| unmet.condition == Condition::Shares);
        view.status.ready
    })?;
    ensure(named, "it was never said that the shares are missing")?;
    let repaired = |event: &Event| matches!(event, Event::SharesRepaired { .. });
    ensure(stage.told(victim, repaired) > 0, "it is ready, and its shares were not repaired")
}
