//! Every node loses its disk, one after the other: the next as soon as the last one says that it is ready, and nothing else
//! is waited for. That is what the manual tells an operator to do.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::Condition;
use hypermesh_core::node::Event;
use hypermesh_sim::world::{NodeIndex, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "rebuilt-in-turn",
    shows: "nodes that are rebuilt from nothing one after the other, each once the last is ready, leave an authority that signs",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let first = run.any_place();
    for turn in 0..4 {
        rebuild(run, (first + turn) % 4)?;
    }
    // With a node dead, each of the other three has to sign with the shares that it got.
    run.world.crash(first);
    run.issue((first + 1) % 4).map(|_| ())
}

fn rebuild(run: &mut ScenarioRun, victim: NodeIndex) -> Result<(), RunFault> {
    run.world.crash(victim);
    run.world.wipe(victim);
    run.world.start(victim)?;
    let mut named = false;
    run.wait("the victim ready", |world| {
        let Some(view) = world.view(victim) else { return false };
        named |= view.status.not_ready.iter().any(|unmet| unmet.condition == Condition::Shares);
        view.status.ready
    })?;
    ensure(named, "it was never said that the shares are missing")?;
    let repaired = |event: &Event| matches!(event, Event::SharesRepaired { .. });
    ensure(run.told(victim, repaired) > 0, "it is ready, and its shares were not repaired")
}
