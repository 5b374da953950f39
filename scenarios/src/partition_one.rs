//! One node is cut off from the three others; then it comes back.

use crate::Scenario;
use crate::stage::Stage;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "partition-one",
    shows: "three nodes go on without the fourth, which catches up and then answers what it was asked meanwhile",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let lonely = stage.any_place();
    let mut sides = [0_u8; 4];
    if let Some(side) = sides.get_mut(lonely) {
        *side = 1;
    }
    stage.world.partition(&sides);
    let waiting = stage.ask_certificate(lonely);
    for _ in 0..2 {
        for place in (0..4).filter(|place| *place != lonely) {
            stage.issue(place)?;
        }
    }
    let apart = Duration::from_millis(stage.random.below(30_000));
    stage.world.run_for(apart)?;
    let refused = stage.was_refused_for_want_of_quorum(&waiting)?;
    stage.world.heal();
    // Whoever was told that quorum is missing asks again.
    let waiting = if refused { stage.ask_again(lonely, waiting)? } else { waiting };
    stage.certificate(&waiting)?;
    stage.wait("all nodes ready again", World::is_ready)?;
    stage.issue(lonely).map(|_| ())
}
