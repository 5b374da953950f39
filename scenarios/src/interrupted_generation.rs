//! A node restarts while the keys are being generated. What it had in memory is gone, so the attempt is given up
//! and the next one succeeds.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "interrupted-generation",
    shows: "a restart in the middle of key generation aborts the attempt, and a new one succeeds",
    reaches: &["a batch is overtaken by another of its number", "a key generation is given up"],
    start: Start::Empty,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    let victim = run.any_place();
    // Its commitments stand on chain, so its secrets matter; nobody has confirmed yet.
    run.wait("the victim's commitments on chain", |world| {
        world.view(victim).is_some_and(|view| view.state.generation().round1.contains_key(&view.status.node))
    })?;
    run.world.crash(victim);
    let pause = Duration::from_micros(run.random.below(3_000_000));
    run.world.run_for(pause)?;
    run.world.start(victim)?;
    run.wait("all nodes ready", World::is_ready)?;
    let aborted = |(_, _, event): &(_, _, Event)| matches!(event, Event::GenerationAborted { .. });
    ensure(run.world.events().iter().any(aborted), "the attempt was not given up")?;
    run.begin()?;
    run.issue(victim).map(|_| ())
}
