//! One node of four stays down. The three others hold as many shares as it takes.

use crate::Scenario;
use crate::stage::Stage;
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dead-signer",
    shows: "with one node of four down, certificates are issued at each of the others",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    stage.issue(0)?;
    let dead = stage.any_place();
    // In the instant before, someone has asked: the signing is under way when the node dies.
    let asked = stage.ask_certificate((dead + 1) % 4);
    let pause = std::time::Duration::from_micros(stage.random.below(60_000));
    stage.world.run_for(pause)?;
    stage.world.crash(dead);
    stage.certificate(&asked)?;
    for _ in 0..2 {
        for place in (0..4).filter(|place| *place != dead) {
            stage.issue(place)?;
        }
    }
    Ok(())
}
