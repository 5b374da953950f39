//! A client that got no answer asks somewhere else. It must not pay twice, nor get two certificates.

use crate::Scenario;
use crate::stage::{Asked, Stage, ensure};
use hypermesh_core::caesar::{ISSUE_FEE, LedgerAccount};
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "repeat-elsewhere",
    shows: "one operation at several members, at once and later, is one certificate and one fee",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let purse = |stage: &Stage| {
        let client = LedgerAccount::Account(stage.world.cast().client.public());
        stage.world.view(0).map(|view| view.state.balance(client))
    };
    let before = purse(stage);
    let first = stage.ask_certificate(0);
    let at_once: Vec<Asked> = (0..4).map(|place| stage.ask(place, first.request.clone())).collect();
    let serial = stage.certificate(&first)?.serial_number;
    for asked in &at_once {
        ensure(stage.certificate(asked)?.serial_number == serial, "a repeat at once is another certificate")?;
    }
    for place in 0..4 {
        let again = stage.ask(place, first.request.clone());
        ensure(stage.certificate(&again)?.serial_number == serial, "a repeat later is another certificate")?;
        ensure(stage.fetch(place, serial)?.serial_number == serial, "another certificate was fetched")?;
    }
    let paid = before.zip(purse(stage)).and_then(|(before, after)| before.checked_sub(after));
    ensure(paid == Some(ISSUE_FEE), "the fee was not paid once")
}
