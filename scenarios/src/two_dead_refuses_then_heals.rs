//! Two nodes of four are dead: nothing can be decided. The others say so to whoever asks for something that has to
//! be, and go on resolving names; with one back it all goes on, without a hand laid on it.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{NodeIndex, RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "two-dead-refuses-then-heals",
    shows: "with two of four dead issuing is refused for want of a quorum, names resolve, and one back is enough",
    reaches: &[],
    start: Start::Ready,
    play,
};

/// A client waits no longer than this to be told that quorum is missing.
const REFUSAL_MAX: Duration = Duration::from_secs(10);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let first = run.any_place();
    let second = (first + 1 + usize::try_from(run.random.below(3)).unwrap_or_default()) % 4;
    let alive: Vec<NodeIndex> = (0..4).filter(|place| *place != first && *place != second).collect();
    let under_way = run.ask_certificate(alive.first().copied().unwrap_or_default());
    let pause = Duration::from_micros(run.random.below(20_000));
    run.world.run_for(pause)?;
    run.world.crash(first);
    run.world.crash(second);
    let mut asked = vec![under_way];
    for place in &alive {
        asked.push(run.ask_certificate(*place));
    }
    let began = run.world.now();
    for one in &asked {
        // The first may have been decided before the second node died.
        if let Err(fault) = run.answer(one)? {
            ensure(fault.message.contains("quorum"), &format!("refused for another reason: {fault}"))?;
        }
    }
    ensure(run.world.now().since(began) < REFUSAL_MAX, "the refusal took too long")?;
    // Once it is known, nobody is kept waiting at all.
    let again = run.ask_certificate(alive.last().copied().unwrap_or_default());
    let at_once = run.refusal(&again)?;
    ensure(at_once.message.contains("quorum"), &format!("refused for another reason: {at_once}"))?;
    for place in &alive {
        ensure(run.resolves(*place)?, "a name does not resolve without a quorum")?;
    }
    let back = if run.random.below(2) == 0 { first } else { second };
    run.world.start(back)?;
    run.wait("the three ready", |world| {
        world.views().all(|view| view.status.ready && view.status.connected >= view.status.quorum)
    })?;
    // What was refused can be asked for again, and is done once.
    for one in &asked {
        let again = run.ask(back, one.request.clone());
        run.certificate(&again)?;
    }
    Ok(())
}
