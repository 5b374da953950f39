//! Crashes, partitions and losses by chance, with requests all the while; then a quorum is healed and must make
//! progress, whatever is still broken.

use crate::Scenario;
use crate::stage::{Asked, Stage, ensure};
use hypermesh_core::state::Certificate;
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "chaos",
    shows: "whatever crashes, divides and gets lost, in the end a quorum answers all that was asked, once",
    start: Start::Ready,
    play,
};

const STEPS: usize = 24;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let mut asked = Vec::new();
    for _ in 0..STEPS {
        trouble(stage, &mut asked)?;
        let pause = Duration::from_micros(stage.random.below(600_000));
        stage.world.run_for(pause)?;
    }
    recover(stage, &asked)
}

/// One thing that goes wrong, or right again, or a request.
fn trouble(stage: &mut Stage, asked: &mut Vec<Asked>) -> Result<(), RunFault> {
    let place = stage.any_place();
    match stage.random.below(10) {
        0 | 1 => stage.world.crash(place),
        2 | 3 => stage.world.start(place)?,
        4 => {
            let sides: Vec<u8> = (0..4).map(|_| u8::from(stage.random.below(3) == 0)).collect();
            stage.world.partition(&sides);
        }
        5 => stage.world.heal(),
        6 => {
            let per_mille = stage.random.below(300);
            stage.world.lose(per_mille);
        }
        _ => asked.push(stage.ask_certificate(place)),
    }
    Ok(())
}

/// Heals all but one node, and asks the others for everything again.
fn recover(stage: &mut Stage, asked: &[Asked]) -> Result<(), RunFault> {
    let broken = stage.any_place();
    stage.world.lose(0);
    stage.world.heal();
    for place in (0..4).filter(|place| *place != broken) {
        stage.world.start(place)?;
    }
    stage.world.crash(broken);
    // Until they are linked again they refuse, as they should.
    stage.wait("the others are ready", |world| {
        let mut others = (0..4).filter(|place| *place != broken);
        others.all(|place| world.view(place).is_some_and(|view| view.status.ready))
    })?;
    let mut serials = Vec::new();
    for one in asked {
        let place = (broken + 1 + usize::from(stage.random.below(2) == 0)) % 4;
        let again = stage.ask(place, one.request.clone());
        serials.push(stage.certificate(&again)?.serial_number);
    }
    for place in (0..4).filter(|place| *place != broken) {
        stage.issue(place)?;
    }
    stage.world.start(broken)?;
    let highest = stage.world.views().map(|view| view.state.height()).max();
    stage.wait("the last node caught up", |world| {
        world.view(broken).is_some_and(|view| Some(view.state.height()) >= highest)
    })?;
    let knows =
        |serial| stage.world.view(broken).is_some_and(|view| view.state.get::<Certificate>(serial).is_some());
    ensure(serials.iter().all(knows), "the last node does not know what was issued")
}
