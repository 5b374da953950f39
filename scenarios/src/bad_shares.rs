//! One node of four signs wrongly. Its shares are found out, named, and replaced by another's.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "bad-shares",
    shows: "a node that sends bad signature shares is named, and certificates are issued all the same",
    reaches: &["a signature is tried again with other signers", "a signer is caught"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let liar = run.any_place();
    run.world.corrupt(liar, Lie::BadShares);
    for _ in 0..3 {
        for place in (0..4).filter(|place| *place != liar) {
            run.issue(place)?;
        }
    }
    let key = run.world.view(liar).map(|view| view.status.node);
    let named = |(_, _, event): &(_, _, Event)| matches!(event, Event::Culprit { validator, .. } if Some(*validator) == key);
    ensure(run.world.events().iter().any(named), "nobody noticed the bad shares")
}
