//! Many ask at once and the fees rise; who set a limit below them is refused and pays nothing. When nobody asks any more
//! they fall to the floor.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::caesar::{FEE_RATE_FLOOR, LedgerAccount, TRANSFER_FEE};
use hypermesh_sim::world::{RunFault, Start, World};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "fees-follow-the-load",
    shows: "full blocks raise the fees by rule, an owner's limit holds, and idle blocks bring them down to the floor",
    reaches: &[],
    start: Start::Ready,
    play,
};

const ASKED: usize = 200;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    ensure(rate(&run.world) == Some(FEE_RATE_FLOOR), "an idle mesh asks more than the floor")?;
    let poor = run.world.participants().poor.public();
    let mut asked: Vec<PendingRequest> = Vec::new();
    for turn in 0..ASKED {
        let nonce = run.nonce();
        let request = run.client().transfer(nonce, poor, MicroCaesar(1));
        asked.push(run.ask(turn % 4, request));
    }
    run.wait("fees above the floor", |world| rate(world).is_some_and(|rate| rate > FEE_RATE_FLOOR))?;
    for asked in &asked {
        run.receipt(asked)?;
    }
    // Whatever the rate is by now, less than the listed price is never enough.
    let other = run.owner(&run.world.participants().other).at_most(MicroCaesar(TRANSFER_FEE.0 - 1));
    let key = other.key.public();
    let held = |world: &World| world.view(0).map(|view| view.state.balance(LedgerAccount::Account(key)));
    let before = held(&run.world);
    let nonce = run.nonce();
    let too_little = run.ask(0, other.transfer(nonce, poor, MicroCaesar(1)));
    let refusal = run.refusal(&too_little)?;
    ensure(refusal.message.contains("pays at most"), "an owner paid more than its limit")?;
    ensure(held(&run.world) == before, "a refused operation cost something")?;
    run.world.run_until("fees at the floor", crate::scenario_run::PATIENCE * 10, |world| {
        rate(world) == Some(FEE_RATE_FLOOR)
    })
}

fn rate(world: &World) -> Option<u64> {
    world.views().map(|view| view.state.fee_rate().thousandths).max()
}
