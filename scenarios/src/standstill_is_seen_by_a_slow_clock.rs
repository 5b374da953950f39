//! Two of four hang with their links up, and a third has a clock that is ten minutes behind: by block time no time has
//! passed there since the last block. It says all the same that nothing is decided, and that its clock is wrong.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{Condition, NodeStatus};
use hypermesh_sim::world::{RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "standstill-is-seen-by-a-slow-clock",
    shows: "a node whose clock is behind the last block says that nothing is decided, and that its clock is wrong",
    reaches: &[],
    start: Start::Ready,
    play,
};

const BEHIND_MS: i64 = 600_000;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let victim = run.any_place();
    run.world.jump(victim, -BEHIND_MS);
    let stuck = [(victim + 1) % 4, (victim + 2) % 4];
    let status = |world: &World| world.view(victim).map(|view| view.status.clone());
    let lacks =
        |status: &NodeStatus, condition| status.not_ready.iter().any(|unmet| unmet.condition == condition);
    run.wait("the clock to be named", |world| {
        status(world).is_some_and(|status| lacks(&status, Condition::Clock))
    })?;
    stuck.iter().for_each(|place| run.world.pause(*place));
    run.world.run_for(Duration::from_secs(8))?;
    let told = status(&run.world).ok_or_else(|| RunFault::Unexpected("the victim is gone".to_string()))?;
    ensure(told.connected == 4, "the links are down, which is another matter")?;
    ensure(told.standstill.is_some(), "nothing is decided, and nothing is said of it")?;
    ensure(lacks(&told, Condition::Progress) && !told.ready, "it is ready, and nothing is decided")?;
    stuck.iter().for_each(|place| run.world.resume(*place));
    run.world.jump(victim, 0);
    run.wait("all nodes ready", World::is_ready)?;
    ensure(
        status(&run.world).is_some_and(|status| status.standstill.is_none()),
        "blocks are decided, and it says that none are",
    )?;
    run.issue(victim).map(|_| ())
}
