//! A member fills its batches with operations that nobody pays for, and an owner asks for more than it has. Neither raises
//! the fees or the difficulty, and who asked for more is told at once.

use crate::Scenario;
use crate::stage::{Asked, Stage, ensure};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::caesar::{FEE_RATE_FLOOR, LedgerAccount, TRANSFER_FEE};
use hypermesh_core::state::{Outcome, Receipt};
use hypermesh_sim::world::{Lie, RunFault, Start, World, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "unpaid-operations-cost-nobody",
    shows: "batches of expired, unpayable and repeated operations change neither fees nor difficulty, and an owner with \
            money for two transfers that asks for forty gets two receipts and the rest refused",
    start: Start::Ready,
    play,
};

/// How many blocks go by while the member lies.
const BLOCKS: u64 = 30;
/// How many transfers the owner asks for, and how many it can pay.
const ASKED: usize = 40;
const PAID: usize = 2;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let difficulty = stage.world.view(0).map(|view| view.state.beacon().difficulty);
    let liar = stage.any_place();
    let honest = (liar + 1) % 4;
    stage.world.corrupt(liar, Lie::UnpaidOperations);
    let begun = stage.world.view(honest).map_or(0, |view| view.state.height().0);
    while stage.world.view(honest).is_some_and(|view| view.state.height().0 < begun + BLOCKS) {
        stage.issue(honest)?;
    }
    ensure(
        rates(&stage.world).all(|rate| rate == FEE_RATE_FLOOR),
        "operations that nobody pays for raised the fees",
    )?;
    let now = stage.world.views().map(|view| view.state.beacon().difficulty).max();
    ensure(now <= difficulty, "operations that nobody pays for raised the difficulty")?;
    let unpaid = |receipt: &Receipt| matches!(receipt.outcome, Outcome::Refused(_));
    let receipts =
        stage.world.view(honest).map(|view| view.state.rows::<Receipt>(Vec::new()).collect::<Vec<_>>());
    ensure(
        !receipts.into_iter().flatten().any(|(_, receipt)| unpaid(&receipt)),
        "something unpaid left a receipt",
    )?;

    overdraw(stage, honest)?;
    // Both could be done when they were asked for: the second is refused in its block, and pays.
    let (client, other) = (stage.client(), stage.owner(&stage.world.cast().other));
    let [one, another] = [stage.nonce(), stage.nonce()];
    let wanted = name("wanted.hypermesh");
    let both = [
        stage.ask(honest, client.register(one, wanted.clone(), client.key.public())),
        stage.ask((honest + 1) % 4, other.register(another, wanted, other.key.public())),
    ];
    let answers = [stage.answer(&both[0])?, stage.answer(&both[1])?];
    ensure(
        answers.iter().filter(|answer| answer.is_ok()).count() == 1,
        "a name was given twice, or to nobody",
    )
}

/// An owner with money for two transfers asks for forty.
fn overdraw(stage: &mut Stage, place: usize) -> Result<(), RunFault> {
    let (client, poor) = (stage.client(), stage.owner(&stage.world.cast().poor));
    let enough = MicroCaesar(PAID as u64 * (TRANSFER_FEE.0 + 1));
    let nonce = stage.nonce();
    let given = stage.ask(place, client.transfer(nonce, poor.key.public(), enough));
    stage.receipt(&given)?;
    let asked: Vec<Asked> = (0..ASKED)
        .map(|_| {
            let nonce = stage.nonce();
            stage.ask(place, poor.transfer(nonce, client.key.public(), MicroCaesar(1)))
        })
        .collect();
    let mut paid = 0;
    for asked in &asked {
        match stage.answer(asked)? {
            Ok(_) => paid += 1,
            Err(fault) => {
                ensure(fault.message.contains("are needed"), &format!("refused otherwise: {fault}"))?
            }
        }
    }
    ensure(paid == PAID, &format!("{paid} transfers were done where {PAID} could be paid"))?;
    let left =
        stage.world.view(place).map(|view| view.state.balance(LedgerAccount::Account(poor.key.public())));
    ensure(left == Some(MicroCaesar::ZERO), "the owner has something left, or owes")
}

fn rates(world: &World) -> impl Iterator<Item = u64> {
    world.views().map(|view| view.state.fee_rate().thousandths)
}
