//! A year passes. At two thirds of it the issuing certificate renews itself, and certificates are issued all the while.
//!
//! Months in which nothing happens are slept through by the whole mesh; the days around the renewal, and around the end
//! of the old certificate, it is awake and asked for certificates.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{IssuedCertificate, LogEntryRequest, Request, Response};
use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::IssuingCertificate;
use hypermesh_core::trust::{TrustBundle, verify_certificate};
use hypermesh_core::trustchain::ca::{PemLabel, from_pem, parse_certificate};
use hypermesh_core::trustchain::ct::LogEntry;
use hypermesh_sim::world::{RunFault, Start};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "issuing-certificate-renews-itself",
    shows: "a year passes, the issuing certificate is renewed and logged, and no request for a certificate is dropped",
    reaches: &[],
    start: Start::Ready,
    play,
};

const HOUR_MS: u64 = 3_600_000;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let before = run.fetch_bundle(0)?;
    let issuer = run.world.view(0).and_then(|view| view.state.issuer());
    let issuer = issuer.ok_or_else(|| RunFault::Unexpected("a ready mesh has no issuer".to_string()))?;
    let (due, ends) = (issuer.issuing_validity.renewal_due(), issuer.issuing_validity.not_after);

    run.sleep_until(due.minus(20_000))?;
    let newest = |run: &ScenarioRun| run.world.view(0).and_then(|view| view.state.newest_issuing());
    ensure(newest(run) == Some(0), "it was renewed before its time")?;
    let old = run.issue(0)?;
    let mut since = 0;
    while since < 5 {
        let place = run.any_place();
        // Checked against the bundle from before: the old issuing certificate outlives what is issued now.
        let issued = run.issue(place)?;
        covered(&issued)?;
        since += u32::from(newest(run) == Some(1));
        run.world.run_for(Duration::from_secs(1))?;
        ensure(run.world.wall() < due.plus(60_000), "it was not renewed in time")?;
    }
    let bundle = run.fetch_bundle(1)?;
    ensure(bundle.issuing_ders.len() == 2, "the trust bundle lacks one of the two")?;
    is_logged(run, &bundle)?;

    // What ends after the old one is issued under the new one, by name or not.
    run.sleep_until(ends.minus(HOUR_MS))?;
    let place = run.any_place();
    let late = run.issue(place)?;
    covered(&late)?;
    ensure(late.not_after > ends, "it does not outlive the old issuing certificate")?;
    let verifies = |bundle: &TrustBundle, issued: &IssuedCertificate, at: UnixMillis| {
        verify_certificate(bundle, &issued.certificate_der, None, None, at).valid
    };
    ensure(verifies(&bundle, &late, ends.plus(HOUR_MS)), "it does not verify past the old one's end")?;
    ensure(!verifies(&before, &late, ends.plus(HOUR_MS)), "an old bundle reaches past its end")?;
    let mut extended = before;
    let chain = from_pem(PemLabel::Certificate, &late.chain_pem).unwrap_or_default();
    let taken = extended.take_in(&chain).map_err(|fault| RunFault::Unexpected(fault.to_string()));
    taken.map(|()| {
        ensure(verifies(&extended, &late, ends.plus(HOUR_MS)), "the chain beside it does not help")
    })??;
    ensure(verifies(&bundle, &old, due), "what was issued before the renewal verifies no longer")?;

    run.sleep_until(ends.plus(HOUR_MS))?;
    for place in 0..4 {
        covered(&run.issue(place)?)?;
    }
    Ok(())
}

/// A certificate comes with an issuing certificate that does not end before it.
fn covered(issued: &IssuedCertificate) -> Result<(), RunFault> {
    let chain =
        from_pem(PemLabel::Certificate, &issued.chain_pem).ok().and_then(|der| parse_certificate(&der).ok());
    let ends = chain.map(|issuing| issuing.validity.not_after);
    ensure(ends >= Some(issued.not_after), "a certificate outlives the issuing certificate it came with")
}

/// The new issuing certificate stands in the log where the state says.
fn is_logged(run: &mut ScenarioRun, bundle: &TrustBundle) -> Result<(), RunFault> {
    let row = run.world.view(2).and_then(|view| view.state.get::<IssuingCertificate>(&1));
    let row =
        row.ok_or_else(|| RunFault::Unexpected("the state has no second issuing certificate".to_string()))?;
    let asked = run.ask(2, Request::LogEntry(LogEntryRequest { index: row.leaf_index }));
    let Ok(Response::LogEntry(logged)) = run.answer(&asked)? else {
        return Err(RunFault::Unexpected("the log has no such entry".to_string()));
    };
    let entry = LogEntry::decode(&logged.entry).map_err(|fault| RunFault::Unexpected(fault.to_string()))?;
    let newest = bundle.issuing_ders.last().and_then(|der| parse_certificate(&der.0).ok());
    ensure(newest.is_some_and(|newest| newest.tbs == entry.tbs), "another certificate stands in the log")
}
