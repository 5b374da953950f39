//! `hypermesh cert revoke`.

use super::super::Global;
use super::subject::{self, CertificateSelector};
use crate::client::{MeshClient, done, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{OperationRequest, RevocationListRequest};
use hypermesh_core::base::{Height, MicroCaesar};
use hypermesh_core::state::{Action, Effect, Outcome, Receipt, Revocation, RevokeCertificate, SameKey};
use hypermesh_core::trustchain::ca::{RevocationReason, SerialNumber};
use serde::Serialize;

/// What to revoke, and why.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its serial number, its file (PEM or DER), or its folder
    #[arg(value_name = "SERIAL|FILE|DIR", value_parser = subject::parse)]
    pub certificate: CertificateSelector,
    /// Why (RFC 5280): unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation or
    /// privilegeWithdrawn
    #[arg(long)]
    pub reason: RevocationReason,
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
    args.certificate.tell_mismatch(output)?;
    let (report, unsigned) = session(global, "waiting for the revocation", async |client| {
        let report = ask(client, serial, args.reason).await?;
        // The mesh signs the list after the block: whoever fetches it next shall find the certificate in it. The revocation
        // stands without it.
        let unsigned = match report.revocation {
            Some(Revocation { list, .. }) => {
                let request = RevocationListRequest { at_least: Some(list), root_at_least: None };
                client.call(&request).await.err()
            }
            None => None,
        };
        Ok((report, unsigned))
    })?;
    if let Some(failure) = unsigned {
        output.tell(format_args!(
            "the certificate is revoked, but no node has returned a revocation list with it yet: run \
            `hypermesh cert crl` in a few seconds ({failure})"
        ));
    }
    if report.revocation.is_some_and(|revocation| revocation.reason != args.reason) {
        output.tell(format_args!("it was already revoked for another reason, which does not change"));
    }
    if args.reason == RevocationReason::KeyCompromise {
        output.tell(format_args!(
            "its key cannot be certified again: get a certificate with a new key with `hypermesh cert \
            renew DIR --new-key`"
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
    let receipt = done(client.call(&OperationRequest { operation }).await?)?;
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
            "the node returned a receipt of another operation than this revocation",
        )),
    }
}
