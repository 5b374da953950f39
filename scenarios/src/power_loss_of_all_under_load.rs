//! The power fails everywhere in one instant, three times, while certificates are being issued. Nothing that was
//! answered is lost, nobody votes twice, nobody abstains, and the mesh goes on by itself.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::api::Response;
use hypermesh_core::state::Certificate;
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "power-loss-of-all-under-load",
    shows: "however often all nodes lose power at once under load, what was answered stands and the mesh goes on",
    reaches: &[],
    start: Start::Ready,
    play,
};

const LOSSES: usize = 3;
const REQUESTS: usize = 12;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let mut asked: Vec<PendingRequest> = Vec::new();
    for _ in 0..LOSSES {
        let last = run.random.below(REQUESTS as u64);
        for number in 0..=usize::try_from(last).unwrap_or_default() {
            let pause = Duration::from_micros(run.random.below(12_000));
            asked.push(run.ask_certificate(number % 4));
            run.world.run_for(pause)?;
        }
        (0..4).for_each(|place| run.world.crash(place));
        for place in 0..4 {
            let pause = Duration::from_micros(run.random.below(300_000));
            run.world.run_for(pause)?;
            run.world.start(place)?;
        }
    }
    run.wait("all nodes ready again", World::is_ready)?;
    // One more block, so that what nodes held in their logs of votes is decided.
    run.issue(0)?;
    for serial in acknowledged(run, &asked) {
        let stands = run.world.view(0).is_some_and(|view| view.state.get::<Certificate>(&serial).is_some());
        ensure(stands, "a certificate that had been answered is gone")?;
    }
    for one in &asked {
        let place = run.any_place();
        let again = run.ask(place, one.request.clone());
        run.certificate(&again)?;
    }
    Ok(())
}

fn acknowledged(run: &ScenarioRun, asked: &[PendingRequest]) -> Vec<SerialNumber> {
    let answered = |one: &PendingRequest| match &run.world.answer(one.id)?.response {
        Ok(Response::IssueCertificate(issued)) => Some(issued.serial_number),
        _ => None,
    };
    asked.iter().filter_map(answered).collect()
}
