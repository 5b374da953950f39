//! The clocks of several nodes are ahead for a while, by minutes or by most of a year, and come back. Block time stays ahead,
//! since it never goes back; the mesh must go on at once all the same.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::api::FaultKind;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::node::Event;
use hypermesh_sim::world::{NodeIndex, RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "clocks-ahead",
    shows: "after the clocks of f + 1 nodes were ahead by minutes or a year, the mesh goes on within seconds",
    reaches: &[
        "a node's memory may be old, and it destroys its nonces",
        "block time is ahead of a node's clock, or no longer",
    ],
    start: Start::Ready,
    play: more_than_f,
};

const MINUTES: Duration = Duration::from_secs(20 * 60);
/// Less than the rent of a name is paid for, so that the client's is still its own.
const MOST_OF_A_YEAR: Duration = Duration::from_secs(330 * 24 * 3600);
/// How long the clocks are wrong.
const WRONG_FOR: Duration = Duration::from_secs(15);
/// After the clocks are right again, all four nodes have issued within this.
const GOES_ON_WITHIN: Duration = Duration::from_secs(10);

fn more_than_f(run: &mut ScenarioRun) -> Result<(), RunFault> {
    let first = run.any_place();
    play(run, &[first, (first + 1) % 4])
}

/// Lets the clocks of these nodes be ahead and come back.
pub(crate) fn play(run: &mut ScenarioRun, wrong: &[NodeIndex]) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    for ahead in [MINUTES, MOST_OF_A_YEAR] {
        jump_and_return(run, wrong, ahead)?;
    }
    Ok(())
}

fn jump_and_return(run: &mut ScenarioRun, wrong: &[NodeIndex], ahead: Duration) -> Result<(), RunFault> {
    wrong.iter().for_each(|place| run.world.set_clock(*place, ahead));
    run.world.run_for(WRONG_FOR)?;
    wrong.iter().for_each(|place| run.world.set_clock(*place, Duration::ZERO));
    let returned = run.world.now();
    // Who goes by its own clock alone, which is right, is refused with the cause.
    let mut late = run.client();
    late.time = run.world.wall();
    let nonce = run.nonce();
    let asked = run.ask(0, late.issue(nonce, &[crate::scenario_run::NAME]));
    let refusal = run.refusal(&asked)?;
    let says_why = refusal.message.contains("block time is") && refusal.message.contains("ahead");
    ensure(refusal.kind == FaultKind::FailedPrecondition && says_why, &format!("{refusal}"))?;
    for place in 0..4 {
        run.issue(place)?;
    }
    let took = run.world.now().since(returned);
    ensure(took <= GOES_ON_WITHIN, &format!("the mesh went on only after {took:?}"))?;
    let left = ahead - WRONG_FOR - GOES_ON_WITHIN;
    for place in 0..4 {
        let time = run.world.view(place).map_or(UnixMillis(0), |view| view.state.time());
        let ahead_ms = u128::from(time.since(run.world.wall()));
        ensure(ahead_ms >= left.as_millis(), "block time has gone back")?;
        let told = tells(
            &run.world,
            place,
            |event| matches!(event, Event::BlockTimeAhead { ahead_ms } if u128::from(*ahead_ms) >= left.as_millis()),
        );
        ensure(told, "a node does not say that block time is ahead of its clock")?;
    }
    // They are not called ready while their clocks and block time differ, but all of them vote.
    run.wait("all nodes voting", |world| world.views().all(|view| view.status.voting == "yes"))
}
