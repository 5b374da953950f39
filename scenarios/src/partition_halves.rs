//! The network falls into two halves, neither of which is a quorum; then it heals.

use crate::Scenario;
use crate::stage::{Asked, Stage, ensure};
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "partition-halves",
    shows: "two halves decide nothing while they are apart, and everything that was asked once they are together",
    start: Start::Ready,
    play,
};

/// What was decided in the instant of the division is still told within this time.
const SETTLES: Duration = Duration::from_secs(2);

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    stage.issue(0)?;
    let before = stage.ask_certificate(0);
    let pause = Duration::from_micros(stage.random.below(40_000));
    stage.world.run_for(pause)?;
    stage.world.partition(&[0, 0, 1, 1]);
    stage.world.run_for(SETTLES)?;
    let height = highest(&stage.world);
    let asked = [stage.ask_certificate(1), stage.ask_certificate(2)];
    let apart = Duration::from_millis(1_000 + stage.random.below(20_000));
    stage.world.run_for(apart)?;
    ensure(highest(&stage.world) == height, "half a mesh decided a block")?;
    let done =
        asked.iter().any(|one| stage.world.answer(one.id).is_some_and(|answer| answer.response.is_ok()));
    ensure(!done, "half a mesh did what was asked of it")?;
    stage.world.heal();
    for one in [&before].into_iter().chain(&asked) {
        // Who was refused meanwhile, for want of a quorum, asks again as before.
        let refused = stage.world.answer(one.id).is_some_and(|answer| answer.response.is_err());
        let again = if refused { patiently(stage, one)? } else { one.clone() };
        stage.certificate(&again)?;
    }
    stage.wait("all nodes ready again", World::is_ready)
}

/// Asks a node again that was refused, until it is linked with the others.
fn patiently(stage: &mut Stage, refused: &Asked) -> Result<Asked, RunFault> {
    stage.wait("the halves linked", |world| world.views().all(|view| view.status.connected == 4))?;
    Ok(stage.ask(0, refused.request.clone()))
}

fn highest(world: &World) -> Option<hypermesh_core::base::Height> {
    world.views().map(|view| view.state.height()).max()
}
