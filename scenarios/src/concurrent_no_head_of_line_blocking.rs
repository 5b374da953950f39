//! A question that can be answered at once does not wait behind a hundred that must be decided.

use crate::Scenario;
use crate::scenario_run::{NAME, PendingRequest, ScenarioRun, ensure};
use hypermesh_core::api::{DnsRequest, Request};
use hypermesh_core::trustchain::dns::RecordType;
use hypermesh_sim::world::{RunFault, Start, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "concurrent-no-head-of-line-blocking",
    shows: "names resolve in the instant they are asked for, although a hundred certificates are under way at that node",
    reaches: &[],
    start: Start::Ready,
    play,
};

const REQUESTS: usize = 100;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let place = run.any_place();
    let asked: Vec<PendingRequest> = (0..REQUESTS).map(|_| run.ask_certificate(place)).collect();
    let mut questions = 0;
    while asked.iter().any(|one| run.world.answer(one.id).is_none()) {
        let request = DnsRequest { name: name(NAME), record_type: RecordType::Tlsa };
        let asked_at = run.world.now();
        let question = run.ask(place, Request::ResolveDns(request));
        run.answer(&question)?.map_err(|fault| RunFault::Unexpected(fault.to_string()))?;
        let answered_at = run.world.answer(question.id).map(|answer| answer.at);
        ensure(answered_at == Some(asked_at), "a question waited behind certificates")?;
        questions += 1;
        run.world.run_for(std::time::Duration::from_millis(5))?;
    }
    ensure(questions > 3, "the hundred were done before anything could wait")?;
    asked.iter().try_for_each(|one| run.certificate(one).map(drop))
}
