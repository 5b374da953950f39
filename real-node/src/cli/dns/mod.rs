//! `hypermesh dns …`: names and their records.

mod export;
mod grant;
mod list;
mod lookup;
mod set;

use super::Global;
use super::caesar::settled;
use super::proof::{ask_proved, late};
use crate::client::{done, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Subcommand;
use hypermesh_core::api::{NameState, OperationRequest};
use hypermesh_core::caesar::NAME_RENT;
use hypermesh_core::state::{Action, Effect, Outcome, Receipt, RenewName};
use hypermesh_core::trust::{Answer, Question};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{NamedRecordSet, RecordType};
pub use list::ListArgs;
pub use set::SetArgs;

/// What `hypermesh dns` can do.
#[derive(Debug, Subcommand)]
pub enum DnsCommand {
    /// Register a name directly below the zone, or any name below one of yours
    Register(grant::RegisterArgs),
    /// Take back a name that was registered for somebody below one of yours, and revoke what was certified there
    Reclaim {
        /// The name
        name: DomainName,
    },
    /// Pay for a name directly below the zone for another period, out of the context's account
    Renew {
        /// The name
        name: DomainName,
    },
    /// Set or remove the records of one type at a name
    Set(SetArgs),
    /// Ask the mesh for a name's records
    Lookup {
        /// The name
        name: DomainName,
        /// The type of records
        #[arg(value_name = "TYPE", default_value = "AAAA")]
        record_type: RecordType,
        /// Have the answer proved: rows of the state under a header that a quorum decided, checked here
        #[arg(long)]
        prove: bool,
    },
    /// List the records at a name and below it, in the order of the names
    List(ListArgs),
    /// Write a zone as a zone file, which other DNS servers load
    Export {
        /// The zone: the mesh's own if none is given, or one of its reverse zones
        zone: Option<DomainName>,
    },
    /// Show whose a name is, until when it is paid for or granted, and who can take it back, proved by the state that a quorum
    /// decided
    Owner {
        /// The name, or one below it
        name: DomainName,
    },
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: DnsCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        DnsCommand::Register(args) => grant::register(&args, global, output),
        DnsCommand::Reclaim { name } => grant::reclaim(name, global, output),
        DnsCommand::Renew { name } => renew(name, global, output),
        DnsCommand::Set(args) => set::run(args, global, output),
        DnsCommand::Lookup { name, record_type, prove } => {
            lookup::run(&name, record_type, prove, global, output)
        }
        DnsCommand::List(args) => list::run(args, global, output),
        DnsCommand::Export { zone } => export::run(zone, global, output),
        DnsCommand::Owner { name } => show_owner(name, global, output),
    }
}

fn renew(name: DomainName, global: &Global, output: Output) -> Result<(), Failure> {
    let receipt = session(global, "waiting for the name to be renewed", async |client| {
        let action = Action::RenewName(RenewName { name: name.clone() });
        let operation = client.operation(action).await?;
        done(client.call(&OperationRequest { operation }).await?)
    })?;
    output.print(&receipt, |receipt| {
        format!("renewed {}{}, {}", name.both_ways(), paid_until(receipt), settled(receipt))
    })
}

fn name_text(state: &NameState) -> String {
    let NameState { name, owner, since, expires, freed, rent, height, .. } = state;
    let paid = match (expires, freed) {
        (_, Some(freed)) => {
            format!(
                "its rent is overdue and it is not resolved: its owner can renew it until {}",
                moment::text(*freed)
            )
        }
        (Some(expires), None) => {
            let rent = crate::amount::Amount(*rent);
            format!("paid for until {}; another period costs {rent}", moment::text(*expires))
        }
        (None, None) => "it costs no rent".to_string(),
    };
    let limits = grant::limits_text(state);
    let name = name.both_ways();
    format!("{name} belongs to {owner} since height {since}; {paid}{limits} (at height {height})")
}

/// Until when a receipt says that a name is paid for.
fn paid_until(receipt: &Receipt) -> String {
    match &receipt.outcome {
        Outcome::Done(
            Effect::NameRegistered { expires: Some(expires) } | Effect::NameRenewed { expires },
        ) => format!(", paid for until {}", moment::text(*expires)),
        _ => String::new(),
    }
}

fn show_owner(name: DomainName, global: &Global, output: Output) -> Result<(), Failure> {
    let answer = ask_proved(&Question::Owner { name: name.clone() }, global, output)?;
    if answer.stale {
        output.tell(late(&answer));
    }
    let height = answer.proved.height;
    let Answer::Owner(Some(holding)) = &answer.proved.answer else {
        if output.json {
            output.print(&answer.proved, |_| String::new())?;
        }
        return Err(Failure::new(Exit::NotFound, format!("{name} has no owner (proved at height {height})")));
    };
    let state = NameState {
        name: holding.registered.clone(),
        owner: holding.owner,
        since: holding.since,
        expires: holding.expires,
        freed: holding.freed,
        until: holding.until,
        may_grant: holding.may_grant,
        granter: holding.granter,
        rent: NAME_RENT,
        height,
    };
    output.print(&state, |state| format!("{}, proved", name_text(state)))
}

/// The records of a set, each in a line of a zone file.
fn zone_lines(NamedRecordSet { name, set }: &NamedRecordSet) -> impl Iterator<Item = String> {
    set.data.iter().map(move |data| format!("{name}. {} IN {} {data}\n", set.ttl_seconds, data.record_type()))
}
