//! `hypermesh cert needs-renewal`: for scripts and timers, by its exit status, as step-ca's does.
//!
//! A certificate needs renewal when its time has come, when it is revoked, when the key or the request beside it is of
//! another, when the issuing certificate beside it ends first: then nobody takes it any more, whatever is left of it; and when a
//! renewal was begun that `cert renew` can finish now.

use super::super::Global;
use super::crl::{self, Authority};
use super::folder::Folder;
use super::subject;
use crate::client::session;
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::trust::CheckedList;
use hypermesh_core::trustchain::ca::Validity;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to look at. The exit status is 0 if any certificate needs renewal, 1 if none does, and 2 if a file is missing.
#[derive(Debug, Args)]
pub struct NeedsRenewalArgs {
    /// Certificates, PEM or DER, or folders that `cert issue` wrote
    #[arg(value_name = "FILE|DIR", required = true)]
    pub certificates: Vec<PathBuf>,
    /// Renewal is needed when less than this is left, as in 8h or 25%; two thirds into the life unless given
    #[arg(long, value_name = "SPAN|PERCENT", value_parser = parse_left)]
    pub expires_in: Option<Left>,
    /// Ask no mesh whether they are revoked
    #[arg(long)]
    pub offline: bool,
    /// Say nothing, only exit
    #[arg(long)]
    pub quiet: bool,
}

/// What may be left of a life before renewal is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// So long.
    Seconds(u32),
    /// So much of the whole, in hundredths.
    Percent(u8),
}

/// A certificate and whether it needs renewal.
#[derive(Serialize)]
struct Judged {
    file: PathBuf,
    needs_renewal: bool,
    /// Why, if it does.
    reason: Option<String>,
    not_after: UnixMillis,
    renewal_due: UnixMillis,
}

/// Not one of them needs renewal: step-ca's number for it, where this table says that something went wrong here.
const NONE_NEEDS_RENEWAL: u8 = 1;
/// A file is not there: step-ca's number for it.
const FILE_MISSING: u8 = 2;

/// How long the mesh is waited for: most runs are a timer's, on a machine whose files say enough.
const ONLINE_SECONDS_MAX: u64 = 3;

/// Looks at certificates.
pub(super) fn run(args: &NeedsRenewalArgs, global: &Global, output: Output) -> Result<ExitCode, Failure> {
    let mut judged = Vec::new();
    let revoked = revoked_list(args, global, output);
    for path in &args.certificates {
        let file = subject::file_of(path);
        if !file.exists() {
            output.tell(format_args!("error: {} does not exist", file.display()));
            return Ok(FILE_MISSING.into());
        }
        let folder = path.is_dir().then(|| Folder::new(path));
        let judge = || judge(file.clone(), folder.as_ref(), revoked.as_ref(), args.expires_in);
        judged.push(folder.as_ref().map_or_else(judge, |folder| folder.steady(judge))?);
    }
    let any = judged.iter().any(|one| one.needs_renewal);
    if !args.quiet {
        output.print(&judged, |judged| judged.iter().map(line).collect())?;
    }
    Ok(if any { ExitCode::SUCCESS } else { NONE_NEEDS_RENEWAL.into() })
}

/// The mesh's revocation list, if it is to be asked and can be.
fn revoked_list(args: &NeedsRenewalArgs, global: &Global, output: Output) -> Option<CheckedList> {
    if args.offline || global.context.is_none() {
        return None;
    }
    let global = Global { timeout: global.timeout.min(ONLINE_SECONDS_MAX), ..global.clone() };
    let fetched = session(&global, "fetching the revocation list", async |client| {
        let bundle = client.trust_bundle().await?;
        crl::fetch(client, &bundle, Authority::Issuing).await?.issuing
    });
    match fetched {
        Ok(issuing) => Some(issuing.checked),
        Err(failure) => {
            if !args.quiet {
                output.tell(format_args!("revocation was not checked: {failure}"));
            }
            None
        }
    }
}

fn judge(
    file: PathBuf,
    folder: Option<&Folder>,
    revoked: Option<&CheckedList>,
    left: Option<Left>,
) -> Result<Judged, Failure> {
    let now = moment::now();
    let (_, certificate) = subject::read(&file)?;
    let mismatch = folder.map_or(Ok(None), |folder| folder.mismatch(&certificate))?;
    let issuing = folder.map_or(Ok(None), Folder::issuing)?;
    let validity = certificate.validity;
    let ends_first =
        issuing.map(|issuing| issuing.validity.not_after).filter(|end| *end < validity.not_after);
    let holds = Validity::new(validity.not_before, ends_first.unwrap_or(validity.not_after));
    let due = due(&holds, left);
    let entry =
        revoked.and_then(|list| list.list().entries.iter().find(|entry| entry.serial == certificate.serial));
    let unfinished = folder.and_then(|folder| folder.unfinished(now));
    let reason = match (entry, mismatch) {
        (Some(entry), _) => Some(format!("it was revoked at {}: {}", moment::text(entry.at), entry.reason)),
        (None, Some(file)) => Some(format!("{file} belongs to another certificate, or is corrupted")),
        (None, None) if due > now => unfinished.map(str::to_owned),
        (None, None) => {
            let why = if ends_first.is_some() { ", when its issuing certificate ends" } else { "" };
            Some(format!("since {}, as it ends at {}{why}", moment::text(due), moment::text(holds.not_after)))
        }
    };
    let (needs_renewal, not_after) = (reason.is_some(), holds.not_after);
    Ok(Judged { file, needs_renewal, reason, not_after, renewal_due: due })
}

fn line(one: &Judged) -> String {
    let (file, due) = (one.file.display(), moment::text(one.renewal_due));
    match &one.reason {
        Some(reason) => format!("{file} needs renewal: {reason}\n"),
        None => format!("{file} needs no renewal before {due}\n"),
    }
}

fn due(validity: &Validity, left: Option<Left>) -> UnixMillis {
    let life = validity.not_after.since(validity.not_before);
    match left {
        None => validity.renewal_due(),
        Some(Left::Seconds(seconds)) => validity.not_after.minus(u64::from(seconds) * 1000),
        Some(Left::Percent(percent)) => validity.not_after.minus(life / 100 * u64::from(percent)),
    }
}

fn parse_left(text: &str) -> Result<Left, String> {
    let fault = || {
        Err(format!(
            "invalid remaining lifetime {text:?}: expected a time or a percentage, such \
        as 45m, 8h, 7d or 25%"
        ))
    };
    match text.strip_suffix('%') {
        Some(number) => match number.parse() {
            Ok(percent) if percent <= 100 => Ok(Left::Percent(percent)),
            _ => fault(),
        },
        None => moment::parse_seconds(text).map(Left::Seconds).or_else(|_| fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_a_span_or_a_part_of_the_life() {
        let validity = Validity::new(UnixMillis(0), UnixMillis(90_000));
        assert_eq!(due(&validity, None), UnixMillis(60_000));
        assert_eq!(due(&validity, Some(parse_left("20").unwrap())), UnixMillis(70_000));
        assert_eq!(due(&validity, Some(parse_left("10%").unwrap())), UnixMillis(81_000));
        assert_eq!(due(&validity, Some(parse_left("100%").unwrap())), UnixMillis(0));
        assert!(["101%", "-1%", "%", "x"].iter().all(|text| parse_left(text).is_err()));
    }
}
