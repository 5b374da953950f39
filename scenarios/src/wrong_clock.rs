//! One node's wall clock is an hour ahead.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::base::UnixMillis;
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "wrong-clock",
    shows: "a node whose clock is an hour ahead neither stops the mesh nor drags its time along",
    reaches: &["a verdict is put off"],
    start: Start::Ready,
    play,
};

const AHEAD: Duration = Duration::from_secs(3600);
/// Block time may be ahead of the true time by this much at most: skew, and what is tolerated.
const TOLERATED_MS: u64 = 1_000;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let wrong = run.any_place();
    run.world.set_clock(wrong, AHEAD);
    for _ in 0..3 {
        for place in (0..4).filter(|place| *place != wrong) {
            run.issue(place)?;
        }
    }
    let latest = run.world.wall().plus(TOLERATED_MS);
    let time = run.world.view((wrong + 1) % 4).map_or(UnixMillis(0), |view| view.state.time());
    ensure(time <= latest, "the mesh's time ran ahead")
}
