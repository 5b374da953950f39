//! A node's disk is put back to an old copy. It would vote again where it has voted before; its peers tell it so, and
//! it abstains until it is past that.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, tells};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Disk, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "restored-old-disk-abstains",
    shows: "a node restored from an old disk notices, abstains until it is past its own votes, and then votes again",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let victim = run.any_place();
    let old = run.world.disk(victim).map(Disk::copy).unwrap_or_default();
    let issued = 2 + run.random.below(6);
    for number in 0..issued {
        run.issue(usize::try_from(number % 4).unwrap_or_default())?;
    }
    // In the middle of a height, or between two.
    let under_way = run.ask_certificate((victim + 1) % 4);
    let pause = Duration::from_micros(run.random.below(80_000));
    run.world.run_for(pause)?;
    // It has voted at this height, if at any above its last block.
    let voted = run.world.view(victim).map(|view| view.state.height().next());
    run.world.crash(victim);
    run.world.replace_disk(victim, &old);
    let down = Duration::from_millis(run.random.below(3_000));
    run.world.run_for(down)?;
    run.world.start(victim)?;
    run.certificate(&under_way)?;
    let abstains = |world: &World| tells(world, victim, |event| matches!(event, Event::Abstains { .. }));
    // It may have the blocks up to its last vote before it hears of that: then there is nothing to abstain from.
    let is_past = |world: &World| {
        world
            .view(victim)
            .is_some_and(|view| Some(view.state.height()) >= voted && view.status.voting == "yes")
    };
    run.wait("the node abstains, or is past its votes", |world| abstains(world) || is_past(world))?;
    if abstains(&run.world) {
        run.wait("the node votes again", |world| {
            tells(world, victim, |event| matches!(event, Event::VotesAgain { .. }))
        })?;
    }
    run.wait("all nodes ready again", World::is_ready)?;
    run.wait("its status say so", |world| {
        world.view(victim).is_some_and(|view| view.status.voting == "yes")
    })?;
    run.issue(victim).map(|_| ())
}
