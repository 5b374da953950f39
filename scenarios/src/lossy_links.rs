//! Links that stand lose one message of ten.

use crate::Scenario;
use crate::stage::Stage;
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "lossy-links",
    shows: "with one message of ten lost, the mesh still generates its keys and issues at every node",
    start: Start::Empty,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.world.lose(100);
    stage.begin()?;
    for place in (0..4).cycle().take(8) {
        stage.issue(place)?;
    }
    stage.world.lose(0);
    Ok(())
}
