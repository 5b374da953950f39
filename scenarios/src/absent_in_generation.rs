//! While the keys are being generated one node withholds its private shares, and later another is dead. Each time the
//! attempt is given up, whoever is missing is named with who says so, and the next attempt succeeds once all take part.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "absent-in-generation",
    shows: "a key generation in which someone withholds shares or is dead is given up, and says who; the next succeeds",
    reaches: &[],
    start: Start::Empty,
    play,
};

/// How long nodes wait for the absent, and then some.
const ABORT_PATIENCE: Duration = Duration::from_secs(80);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    let liar = run.any_place();
    run.world.corrupt(liar, Lie::NoPrivateShares);
    given_up(run, 0, liar)?;
    run.world.reform(liar);
    // The next attempt loses a node as soon as its commitments are on chain.
    let dead = (liar + 1) % 4;
    let place = (liar + 2) % 4;
    let stands = |world: &World| {
        let key = world.participants().keys().nth(dead);
        world.view(place).is_some_and(|view| {
            let generation = view.state.generation();
            generation.attempt == 1 && key.is_some_and(|key| generation.round1.contains_key(&key))
        })
    };
    run.wait("the commitments of the next attempt", stands)?;
    run.world.crash(dead);
    given_up(run, 1, dead)?;
    run.world.start(dead)?;
    run.begin()?;
    run.issue(dead).map(|_| ())
}

fn given_up(run: &mut ScenarioRun, number: u32, accused: NodeIndex) -> Result<(), RunFault> {
    let said = |world: &World| {
        world.events().iter().find_map(|(_, _, event)| match event {
            Event::GenerationAborted { attempt, reason } if *attempt == number => Some(reason.clone()),
            _ => None,
        })
    };
    run.world.run_until("the attempt given up", ABORT_PATIENCE, |world| said(world).is_some())?;
    let reason = said(&run.world).unwrap_or_default();
    let names =
        reason.contains(&format!("accused: node-{}", accused + 1)) && reason.contains("said by node-");
    ensure(names, &format!("the wrong one is blamed: {reason}"))
}
