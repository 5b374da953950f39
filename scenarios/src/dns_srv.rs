//! Several targets of one service, and the decided absence of another (RFC 2782).

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use hypermesh_sim::world::{RunFault, Start, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dns-srv",
    shows: "priorities, weights and ports come back from every node as they were written, and \".\" says there is none",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let target = |host: &str, priority, weight| RecordData::Srv {
        priority,
        weight,
        port: 443,
        target: Some(name(host)),
    };
    let mut service = vec![
        target("spare.demo.hypermesh", 20, 0),
        target("one.demo.hypermesh", 10, 70),
        target("two.demo.hypermesh", 10, 30),
    ];
    let none = vec![RecordData::Srv { priority: 0, weight: 0, port: 0, target: None }];
    let place = run.any_place();
    run.set_records(place, "_web._tcp.demo.hypermesh", 300, service.clone())?;
    run.set_records(place, "_mail._tcp.demo.hypermesh", 300, none.clone())?;
    service.sort_unstable();
    for place in 0..4 {
        let mut found = run.look_up(place, "_web._tcp.demo.hypermesh", RecordType::Srv)?;
        found.sort_unstable();
        ensure(found == service, "the targets are not those that were written")?;
        let absent = run.look_up(place, "_mail._tcp.demo.hypermesh", RecordType::Srv)?;
        ensure(absent == none, "a service that is decidedly absent is not said to be")?;
    }
    Ok(())
}
