//! An owner's history is read page by page from each node, back to genesis: it misses nothing, adds up to the balance, and
//! ends where the state says. So does the journal of all movements, block by block.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::api::{HistoryCursor, HistoryRequest, Movements, MovementsRequest, Request, Response};
use hypermesh_core::base::{Digest, Height, MicroCaesar};
use hypermesh_core::caesar::{Holder, JournalHead, LedgerAccount};
use hypermesh_sim::world::{NodeIndex, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "history-adds-up",
    shows: "every movement stands in the history of both sides and of its block, and folds to what the state has of it",
    reaches: &[],
    start: Start::Ready,
    play,
};

const TRANSFERS: u64 = 7;
/// Pages are short, so that they begin and end within blocks.
const LIMIT: u32 = 2;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let (client, poor) = (run.client(), run.world.participants().poor.public());
    let mut asked: Vec<PendingRequest> = Vec::new();
    for turn in 0..TRANSFERS {
        let nonce = run.nonce();
        let request = client.transfer(nonce, poor, MicroCaesar(10 + turn));
        asked.push(run.ask(usize::try_from(turn % 4).unwrap_or_default(), request));
    }
    for asked in &asked {
        run.receipt(asked)?;
    }
    run.settle()?;
    for place in 0..4 {
        for holder in [Holder::Owner(client.key.public()), Holder::Owner(poor), Holder::Reserve] {
            walk(run, place, holder)?;
        }
    }
    journal(run, 0)
}

/// Reads a history from its end to its beginning.
fn walk(run: &mut ScenarioRun, place: NodeIndex, holder: Holder) -> Result<(), RunFault> {
    let mut before: Option<HistoryCursor> = None;
    let mut expected: Option<Digest> = None;
    let mut sum = 0_i128;
    let mut count = 0;
    loop {
        let request = HistoryRequest { holder, before: before.clone(), limit: LIMIT };
        let asked = run.ask(place, Request::History(request));
        let Ok(Response::History(history)) = run.answer(&asked)? else {
            return ensure(false, "a node does not tell a history");
        };
        let after = history.page.after();
        let end = expected.unwrap_or(history.head.digest);
        ensure(after == Some(end), "a page does not lead to the next")?;
        let head = run.world.view(place).map(|view| view.state.history(holder));
        // The reserve pays with every block, so its history may have gone on.
        ensure(
            expected.is_some() || head.is_some_and(|head| head.count >= history.head.count),
            "a false head",
        )?;
        for entry in &history.page.movements {
            let amount = i128::from(entry.movement.amount.0);
            let is_own = |purse: LedgerAccount| purse.holder() == Some(holder);
            sum += if is_own(entry.movement.target) { amount } else { 0 };
            sum -= if is_own(entry.movement.source) { amount } else { 0 };
            count += 1;
        }
        expected = Some(history.page.before);
        match history.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    ensure(expected == Some(Digest::ZERO), "a history does not begin at nothing")?;
    if let Holder::Owner(owner) = holder {
        let state = run.world.view(place).map(|view| view.state.clone());
        let held = state.as_ref().map(|state| i128::from(state.balance(LedgerAccount::Account(owner)).0));
        ensure(held == Some(sum), "a history does not add up to the balance")?;
        ensure(state.map(|state| state.history(holder).count) == Some(count), "a history is not whole")?;
    }
    Ok(())
}

/// Reads what moved in every block.
fn journal(run: &mut ScenarioRun, place: NodeIndex) -> Result<(), RunFault> {
    let Some(view) = run.world.view(place) else { return ensure(false, "a node is down") };
    let mut head = JournalHead::default();
    for height in (0..=view.state.height().0).map(Height) {
        let asked = run.ask(place, Request::Movements(MovementsRequest { height: Some(height) }));
        let Ok(Response::Movements(Movements { movements, before, after, .. })) = run.answer(&asked)? else {
            return ensure(false, "a node does not tell what moved in a block");
        };
        ensure(before == head, "a block is left out of the journal")?;
        head = if movements.is_empty() { head } else { head.after(height, &movements) };
        ensure(after == head, "the journal is not what moved")?;
    }
    ensure(head == view.state.journal(), "the journal does not end where the state says")
}
