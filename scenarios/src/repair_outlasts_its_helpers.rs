//! A node has lost its disk, and one of the three that must repair its key shares is down for longer than a validator's
//! requests used to last; or it is up and spoils every repair for as long. Then it is well again, and the node gets its shares.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::node::Event;
use hypermesh_core::state::{REPAIR_BUDGET_MAX, REPAIR_MS_PAUSE_MAX};
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start, World};
use std::time::Duration;

pub(crate) const DOWN: Scenario = Scenario {
    name: "repair-outlasts-a-helper-that-is-down",
    shows: "while a needed helper is down nothing is asked and nothing is spent, and when it is back the shares are repaired",
    reaches: &[],
    start: Start::Ready,
    play: down,
};

pub(crate) const LYING: Scenario = Scenario {
    name: "repair-outlasts-a-helper-that-lies",
    shows: "a needed helper that spoils every repair spends nothing of the asker's, and when it is honest the shares are repaired",
    reaches: &[],
    start: Start::Ready,
    play: lying,
};

/// Longer than 64 requests lasted at one each 8 s.
const ILL: Duration = Duration::from_secs(15 * 60);
const AWAY: Duration = Duration::from_secs(8);

fn down(run: &mut ScenarioRun) -> Result<(), RunFault> {
    let (victim, helper) = lose_a_disk(run)?;
    run.world.crash(helper);
    run.world.start(victim)?;
    run.world.run_for(ILL)?;
    let status = run.world.view(victim).map(|view| view.status.committee.clone()).unwrap_or_default();
    ensure(status.contains("waits for links to"), &format!("the status says {status:?}"))?;
    ensure(!tells_of_a_repair(&run.world), "a repair was asked for that could not come to its end")?;
    is_unspent(run, victim)?;
    run.world.start(helper)?;
    run.world.run_until("the shares repaired", Duration::from_secs(30), |world| repaired(world, victim))?;
    run.wait("all nodes ready", World::is_ready)?;
    let status = run.world.view(victim).map(|view| view.status.committee.clone()).unwrap_or_default();
    ensure(!status.contains("lacks"), "a repaired node still says that it lacks its shares")
}

fn lying(run: &mut ScenarioRun) -> Result<(), RunFault> {
    let (victim, helper) = lose_a_disk(run)?;
    let to_asker = run.random.below(2) == 0;
    run.world.corrupt(helper, if to_asker { Lie::BadRepairSums } else { Lie::BadRepairDeltas });
    run.world.start(victim)?;
    run.world.run_for(ILL)?;
    ensure(tells_of_a_repair(&run.world), "no repair was asked for though all helpers are linked")?;
    ensure(!repaired(&run.world, victim), "shares were repaired with a helper that spoils them")?;
    is_unspent(run, victim)?;
    run.world.reform(helper);
    let pause = Duration::from_millis(REPAIR_MS_PAUSE_MAX) + Duration::from_secs(30);
    run.world.run_until("the shares repaired", pause, |world| repaired(world, victim))?;
    run.wait("all nodes ready", World::is_ready)
}

/// Wipes the disk of a node that is down; gives it, and one of those that must help.
fn lose_a_disk(run: &mut ScenarioRun) -> Result<(NodeIndex, NodeIndex), RunFault> {
    run.wait("all nodes ready", World::is_ready)?;
    let victim = run.any_place();
    let helper = (victim + 1 + run.random.below(3) as usize) % 4;
    run.world.crash(victim);
    run.world.run_for(AWAY)?;
    run.world.wipe(victim);
    Ok((victim, helper))
}

fn is_unspent(run: &ScenarioRun, victim: NodeIndex) -> Result<(), RunFault> {
    let key = run.world.participants().keys().nth(victim);
    let left = run.world.view(victim).zip(key).map(|(view, key)| {
        let repairs = view.state.share_repairs();
        // A request under way is paid for until it has failed.
        let open = repairs.open.as_ref().is_some_and(|open| open.validator == key);
        repairs.budget(&key).left_at(view.state.time()) + u32::from(open)
    });
    ensure(left == Some(REPAIR_BUDGET_MAX), &format!("{left:?} requests are left of {REPAIR_BUDGET_MAX}"))
}

fn tells_of_a_repair(world: &World) -> bool {
    world.events().iter().any(|(_, _, event)| matches!(event, Event::RepairBegan { .. }))
}

fn repaired(world: &World, victim: NodeIndex) -> bool {
    let of_victim = |(_, place, event): &(_, NodeIndex, Event)| {
        *place == victim && matches!(event, Event::SharesRepaired { .. })
    };
    world.events().iter().any(of_victim)
}
