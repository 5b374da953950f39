//! A validator puts some of its account at stake and takes part of that out again: it comes into the account after the
//! delay, and not before. What must stay at stake stays.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::caesar::{BOND_FEE, LedgerAccount, STAKE_MINIMUM};
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "bond-and-unbond",
    shows: "what a validator takes out of its stake comes into its account after the delay, to the millionth, and the minimum stays",
    reaches: &[],
    start: Start::Ready,
    play,
};

const GIVEN: MicroCaesar = MicroCaesar(50_000_000);
const BONDED: MicroCaesar = MicroCaesar(30_000_000);
const UNBONDED: MicroCaesar = MicroCaesar(20_000_000);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let place = run.any_place();
    let Some(validator) = run.world.participants().validators.get(place) else {
        return ensure(false, "there is no such validator");
    };
    let identity = validator.member.identity.clone();
    let key = identity.public();
    let nonce = run.nonce();
    let asked = run.ask(place, run.client().transfer(nonce, key, GIVEN));
    run.receipt(&asked)?;
    // Another node may be a block behind, and then does not know of the amount yet.
    run.settle()?;
    let owner = run.owner(&identity);
    let purse = |run: &ScenarioRun, purse| {
        run.world.view(place).map(|view| view.state.balance(purse).0).unwrap_or_default()
    };
    let before = purse(run, LedgerAccount::Stake(key));
    let nonce = run.nonce();
    let asked = run.ask((place + 1) % 4, owner.bond(nonce, BONDED));
    run.receipt(&asked)?;
    run.settle()?;
    let nonce = run.nonce();
    let asked = run.ask((place + 2) % 4, owner.unbond(nonce, UNBONDED));
    run.receipt(&asked)?;
    run.settle()?;
    ensure(
        purse(run, LedgerAccount::Stake(key)) == before + BONDED.0 - UNBONDED.0,
        "another amount is at stake",
    )?;
    ensure(purse(run, LedgerAccount::Unbonding(key)) == UNBONDED.0, "another amount is being unbonded")?;

    // A validator keeps the minimum.
    let nonce = run.nonce();
    let left = purse(run, LedgerAccount::Stake(key));
    let too_much = MicroCaesar(left - STAKE_MINIMUM.0 + 1);
    let asked = run.ask(place, owner.unbond(nonce, too_much));
    let refusal = run.refusal(&asked)?;
    ensure(refusal.message.contains("must stay"), "a validator took its stake away")?;

    let earned = purse(run, LedgerAccount::Account(key));
    ensure(earned >= GIVEN.0 - BONDED.0 - 2 * BOND_FEE.0, "it paid more than it should")?;
    let delay = run.world.participants().genesis.profile.unbonding_ms_delay();
    let due = run.world.wall().plus(delay);
    run.sleep_until(due.minus(60_000))?;
    ensure(purse(run, LedgerAccount::Unbonding(key)) == UNBONDED.0, "it was released early")?;
    run.sleep_until(due)?;
    run.wait("the release", |world| {
        world
            .view(place)
            .is_some_and(|view| view.state.balance(LedgerAccount::Unbonding(key)) == MicroCaesar::ZERO)
    })?;
    ensure(purse(run, LedgerAccount::Account(key)) >= earned + UNBONDED.0, "what was released did not arrive")
}
