//! `hypermesh cert show`: what the mesh says of a certificate.

use super::super::Global;
use super::super::proof::{ask_proved, late, unasked};
use super::subject::{self, CertificateSelector};
use crate::client::session;
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{
    CertificateRequestBySerial, CertificateState, CertificateStatus, CertificateSummary,
    ValidateCertificateRequest,
};
use hypermesh_core::state::Revocation;
use hypermesh_core::trust::{Answer, Question};

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its serial number, its file (PEM or DER), or its folder
    #[arg(value_name = "SERIAL|FILE|DIR", value_parser = subject::parse)]
    pub certificate: CertificateSelector,
    /// Have the answer proved: rows of the state under a header that a quorum decided, checked here
    #[arg(long)]
    pub prove: bool,
}

/// Shows a certificate.
pub(super) fn run(args: &ShowArgs, global: &Global, output: Output) -> Result<(), Failure> {
    args.certificate.tell_mismatch(output)?;
    if args.prove {
        return show_proved(args, global, output);
    }
    let der = match &args.certificate {
        CertificateSelector::File(path) => Some(subject::read(path)?.0),
        CertificateSelector::Serial(_) => None,
    };
    let state = session(global, "fetching the certificate", async |client| {
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

/// Shows what the state says of a certificate. Whether it is signed as it should be, `cert verify` tells.
fn show_proved(args: &ShowArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let file = match &args.certificate {
        CertificateSelector::File(path) => Some(subject::read(path)?.1),
        CertificateSelector::Serial(_) => None,
    };
    let serial_number = args.certificate.serial()?;
    let answer = ask_proved(&Question::Certificate { serial_number }, global, output)?;
    let Answer::Certificate(row) = &answer.proved.answer else { return Err(unasked()) };
    if answer.stale {
        output.tell(late(&answer));
    }
    let height = answer.proved.height;
    let approved = row.clone().filter(|row| file.as_ref().is_none_or(|file| row.is_of(&file.pre_tbs)));
    let state = match approved {
        None => {
            let reason = format!("consensus never approved it, as is proved at height {height}");
            CertificateState::Unknown { reason }
        }
        Some(row) => {
            let certificate = CertificateSummary::of(serial_number, row);
            let now = moment::now();
            match certificate.status(now) {
                CertificateStatus::Revoked => CertificateState::Revoked { certificate },
                CertificateStatus::Expired => CertificateState::Expired { certificate },
                _ if now < certificate.not_before => CertificateState::NotYetValid { certificate },
                _ => CertificateState::Valid { certificate },
            }
        }
    };
    output.print(&state, |state| format!("{}proved       at height {height}\n", state_text(state)))
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
