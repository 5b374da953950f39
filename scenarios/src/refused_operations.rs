//! What the rules do not allow is refused, with the reason, and changes nothing.

use crate::Scenario;
use crate::stage::{NAME, Stage, ensure};
use hypermesh_core::api::FaultKind;
use hypermesh_core::base::MicroCaesar;
use hypermesh_sim::world::{RunFault, Start, name};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "refused-operations",
    shows: "another's name, an empty account, a name outside the zone and a taken name are refused with the reason",
    start: Start::Ready,
    play,
};

/// How often a node is asked again that is not sure yet.
const UNSURE_ATTEMPTS_MAX: usize = 100;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let (client, other, poor) =
        (stage.client(), stage.owner(&stage.world.cast().other), stage.owner(&stage.world.cast().poor));
    let own = other.key.public();
    let logged = stage.world.view(0).map(|view| view.state.log().size());
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
        let place = stage.any_place();
        let mut asked = stage.ask(place, request);
        let mut fault = stage.refusal(&asked)?;
        // A node that has just begun is not sure yet what the others have decided.
        for _ in 0..UNSURE_ATTEMPTS_MAX {
            if fault.kind != FaultKind::Unavailable {
                break;
            }
            stage.world.run_for(Duration::from_millis(50))?;
            asked = stage.ask(place, asked.request);
            fault = stage.refusal(&asked)?;
        }
        let otherwise = format!("refused for another reason than {reason:?}: {fault}");
        ensure(fault.message.contains(reason), &otherwise)?;
    }
    let unchanged = stage.world.views().all(|view| Some(view.state.log().size()) == logged);
    ensure(unchanged, "something was logged although everything was refused")?;
    stage.issue(0).map(|_| ())
}
