//! Two nodes of four die, and one comes back. Without a quorum, what would have to be decided is refused with the
//! reason, while what is committed is still answered with its age.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{FaultKind, Request, Response, StatusRequest, read};
use hypermesh_sim::world::{NodeIndex, RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "quorum-missing",
    shows: "with two of four dead, requests are refused with who is missing; with one back, everything goes on by itself",
    reaches: &[
        "a quorum is linked again",
        "a quorum is lost",
        "an operation is refused for want of a quorum",
        "the oldest message of a height is let go",
    ],
    start: Start::Ready,
    play,
};

/// How long links take to be given up, three heartbeats, and the one in which requests that wait are looked after.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    let before = run.ask_certificate(0);
    let pause = Duration::from_micros(run.random.below(40_000));
    run.world.run_for(pause)?;
    let returns = 2 + usize::try_from(run.random.below(2)).unwrap_or_default();
    [2, 3].into_iter().for_each(|place| run.world.crash(place));
    let waiting = run.ask_certificate(1);
    run.world.run_for(NOTICED_WITHIN)?;
    let late = run.ask_certificate(1);
    for asked in [&waiting, &late] {
        let fault = run.refusal(asked)?;
        ensure(fault.kind == FaultKind::Unavailable, "a missing quorum is no refusal for good")?;
        let told = ["quorum is missing: 2 of 4", "node-3", "node-4", "start them"];
        ensure(told.iter().all(|word| fault.message.contains(word)), &fault.message)?;
    }
    ensure(run.world.answer(before.id).is_some(), "a request waits for ever without a quorum")?;
    still_answers(run, 0)?;
    run.world.start(returns)?;
    run.wait("three nodes that can issue", |world| {
        [0, 1, returns].into_iter().all(|place| {
            world.view(place).is_some_and(|view| view.status.ready && view.status.connected == 3)
        })
    })?;
    // The same operations, as a client repeats them that was refused: each happens once.
    for asked in [before, waiting, late] {
        let again = run.ask(0, asked.request);
        run.certificate(&again)?;
    }
    run.issue(returns).map(|_| ())
}

fn still_answers(run: &ScenarioRun, place: NodeIndex) -> Result<(), RunFault> {
    let view = run.world.view(place).ok_or_else(|| RunFault::Unexpected("a node is gone".to_string()))?;
    let answered = read(&view, &Request::Status(StatusRequest {}), run.world.wall());
    let Some(Ok(Response::Status(status))) = answered else {
        return Err(RunFault::Unexpected("a node does not say how it is".to_string()));
    };
    ensure(status.age_ms > 6_000, "a state that nobody renews has no age")?;
    ensure(status.unreachable == ["node-3", "node-4"], "the missing are not named")?;
    ensure(
        status.standstill.is_some_and(|text| text.contains("quorum is missing")),
        "nothing is said of the quorum",
    )
}
