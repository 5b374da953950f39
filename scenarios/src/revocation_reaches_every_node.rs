//! A certificate is revoked at one node while another is cut off; in the end every node says so, shows a list that says
//! so, and publishes its key no longer.

use crate::Scenario;
use crate::scenario_run::{NAME, ScenarioRun, ensure};
use hypermesh_core::api::CertificateState;
use hypermesh_core::state::{Effect, LEAF_SECONDS_DEFAULT, Outcome, Revocation};
use hypermesh_core::trustchain::ca::{RevocationReason, SerialNumber};
use hypermesh_core::trustchain::dns::{RecordSet, RecordType};
use hypermesh_sim::world::{NodeIndex, RunFault, Start, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "revocation-reaches-every-node",
    shows: "a revoked certificate is refused by every node and stands in each one's list, also at one that was away",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let place = run.any_place();
    let nonce = run.nonce();
    let request = run.client().issue_published(nonce, &[NAME], LEAF_SECONDS_DEFAULT);
    let asked = run.ask(place, request);
    let issued = run.certificate(&asked)?;
    let serial = issued.serial_number;
    ensure(publishes(run, place), "a certificate's key is not published")?;
    let good = run.issue(place)?;

    let away = (place + 1) % 4;
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(away).take(1).for_each(|side| *side = 1);
    run.world.partition(&sides);
    refuses_strangers(run, place, serial)?;
    let revocation = revoke(run, place, serial, RevocationReason::KeyCompromise)?;
    ensure(run.revocation_list(place, Some(revocation.list))?.entry(&serial).is_some(), "it is not listed")?;
    run.world.heal();
    run.wait("the node that was away has heard of it", |world| {
        world.views().all(|view| view.state.revocation_list_number() >= Some(revocation.list))
    })?;
    for place in 0..4 {
        let state = run.status(place, &issued.certificate_der)?;
        let revoked = matches!(state, CertificateState::Revoked { certificate } if certificate.revocation == Some(revocation));
        ensure(revoked, "a node does not say that it is revoked")?;
        let other = run.status(place, &good.certificate_der)?;
        ensure(matches!(other, CertificateState::Valid { .. }), "a good certificate is refused")?;
        ensure(!publishes(run, place), "the key of a revoked certificate is published")?;
        let list = run.revocation_list(place, Some(revocation.list))?;
        ensure(list.entry(&serial).is_some() && list.entries.len() == 1, "a node's list is another")?;
        // Asked for again, elsewhere and for another reason: what stands is told.
        let again = revoke(run, place, serial, RevocationReason::Superseded)?;
        ensure(again == revocation, "a revocation was changed")?;
    }
    // Nothing of that is lost when all lose power.
    run.sleep(std::time::Duration::from_secs(60))?;
    ensure(run.revocation_list(away, None)?.entry(&serial).is_some(), "the list was lost")
}

fn publishes(run: &ScenarioRun, place: NodeIndex) -> bool {
    let key = (name(&format!("_443._tcp.{NAME}")), RecordType::Tlsa);
    run.world.view(place).is_some_and(|view| view.state.get::<RecordSet>(&key).is_some())
}

fn refuses_strangers(run: &mut ScenarioRun, place: NodeIndex, serial: SerialNumber) -> Result<(), RunFault> {
    let nonce = run.nonce();
    let stranger = run.owner(&run.world.participants().other);
    let asked = run.ask(place, stranger.revoke(nonce, serial, RevocationReason::Unspecified));
    let fault = run.refusal(&asked)?;
    ensure(fault.message.contains("belongs to"), &format!("refused for another reason: {fault}"))
}

fn revoke(
    run: &mut ScenarioRun,
    place: NodeIndex,
    serial: SerialNumber,
    reason: RevocationReason,
) -> Result<Revocation, RunFault> {
    let nonce = run.nonce();
    let request = run.client().revoke(nonce, serial, reason);
    let asked = run.ask(place, request);
    match run.receipt(&asked)?.outcome {
        Outcome::Done(Effect::CertificateRevoked { revocation, .. }) => Ok(revocation),
        other => Err(RunFault::Unexpected(format!("a revocation came to {other:?}"))),
    }
}
