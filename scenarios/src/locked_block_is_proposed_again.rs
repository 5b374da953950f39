//! Some nodes see a quorum of prevotes for a block, and others do not, because every third message is lost. Whoever has
//! locked the block stays with it, and it is proposed again in a later round, with the prevotes that lead to it.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "locked-block-is-proposed-again",
    shows: "a block that some have locked is carried to later rounds and proposed again, and decided",
    reaches: &["a block is proposed again with its prevotes", "a locked block is carried to a later round"],
    start: Start::Ready,
    play,
};

/// So many blocks are decided at most until it is seen.
const TRY_COUNT_MAX: usize = 60;
/// What has to be seen.
const MARKS: [&str; 2] =
    ["a locked block is carried to a later round", "a block is proposed again with its prevotes"];

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let seen = |world: &World| MARKS.iter().all(|mark| world.marks().contains_key(mark));
    for _ in 0..TRY_COUNT_MAX {
        if seen(&run.world) {
            break;
        }
        let place = run.any_place();
        let asked = run.ask_certificate(place);
        run.world.lose(330);
        let pause = Duration::from_millis(3_000 + run.random.below(3_000));
        run.world.run_for(pause)?;
        run.world.lose(0);
        run.certificate(&asked)?;
    }
    ensure(seen(&run.world), "no block was locked and not decided")?;
    (0..4).try_for_each(|place| run.issue(place).map(|_| ()))
}
