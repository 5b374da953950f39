//! A client that got no answer asks somewhere else. It must not pay twice, nor get two certificates.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::caesar::{ISSUE_FEE, LedgerAccount};
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "repeat-elsewhere",
    shows: "one operation at several members, at once and later, is one certificate and one fee",
    reaches: &[
        "a repeated operation is answered with its receipt",
        "a signature is found in the store",
        "an operation is asked for while it is on its way",
    ],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let purse = |run: &ScenarioRun| {
        let client = LedgerAccount::Account(run.world.participants().client.public());
        run.world.view(0).map(|view| view.state.balance(client))
    };
    let before = purse(run);
    let first = run.ask_certificate(0);
    let at_once: Vec<PendingRequest> = (0..4).map(|place| run.ask(place, first.request.clone())).collect();
    let serial = run.certificate(&first)?.serial_number;
    for asked in &at_once {
        ensure(run.certificate(asked)?.serial_number == serial, "a repeat at once is another certificate")?;
    }
    for place in 0..4 {
        let again = run.ask(place, first.request.clone());
        ensure(run.certificate(&again)?.serial_number == serial, "a repeat later is another certificate")?;
        ensure(run.fetch(place, serial)?.serial_number == serial, "another certificate was fetched")?;
    }
    let paid = before.zip(purse(run)).and_then(|(before, after)| before.checked_sub(after));
    ensure(paid == Some(ISSUE_FEE), "the fee was not paid once")
}
