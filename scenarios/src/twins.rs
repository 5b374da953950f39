//! A second process is started with the key and a copy of the disk of a node that runs. Its peers refuse it, it finds
//! out and says nothing more. When both are dead, the first comes back and is let in at once.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "twins",
    shows: "a second process with a node's key is refused, told of by everyone, and falls silent; a restart is let in",
    reaches: &["a node stops because its twin runs"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    let original = run.any_place();
    let key = run.world.view(original).map(|view| view.status.node);
    let Some(twin) = run.world.add_twin(original) else { return ensure(false, "there is no such node") };
    run.world.start(twin)?;
    run.wait("the twin finds out", |world| {
        let found =
            |(_, place, event): &(_, _, Event)| *place == twin && matches!(event, Event::TwinRuns { .. });
        world.events().iter().any(found)
    })?;
    let tells = |world: &World, teller: usize| {
        let told = |(_, place, event): &(_, _, Event)| {
            *place == teller && matches!(event, Event::Doubled { validator } if Some(*validator) == key)
        };
        world.events().iter().any(told)
    };
    for teller in (0..4).filter(|place| *place != original) {
        run.wait("a peer tells of the twin", |world| tells(world, teller))?;
    }
    for place in 0..4 {
        run.issue(place)?;
    }
    run.world.crash(original);
    run.world.crash(twin);
    run.world.start(original)?;
    run.world.run_until("the first linked again", Duration::from_secs(2), |world| {
        world.view(original).is_some_and(|view| view.status.connected == 4)
    })?;
    run.issue(original).map(|_| ())
}
