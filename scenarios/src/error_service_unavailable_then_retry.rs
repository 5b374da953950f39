//! A node that cannot decide says so in time, a client that asks elsewhere is served, and nothing happens twice.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::api::FaultKind;
use hypermesh_core::caesar::{ISSUE_FEE, LedgerAccount};
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "error-service-unavailable-then-retry",
    shows: "who is cut off refuses as unavailable within its deadline; the same request elsewhere is served, and paid once",
    start: Start::Ready,
    play,
};

/// Five seconds of patience, and what it takes to notice that links are gone.
const DEADLINE: Duration = Duration::from_secs(15);

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let alone = stage.any_place();
    let other = (alone + 1) % 4;
    let purse = |stage: &Stage| {
        let client = LedgerAccount::Account(stage.world.cast().client.public());
        stage.world.view(other).map(|view| view.state.balance(client))
    };
    let before = purse(stage);
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(alone).take(1).for_each(|side| *side = 1);
    stage.world.partition(&sides);
    let asked = stage.ask_certificate(alone);
    let (id, asked_at) = (asked.id, stage.world.now());
    stage.world.run_until("a refusal", DEADLINE, |world| world.answer(id).is_some())?;
    let fault = stage.refusal(&asked)?;
    ensure(fault.kind == FaultKind::Unavailable, "a node that is cut off refuses for good")?;
    ensure(stage.world.now().since(asked_at) <= DEADLINE, "the refusal came late")?;
    let again = stage.ask(other, asked.request.clone());
    let serial = stage.certificate(&again)?.serial_number;
    stage.world.heal();
    stage.wait("all nodes ready", hypermesh_sim::world::World::is_ready)?;
    stage.settle()?;
    let late = stage.ask(alone, asked.request);
    ensure(stage.certificate(&late)?.serial_number == serial, "the late repeat is another certificate")?;
    let paid = before.zip(purse(stage)).and_then(|(before, after)| before.checked_sub(after));
    ensure(paid == Some(ISSUE_FEE), "the fee was not paid once")
}
