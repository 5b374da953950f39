//! One node of four is dead, and stays so: the others issue, answer and resolve, each of them.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{NodeIndex, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "one-of-four-dead-goes-on",
    shows: "with one node of four dead every other one issues within bounds and resolves names; the dead one catches up",
    reaches: &[],
    start: Start::Ready,
    play,
};

/// The slowest that an issuance may be. A height that waits for the dead proposer takes 1.5 s; one whose proposer
/// died when some had its block and some not may take a third round.
const ISSUANCE_MAX: Duration = Duration::from_millis(5_000);
const ROUNDS: u64 = 6;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let dead = run.any_place();
    let alive: Vec<NodeIndex> = (0..4).filter(|place| *place != dead).collect();
    let pause = Duration::from_micros(run.random.below(60_000));
    let under_way = run.ask_certificate((dead + 1) % 4);
    run.world.run_for(pause)?;
    run.world.crash(dead);
    run.certificate(&under_way)?;
    let timed = run.issue_in_turn(&alive, ROUNDS * 3)?;
    run.note(&format!("one of four dead: mean {:?}, slowest {:?}", timed.mean, timed.slowest));
    ensure(timed.slowest < ISSUANCE_MAX, &format!("an issuance took {:?}", timed.slowest))?;
    for place in alive {
        ensure(run.resolves(place)?, "a name does not resolve with one node dead")?;
    }
    run.world.start(dead)?;
    run.wait("all nodes ready again", World::is_ready)?;
    run.issue(dead).map(|_| ())
}
