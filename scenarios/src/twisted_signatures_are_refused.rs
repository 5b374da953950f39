//! The validator that coordinates the signing of the root first finishes signatures that hold by ZIP-215 alone: it adds a
//! point of order eight to the commitment. No other implementation accepts them. The honest nodes keep none, sign the root,
//! the issuing certificate and the revocation lists again among themselves, and the liar's own word costs it its stake.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::node::Event;
use hypermesh_core::trustchain::ca::RevocationReason;
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "twisted-signatures-are-refused",
    shows: "a root, lists and cosignatures that only ZIP-215 accepts are kept by nobody, made anew, and cost their maker's stake",
    reaches: &["a finished signature is refused"],
    start: Start::Empty,
    play,
};

/// The first of the validators, whose turn it is to coordinate the root, the first issuing certificate and every fourth list.
const LIAR: NodeIndex = 0;
/// With so many lists each validator has had its turn.
const LIST_COUNT: u64 = 4;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.world.corrupt(LIAR, Lie::TwistedSignatures);
    run.world.expect_evidence(LIAR);
    // Each node's bundle is verified as others would: root and issuing certificates.
    let honest: Vec<NodeIndex> = (0..4).filter(|place| *place != LIAR).collect();
    // The liar is slashed as soon as the root is signed, and without a stake it is not ready.
    run.wait("the honest nodes ready", |world| {
        (0..4)
            .filter(|place| *place != LIAR)
            .all(|place| world.view(place).is_some_and(|view| view.status.ready))
    })?;
    for place in &honest {
        run.fetch_bundle(*place)?;
    }
    for turn in 0..LIST_COUNT {
        let issued = run.issue(honest[turn as usize % honest.len()])?;
        let nonce = run.nonce();
        let request = run.client().revoke(nonce, issued.serial_number, RevocationReason::Superseded);
        let asked = run.ask(honest[0], request);
        let _revoked = run.receipt(&asked)?;
        run.settle()?;
        let newest = run.world.view(honest[0]).and_then(|view| view.state.revocation_list_number());
        for place in &honest {
            let list = run.revocation_list(*place, newest)?;
            ensure(list.entry(&issued.serial_number).is_some(), "a list lacks what was revoked")?;
        }
    }
    let Some(key) = run.world.participants().keys().nth(LIAR) else {
        return ensure(false, "no such validator");
    };
    let refused = |event: &Event| matches!(event, Event::PeerFault { peer, .. } if *peer == key);
    let convicted = |event: &Event| matches!(event, Event::Culprit { validator, .. } if *validator == key);
    for place in &honest {
        ensure(tells(&run.world, *place, refused), "a node has refused no signature of the liar's")?;
        ensure(tells(&run.world, *place, convicted), "a node has no evidence against the liar")?;
    }
    run.wait("the liar has lost its stake", |world| {
        let at_risk = |place: &NodeIndex| world.view(*place).map(|view| view.state.at_risk(&key));
        honest.iter().all(|place| at_risk(place) == Some(MicroCaesar::ZERO))
    })
}
