//! A hundred clients ask in the same instant.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start};
use std::collections::BTreeSet;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "hundred-at-once",
    shows: "a hundred certificates asked for in one instant, over all nodes, are all issued, each once",
    reaches: &["a batch is bound to the beacon before", "a peer that is linked late is sent what it missed"],
    start: Start::Ready,
    play,
};

const REQUESTS: usize = 100;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let asked: Vec<PendingRequest> = (0..REQUESTS).map(|number| run.ask_certificate(number % 4)).collect();
    let mut serials = BTreeSet::new();
    for asked in &asked {
        serials.insert(run.certificate(asked)?.serial_number);
    }
    ensure(serials.len() == REQUESTS, "two requests got one certificate")
}
