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
use hypermesh_core::state::{Action, Effect, Outcome, Receipt, Revocation, RevokeCertificate};
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
    pub(super) revocation: Revocation,
    height: Height,
    fee: MicroCaesar,
}

/// Revokes a certificate.
pub(super) fn revoke(args: &RevokeArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let serial = args.certificate.serial()?;
    let report = session(global, "waiting for the revocation", async |client| {
        let report = ask(client, serial, args.reason).await?;
        // The mesh signs the list after the block: whoever fetches it next shall find the certificate in it.
        client.call(&RevocationListRequest { at_least: Some(report.revocation.list) }).await?;
        Ok(report)
    })?;
    if report.revocation.reason != args.reason {
        output.tell(format_args!("it was revoked before, for another reason, which stays"));
    }
    output.print(&report, |report| {
        let Revocation { at, reason, list } = &report.revocation;
        format!("revoked {serial} at {}: {reason}, in revocation list {list}", moment::text(*at))
    })
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
    match receipt {
        Receipt {
            outcome: Outcome::Done(Effect::CertificateRevoked { serial, revocation }),
            height,
            fee,
            ..
        } if serial == serial_number => Ok(RevokedReport { serial_number, revocation, height, fee }),
        _ => Err(Failure::new(
            Exit::NotValid,
            "the node gave a receipt of something else than this revocation",
        )),
    }
}

/// Prints or writes the newest revocation list, once it is checked against the context's mesh.
pub(super) fn crl(args: &CrlArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let (published, checked) = session(global, "fetching the revocation list", async |client| {
        let bundle = client.trust_bundle().await?;
        fetch(client, &bundle).await
    })?;
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

/// The mesh's newest revocation list, checked against a trust bundle: the newest that a quorum of validators has, so that
/// one that lies or lags cannot hide a revocation.
pub(super) async fn fetch(
    client: &MeshClient,
    bundle: &TrustBundle,
) -> Result<(PublishedList, CheckedList), Failure> {
    let quorum = bundle.genesis.validator_set().quorum();
    let ask = async |at_least, within| {
        let lists = client.call_validators(&RevocationListRequest { at_least }, quorum, within).await;
        // Whoever has seen a newer one fixed says so; whether that is true, the list itself will tell.
        let newest = lists.iter().map(|list| list.newest).max().unwrap_or_default();
        let checked = lists.into_iter().filter_map(|list| {
            let checked = bundle.verify_revocation_list(&list.crl_der).ok()?;
            Some((list, checked))
        });
        (checked.max_by_key(|(_, checked)| checked.list().number), newest)
    };
    let (found, newest) = ask(None, client.timeout()).await;
    let behind = found.as_ref().is_none_or(|(_, checked)| checked.list().number < newest);
    let newer = if behind && newest > 0 { ask(Some(newest), SIGNED_WITHIN).await.0 } else { None };
    let nothing = || {
        let message = "no validator gave a revocation list that holds: check that the mesh runs";
        Failure::new(Exit::Unreachable, message)
    };
    let number = |(_, checked): &(PublishedList, CheckedList)| checked.list().number;
    found.into_iter().chain(newer).max_by_key(number).ok_or_else(nothing)
}

/// How long a list that a block has fixed is given to be signed, before the one before it has to do.
const SIGNED_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
