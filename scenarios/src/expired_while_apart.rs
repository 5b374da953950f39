//! An operation is asked for at a node that is cut off, and its time runs out before the network heals.

use crate::Scenario;
use crate::stage::{NAME, Stage, ensure};
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "expired-while-apart",
    shows: "an operation whose time ran out at a node that was cut off is refused afterwards, not forgotten",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let lonely = stage.any_place();
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(lonely).take(1).for_each(|side| *side = 1);
    stage.world.partition(&sides);
    let nonce = stage.nonce();
    let life = Duration::from_millis(100 + stage.random.below(5_000));
    let request = stage.client().in_a_hurry(life).issue(nonce, &[NAME]);
    let asked = stage.ask(lonely, request);
    stage.world.run_for(life + Duration::from_millis(1 + stage.random.below(30_000)))?;
    let refused = stage.was_refused_for_want_of_quorum(&asked)?;
    stage.world.heal();
    // Whoever was told that quorum is missing asks again, too late.
    let asked = if refused { stage.ask_again(lonely, asked)? } else { asked };
    let fault = stage.refusal_for_good(lonely, asked)?;
    ensure(fault.message.contains("expired"), &format!("refused for another reason: {fault}"))?;
    stage.issue(lonely).map(|_| ())
}
