//! Rows of one node's store rot: certificates of blocks, entries of the log, blocks, the state itself. Whoever asks
//! gets an error and never a wrong answer, and the node makes its store whole again.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{ApiFault, FaultKind, HeaderRequest, LogEntryRequest, Request, Response};
use hypermesh_core::base::{Height, LeafIndex, Table};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{NodeIndex, RunFault, Start, World};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "damaged-block-is-fetched-again",
    shows: "what rots in a store is refused when read, fetched from peers or made anew, and then answered",
    reaches: &["a damaged row is fetched from a peer"],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    for place in 0..4 {
        run.issue(place)?;
    }
    let victim = run.any_place();
    let (height, index) = some_rows(run, victim);
    run.world.rot(victim, Table::Commits, &height.0.to_be_bytes());
    let header = || Request::Header(HeaderRequest { height: Some(height) });
    refused_then_answered(run, victim, &header)?;
    run.world.rot(victim, Table::LogEntries, &index.0.to_be_bytes());
    let entry = || Request::LogEntry(LogEntryRequest { index });
    refused_then_answered(run, victim, &entry)?;
    restart_with_rotten_state(run, victim)
}

/// A block and a log entry of the node's, by chance.
fn some_rows(run: &mut ScenarioRun, victim: NodeIndex) -> (Height, LeafIndex) {
    let view = run.world.view(victim);
    let (height, entries) = view.map_or((1, 1), |view| (view.state.height().0, view.state.log().size()));
    (Height(1 + run.random.below(height)), LeafIndex(run.random.below(entries)))
}

fn refused_then_answered(
    run: &mut ScenarioRun,
    victim: NodeIndex,
    request: &dyn Fn() -> Request,
) -> Result<(), RunFault> {
    let asked = run.ask(victim, request());
    let fault = run.refusal(&asked)?;
    ensure(fault.kind == FaultKind::DataLoss, &format!("refused for another reason: {fault}"))?;
    run.wait("the row repaired", |world| world.disk(victim).is_some_and(|disk| disk.rotten_count() == 0))?;
    let again = run.ask(victim, request());
    let elsewhere = run.ask((victim + 1) % 4, request());
    let (here, there) = (run.answer(&again)?, run.answer(&elsewhere)?);
    let bytes = |answer: &Result<Response, ApiFault>| answer.as_ref().ok().map(Response::encode);
    ensure(bytes(&here).is_some(), "the row was not answered with after its repair")?;
    // Certificates of one block may differ in who signed; what they prove does not.
    match (&here, &there) {
        (Ok(Response::Header(here)), Ok(Response::Header(there))) => {
            ensure(here.header == there.header, "the repaired row is another")
        }
        _ => ensure(bytes(&here) == bytes(&there), "the repaired row is another"),
    }
}

/// The state cannot be read, nor one of the blocks that it could be made from: the rest comes from the peers.
fn restart_with_rotten_state(run: &mut ScenarioRun, victim: NodeIndex) -> Result<(), RunFault> {
    let (height, _) = some_rows(run, victim);
    run.world.crash(victim);
    let keys = run.world.disk(victim).map(|disk| disk.keys(Table::State)).unwrap_or_default();
    let chosen = usize::try_from(run.random.below(keys.len() as u64)).unwrap_or_default();
    let key = keys.get(chosen).cloned().unwrap_or_default();
    run.world.rot(victim, Table::State, &key);
    let block_too = run.random.below(2) == 0;
    if block_too {
        run.world.rot(victim, Table::Blocks, &height.0.to_be_bytes());
        run.world.excuse_abstention(victim);
    }
    run.world.start(victim)?;
    run.wait("all nodes ready again", World::is_ready)?;
    run.wait("the store whole", |world| world.disk(victim).is_some_and(|disk| disk.rotten_count() == 0))?;
    let repaired = run.told(victim, |event| matches!(event, Event::Repaired { .. }));
    ensure(repaired == 3, &format!("{repaired} repairs were told where there were three"))?;
    run.issue(victim).map(|_| ())
}
