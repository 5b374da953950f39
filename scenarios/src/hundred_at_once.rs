//! A hundred clients ask in the same instant.

use crate::Scenario;
use crate::stage::{Asked, Stage, ensure};
use hypermesh_sim::world::{RunFault, Start};
use std::collections::BTreeSet;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "hundred-at-once",
    shows: "a hundred certificates asked for in one instant, over all nodes, are all issued, each once",
    start: Start::Ready,
    play,
};

const REQUESTS: usize = 100;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let asked: Vec<Asked> = (0..REQUESTS).map(|number| stage.ask_certificate(number % 4)).collect();
    let mut serials = BTreeSet::new();
    for asked in &asked {
        serials.insert(stage.certificate(asked)?.serial_number);
    }
    ensure(serials.len() == REQUESTS, "two requests got one certificate")
}
