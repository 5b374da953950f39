//! One node of four stays down. The three others hold as many shares as it takes.

use crate::Scenario;
use crate::scenario_run::ScenarioRun;
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dead-signer",
    shows: "with one node of four down, certificates are issued at each of the others",
    reaches: &["a batch is sent again", "a round ends without a decision", "a vote for nothing is signed"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    let dead = run.any_place();
    // In the instant before, someone has asked: the signing is under way when the node dies.
    let asked = run.ask_certificate((dead + 1) % 4);
    let pause = std::time::Duration::from_micros(run.random.below(60_000));
    run.world.run_for(pause)?;
    run.world.crash(dead);
    run.certificate(&asked)?;
    for _ in 0..2 {
        for place in (0..4).filter(|place| *place != dead) {
            run.issue(place)?;
        }
    }
    Ok(())
}
