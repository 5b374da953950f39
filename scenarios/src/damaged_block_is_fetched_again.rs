//! Rows of one node's store rot: certificates of blocks, entries of the log, blocks, the state itself. Whoever asks
//! gets an error and never a wrong answer, and the node makes its store whole again.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::api::{ApiFault, FaultKind, HeaderRequest, LogEntryRequest, Request, Response};
use hypermesh_core::base::{Height, LeafIndex, Table};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Place, RunFault, Start, World};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "damaged-block-is-fetched-again",
    shows: "what rots in a store is refused when read, fetched from peers or made anew, and then answered",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    for place in 0..4 {
        stage.issue(place)?;
    }
    let victim = stage.any_place();
    let (height, index) = some_rows(stage, victim);
    stage.world.rot(victim, Table::Commits, &height.0.to_be_bytes());
    let header = || Request::Header(HeaderRequest { height: Some(height) });
    refused_then_answered(stage, victim, &header)?;
    stage.world.rot(victim, Table::LogEntries, &index.0.to_be_bytes());
    let entry = || Request::LogEntry(LogEntryRequest { index });
    refused_then_answered(stage, victim, &entry)?;
    restart_with_rotten_state(stage, victim)
}

/// A block and a log entry of the node's, by chance.
fn some_rows(stage: &mut Stage, victim: Place) -> (Height, LeafIndex) {
    let view = stage.world.view(victim);
    let (height, entries) = view.map_or((1, 1), |view| (view.state.height().0, view.state.log().size()));
    (Height(1 + stage.random.below(height)), LeafIndex(stage.random.below(entries)))
}

fn refused_then_answered(
    stage: &mut Stage,
    victim: Place,
    request: &dyn Fn() -> Request,
) -> Result<(), RunFault> {
    let asked = stage.ask(victim, request());
    let fault = stage.refusal(&asked)?;
    ensure(fault.kind == FaultKind::DataLoss, &format!("refused for another reason: {fault}"))?;
    stage
        .wait("the row repaired", |world| world.disk(victim).is_some_and(|disk| disk.rotten_count() == 0))?;
    let again = stage.ask(victim, request());
    let elsewhere = stage.ask((victim + 1) % 4, request());
    let (here, there) = (stage.answer(&again)?, stage.answer(&elsewhere)?);
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
fn restart_with_rotten_state(stage: &mut Stage, victim: Place) -> Result<(), RunFault> {
    let (height, _) = some_rows(stage, victim);
    stage.world.crash(victim);
    let keys = stage.world.disk(victim).map(|disk| disk.keys(Table::State)).unwrap_or_default();
    let chosen = usize::try_from(stage.random.below(keys.len() as u64)).unwrap_or_default();
    let key = keys.get(chosen).cloned().unwrap_or_default();
    stage.world.rot(victim, Table::State, &key);
    let block_too = stage.random.below(2) == 0;
    if block_too {
        stage.world.rot(victim, Table::Blocks, &height.0.to_be_bytes());
        stage.world.excuse_abstention(victim);
    }
    stage.world.start(victim)?;
    stage.wait("all nodes ready again", World::is_ready)?;
    stage.wait("the store whole", |world| world.disk(victim).is_some_and(|disk| disk.rotten_count() == 0))?;
    let repaired = stage.told(victim, |event| matches!(event, Event::Repaired { .. }));
    ensure(repaired == 3, &format!("{repaired} repairs were told where there were three"))?;
    stage.issue(victim).map(|_| ())
}
