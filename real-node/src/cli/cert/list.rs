//! `hypermesh cert list`.

use super::super::Global;
use crate::client::session;
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use clap::{Args, ValueEnum};
use hypermesh_core::api::{CertificateList, CertificateListRequest, CertificateStatus};
use hypermesh_core::base::{PublicKey, UnixMillis};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::SerialNumber;

/// Which certificates to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this owner
    #[arg(long, value_name = "KEY", conflicts_with = "mine")]
    pub owner: Option<PublicKey>,
    /// Only those of the context's owner
    #[arg(long)]
    pub mine: bool,
    /// Only those for this name
    #[arg(long)]
    pub name: Option<DomainName>,
    /// Only those of which this has become
    #[arg(long, value_enum)]
    pub status: Option<Status>,
    /// Only those that end before this moment, as in 2026-11-22T18:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment::parse)]
    pub expires_before: Option<UnixMillis>,
    /// Only those that were issued after this moment
    #[arg(long, value_name = "MOMENT", value_parser = moment::parse)]
    pub issued_after: Option<UnixMillis>,
    /// Only those after this serial number: the next page
    #[arg(long, value_name = "SERIAL")]
    pub after: Option<SerialNumber>,
    /// At most this many: a page
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

/// What may have become of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Status {
    /// Neither revoked nor expired
    Valid,
    /// Revoked, in its time or past it
    Revoked,
    /// Expired, and not revoked
    Expired,
}

/// Lists certificates.
pub(super) fn run(args: &ListArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let list = session(global, "asking for the certificates", async |client| {
        let request = CertificateListRequest {
            owner: if args.mine { Some(client.secret().public()) } else { args.owner },
            name: args.name.clone(),
            status: args.status.map(Into::into),
            expires_before: args.expires_before,
            issued_after: args.issued_after,
            after: args.after,
            limit: args.limit,
        };
        client.call(&request).await
    })?;
    output.print(&list, list_text)?;
    if let Some(next) = list.next {
        output.tell(format_args!("there are more: --after {next}"));
    }
    Ok(())
}

fn list_text(list: &CertificateList) -> String {
    let now = moment::now();
    let rows = list.certificates.iter().map(|certificate| {
        let status = match certificate.status(now) {
            CertificateStatus::Revoked => "revoked",
            CertificateStatus::Expired => "expired",
            _ => "valid",
        };
        format!(
            "{} {status:<7} until {} height {} index {} {}\n",
            certificate.serial_number,
            moment::text(certificate.not_after),
            certificate.height,
            certificate.leaf_index,
            certificate.names,
        )
    });
    match list.certificates.is_empty() {
        true => "no certificates\n".to_owned(),
        false => rows.collect(),
    }
}

impl From<Status> for CertificateStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Valid => Self::Valid,
            Status::Revoked => Self::Revoked,
            Status::Expired => Self::Expired,
        }
    }
}
