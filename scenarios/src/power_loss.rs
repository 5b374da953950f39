//! The power fails everywhere in one instant. Whatever had been answered must still be so afterwards.

use crate::Scenario;
use crate::stage::{Asked, Stage, ensure};
use hypermesh_core::api::Response;
use hypermesh_core::state::Certificate;
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "power-loss",
    shows: "when all nodes lose power at once, every answered operation stands afterwards and the mesh goes on",
    start: Start::Ready,
    play,
};

const REQUESTS: usize = 16;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let asked: Vec<Asked> = (0..REQUESTS)
        .map(|number| {
            let pause = Duration::from_micros(stage.random.below(15_000));
            let one = stage.ask_certificate(number % 4);
            stage.world.run_for(pause).map(|()| one)
        })
        .collect::<Result<_, _>>()?;
    let pause = Duration::from_micros(stage.random.below(60_000));
    stage.world.run_for(pause)?;
    (0..4).for_each(|place| stage.world.crash(place));
    let acknowledged: Vec<SerialNumber> = asked
        .iter()
        .filter_map(|one| match &stage.world.answer(one.id)?.response {
            Ok(Response::IssueCertificate(issued)) => Some(issued.serial_number),
            _ => None,
        })
        .collect();
    for place in 0..4 {
        let pause = Duration::from_micros(stage.random.below(1_000_000));
        stage.world.run_for(pause)?;
        stage.world.start(place)?;
    }
    stage.wait("all nodes ready again", World::is_ready)?;
    // One more block, so that what a node held in its log of votes is decided.
    stage.issue(0)?;
    for serial in &acknowledged {
        let stands = stage.world.view(0).is_some_and(|view| view.state.get::<Certificate>(serial).is_some());
        ensure(stands, "a certificate that had been answered is gone")?;
    }
    for one in &asked {
        let place = stage.any_place();
        let again = stage.ask(place, one.request.clone());
        stage.certificate(&again)?;
    }
    Ok(())
}
