//! One node of four is dead, and stays so: the others issue, answer and resolve, each of them.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_sim::world::{Place, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "one-of-four-dead-goes-on",
    shows: "with one node of four dead every other one issues within bounds and resolves names; the dead one catches up",
    start: Start::Ready,
    play,
};

/// The slowest that an issuance may be. A height that waits for the dead proposer takes 1.5 s; one whose proposer
/// died when some had its block and some not may take a third round.
const ISSUANCE_MAX: Duration = Duration::from_millis(5_000);
const ROUNDS: u64 = 6;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let dead = stage.any_place();
    let alive: Vec<Place> = (0..4).filter(|place| *place != dead).collect();
    let pause = Duration::from_micros(stage.random.below(60_000));
    let under_way = stage.ask_certificate((dead + 1) % 4);
    stage.world.run_for(pause)?;
    stage.world.crash(dead);
    stage.certificate(&under_way)?;
    let timed = stage.issue_in_turn(&alive, ROUNDS * 3)?;
    stage.note(&format!("one of four dead: mean {:?}, slowest {:?}", timed.mean, timed.slowest));
    ensure(timed.slowest < ISSUANCE_MAX, &format!("an issuance took {:?}", timed.slowest))?;
    for place in alive {
        ensure(stage.resolves(place)?, "a name does not resolve with one node dead")?;
    }
    stage.world.start(dead)?;
    stage.wait("all nodes ready again", World::is_ready)?;
    stage.issue(dead).map(|_| ())
}
