//! More clients than slow nodes can serve, all of whom give up.

use crate::Scenario;
use crate::stage::{Asked, Stage, Timed, ensure};
use hypermesh_sim::check::CALM_WITHIN;
use hypermesh_sim::world::{Place, RunFault, Span, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "burst-does-not-outlive-its-clients",
    shows: "after 600 clients at once on slow nodes have given up, nothing is done for them any more, \
            and certificates are issued as fast as before",
    start: Start::Ready,
    play,
};

const CLIENTS: usize = 600;
/// What a node on a starved processor takes for each thing that happens to it.
const SLOW: Span = Span { from_us: 10_000, to_us: 40_000 };
/// What its jobs take.
const LATE: Span = Span { from_us: 200_000, to_us: 1_500_000 };
/// How long clients wait at most until one who comes later is refused.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often another one comes.
const COMES_EVERY: Duration = Duration::from_millis(250);
/// A certificate after the burst takes no longer than so many times what it took before.
const SLOWER_MAX: u32 = 8;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let before = stage.issue_in_turn(&[0, 1, 2, 3], 8)?;
    for place in 0..4 {
        stage.world.slow(place, SLOW);
        stage.world.delay_jobs(place, Some(LATE));
    }
    let mut asked: Vec<(Place, Asked)> =
        (0..CLIENTS).map(|number| (number % 4, stage.ask_certificate(number % 4))).collect();
    come_until_refused(stage, &mut asked)?;
    asked.iter().for_each(|(place, asked)| stage.world.cancel(*place, asked.id));
    // They are still slow: that is no excuse.
    let left = stage.world.views().map(|view| view.state.height()).max().unwrap_or_default();
    stage.world.run_for(CALM_WITHIN)?;
    (0..4).try_for_each(|place| stage.world.check_calm(place))?;
    let heights = stage.world.views().map(|view| view.state.height()).min().unwrap_or_default();
    ensure(heights > left, "heights do not advance after a burst")?;
    for place in 0..4 {
        stage.world.resume(place);
        stage.world.delay_jobs(place, None);
    }
    // Jobs that were begun on a starved processor, such as a ticket's, take until then.
    stage.world.run_for(Duration::from_micros(LATE.to_us))?;
    let after = stage.issue_in_turn(&[0, 1, 2, 3], 8)?;
    let Timed { slowest, .. } = after;
    let what = format!("a certificate takes {slowest:?} long after a burst, and {:?} before", before.slowest);
    ensure(slowest <= before.slowest * SLOWER_MAX, &what)
}

/// One after the other comes to a node where others wait too long already, until it is told when to come back.
fn come_until_refused(stage: &mut Stage, asked: &mut Vec<(Place, Asked)>) -> Result<(), RunFault> {
    let end = stage.world.now().after(PATIENCE);
    while stage.world.now() < end {
        stage.world.run_for(COMES_EVERY)?;
        let refused = asked.iter().any(|(_, asked)| {
            let answer = stage.world.answer(asked.id);
            answer.is_some_and(|answer| {
                answer.response.as_ref().is_err_and(|fault| fault.retry_after_ms.is_some())
            })
        });
        if refused {
            return Ok(());
        }
        asked.push((0, stage.ask_certificate(0)));
    }
    ensure(false, "nobody is refused although everybody waits")
}
