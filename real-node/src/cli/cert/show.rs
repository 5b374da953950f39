//! `hypermesh cert show`: what the mesh says of a certificate.

use super::super::Global;
use super::subject::{self, Subject};
use crate::client::session;
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{
    CertificateRequestBySerial, CertificateState, CertificateSummary, ValidateCertificateRequest,
};
use hypermesh_core::state::Revocation;

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its serial number, or its file (PEM or DER)
    #[arg(value_name = "SERIAL|FILE", value_parser = subject::parse)]
    pub certificate: Subject,
}

/// Shows a certificate.
pub(super) fn run(args: &ShowArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let der = match &args.certificate {
        Subject::File(path) => Some(subject::read(path)?.0),
        Subject::Serial(_) => None,
    };
    let state = session(global, "asking for the certificate", async |client| {
        let certificate_der = match (der, &args.certificate) {
            (Some(der), _) => der,
            (None, subject) => {
                let serial_number = subject.serial()?;
                client.call(&CertificateRequestBySerial { serial_number }).await?.certificate_der
            }
        };
        client.call(&ValidateCertificateRequest { certificate_der }).await
    })?;
    output.print(&state, state_text)
}

/// What became of it, and what is known of it, a line each.
fn state_text(state: &CertificateState) -> String {
    let (status, certificate) = match state {
        CertificateState::Valid { certificate } => ("valid", certificate),
        CertificateState::Revoked { certificate } => ("revoked", certificate),
        CertificateState::Expired { certificate } => ("expired", certificate),
        CertificateState::NotYetValid { certificate } => ("not yet valid", certificate),
        CertificateState::Unknown { reason } => return format!("unknown: {reason}\n"),
        CertificateState::NotOfThisMesh { reason } => return format!("not of this mesh: {reason}\n"),
        _ => return "of a status that this version does not know: use --json\n".to_owned(),
    };
    let CertificateSummary { serial_number, owner, names, height, leaf_index, .. } = certificate;
    let mut lines = vec![("status", status.to_owned())];
    if let Some(Revocation { at, reason, list }) = certificate.revocation {
        lines.push(("revoked", format!("at {}: {reason}, since list {list}", moment::text(at))));
    }
    lines.extend([
        ("names", names.to_string()),
        ("serial", serial_number.to_string()),
        ("owner", owner.to_string()),
        ("issued", moment::text(certificate.issued)),
        ("not before", moment::text(certificate.not_before)),
        ("not after", moment::text(certificate.not_after)),
        ("approved", format!("at height {height}")),
        ("logged", format!("at index {leaf_index}")),
    ]);
    lines.into_iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}
