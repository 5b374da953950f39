//! Instances of a service are announced under leases. One goes on renewing its own while nodes are cut off, crash and have
//! wrong clocks, one does not, one is withdrawn.

use crate::Scenario;
use crate::scenario_run::{PendingRequest, ScenarioRun, ensure};
use hypermesh_core::api::{Request, Response, ServiceRequest};
use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::{Effect, InstanceHealth, Outcome, Receipt};
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use hypermesh_sim::world::{NodeIndex, RunFault, Start, announcement, name};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "lapsed-lease",
    shows: "an instance that is not renewed is gone from every node at the same block, whatever nodes are down, cut off or \
            have wrong clocks, and one that is renewed stays",
    reaches: &[],
    start: Start::Ready,
    play,
};

const SERVICE: &str = "greeter.demo.hypermesh";
const LEASE_SECONDS: u32 = 15;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    announce(run, 0, "kept", 7001)?;
    announce(run, 1, "left", 7002)?;
    announce(run, 2, "gone", 7003)?;
    run.settle()?;
    ensure(everywhere(run)? == ["gone", "kept", "left"], "an instance that was announced is not found")?;
    let nonce = run.nonce();
    let gone = announcement(SERVICE, "gone", 7003, LEASE_SECONDS).instance;
    let asked = run.ask(3, run.client().withdraw(nonce, gone));
    run.receipt(&asked)?;
    run.settle()?;
    ensure(everywhere(run)? == ["kept", "left"], "an instance that was withdrawn is found")?;

    // One node has a wrong clock all the while; the others' troubles are one at a time.
    let trouble = run.any_place();
    let skewed = (trouble + 1) % 4;
    run.world.set_clock(skewed, Duration::from_secs(3600));
    let (well, renewing) = ((trouble + 2) % 4, (trouble + 3) % 4);
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(trouble).take(1).for_each(|side| *side = 1);
    run.world.partition(&sides);
    let expires = announce(run, renewing, "left", 7002)?;
    // While the lease runs, the cut-off node goes on with what it knows, and says of when that is.
    while run.world.wall() < expires.plus(2_000) {
        announce(run, renewing, "kept", 7001)?;
        run.world.run_for(Duration::from_secs(u64::from(LEASE_SECONDS) / 3))?;
    }
    let is_past = move |world: &hypermesh_sim::world::World, place: NodeIndex| {
        world.view(place).is_some_and(|view| view.state.time() > expires)
    };
    run.wait("a block past the lease", |world| is_past(world, well) && is_past(world, renewing))?;
    announce(run, renewing, "kept", 7001)?;
    for place in [well, renewing, skewed] {
        ensure(
            found(run, place)? == ["kept"],
            "a lease that is over is answered, or one that is not is not",
        )?;
    }
    // At the one that is cut off nothing is over: its last block is of before.
    ensure(found(run, trouble)? == ["kept", "left"], "a node without a quorum went by its clock")?;
    run.world.heal();
    run.world.crash(well);
    announce(run, renewing, "kept", 7001)?;
    run.world.start(well)?;
    run.settle()?;
    ensure(everywhere(run)? == ["kept"], "a node that was away has another answer")?;

    // Ill, it is listed, and nobody is sent to it.
    let mut ill = announcement(SERVICE, "kept", 7001, LEASE_SECONDS);
    ill.offer.health = InstanceHealth::Critical;
    let nonce = run.nonce();
    let asked = run.ask(renewing, run.client().announce(nonce, ill));
    run.receipt(&asked)?;
    run.settle()?;
    for place in 0..4 {
        ensure(
            listed(run, place)? == ["kept"] && ports(run, place)?.is_empty(),
            "callers are sent to who is ill",
        )?;
    }
    Ok(())
}

/// Announces an instance, and says when its lease is over.
fn announce(run: &mut ScenarioRun, place: NodeIndex, label: &str, port: u16) -> Result<UnixMillis, RunFault> {
    let nonce = run.nonce();
    let request = run.client().announce(nonce, announcement(SERVICE, label, port, LEASE_SECONDS));
    let asked: PendingRequest = run.ask(place, request);
    match run.receipt(&asked)? {
        Receipt { outcome: Outcome::Done(Effect::ServiceAnnounced { expires }), .. } => Ok(expires),
        other => Err(RunFault::Unexpected(format!("an announcement has the receipt {other:?}"))),
    }
}

/// The instances that every node finds; an error if they find different ones.
fn everywhere(run: &mut ScenarioRun) -> Result<Vec<String>, RunFault> {
    let mut all = BTreeSet::new();
    for place in 0..4 {
        all.insert(found(run, place)?);
    }
    let first = all.pop_first().unwrap_or_default();
    ensure(all.is_empty(), "nodes find different instances").map(|()| first)
}

/// The instances that a node lists, to which its DNS leads, with their addresses.
fn found(run: &mut ScenarioRun, place: NodeIndex) -> Result<Vec<String>, RunFault> {
    let labels = listed(run, place)?;
    ensure(ports(run, place)?.len() == labels.len(), "DNS leads to others than those that are listed")?;
    for label in &labels {
        let address = run.look_up(place, &format!("{label}.{SERVICE}"), RecordType::Aaaa)?;
        ensure(address.len() == 1, "an instance has no address")?;
    }
    Ok(labels)
}

fn ports(run: &mut ScenarioRun, place: NodeIndex) -> Result<Vec<u16>, RunFault> {
    let records = run.look_up(place, &format!("_stoq._udp.{SERVICE}"), RecordType::Srv)?;
    let port = |data: &RecordData| match data {
        RecordData::Srv { port, .. } => Some(*port),
        _ => None,
    };
    Ok(records.iter().filter_map(port).collect())
}

fn listed(run: &mut ScenarioRun, place: NodeIndex) -> Result<Vec<String>, RunFault> {
    let asked = run.ask(place, Request::Service(ServiceRequest { name: name(SERVICE) }));
    match run.answer(&asked)? {
        Ok(Response::Service(state)) => {
            Ok(state.instances.into_iter().map(|instance| instance.label).collect())
        }
        other => Err(RunFault::Unexpected(format!("instances were asked for, and the answer is {other:?}"))),
    }
}
