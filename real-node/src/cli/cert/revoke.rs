//! `hypermesh cert revoke` and `hypermesh cert crl`.

use super::super::Global;
use super::subject::{self, Subject};
use crate::client::{MeshClient, done, session};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{PublishedList, RevocationListRequest, RevokeCertificateRequest};
use hypermesh_core::base::{Height, MicroCaesar};
use hypermesh_core::state::{Action, Effect, Outcome, Receipt, Revocation, RevokeCertificate, SameKey};
use hypermesh_core::trust::{CheckedList, TrustBundle};
use hypermesh_core::trustchain::ca::{PemLabel, RevocationReason, SerialNumber, pem};
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

/// What to revoke, and why.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its serial number, or its file (PEM or DER)
    #[arg(value_name = "SERIAL|FILE", value_parser = subject::parse)]
    pub certificate: Subject,
    /// Why (RFC 5280): unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation or
    /// privilegeWithdrawn
    #[arg(long)]
    pub reason: RevocationReason,
}

/// Where the revocation list goes, and how.
#[derive(Debug, Args)]
pub struct CrlArgs {
    /// As DER, not PEM
    #[arg(long, conflicts_with = "pem")]
    pub der: bool,
    /// As PEM, which it is anyway
    #[arg(long)]
    pub pem: bool,
    /// Where to; standard output if not given
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What is printed about a revocation.
#[derive(Serialize)]
pub(super) struct RevokedReport {
    pub(super) serial_number: SerialNumber,
    /// None for a certificate that has ended, whose key alone was reported.
    pub(super) revocation: Option<Revocation>,
    /// What bears the same key, if that was reported as compromised.
    same_key: SameKey,
    height: Height,
    fee: MicroCaesar,
}

/// Revokes a certificate.
pub(super) fn revoke(args: &RevokeArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let serial = args.certificate.serial()?;
    let report = session(global, "waiting for the revocation", async |client| {
        let report = ask(client, serial, args.reason).await?;
        // The mesh signs the list after the block: whoever fetches it next shall find the certificate in it.
        if let Some(revocation) = report.revocation {
            client.call(&RevocationListRequest { at_least: Some(revocation.list) }).await?;
        }
        Ok(report)
    })?;
    if report.revocation.is_some_and(|revocation| revocation.reason != args.reason) {
        output.tell(format_args!("it was revoked before, for another reason, which stays"));
    }
    if args.reason == RevocationReason::KeyCompromise {
        output.tell(format_args!(
            "its key is certified for nobody any more: get a certificate with another, with cert renew DIR --new-key"
        ));
    }
    for standing in &report.same_key.standing {
        output.tell(format_args!(
            "certificate {standing} bears the same key and stands: who owns it can revoke it, as cert show {standing} says"
        ));
    }
    output.print(&report, report_lines)
}

/// What was revoked, a line each.
fn report_lines(report: &RevokedReport) -> String {
    let serial = report.serial_number;
    let first = match &report.revocation {
        Some(Revocation { at, reason, list }) => {
            format!("revoked {serial} at {}: {reason}, in revocation list {list}", moment::text(*at))
        }
        None => format!("{serial} has ended; its key is noted as compromised at height {}", report.height),
    };
    let others =
        report.same_key.revoked.iter().map(|other| format!("\nrevoked {other}, which bears the same key"));
    core::iter::once(first).chain(others).collect()
}

/// Has a certificate revoked, and says when and why it was.
pub(super) async fn ask(
    client: &MeshClient,
    serial_number: SerialNumber,
    reason: RevocationReason,
) -> Result<RevokedReport, Failure> {
    let action = Action::RevokeCertificate(RevokeCertificate { serial_number, reason });
    let operation = client.operation(action).await?;
    let receipt = done(client.call(&RevokeCertificateRequest { operation }).await?)?;
    let Receipt { outcome, height, fee, .. } = receipt;
    match outcome {
        Outcome::Done(Effect::CertificateRevoked { serial, revocation, same_key })
            if serial == serial_number =>
        {
            Ok(RevokedReport { serial_number, revocation: Some(revocation), same_key, height, fee })
        }
        Outcome::Done(Effect::KeyReported { serial, same_key, .. }) if serial == serial_number => {
            Ok(RevokedReport { serial_number, revocation: None, same_key, height, fee })
        }
        _ => Err(Failure::new(
            Exit::NotValid,
            "the node gave a receipt of something else than this revocation",
        )),
    }
}

/// Prints or writes the newest revocation list, once it is checked against the context's mesh.
pub(super) fn crl(args: &CrlArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let newest = session(global, "fetching the revocation list", async |client| {
        let bundle = client.trust_bundle().await?;
        fetch(client, &bundle).await
    })?;
    if let Some(why) = newest.behind() {
        output.tell(why);
    }
    let Newest { published, checked, .. } = newest;
    if output.json {
        return output.print(checked.list(), |_| String::new());
    }
    let bytes = match args.der {
        true => published.crl_der,
        false => pem(PemLabel::RevocationList, &published.crl_der).into_bytes(),
    };
    let Some(path) = &args.out else {
        let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("standard output: {error}"));
        let mut stdout = std::io::stdout().lock();
        return stdout.write_all(&bytes).and_then(|()| stdout.flush()).map_err(failed);
    };
    file::write(path, &bytes, Access::Public)?;
    let (number, entries) = (checked.list().number, checked.list().entries.len());
    let until = moment::text(checked.list().next_update);
    output
        .tell(format_args!("{}: revocation list {number}, {entries} revoked, until {until}", path.display()));
    Ok(())
}

