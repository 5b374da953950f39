//! An owner registers a name, is paid by another, sets records, and gets a certificate for the name.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{DnsRequest, Request, Response};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::caesar::{LedgerAccount, TRANSFER_FEE};
use hypermesh_core::state::SetRecords;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use hypermesh_sim::world::{RunFault, Start, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "transfer-and-names",
    shows: "a name is registered, its records set at one node and read at all, and an amount moved, to the millionth",
    reaches: &[],
    start: Start::Ready,
    play,
};

const AMOUNT: MicroCaesar = MicroCaesar(5_000_000);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let client = run.client();
    let poor = run.world.participants().poor.public();
    let purse = |run: &ScenarioRun, owner| {
        run.world.view(0).map(|view| view.state.balance(LedgerAccount::Account(owner))).unwrap_or_default()
    };
    let before = purse(run, client.key.public());
    let nonce = run.nonce();
    let asked = run.ask(1, client.transfer(nonce, poor, AMOUNT));
    run.receipt(&asked)?;
    run.settle()?;
    ensure(purse(run, poor) == AMOUNT, "the amount did not arrive")?;
    let left = before.checked_sub(AMOUNT).and_then(|left| left.checked_sub(TRANSFER_FEE));
    ensure(Some(purse(run, client.key.public())) == left, "the sender paid another amount")?;

    let service = name("shop.hypermesh");
    let nonce = run.nonce();
    let asked = run.ask(2, client.register(nonce, service.clone(), client.key.public()));
    run.receipt(&asked)?;
    // Another node may be a block behind, and then does not know the name yet.
    run.settle()?;
    let address = "fd00::10".parse().map_err(|_| RunFault::Unexpected("no address".to_string()))?;
    let records = RecordSet::new(300, vec![RecordData::Aaaa(address)]).ok();
    let nonce = run.nonce();
    let set = SetRecords { name: service.clone(), record_type: RecordType::Aaaa, records: records.clone() };
    let asked = run.ask(3, client.set(nonce, set));
    run.receipt(&asked)?;
    run.settle()?;
    for place in 0..4 {
        let request = DnsRequest { name: service.clone(), record_type: RecordType::Aaaa };
        let asked = run.ask(place, Request::ResolveDns(request));
        let Ok(Response::ResolveDns(answer)) = run.answer(&asked)? else {
            return Err(RunFault::Unexpected("names do not resolve".to_string()));
        };
        let resolved = answer.answers.first().map(|named| named.set.clone());
        ensure(resolved == records, "a node gives other records")?;
    }
    Ok(())
}
