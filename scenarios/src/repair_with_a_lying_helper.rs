//! Of seven nodes one has lost its disk, and one of those that are to repair its key shares lies: to the asker, whom it
//! sends a wrong sum, or to the other helpers. It is named, and others help.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "repair-with-a-lying-helper",
    shows: "a helper that spoils the repair of key shares is named, and the repair succeeds with others",
    reaches: &["a repair of key shares is given up"],
    start: Start::Ready,
    play,
};

const NODES: usize = 7;
const AWAY: Duration = Duration::from_secs(8);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.world = run.world.with_nodes(NODES);
    run.wait("all nodes ready", World::is_ready)?;
    let victim = run.random.below(NODES as u64) as usize;
    let to_asker = run.random.below(2) == 0;
    // Whoever comes next in the order of keys is asked first.
    let liar = if victim == 0 { 1 } else { 0 };
    run.world.crash(victim);
    run.world.run_for(AWAY)?;
    run.world.wipe(victim);
    run.world.corrupt(liar, if to_asker { Lie::BadRepairSums } else { Lie::BadRepairDeltas });
    run.world.start(victim)?;
    let repaired = |world: &World| {
        world
            .events()
            .iter()
            .any(|(_, place, event)| *place == victim && matches!(event, Event::SharesRepaired { .. }))
    };
    run.world.run_until("the shares repaired", Duration::from_secs(90), repaired)?;
    let key = run.world.participants().keys().nth(liar);
    let named = |(_, _, event): &(_, _, Event)| match event {
        Event::Culprit { validator, .. } => to_asker && Some(*validator) == key,
        Event::RepairEnded { given_up: Some(reason), .. } => {
            key.is_some_and(|key| reason.contains(&format!("accused: {key}")))
        }
        _ => false,
    };
    ensure(run.world.events().iter().any(named), "nobody named the liar")
}
