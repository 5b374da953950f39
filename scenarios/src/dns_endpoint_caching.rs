//! A client that remembers an endpoint for as long as the answer allows, and no longer.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{DnsRequest, Request, Response};
use hypermesh_core::base::Mono;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use hypermesh_sim::world::{NodeIndex, RunFault, Start, name};
use std::net::Ipv6Addr;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dns-endpoint-caching",
    shows: "a client asks once per time to live, and uses an old endpoint for no longer than that after a change",
    reaches: &[],
    start: Start::Ready,
    play,
};

const HOST: &str = "api.demo.hypermesh";
const TTL_SECONDS: u32 = 30;

/// What a client remembers.
#[derive(Default)]
struct Cache {
    held: Option<(RecordSet, Mono)>,
    asked: usize,
}

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let [old, new] = [1, 2].map(|number| RecordData::Aaaa(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 3, number)));
    run.set_records(0, HOST, TTL_SECONDS, vec![old.clone()])?;
    let mut cache = Cache::default();
    for _ in 0..10 {
        ensure(cache.endpoint(run, 1)? == [old.clone()], "the endpoint is another")?;
        run.world.run_for(Duration::from_secs(1))?;
    }
    ensure(cache.asked == 1, "what may be remembered was asked for again")?;
    run.set_records(2, HOST, TTL_SECONDS, vec![new.clone()])?;
    let changed = run.world.now();
    loop {
        let endpoint = cache.endpoint(run, 1)?;
        if endpoint == [new.clone()] {
            break;
        }
        ensure(endpoint == [old.clone()], "the endpoint is neither the old nor the new one")?;
        let since = run.world.now().since(changed);
        ensure(
            since <= Duration::from_secs(u64::from(TTL_SECONDS)),
            "an old endpoint outlives its time to live",
        )?;
        run.world.run_for(Duration::from_secs(1))?;
    }
    ensure(cache.asked == 2, "the change took more than one question to be seen")
}

impl Cache {
    fn endpoint(&mut self, run: &mut ScenarioRun, place: NodeIndex) -> Result<Vec<RecordData>, RunFault> {
        let now = run.world.now();
        if let Some((set, until)) = &self.held
            && now < *until
        {
            return Ok(set.data.clone());
        }
        let request = DnsRequest { name: name(HOST), record_type: RecordType::Aaaa };
        let asked = run.ask(place, Request::ResolveDns(request));
        self.asked += 1;
        let Ok(Response::ResolveDns(answer)) = run.answer(&asked)? else {
            return Err(RunFault::Unexpected("a name does not resolve".to_string()));
        };
        let Some(named) = answer.answers.first() else { return Ok(Vec::new()) };
        ensure(named.set.ttl_seconds == TTL_SECONDS, "the time to live is not the owner's")?;
        self.held =
            Some((named.set.clone(), now.after(Duration::from_secs(u64::from(named.set.ttl_seconds)))));
        Ok(named.set.data.clone())
    }
}
