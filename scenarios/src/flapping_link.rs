//! A coordinator and one of its signers are linked by connections that die and are dialled again, each direction by
//! itself, so that offers of commitments are lost while the other side notices nothing. With a third node dead, every
//! signature needs that very signer.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{Link, NodeIndex, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "flapping-link",
    shows: "commitments that were lost with one direction of a link are replaced at once, not used up one by one",
    reaches: &["lost commitments are asked for again"],
    start: Start::Ready,
    play,
};

const FLAPS: u64 = 12;
const CERTIFICATES: usize = 8;
/// A signature that finds void commitments costs one more round trip or one more timeout of a signer, not dozens.
const PATIENCE: Duration = Duration::from_secs(3);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let coordinator = run.any_place();
    let signer = (coordinator + 1) % 4;
    run.world.crash((coordinator + 2) % 4);
    flap(run, coordinator, signer)?;
    for _ in 0..CERTIFICATES {
        let asked = run.ask_certificate(coordinator);
        let answered = |world: &World| world.answer(asked.id).is_some();
        run.world.run_until("a certificate in spite of void commitments", PATIENCE, answered)?;
        run.certificate(&asked)?;
    }
    ensure(run.world.views().count() == 3, "a node that was dead came back by itself")
}

/// The coordinator's side is made anew twice, so that it asks twice; the signer's side loses the second answer.
fn flap(run: &mut ScenarioRun, coordinator: NodeIndex, signer: NodeIndex) -> Result<(), RunFault> {
    let ask = Link { source: coordinator, target: signer };
    let answer = Link { source: signer, target: coordinator };
    for _ in 0..FLAPS {
        run.world.flap(ask);
        let pause = Duration::from_micros(run.random.below(12_000));
        run.world.run_for(pause)?;
        run.world.flap(if run.random.below(2) == 0 { ask } else { answer });
        let pause = Duration::from_micros(run.random.below(12_000));
        run.world.run_for(pause)?;
    }
    run.world.flap(ask);
    // Long enough for the request to arrive, too short for its answer.
    run.world.run_for(Duration::from_micros(5_100))?;
    run.world.flap(answer);
    Ok(())
}
