//! Links that lose half of everything: answers come late or not at all, and repeating is safe.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_sim::world::{RunFault, Start};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "error-network-timeout",
    shows: "a client that gives up waiting and repeats itself, over links that lose half, gets one certificate a request",
    reaches: &[],
    start: Start::Ready,
    play,
};

const REQUESTS: usize = 4;
const GIVES_UP_AFTER: Duration = Duration::from_secs(3);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.world.lose(500);
    let mut asked: Vec<_> = (0..REQUESTS).map(|number| vec![run.ask_certificate(number % 4)]).collect();
    for round in 1..5 {
        run.world.run_for(GIVES_UP_AFTER)?;
        for (number, attempts) in asked.iter_mut().enumerate() {
            let unanswered = attempts.iter().all(|one| run.world.answer(one.id).is_none());
            if let Some(first) = attempts.first().filter(|_| unanswered) {
                let request = first.request.clone();
                attempts.push(run.ask((number + round) % 4, request));
            }
        }
    }
    run.world.lose(0);
    let mut serials = BTreeSet::new();
    for attempts in &asked {
        let Some(first) = attempts.first() else { continue };
        let again = run.ask(0, first.request.clone());
        serials.insert(run.certificate(&again)?.serial_number);
    }
    ensure(serials.len() == REQUESTS, "requests and certificates are not one to one")
}
