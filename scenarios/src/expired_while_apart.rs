//! An operation is asked for at a node that is cut off, and its time runs out before the network heals.

use crate::Scenario;
use crate::scenario_run::{NAME, ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "expired-while-apart",
    shows: "an operation whose time ran out at a node that was cut off is refused afterwards, not forgotten",
    reaches: &["an operation that nobody pays for is refused by its member"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let lonely = run.any_place();
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(lonely).take(1).for_each(|side| *side = 1);
    run.world.partition(&sides);
    let nonce = run.nonce();
    let life = Duration::from_millis(100 + run.random.below(5_000));
    let request = run.client().in_a_hurry(life).issue(nonce, &[NAME]);
    let asked = run.ask(lonely, request);
    run.world.run_for(life + Duration::from_millis(1 + run.random.below(30_000)))?;
    let refused = run.was_refused_for_want_of_quorum(&asked)?;
    run.world.heal();
    // Whoever was told that quorum is missing asks again, too late.
    let asked = if refused { run.ask_again(lonely, asked)? } else { asked };
    let fault = run.refusal_for_good(lonely, asked)?;
    ensure(fault.message.contains("expired"), &format!("refused for another reason: {fault}"))?;
    run.issue(lonely).map(|_| ())
}
