//! A certificate is revoked at one node while another is cut off; in the end every node says so, shows a list that says
//! so, and publishes its key no longer.

use crate::Scenario;
use crate::stage::{NAME, Stage, ensure};
use hypermesh_core::api::CertificateState;
use hypermesh_core::state::{Effect, LEAF_SECONDS_DEFAULT, Outcome, Revocation};
use hypermesh_core::trustchain::ca::{RevocationReason, SerialNumber};
use hypermesh_core::trustchain::dns::{RecordSet, RecordType};
use hypermesh_sim::world::{Place, RunFault, Start, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "revocation-reaches-every-node",
    shows: "a revoked certificate is refused by every node and stands in each one's list, also at one that was away",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let place = stage.any_place();
    let nonce = stage.nonce();
    let request = stage.client().issue_published(nonce, &[NAME], LEAF_SECONDS_DEFAULT);
    let asked = stage.ask(place, request);
    let issued = stage.certificate(&asked)?;
    let serial = issued.serial_number;
    ensure(publishes(stage, place), "a certificate's key is not published")?;
    let good = stage.issue(place)?;

    let away = (place + 1) % 4;
    let mut sides = [0_u8; 4];
    sides.iter_mut().skip(away).take(1).for_each(|side| *side = 1);
    stage.world.partition(&sides);
    refuses_strangers(stage, place, serial)?;
    let revocation = revoke(stage, place, serial, RevocationReason::KeyCompromise)?;
    ensure(
        stage.revocation_list(place, Some(revocation.list))?.entry(&serial).is_some(),
        "it is not listed",
    )?;
    stage.world.heal();
    stage.wait("the node that was away has heard of it", |world| {
        world.views().all(|view| view.state.revocation_list_number() >= Some(revocation.list))
    })?;
    for place in 0..4 {
        let state = stage.status(place, &issued.certificate_der)?;
        let revoked = matches!(state, CertificateState::Revoked { certificate } if certificate.revocation == Some(revocation));
        ensure(revoked, "a node does not say that it is revoked")?;
        let other = stage.status(place, &good.certificate_der)?;
        ensure(matches!(other, CertificateState::Valid { .. }), "a good certificate is refused")?;
        ensure(!publishes(stage, place), "the key of a revoked certificate is published")?;
        let list = stage.revocation_list(place, Some(revocation.list))?;
        ensure(list.entry(&serial).is_some() && list.entries.len() == 1, "a node's list is another")?;
        // Asked for again, elsewhere and for another reason: what stands is told.
        let again = revoke(stage, place, serial, RevocationReason::Superseded)?;
        ensure(again == revocation, "a revocation was changed")?;
    }
    // Nothing of that is lost when all lose power.
    stage.sleep(std::time::Duration::from_secs(60))?;
    ensure(stage.revocation_list(away, None)?.entry(&serial).is_some(), "the list was lost")
}

fn publishes(stage: &Stage, place: Place) -> bool {
    let key = (name(&format!("_443._tcp.{NAME}")), RecordType::Tlsa);
    stage.world.view(place).is_some_and(|view| view.state.get::<RecordSet>(&key).is_some())
}

fn refuses_strangers(stage: &mut Stage, place: Place, serial: SerialNumber) -> Result<(), RunFault> {
    let nonce = stage.nonce();
    let stranger = stage.owner(&stage.world.cast().other);
    let asked = stage.ask(place, stranger.revoke(nonce, serial, RevocationReason::Unspecified));
    let fault = stage.refusal(&asked)?;
    ensure(fault.message.contains("belongs to"), &format!("refused for another reason: {fault}"))
}

fn revoke(
    stage: &mut Stage,
    place: Place,
    serial: SerialNumber,
    reason: RevocationReason,
) -> Result<Revocation, RunFault> {
    let nonce = stage.nonce();
    let request = stage.client().revoke(nonce, serial, reason);
    let asked = stage.ask(place, request);
    match stage.receipt(&asked)?.outcome {
        Outcome::Done(Effect::CertificateRevoked { revocation, .. }) => Ok(revocation),
        other => Err(RunFault::Unexpected(format!("a revocation came to {other:?}"))),
    }
}
