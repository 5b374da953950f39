//! A service is found by its name alone, and found again after it has moved.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use hypermesh_sim::world::{RunFault, Start, name};
use std::net::Ipv6Addr;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dns-service-discovery",
    shows: "from a service's name every node leads to its host, port and address, before and after it moves",
    reaches: &[],
    start: Start::Ready,
    play,
};

const SERVICE: &str = "_web._tcp.demo.hypermesh";
const TTL_SECONDS: u32 = 60;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let hosts = [("one.demo.hypermesh", 1, 8443), ("two.demo.hypermesh", 2, 9443)];
    for (host, number, port) in hosts {
        let address = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 2, number);
        let target = Some(name(host));
        let service = RecordData::Srv { priority: 10, weight: 0, port, target: target.clone() };
        let asked_at = run.any_place();
        run.set_records(asked_at, host, TTL_SECONDS, vec![RecordData::Aaaa(address)])?;
        let asked_at = run.any_place();
        run.set_records(asked_at, SERVICE, TTL_SECONDS, vec![service])?;
        for place in 0..4 {
            let found = run.look_up(place, SERVICE, RecordType::Srv)?;
            let [RecordData::Srv { port: told, target: Some(told_target), .. }] = found.as_slice() else {
                return Err(RunFault::Unexpected(format!("node-{} gives {found:?}", place + 1)));
            };
            ensure(
                *told == port && Some(told_target) == target.as_ref(),
                "the service is said to be elsewhere",
            )?;
            let addresses = run.look_up(place, &told_target.to_string(), RecordType::Aaaa)?;
            ensure(addresses == [RecordData::Aaaa(address)], "the host has another address")?;
        }
    }
    Ok(())
}
