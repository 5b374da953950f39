//! A node that cannot decide says so in time, a client that asks elsewhere is served, and nothing happens twice.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::FaultKind;
use hypermesh_core::caesar::{ISSUE_FEE, LedgerAccount};
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "error-service-unavailable-then-retry",
    shows: "who is cut off refuses as unavailable within its deadline; the same request elsewhere is served, and paid once",
    reaches: &[],
    start: Start::Ready,
    play,
};

/// Five seconds of patience, and what it takes to notice that links are gone.
const DEADLINE: Duration = Duration::from_secs(15);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let alone = run.any_place();
    let other = (alone + 1) % 4;
    let purse = |run: &ScenarioRun| {
        let client = LedgerAccount::Account(run.world.participants().client.public());
        run.world.view(other).map(|view| view.state.balance(client))
    };
    let before = purse(run);
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(alone).take(1).for_each(|side| *side = 1);
    run.world.partition(&sides);
    let asked = run.ask_certificate(alone);
    let (id, asked_at) = (asked.id, run.world.now());
    run.world.run_until("a refusal", DEADLINE, |world| world.answer(id).is_some())?;
    let fault = run.refusal(&asked)?;
    ensure(fault.kind == FaultKind::Unavailable, "a node that is cut off refuses for good")?;
    ensure(run.world.now().since(asked_at) <= DEADLINE, "the refusal came late")?;
    let again = run.ask(other, asked.request.clone());
    let serial = run.certificate(&again)?.serial_number;
    run.world.heal();
    run.wait("all nodes ready", hypermesh_sim::world::World::is_ready)?;
    run.settle()?;
    let late = run.ask(alone, asked.request);
    ensure(run.certificate(&late)?.serial_number == serial, "the late repeat is another certificate")?;
    let paid = before.zip(purse(run)).and_then(|(before, after)| before.checked_sub(after));
    ensure(paid == Some(ISSUE_FEE), "the fee was not paid once")
}
