//! The whole way of a certificate, as its owner walks it.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::CertificateState;
use hypermesh_core::trustchain::ca::RevocationReason;
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "certificate-issuance-flow",
    shows: "asked, validated, decided, logged, signed, verified offline, published, renewed, and revoked: each once",
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let place = run.any_place();
    let size = |run: &ScenarioRun| run.world.view(place).map(|view| view.state.log().size());
    let before = size(run);
    let first = run.issue(place)?;
    ensure(size(run) == before.map(|size| size + 1), "a certificate is not one entry of the log")?;
    ensure(Some(first.leaf_index.0) == before, "the certificate's entry is not the next one")?;
    run.settle()?;
    for other in 0..4 {
        let fetched = run.fetch(other, first.serial_number)?;
        // Each coordinator has it signed anew: what is signed is the same.
        let same = signed_part(&fetched.certificate_der) == signed_part(&first.certificate_der);
        ensure(same, "two nodes have two certificates")?;
        let state = run.status(other, &first.certificate_der)?;
        ensure(
            matches!(state, CertificateState::Valid { .. }),
            "a certificate that was just issued is not valid",
        )?;
    }
    let renewed = run.issue(place)?;
    ensure(renewed.serial_number != first.serial_number, "the new certificate is the old one")?;
    let nonce = run.nonce();
    let revoke = run.client().revoke(nonce, first.serial_number, RevocationReason::Superseded);
    let asked = run.ask(place, revoke);
    run.receipt(&asked)?;
    run.settle()?;
    for other in 0..4 {
        let old = run.status(other, &first.certificate_der)?;
        ensure(matches!(old, CertificateState::Revoked { .. }), "a revoked certificate is said to be valid")?;
        let new = run.status(other, &renewed.certificate_der)?;
        ensure(matches!(new, CertificateState::Valid { .. }), "the new certificate went with the old one")?;
    }
    ensure(run.resolves(place)?, "names do not resolve")
}

/// A certificate without its signature: the last 64 bytes (RFC 8410 §6).
fn signed_part(der: &[u8]) -> &[u8] {
    der.get(..der.len().saturating_sub(64)).unwrap_or_default()
}
