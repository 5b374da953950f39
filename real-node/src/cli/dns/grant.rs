//! `hypermesh dns register` and `hypermesh dns reclaim`: names for others, within limits, and how they are taken back.

use super::paid_until;
use crate::amount::Amount;
use crate::cli::Global;
use crate::cli::caesar::settled;
use crate::client::{done, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{NameState, OperationRequest};
use hypermesh_core::base::{Height, MicroCaesar, PublicKey, UnixMillis};
use hypermesh_core::state::{
    Action, CertifiedName, Effect, GrantLimits, Outcome, Receipt, ReclaimName, RegisterName,
};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::SerialNumber;
use serde::Serialize;

/// What to register, for whom and how long.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The name
    pub name: DomainName,
    /// Whose it becomes, as a public key; the context's own if none is given. Of a name that is theirs below one of yours
    /// already, this sets the limits anew
    #[arg(long, value_name = "KEY")]
    pub owner: Option<PublicKey>,
    /// Until when it is theirs, as 2026-11-30T18:00:00Z; then it is yours again. For names below one of yours
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub until: Option<UnixMillis>,
    /// The same as a span of time from now on, such as 12h or 90d
    #[arg(long = "for", value_name = "DURATION", value_parser = moment::parse_seconds, conflicts_with = "until")]
    pub for_seconds: Option<u32>,
    /// Whether names may not be registered further below it. For names below one of yours
    #[arg(long)]
    pub no_further: bool,
}

/// What became of a name that was taken back.
#[derive(Debug, Serialize)]
struct ReclaimReport {
    name: DomainName,
    /// Whose it was; none if nobody had been granted it.
    previous: Option<PublicKey>,
    /// Certificates that were revoked.
    revoked: Vec<SerialNumber>,
    /// The first of those that could not be.
    rest: Option<CertifiedName>,
    /// How many operations that took.
    operations: u32,
    fee: MicroCaesar,
    height: Height,
}

impl RegisterArgs {
    fn limits(&self, now: UnixMillis) -> GrantLimits {
        let until = self.for_seconds.map(|seconds| now.plus(u64::from(seconds) * 1000));
        GrantLimits { until: self.until.or(until), may_grant: !self.no_further }
    }
}

pub(super) fn register(args: &RegisterArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let limits = args.limits(moment::now());
    let name = args.name.clone();
    let receipt = session(global, "waiting for the name to be registered", async |client| {
        let owner = args.owner.unwrap_or(client.secret().public());
        let action = Action::RegisterName(RegisterName { name: name.clone(), owner, limits });
        let operation = client.operation(action).await?;
        done(client.call(&OperationRequest { operation }).await?)
    })?;
    let granted = limits.until.map(|until| format!(", granted until {}", moment::text(until)));
    let granted = granted.unwrap_or_default();
    output.print(&receipt, |receipt| {
        format!("registered {}{}{granted}, {}", name.both_ways(), paid_until(receipt), settled(receipt))
    })
}

pub(super) fn reclaim(name: DomainName, global: &Global, output: Output) -> Result<(), Failure> {
    let report = session(global, "waiting for the name to be taken back", async |client| {
        let mut report: Option<ReclaimReport> = None;
        loop {
            let start = report.as_ref().and_then(|report| report.rest.clone());
            let action = Action::ReclaimName(ReclaimName { name: name.clone(), start: start.clone() });
            let operation = client.operation(action).await?;
            let receipt = done(client.call(&OperationRequest { operation }).await?)?;
            let next = join(report.take(), &name, receipt)?;
            // The list is full if nothing was revoked and the same one is left.
            if next.rest.is_none() || (next.operations > 1 && next.rest == start) {
                return Ok(next);
            }
            report = Some(next);
        }
    })?;
    output.print(&report, reclaim_text)?;
    match &report.rest {
        None => Ok(()),
        Some(rest) => Err(Failure::new(
            Exit::Refused,
            format!(
                "{name} is taken back, but certificate {} and those after it are not revoked, because the revocation list is \
                 full: repeat this when some that are in it have expired",
                rest.serial
            ),
        )),
    }
}

