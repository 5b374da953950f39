//! More clients than slow nodes can serve, all of whom give up.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, Timed, ensure};
use hypermesh_sim::check::CALM_WITHIN;
use hypermesh_sim::world::{NodeIndex, RunFault, Span, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "burst-does-not-outlive-its-clients",
    shows: "after 600 clients at once on slow nodes have given up, nothing is done for them any more, \
            and certificates are issued as fast as before",
    reaches: &[
        "a request is refused because others wait too long",
        "an abandoned operation is taken out of its line",
    ],
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

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let before = run.issue_in_turn(&[0, 1, 2, 3], 8)?;
    for place in 0..4 {
        run.world.slow(place, SLOW);
        run.world.delay_jobs(place, Some(LATE));
    }
    let mut asked: Vec<(NodeIndex, PendingRequest)> =
        (0..CLIENTS).map(|number| (number % 4, run.ask_certificate(number % 4))).collect();
    come_until_refused(run, &mut asked)?;
    asked.iter().for_each(|(place, asked)| run.world.cancel(*place, asked.id));
    // They are still slow: that is no excuse.
    let left = run.world.views().map(|view| view.state.height()).max().unwrap_or_default();
    run.world.run_for(CALM_WITHIN)?;
    (0..4).try_for_each(|place| run.world.check_calm(place))?;
    let heights = run.world.views().map(|view| view.state.height()).min().unwrap_or_default();
    ensure(heights > left, "heights do not advance after a burst")?;
    for place in 0..4 {
        run.world.resume(place);
        run.world.delay_jobs(place, None);
    }
    // Jobs that were begun on a starved processor, such as a ticket's, take until then.
    run.world.run_for(Duration::from_micros(LATE.to_us))?;
    let after = run.issue_in_turn(&[0, 1, 2, 3], 8)?;
    let Timed { slowest, .. } = after;
    let what = format!("a certificate takes {slowest:?} long after a burst, and {:?} before", before.slowest);
    ensure(slowest <= before.slowest * SLOWER_MAX, &what)
}

/// One after the other comes to a node where others wait too long already, until it is told when to come back.
fn come_until_refused(
    run: &mut ScenarioRun,
    asked: &mut Vec<(NodeIndex, PendingRequest)>,
) -> Result<(), RunFault> {
    let end = run.world.now().after(PATIENCE);
    while run.world.now() < end {
        run.world.run_for(COMES_EVERY)?;
        let refused = asked.iter().any(|(_, asked)| {
            let answer = run.world.answer(asked.id);
            answer.is_some_and(|answer| {
                answer.response.as_ref().is_err_and(|fault| fault.retry_after_ms.is_some())
            })
        });
        if refused {
            return Ok(());
        }
        asked.push((0, run.ask_certificate(0)));
    }
    ensure(false, "nobody is refused although everybody waits")
}
