//! The power fails everywhere in one instant. Whatever had been answered must still be so afterwards.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::api::Response;
use hypermesh_core::state::Certificate;
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "power-loss",
    shows: "when all nodes lose power at once, every answered operation stands afterwards and the mesh goes on",
    reaches: &["a height is taken up from the log of votes", "a proposal is sent again after a restart"],
    start: Start::Ready,
    play,
};

const REQUESTS: usize = 16;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let asked: Vec<PendingRequest> = (0..REQUESTS)
        .map(|number| {
            let pause = Duration::from_micros(run.random.below(15_000));
            let one = run.ask_certificate(number % 4);
            run.world.run_for(pause).map(|()| one)
        })
        .collect::<Result<_, _>>()?;
    let pause = Duration::from_micros(run.random.below(60_000));
    run.world.run_for(pause)?;
    (0..4).for_each(|place| run.world.crash(place));
    let acknowledged: Vec<SerialNumber> = asked
        .iter()
        .filter_map(|one| match &run.world.answer(one.id)?.response {
            Ok(Response::IssueCertificate(issued)) => Some(issued.serial_number),
            _ => None,
        })
        .collect();
    for place in 0..4 {
        let pause = Duration::from_micros(run.random.below(1_000_000));
        run.world.run_for(pause)?;
        run.world.start(place)?;
    }
    run.wait("all nodes ready again", World::is_ready)?;
    // One more block, so that what a node held in its log of votes is decided.
    run.issue(0)?;
    for serial in &acknowledged {
        let stands = run.world.view(0).is_some_and(|view| view.state.get::<Certificate>(serial).is_some());
        ensure(stands, "a certificate that had been answered is gone")?;
    }
    for one in &asked {
        let place = run.any_place();
        let again = run.ask(place, one.request.clone());
        run.certificate(&again)?;
    }
    Ok(())
}
