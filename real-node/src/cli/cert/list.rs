//! `hypermesh cert list`.

use super::super::Global;
use crate::client::session;
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{CertificateList, CertificateListRequest};
use hypermesh_core::base::PublicKey;
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
    /// Only those after this serial number
    #[arg(long, value_name = "SERIAL")]
    pub after: Option<SerialNumber>,
    /// At most this many
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

/// Lists certificates.
pub(super) fn run(args: &ListArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let list = session(global, "asking for the certificates", async |client| {
        let owner = if args.mine { Some(client.secret().public()) } else { args.owner };
        let request =
            CertificateListRequest { owner, name: args.name.clone(), after: args.after, limit: args.limit };
        client.call(&request).await
    })?;
    output.print(&list, list_text)?;
    if let Some(next) = list.next {
        output.tell(format_args!("there are more: --after {next}"));
    }
    Ok(())
}

fn list_text(list: &CertificateList) -> String {
    let rows = list.certificates.iter().map(|certificate| {
        format!(
            "{} until {} height {} index {} {}\n",
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