/// The newest revocation list that was got, and how it stands to what the mesh says.
pub(super) struct Newest {
    /// As it was published.
    pub(super) published: PublishedList,
    /// Checked against a trust bundle.
    pub(super) checked: CheckedList,
    /// The number of the newest list that a block has fixed, as far as more validators say so than may lie.
    announced: u64,
}

impl Newest {
    /// That it is not the newest, if it is not.
    pub(super) fn behind(&self) -> Option<String> {
        let number = self.checked.list().number;
        (number < self.announced).then(|| {
            format!(
                "the newest revocation list that was got is {number}, and the mesh has announced {}",
                self.announced
            )
        })
    }
}

/// The mesh's newest revocation list, checked against a trust bundle: the newest that a quorum of validators has, so that
/// one that lies or lags cannot hide a revocation.
pub(super) async fn fetch(client: &MeshClient, bundle: &TrustBundle) -> Result<Newest, Failure> {
    let quorum = bundle.genesis.validator_set().quorum();
    let liars_max = bundle.genesis.validators.len() - quorum;
    let ask = async |at_least, within| {
        let lists = client.call_validators(&RevocationListRequest { at_least }, quorum, within).await;
        // Whoever has seen a newer one fixed says so; whether that is true, the list itself will tell.
        let mut said: Vec<u64> = lists.iter().map(|list| list.newest).collect();
        said.sort_unstable_by_key(|number| core::cmp::Reverse(*number));
        let checked = lists.into_iter().filter_map(|published| {
            let checked = bundle.verify_revocation_list(&published.crl_der).ok()?;
            Some((published, checked))
        });
        (checked.max_by_key(|(_, checked)| checked.list().number), said)
    };
    let (found, said) = ask(None, client.timeout()).await;
    let newest = said.first().copied().unwrap_or_default();
    let announced = said.get(liars_max).copied().unwrap_or_default();
    let behind = found.as_ref().is_none_or(|(_, checked)| checked.list().number < newest);
    let newer = if behind && newest > 0 { ask(Some(newest), SIGNED_WITHIN).await.0 } else { None };
    let nothing = || {
        let message = "no validator gave a revocation list that holds: check that the mesh runs";
        Failure::new(Exit::Unreachable, message)
    };
    let number = |(_, checked): &(PublishedList, CheckedList)| checked.list().number;
    let (published, checked) = found.into_iter().chain(newer).max_by_key(number).ok_or_else(nothing)?;
    Ok(Newest { published, checked, announced })
}

/// How long a list that a block has fixed is given to be signed, before the one before it has to do.
const SIGNED_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
