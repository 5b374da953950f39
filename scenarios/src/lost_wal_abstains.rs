//! A node loses its log of votes in the middle of a height that cannot be decided yet. Its peers hold its votes: it
//! must not vote again at that height, even though nothing goes on without it.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "lost-wal-abstains",
    shows: "a node whose log of votes is lost asks its peers, and never votes again at a height where it has voted",
    reaches: &["a node abstains"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    // A node that has just started votes for nothing before it knows what it said last.
    run.wait("all nodes vote", |world| world.views().all(|view| view.status.voting == "yes"))?;
    let victim = run.any_place();
    let (witness, dead) = ((victim + 1) % 4, (victim + 2) % 4);
    let cut_off = (victim + 3) % 4;
    run.world.crash(dead);
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(cut_off).take(1).for_each(|side| *side = 1);
    run.world.partition(&sides);
    // Two of four vote, and decide nothing.
    let height = run.world.view(victim).map(|view| view.state.height());
    let _asked = run.ask_certificate(victim);
    let pause = Duration::from_millis(4_500 + run.random.below(3_000));
    run.world.run_for(pause)?;
    let now = run.world.view(victim).map(|view| view.state.height());
    run.world.crash(victim);
    run.world.lose_log(victim);
    let down = Duration::from_millis(run.random.below(1_000));
    run.world.run_for(down)?;
    run.world.start(victim)?;
    run.world.heal();
    run.wait("the node abstains", |world| {
        tells(world, victim, |event| matches!(event, Event::Abstains { .. }))
    })?;
    ensure(now >= height, "the height went back")?;
    // The witness and the one that was cut off are two, the victim abstains: nothing is decided.
    let stuck = run.world.view(witness).map(|view| view.state.height());
    run.world.run_for(Duration::from_secs(5))?;
    let still = run.world.view(witness).map(|view| view.state.height());
    ensure(stuck == still, "a height was decided by two")?;
    let told = run.world.view(victim).map(|view| view.status.voting.clone()).unwrap_or_default();
    ensure(told.contains("abstains"), &format!("its status is {told:?}"))?;
    run.world.start(dead)?;
    run.wait("the node votes again", |world| {
        tells(world, victim, |event| matches!(event, Event::VotesAgain { .. }))
    })?;
    run.wait("all nodes ready again", World::is_ready)?;
    run.issue(victim).map(|_| ())
}
