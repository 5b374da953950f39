//! A node is down for a few beacons. It loses its admission and its rewards, nothing of its stake, and has both back as
//! soon as it has shown that it still holds its plot.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::base::PublicKey;
use hypermesh_core::caesar::LedgerAccount;
use hypermesh_core::state::{AUDIT_MISSES_MAX, Member};
use hypermesh_sim::world::{NodeIndex, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "missed-audits-suspend",
    shows: "a member without a ticket for some beacons is suspended, keeps its stake, and is taken back by a good proof",
    reaches: &["a suspended node attests first"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let absent = run.any_place();
    let Some(key) = run.world.participants().keys().nth(absent) else {
        return ensure(false, "no such validator");
    };
    let witness = (absent + 1) % 4;
    let stake = run.world.view(witness).map(|view| view.state.balance(LedgerAccount::Stake(key)));
    run.world.crash(absent);
    let profile = run.world.participants().genesis.profile;
    let beacons = u64::from(AUDIT_MISSES_MAX) + 2;
    let patience = Duration::from_millis(beacons * (profile.beacon_ms_period() + 5_000));
    run.world.run_until("the absent node suspended", patience, |world| is_suspended(world, witness, key))?;
    let view = run.world.view(witness);
    ensure(view.as_ref().is_some_and(|view| !view.state.earns(&key)), "a suspended validator earns")?;
    ensure(
        view.map(|view| view.state.balance(LedgerAccount::Stake(key))) == stake,
        "an absence cost a stake",
    )?;
    run.issue(witness)?;
    run.world.start(absent)?;
    run.world.run_until("the node taken back", patience, |world| !is_suspended(world, witness, key))?;
    run.wait("all nodes ready", World::is_ready)?;
    run.issue(absent).map(|_| ())
}

fn is_suspended(world: &World, witness: NodeIndex, key: PublicKey) -> bool {
    let member = world.view(witness).and_then(|view| view.state.get::<Member>(&key));
    member.is_some_and(|member| member.is_suspended())
}
