//! The power fails everywhere in one instant, three times, while certificates are being issued. Nothing that was
//! answered is lost, nobody votes twice, nobody abstains, and the mesh goes on by itself.

use crate::Scenario;
use crate::stage::{Asked, Stage, ensure};
use hypermesh_core::api::Response;
use hypermesh_core::state::Certificate;
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "power-loss-of-all-under-load",
    shows: "however often all nodes lose power at once under load, what was answered stands and the mesh goes on",
    start: Start::Ready,
    play,
};

const LOSSES: usize = 3;
const REQUESTS: usize = 12;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let mut asked: Vec<Asked> = Vec::new();
    for _ in 0..LOSSES {
        let last = stage.random.below(REQUESTS as u64);
        for number in 0..=usize::try_from(last).unwrap_or_default() {
            let pause = Duration::from_micros(stage.random.below(12_000));
            asked.push(stage.ask_certificate(number % 4));
            stage.world.run_for(pause)?;
        }
        (0..4).for_each(|place| stage.world.crash(place));
        for place in 0..4 {
            let pause = Duration::from_micros(stage.random.below(300_000));
            stage.world.run_for(pause)?;
            stage.world.start(place)?;
        }
    }
    stage.wait("all nodes ready again", World::is_ready)?;
    // One more block, so that what nodes held in their logs of votes is decided.
    stage.issue(0)?;
    for serial in acknowledged(stage, &asked) {
        let stands = stage.world.view(0).is_some_and(|view| view.state.get::<Certificate>(&serial).is_some());
        ensure(stands, "a certificate that had been answered is gone")?;
    }
    for one in &asked {
        let place = stage.any_place();
        let again = stage.ask(place, one.request.clone());
        stage.certificate(&again)?;
    }
    Ok(())
}

fn acknowledged(stage: &Stage, asked: &[Asked]) -> Vec<SerialNumber> {
    let answered = |one: &Asked| match &stage.world.answer(one.id)?.response {
        Ok(Response::IssueCertificate(issued)) => Some(issued.serial_number),
        _ => None,
    };
    asked.iter().filter_map(answered).collect()
}
