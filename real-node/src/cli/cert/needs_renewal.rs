//! `hypermesh cert needs-renewal`: for scripts and timers, by its exit status, as step-ca's does.

use super::subject;
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::base::UnixMillis;
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
    not_after: UnixMillis,
    renewal_due: UnixMillis,
}

/// Not one of them needs renewal: step-ca's number for it, where this table says that something went wrong here.
const NONE_NEEDS_RENEWAL: u8 = 1;
/// A file is not there: step-ca's number for it.
const FILE_MISSING: u8 = 2;

/// Looks at certificates.
pub(super) fn run(args: &NeedsRenewalArgs, output: Output) -> Result<ExitCode, Failure> {
    let now = moment::now();
    let mut judged = Vec::new();
    for path in &args.certificates {
        let file = if path.is_dir() { path.join(super::folder::CERTIFICATE_FILE) } else { path.clone() };
        if !file.exists() {
            output.tell(format_args!("error: {} is not there", file.display()));
            return Ok(FILE_MISSING.into());
        }
        let (_, certificate) = subject::read(&file)?;
        let due = due(&certificate.validity, args.expires_in);
        let not_after = certificate.validity.not_after;
        judged.push(Judged { file, needs_renewal: due <= now, not_after, renewal_due: due });
    }
    let any = judged.iter().any(|one| one.needs_renewal);
    if !args.quiet {
        output.print(&judged, |judged| judged.iter().map(line).collect())?;
    }
    Ok(if any { ExitCode::SUCCESS } else { NONE_NEEDS_RENEWAL.into() })
}

fn line(one: &Judged) -> String {
    let (file, due) = (one.file.display(), moment::text(one.renewal_due));
    match one.needs_renewal {
        true => format!("{file} needs renewal, since {due}\n"),
        false => format!("{file} needs no renewal before {due}\n"),
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
    let fault = || Err(format!("{text:?}: write what is left as 45m, 8h, 7d or 25%"));
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