/// What operations have come to, with that of one more.
fn join(
    before: Option<ReclaimReport>,
    name: &DomainName,
    receipt: Receipt,
) -> Result<ReclaimReport, Failure> {
    let Outcome::Done(Effect::NameReclaimed { previous, revoked, rest }) = receipt.outcome else {
        let message = "the node returned a receipt of another operation than this reclaim";
        return Err(Failure::new(Exit::NotValid, message));
    };
    let (fee, height) = (receipt.fee, receipt.height);
    let Some(before) = before else {
        return Ok(ReclaimReport { name: name.clone(), previous, revoked, rest, operations: 1, fee, height });
    };
    Ok(ReclaimReport {
        revoked: before.revoked.into_iter().chain(revoked).collect(),
        rest,
        operations: before.operations + 1,
        fee: before.fee.checked_add(fee).unwrap_or(fee),
        height,
        ..before
    })
}

fn reclaim_text(report: &ReclaimReport) -> String {
    let ReclaimReport { name, previous, revoked, operations, fee, height, .. } = report;
    let taken = match previous {
        Some(previous) => {
            format!("took {} back from {previous}, with all that was granted below it", name.both_ways())
        }
        None => format!("{} is not granted", name.both_ways()),
    };
    let serials: String = revoked.iter().map(|serial| format!("\n  revoked {serial}")).collect();
    let fee = Amount(*fee);
    let count = revoked.len();
    format!(
        "{taken}; {count} certificates revoked, at height {height} (fee {fee}, operations {operations}){serials}"
    )
}

/// The limits of a name, and who can take it back.
pub(super) fn limits_text(state: &NameState) -> String {
    let Some(granter) = state.granter else { return String::new() };
    let until = state.until.map(|until| format!(" until {}", moment::text(until))).unwrap_or_default();
    let further = if state.may_grant { "" } else { ", for no names below it to be registered" };
    format!("; granted{until}{further}, and {granter} can take it back")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::Digest;
    use hypermesh_core::state::OperationId;

    fn receipt(previous: Option<PublicKey>, number: u8, rest: Option<CertifiedName>) -> Receipt {
        let revoked = vec![SerialNumber::from_operation(&Digest([number; 32]))];
        Receipt {
            operation: OperationId(Digest([number; 32])),
            owner: PublicKey([1; 32]),
            height: Height(u64::from(number)),
            time: UnixMillis(1),
            fee: MicroCaesar(10),
            outcome: Outcome::Done(Effect::NameReclaimed { previous, revoked, rest }),
        }
    }

    #[test]
    fn several_operations_are_one_report() {
        let name: DomainName = "host.demo.hypermesh".parse().unwrap();
        let serial = SerialNumber::from_operation(&Digest([9; 32]));
        let rest = Some(CertifiedName { name: name.clone(), serial });
        let owner = Some(PublicKey([2; 32]));
        let first = join(None, &name, receipt(owner, 3, rest.clone())).unwrap();
        assert_eq!((first.operations, &first.rest), (1, &rest));
        let both = join(Some(first), &name, receipt(None, 4, None)).unwrap();
        assert_eq!((both.operations, both.previous, both.revoked.len()), (2, owner, 2));
        assert_eq!((both.fee, both.height, both.rest.is_none()), (MicroCaesar(20), Height(4), true));
        assert!(reclaim_text(&both).contains("2 certificates revoked"), "{}", reclaim_text(&both));
    }

    #[test]
    fn a_span_of_time_counts_from_now_on() {
        let args = RegisterArgs {
            name: "host.demo.hypermesh".parse().unwrap(),
            owner: None,
            until: None,
            for_seconds: Some(60),
            no_further: true,
        };
        let limits = args.limits(UnixMillis(5_000));
        assert_eq!(limits, GrantLimits { until: Some(UnixMillis(65_000)), may_grant: false });
    }
}
