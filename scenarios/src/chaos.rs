//! Crashes, partitions and losses by chance, with requests all the while; then a quorum is healed and must make
//! progress, whatever is still broken.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::state::Certificate;
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "chaos",
    shows: "whatever crashes, divides and gets lost, in the end a quorum answers all that was asked, once",
    reaches: &[],
    start: Start::Ready,
    play,
};

const STEPS: usize = 24;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let mut asked = Vec::new();
    for _ in 0..STEPS {
        trouble(run, &mut asked)?;
        let pause = Duration::from_micros(run.random.below(600_000));
        run.world.run_for(pause)?;
    }
    recover(run, &asked)
}

/// One thing that goes wrong, or right again, or a request.
fn trouble(run: &mut ScenarioRun, asked: &mut Vec<PendingRequest>) -> Result<(), RunFault> {
    let place = run.any_place();
    match run.random.below(10) {
        0 | 1 => run.world.crash(place),
        2 | 3 => run.world.start(place)?,
        4 => {
            let sides: Vec<u8> = (0..4).map(|_| u8::from(run.random.below(3) == 0)).collect();
            run.world.partition(&sides);
        }
        5 => run.world.heal(),
        6 => {
            let per_mille = run.random.below(300);
            run.world.lose(per_mille);
        }
        _ => asked.push(run.ask_certificate(place)),
    }
    Ok(())
}

/// Heals all but one node, and asks the others for everything again.
fn recover(run: &mut ScenarioRun, asked: &[PendingRequest]) -> Result<(), RunFault> {
    let broken = run.any_place();
    run.world.lose(0);
    run.world.heal();
    for place in (0..4).filter(|place| *place != broken) {
        run.world.start(place)?;
    }
    run.world.crash(broken);
    // Until they are linked again they refuse, as they should.
    run.wait("the others are ready", |world| {
        let mut others = (0..4).filter(|place| *place != broken);
        others.all(|place| world.view(place).is_some_and(|view| view.status.ready))
    })?;
    let mut serials = Vec::new();
    for one in asked {
        let place = (broken + 1 + usize::from(run.random.below(2) == 0)) % 4;
        let again = run.ask(place, one.request.clone());
        serials.push(run.certificate(&again)?.serial_number);
    }
    for place in (0..4).filter(|place| *place != broken) {
        run.issue(place)?;
    }
    run.world.start(broken)?;
    let highest = run.world.views().map(|view| view.state.height()).max();
    run.wait("the last node caught up", |world| {
        world.view(broken).is_some_and(|view| Some(view.state.height()) >= highest)
    })?;
    let knows =
        |serial| run.world.view(broken).is_some_and(|view| view.state.get::<Certificate>(serial).is_some());
    ensure(serials.iter().all(knows), "the last node does not know what was issued")
}
