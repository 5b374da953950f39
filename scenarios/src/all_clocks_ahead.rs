//! All clocks are ahead for a while, by minutes or by most of a year, and come back: see [`crate::clocks_ahead`].

use crate::scenario_run::ScenarioRun;
use crate::{Scenario, clocks_ahead};
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "all-clocks-ahead",
    shows: "after all clocks were ahead by minutes or a year, the mesh goes on within seconds",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    clocks_ahead::play(run, &[0, 1, 2, 3])
}
