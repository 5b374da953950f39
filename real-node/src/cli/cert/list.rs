//! `hypermesh cert list`: the newest last, as a log is read.
//!
//! The mesh gives pages in order of serial numbers, which say nothing about age: so all pages are fetched, within bounds, before
//! anything is printed.

use super::super::Global;
use crate::client::session;
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use clap::{Args, ValueEnum};
use hypermesh_core::api::{
    CertificateList, CertificateListRequest, CertificateStatus, CertificateSummary, LIST_COUNT_MAX,
};
use hypermesh_core::base::{PublicKey, UnixMillis};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::SerialNumber;

/// Which certificates to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only certificates of this owner
    #[arg(long, value_name = "KEY", conflicts_with = "mine")]
    pub owner: Option<PublicKey>,
    /// Only certificates of the context's owner
    #[arg(long)]
    pub mine: bool,
    /// Only certificates for this name
    #[arg(long)]
    pub name: Option<DomainName>,
    /// Only certificates with this status
    #[arg(long, value_enum)]
    pub status: Option<Status>,
    /// Only certificates that end before this time, such as 2026-11-22T18:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment::parse)]
    pub expires_before: Option<UnixMillis>,
    /// Only certificates that were issued after this time
    #[arg(long, value_name = "MOMENT", value_parser = moment::parse)]
    pub issued_after: Option<UnixMillis>,
    /// Only certificates after this serial number, to continue a list that was too long for one command
    #[arg(long, value_name = "SERIAL")]
    pub after: Option<SerialNumber>,
    /// At most this many, the newest
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
    let mut list = session(global, "fetching the certificates", async |client| {
        let mut request = CertificateListRequest {
            owner: if args.mine { Some(client.secret().public()) } else { args.owner },
            name: args.name.clone(),
            status: args.status.map(Into::into),
            expires_before: args.expires_before,
            issued_after: args.issued_after,
            after: args.after,
            limit: LIST_COUNT_MAX,
        };
        let mut all = CertificateList { certificates: Vec::new(), next: None };
        for _ in 0..PAGE_COUNT_MAX {
            let page = client.call(&request).await?;
            all.certificates.extend(page.certificates);
            all.next = page.next;
            request.after = page.next;
            if all.next.is_none() {
                break;
            }
        }
        Ok(all)
    })?;
    let left_out = keep_newest(&mut list.certificates, args.limit);
    output.print(&list, |list| list_text(list, moment::now()))?;
    if left_out > 0 {
        output.tell(format_args!(
            "{left_out} older certificates are not shown: use --limit NUMBER to show \
            more"
        ));
    }
    if let Some(next) = list.next {
        output.tell(format_args!(
            "only the first {PAGE_COUNT_MAX} pages were looked at, by serial number: narrow it with --name, --status or \
             --issued-after, or go on with --after {next}"
        ));
    }
    Ok(())
}

/// Puts the newest last, and leaves out the oldest beyond the limit: how many.
fn keep_newest(certificates: &mut Vec<CertificateSummary>, limit: u32) -> usize {
    // The log is in order of issue, also within a block.
    certificates.sort_unstable_by_key(|certificate| certificate.leaf_index);
    let left_out = certificates.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    certificates.drain(..left_out);
    left_out
}

fn list_text(list: &CertificateList, now: UnixMillis) -> String {
    if list.certificates.is_empty() {
        return "no certificates\n".to_owned();
    }
    let line = |[serial, status, issued, until, height, index, names]: [&str; 7]| {
        format!("{serial:<32} {status:<7} {issued:<20} {until:<20} {height:>8} {index:>8}  {names}\n")
    };
    let heading = line(["SERIAL NUMBER", "STATUS", "ISSUED", "UNTIL", "HEIGHT", "INDEX", "NAMES"]);
    let rows = list.certificates.iter().map(|certificate| {
        let status = match certificate.status(now) {
            CertificateStatus::Revoked => "revoked",
            CertificateStatus::Expired => "expired",
            _ => "valid",
        };
        line([
            &certificate.serial_number.to_string(),
            status,
            &moment::text(certificate.issued),
            &moment::text(certificate.not_after),
            &certificate.height.to_string(),
            &certificate.leaf_index.to_string(),
            &certificate.names.to_string(),
        ])
    });
    core::iter::once(heading).chain(rows).collect()
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

/// How many pages are fetched for one list: 100,000 certificates are looked at.
const PAGE_COUNT_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, Height, LeafIndex};
    use hypermesh_core::state::OperationId;
    use hypermesh_core::trustchain::ca::SubjectNames;

    fn certificate(index: u64) -> CertificateSummary {
        let operation = Digest([u8::try_from(index).unwrap(); 32]);
        CertificateSummary {
            serial_number: SerialNumber::from_operation(&operation),
            owner: PublicKey([1; 32]),
            names: SubjectNames::new(vec!["web.demo.hypermesh".parse().unwrap()], Vec::new(), None).unwrap(),
            not_before: UnixMillis(0),
            not_after: UnixMillis(90_000),
            height: Height(index + 7),
            leaf_index: LeafIndex(index),
            operation: OperationId(operation),
            issued: UnixMillis(1000 * index),
            revocation: None,
        }
    }

    #[test]
    fn the_newest_is_last_and_the_oldest_are_left_out() {
        let all = || [3, 1, 2].map(certificate).to_vec();
        let kept = |limit| {
            let mut certificates = all();
            let left_out = keep_newest(&mut certificates, limit);
            (left_out, certificates.iter().map(|found| found.leaf_index.0).collect::<Vec<_>>())
        };
        assert_eq!(kept(3), (0, vec![1, 2, 3]));
        assert_eq!(kept(2), (1, vec![2, 3]));
        assert_eq!(kept(0), (3, vec![]));
    }

    #[test]
    fn the_list_has_headings_over_its_columns() {
        let list = CertificateList { certificates: vec![certificate(1)], next: None };
        let text = list_text(&list, UnixMillis(0));
        let [heading, row] = text.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {text}") };
        for (title, value) in
            [("STATUS", "valid"), ("NAMES", "web.demo.hypermesh"), ("UNTIL", "1970-01-01T00:01:30Z")]
        {
            assert_eq!(heading.find(title), row.find(value), "{title}\n{text}");
        }
        let none = CertificateList { certificates: Vec::new(), next: None };
        assert_eq!(list_text(&none, UnixMillis(0)), "no certificates\n");
    }
}
