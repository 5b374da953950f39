//! The validator with the lowest key has more to put into blocks than they hold, and the one with the highest has little.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::base::Height;
use hypermesh_core::state::SetRecords;
use hypermesh_core::trustchain::dns::{Octets, RECORDS_PER_SET_MAX, RecordData, RecordSet, RecordType};
use hypermesh_sim::world::{NodeIndex, Owner, RunFault, Start, World, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "low-key-starves-no-one",
    shows: "a member that fills every block for a while takes no more than its share of them, whatever its key is",
    reaches: &[],
    start: Start::Ready,
    play,
};

/// Sets of records of the longest kind: 25 MiB of them, and half a MiB.
const FLOOD: usize = 800;
const FEW: usize = 16;
const TEXT_BYTES: usize = 240;
/// The few are in blocks so soon after they were asked for. The flood takes seven blocks at least.
const BLOCKS_MAX: u64 = 4;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    // Validators are in the order of their keys.
    let (lowest, highest) = (0, 3);
    let (many, few) = (run.client(), run.owner(&run.world.participants().other));
    let flood = ask_for_sets(run, lowest, &many, "demo", FLOOD)?;
    let begun = height(&run.world);
    run.wait("the first blocks of the flood", |world| height(world) > begun)?;
    let asked_at = height(&run.world);
    let asked = ask_for_sets(run, highest, &few, "other", FEW)?;
    let mut last = Height::default();
    for asked in &asked {
        last = last.max(run.receipt(asked)?.height);
    }
    ensure(
        last.0 <= asked_at.0 + BLOCKS_MAX,
        &format!("what was asked for at height {asked_at} was done at {last} only"),
    )?;
    for asked in &flood {
        let done = run.receipt(asked)?.height;
        ensure(done > begun, "something of the flood was done before it was asked for")?;
    }
    Ok(())
}

/// An owner asks a node for as many sets of texts, each of a name of its own.
fn ask_for_sets(
    run: &mut ScenarioRun,
    place: NodeIndex,
    owner: &Owner,
    domain: &str,
    count: usize,
) -> Result<Vec<PendingRequest>, RunFault> {
    let set_of = |number: usize| {
        let text = |record| format!("{number} {record} {}", "x".repeat(TEXT_BYTES)).into_bytes();
        let texts = |record| RecordData::Txt((0..4).map(|part| Octets(text(record * 4 + part))).collect());
        RecordSet::new(300, (0..RECORDS_PER_SET_MAX).map(texts).collect())
    };
    (0..count)
        .map(|number| {
            let records = set_of(number).map_err(|fault| RunFault::Unexpected(fault.to_string()))?;
            let name = name(&format!("n{number}.{domain}.hypermesh"));
            let set = SetRecords { name, record_type: RecordType::Txt, records: Some(records) };
            let request = owner.set(run.nonce(), set);
            Ok(run.ask(place, request))
        })
        .collect()
}

fn height(world: &World) -> Height {
    world.views().map(|view| view.state.height()).max().unwrap_or_default()
}
