//! What the rules do not allow is refused, with the reason, and changes nothing.

use crate::Scenario;
use crate::scenario_run::{NAME, ScenarioRun, ensure};
use hypermesh_core::api::FaultKind;
use hypermesh_core::base::MicroCaesar;
use hypermesh_sim::world::{RunFault, Start, name};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "refused-operations",
    shows: "another's name, an empty account, a name outside the zone and a taken name are refused with the reason",
    reaches: &["an operation is refused beforehand"],
    start: Start::Ready,
    play,
};

/// How often a node is asked again that is not sure yet.
const UNSURE_ATTEMPTS_MAX: usize = 100;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let (client, other, poor) =
        (run.client(), run.owner(&run.world.participants().other), run.owner(&run.world.participants().poor));
    let own = other.key.public();
    let logged = run.world.view(0).map(|view| view.state.log().size());
    let refused = [
        (other.issue(1, &[NAME]), "belongs to"),
        (other.issue(2, &["web.elsewhere.example"]), "outside"),
        (other.issue(3, &["web.nobody.hypermesh"]), "not registered"),
        (poor.issue(4, &["web.poor.hypermesh"]), "are needed"),
        (poor.transfer(5, client.key.public(), MicroCaesar(1)), "are needed"),
        (other.register(6, name("demo.hypermesh"), own), "already registered"),
        (other.register(7, name("sub.demo.hypermesh"), own), "belongs to"),
    ];
    for (request, reason) in refused {
        let place = run.any_place();
        let mut asked = run.ask(place, request);
        let mut fault = run.refusal(&asked)?;
        // A node that has just begun is not sure yet what the others have decided.
        for _ in 0..UNSURE_ATTEMPTS_MAX {
            if fault.kind != FaultKind::Unavailable {
                break;
            }
            run.world.run_for(Duration::from_millis(50))?;
            asked = run.ask(place, asked.request);
            fault = run.refusal(&asked)?;
        }
        let otherwise = format!("refused for another reason than {reason:?}: {fault}");
        ensure(fault.message.contains(reason), &otherwise)?;
    }
    let unchanged = run.world.views().all(|view| Some(view.state.log().size()) == logged);
    ensure(unchanged, "something was logged although everything was refused")?;
    run.issue(0).map(|_| ())
}
