//! A member fills its batches with operations that nobody pays for, and an owner asks for more than it has. Neither raises
//! the fees or the difficulty, and who asked for more is told at once.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::caesar::{FEE_RATE_FLOOR, LedgerAccount, TRANSFER_FEE};
use hypermesh_core::state::{Outcome, Receipt};
use hypermesh_sim::world::{Lie, RunFault, Start, World, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "unpaid-operations-cost-nobody",
    shows: "batches of expired, unpayable and repeated operations change neither fees nor difficulty, and an owner with \
            money for two transfers that asks for forty gets two receipts and the rest refused",
    reaches: &["an operation is refused in a block", "an owner's waiting operations spend all that it has"],
    start: Start::Ready,
    play,
};

/// How many blocks go by while the member lies.
const BLOCKS: u64 = 30;
/// How many transfers the owner asks for, and how many it can pay.
const ASKED: usize = 40;
const PAID: usize = 2;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let difficulty = run.world.view(0).map(|view| view.state.beacon().difficulty);
    let liar = run.any_place();
    let honest = (liar + 1) % 4;
    run.world.corrupt(liar, Lie::UnpaidOperations);
    let begun = run.world.view(honest).map_or(0, |view| view.state.height().0);
    while run.world.view(honest).is_some_and(|view| view.state.height().0 < begun + BLOCKS) {
        run.issue(honest)?;
    }
    ensure(
        rates(&run.world).all(|rate| rate == FEE_RATE_FLOOR),
        "operations that nobody pays for raised the fees",
    )?;
    let now = run.world.views().map(|view| view.state.beacon().difficulty).max();
    ensure(now <= difficulty, "operations that nobody pays for raised the difficulty")?;
    let unpaid = |receipt: &Receipt| matches!(receipt.outcome, Outcome::Refused(_));
    let receipts =
        run.world.view(honest).map(|view| view.state.rows::<Receipt>(Vec::new()).collect::<Vec<_>>());
    ensure(
        !receipts.into_iter().flatten().any(|(_, receipt)| unpaid(&receipt)),
        "something unpaid left a receipt",
    )?;

    overdraw(run, honest)?;
    // Both could be done when they were asked for: the second is refused in its block, and pays.
    let (client, other) = (run.client(), run.owner(&run.world.participants().other));
    let [one, another] = [run.nonce(), run.nonce()];
    let wanted = name("wanted.hypermesh");
    let both = [
        run.ask(honest, client.register(one, wanted.clone(), client.key.public())),
        run.ask((honest + 1) % 4, other.register(another, wanted, other.key.public())),
    ];
    let answers = [run.answer(&both[0])?, run.answer(&both[1])?];
    ensure(
        answers.iter().filter(|answer| answer.is_ok()).count() == 1,
        "a name was given twice, or to nobody",
    )
}

/// An owner with money for two transfers asks for forty.
fn overdraw(run: &mut ScenarioRun, place: usize) -> Result<(), RunFault> {
    let (client, poor) = (run.client(), run.owner(&run.world.participants().poor));
    let enough = MicroCaesar(PAID as u64 * (TRANSFER_FEE.0 + 1));
    let nonce = run.nonce();
    let given = run.ask(place, client.transfer(nonce, poor.key.public(), enough));
    run.receipt(&given)?;
    let asked: Vec<PendingRequest> = (0..ASKED)
        .map(|_| {
            let nonce = run.nonce();
            run.ask(place, poor.transfer(nonce, client.key.public(), MicroCaesar(1)))
        })
        .collect();
    let mut paid = 0;
    for asked in &asked {
        match run.answer(asked)? {
            Ok(_) => paid += 1,
            Err(fault) => {
                ensure(fault.message.contains("are needed"), &format!("refused otherwise: {fault}"))?
            }
        }
    }
    ensure(paid == PAID, &format!("{paid} transfers were done where {PAID} could be paid"))?;
    let left =
        run.world.view(place).map(|view| view.state.balance(LedgerAccount::Account(poor.key.public())));
    ensure(left == Some(MicroCaesar::ZERO), "the owner has something left, or owes")
}

fn rates(world: &World) -> impl Iterator<Item = u64> {
    world.views().map(|view| view.state.fee_rate().thousandths)
}
