//! A node comes back after a name was registered without it, and is asked to set records there at once: it does
//! not know the name, and must not say that there is none. Found by killing real nodes under load.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{FaultKind, Request};
use hypermesh_core::state::SetRecords;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use hypermesh_sim::world::{RunFault, Start, name};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "behind-is-unsure",
    shows: "a node that has just come back refuses nothing for good on the ground of what it missed",
    reaches: &["a node that may be behind does not refuse for good"],
    start: Start::Ready,
    play,
};

/// How often the returned node is asked, from its first moment on.
const ASKED: u64 = 40;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let victim = run.any_place();
    let other = (victim + 1) % 4;
    run.world.crash(victim);
    let owner = run.client();
    let registered = name("late.hypermesh");
    let nonce = run.nonce();
    let asked = run.ask(other, owner.register(nonce, registered.clone(), owner.key.public()));
    run.receipt(&asked)?;
    run.world.start(victim)?;
    let request = records(run, &registered);
    let mut all = Vec::new();
    for _ in 0..ASKED {
        all.push(run.ask(victim, request.clone()));
        let pause = Duration::from_micros(run.random.below(20_000));
        run.world.run_for(pause)?;
    }
    for asked in &all {
        if let Err(fault) = run.answer(asked)? {
            ensure(fault.kind == FaultKind::Unavailable, &format!("what it missed, it refused: {fault}"))?;
        }
    }
    run.wait("the victim ready", |world| world.view(victim).is_some_and(|view| view.status.ready))?;
    let again = run.ask(victim, request);
    run.receipt(&again).map(|_| ())
}

fn records(run: &mut ScenarioRun, at: &hypermesh_core::trustchain::DomainName) -> Request {
    let address = RecordData::Aaaa(std::net::Ipv6Addr::LOCALHOST);
    let records = RecordSet::new(60, vec![address]).expect("one record is a set");
    let set = SetRecords { name: at.clone(), record_type: RecordType::Aaaa, records: Some(records) };
    let nonce = run.nonce();
    run.client().set(nonce, set)
}
