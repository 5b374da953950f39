//! A node dies while certificates are being issued, and comes back. Nothing that was answered is lost, and what
//! was not answered is asked for elsewhere.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::state::Certificate;
use hypermesh_sim::world::{NodeIndex, RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "crash-and-restart",
    shows: "a node that dies in the middle of issuing catches up, and no certificate is lost or issued twice",
    reaches: &["a block without a verdict is endorsed"],
    start: Start::Ready,
    play,
};

const REQUESTS: usize = 24;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let victim = run.any_place();
    let mut asked: Vec<(NodeIndex, PendingRequest)> = Vec::new();
    let crash_after = run.random.below(REQUESTS as u64) as usize;
    for number in 0..REQUESTS {
        let place = number % 4;
        let one = run.ask_certificate(place);
        asked.push((place, one));
        let pause = Duration::from_micros(run.random.below(20_000));
        run.world.run_for(pause)?;
        if number == crash_after {
            run.world.crash(victim);
        }
    }
    let down = Duration::from_millis(run.random.below(4_000));
    run.world.run_for(down)?;
    run.world.start(victim)?;
    let mut serials = Vec::new();
    for (place, one) in &asked {
        // Those whom the victim never answered ask its neighbour.
        let answered = run.world.answer(one.id).is_some();
        let issued = if *place == victim && !answered {
            let again = run.ask((victim + 1) % 4, one.request.clone());
            run.certificate(&again)?
        } else {
            run.certificate(one)?
        };
        serials.push(issued.serial_number);
    }
    run.wait("the victim ready", |world| world.view(victim).is_some_and(|view| view.status.ready))?;
    let highest = run.world.views().map(|view| view.state.height()).max();
    run.wait("the victim caught up", |world| {
        world.view(victim).is_some_and(|view| Some(view.state.height()) >= highest)
    })?;
    for serial in &serials {
        let known =
            run.world.view(victim).is_some_and(|view| view.state.get::<Certificate>(serial).is_some());
        ensure(known, "the victim does not know a certificate that was issued")?;
    }
    // It can be asked again, also for what was issued while it was down.
    let last = serials.last().copied();
    last.map_or(Ok(()), |serial| run.fetch(victim, serial).map(|_| ()))?;
    run.issue(victim).map(|_| ())
}
