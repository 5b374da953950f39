//! A certificate's time runs out by the mesh's own clock, the time of its blocks.

use crate::Scenario;
use crate::scenario_run::{NAME, ScenarioRun, ensure};
use hypermesh_core::api::CertificateState;
use hypermesh_core::state::LEAF_SECONDS_MIN;
use hypermesh_core::trustchain::dns::{RecordSet, RecordType};
use hypermesh_sim::world::{RunFault, Start, World, name};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "expired-certificate-loses-its-tlsa",
    shows: "the key of a certificate is published until the block that finds it expired, on every node, and no longer",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let place = run.any_place();
    let nonce = run.nonce();
    let request = run.client().issue_published(nonce, &[NAME], LEAF_SECONDS_MIN);
    let asked = run.ask(place, request);
    let issued = run.certificate(&asked)?;
    run.wait("the key is published everywhere", |world| published(world) == 4)?;
    let left = issued.not_after.since(run.world.wall());
    // Until the last moment, and a little more than a block beyond it.
    run.world.run_for(Duration::from_millis(left.saturating_sub(5_000)))?;
    ensure(published(&run.world) == 4, "a key went before its time")?;
    run.world.run_for(Duration::from_secs(10))?;
    ensure(published(&run.world) == 0, "the key of an expired certificate is published")?;
    for place in 0..4 {
        let state = run.status(place, &issued.certificate_der)?;
        ensure(matches!(state, CertificateState::Expired { .. }), "a node does not say that it has expired")?;
    }
    Ok(())
}

/// At how many nodes the key is published.
fn published(world: &World) -> usize {
    let key = (name(&format!("_443._tcp.{NAME}")), RecordType::Tlsa);
    world.views().filter(|view| view.state.get::<RecordSet>(&key).is_some()).count()
}
