//! A node loses its log of votes in the middle of a height that cannot be decided yet. Its peers hold its votes: it
//! must not vote again at that height, even though nothing goes on without it.

use crate::Scenario;
use crate::stage::{Stage, ensure, tells};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "lost-wal-abstains",
    shows: "a node whose log of votes is lost asks its peers, and never votes again at a height where it has voted",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    // A node that has just started votes for nothing before it knows what it said last.
    stage.wait("all nodes vote", |world| world.views().all(|view| view.status.voting == "yes"))?;
    let victim = stage.any_place();
    let (witness, dead) = ((victim + 1) % 4, (victim + 2) % 4);
    let cut_off = (victim + 3) % 4;
    stage.world.crash(dead);
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(cut_off).take(1).for_each(|side| *side = 1);
    stage.world.partition(&sides);
    // Two of four vote, and decide nothing.
    let height = stage.world.view(victim).map(|view| view.state.height());
    let _asked = stage.ask_certificate(victim);
    let pause = Duration::from_millis(4_500 + stage.random.below(3_000));
    stage.world.run_for(pause)?;
    let now = stage.world.view(victim).map(|view| view.state.height());
    stage.world.crash(victim);
    stage.world.lose_log(victim);
    let down = Duration::from_millis(stage.random.below(1_000));
    stage.world.run_for(down)?;
    stage.world.start(victim)?;
    stage.world.heal();
    stage.wait("the node abstains", |world| {
        tells(world, victim, |event| matches!(event, Event::Abstains { .. }))
    })?;
    ensure(now >= height, "the height went back")?;
    // The witness and the one that was cut off are two, the victim abstains: nothing is decided.
    let stuck = stage.world.view(witness).map(|view| view.state.height());
    stage.world.run_for(Duration::from_secs(5))?;
    let still = stage.world.view(witness).map(|view| view.state.height());
    ensure(stuck == still, "a height was decided by two")?;
    let told = stage.world.view(victim).map(|view| view.status.voting.clone()).unwrap_or_default();
    ensure(told.contains("abstains"), &format!("its status is {told:?}"))?;
    stage.world.start(dead)?;
    stage.wait("the node votes again", |world| {
        tells(world, victim, |event| matches!(event, Event::VotesAgain { .. }))
    })?;
    stage.wait("all nodes ready again", World::is_ready)?;
    stage.issue(victim).map(|_| ())
}
