//! A node gathers shares while its own disk gives nothing back. It goes on asking, and each time spends a commitment of
//! its own without a share: when the disk answers again, it is to have commitments to go on with.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{NodeIndex, RunFault, Start, World};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "unreadable-disk-starves-no-signer",
    shows: "a node whose disk gave nothing back while it gathered shares signs again as soon as it does, all three needed",
    reaches: &["this node's own commitments have run out"],
    start: Start::Ready,
    play,
};

/// More retries than a node has commitments of its own at first.
const UNREADABLE: Duration = Duration::from_secs(20);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    let dead = run.any_place();
    run.world.crash(dead);
    let (coordinator, late) = ((dead + 1) % 4, (dead + 2) % 4);
    let before = logged(&run.world, coordinator);
    let asked = run.ask_certificate(coordinator);
    run.wait("the certificate logged", |world| logged(world, coordinator) > before)?;
    // The signing has begun, and a signer that it takes does not answer; nor does the coordinator's disk.
    run.world.pause(late);
    run.world.fail_reads(coordinator, true);
    run.world.run_for(UNREADABLE)?;
    ensure(run.world.answer(asked.id).is_none(), "a certificate was signed without a quorum")?;
    run.world.fail_reads(coordinator, false);
    run.world.resume(late);
    run.certificate(&asked)?;
    for place in (0..4).filter(|place| *place != dead) {
        run.issue(place)?;
    }
    Ok(())
}

fn logged(world: &World, place: NodeIndex) -> u64 {
    world.view(place).map_or(0, |view| view.state.log().size())
}
