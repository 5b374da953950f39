//! `hypermesh dns …`: names and their records.

use super::Global;
use super::caesar::settled;
use super::proof::{ask_proved, late, unasked};
use crate::client::{ProvedAnswer, done, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::{Args, Subcommand};
use hypermesh_core::api::{
    DnsAnswer, DnsRequest, NameState, RegisterNameRequest, RenewNameRequest, SetRecordsRequest,
};
use hypermesh_core::base::PublicKey;
use hypermesh_core::caesar::NAME_RENT;
use hypermesh_core::state::{Action, Effect, Outcome, Receipt, RegisterName, RenewName, SetRecords};
use hypermesh_core::trust::{Answer, Question};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{
    NamedRecordSet, Outcome as Found, RecordData, RecordSet, RecordType, Resolution,
};

/// What `hypermesh dns` can do.
#[derive(Debug, Subcommand)]
pub enum DnsCommand {
    /// Register a name directly below the zone, or any name below one of yours
    Register {
        /// The name
        name: DomainName,
        /// Whose it becomes, as a public key; the context's own if none is given
        #[arg(long, value_name = "KEY")]
        owner: Option<PublicKey>,
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
    /// Show whose a name is, and until when it is paid for, proved by the state that a quorum decided
    Owner {
        /// The name, or one below it
        name: DomainName,
    },
}

/// What to set.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The name
    pub name: DomainName,
    /// The type of records
    #[arg(value_name = "TYPE")]
    pub record_type: RecordType,
    /// The records, each as in a zone file, such as `2001:db8::7` or `"0 5 8443 web.demo.hypermesh"`; one that begins with a
    /// hyphen after `--`
    #[arg(value_name = "VALUE", required_unless_present = "remove")]
    pub values: Vec<String>,
    /// Remove the records
    #[arg(long, conflicts_with = "values")]
    pub remove: bool,
    /// How long resolvers may keep the records, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = TTL_SECONDS_DEFAULT)]
    pub ttl: u32,
}

/// How long resolvers may keep records unless something else is asked for.
const TTL_SECONDS_DEFAULT: u32 = 300;

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: DnsCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        DnsCommand::Register { name, owner } => register(name, owner, global, output),
        DnsCommand::Renew { name } => renew(name, global, output),
        DnsCommand::Set(args) => set(args, global, output),
        DnsCommand::Lookup { name, record_type, prove } => {
            let answer = match prove {
                true => look_up_proved(&name, record_type, global, output),
                false => session(global, "asking for the records", async |client| {
                    client.call(&DnsRequest { name: name.clone(), record_type }).await
                }),
            };
            show(&answer?, &name, record_type, output)
        }
        DnsCommand::Owner { name } => show_owner(name, global, output),
    }
}

fn register(
    name: DomainName,
    owner: Option<PublicKey>,
    global: &Global,
    output: Output,
) -> Result<(), Failure> {
    let receipt = session(global, "waiting for the name to be registered", async |client| {
        let owner = owner.unwrap_or(client.secret().public());
        let action = Action::RegisterName(RegisterName { name: name.clone(), owner });
        let operation = client.operation(action).await?;
        done(client.call(&RegisterNameRequest { operation }).await?)
    })?;
    output
        .print(&receipt, |receipt| format!("registered {name}{}, {}", paid_until(receipt), settled(receipt)))
}

fn renew(name: DomainName, global: &Global, output: Output) -> Result<(), Failure> {
    let receipt = session(global, "waiting for the name to be renewed", async |client| {
        let action = Action::RenewName(RenewName { name: name.clone() });
        let operation = client.operation(action).await?;
        done(client.call(&RenewNameRequest { operation }).await?)
    })?;
    output.print(&receipt, |receipt| format!("renewed {name}{}, {}", paid_until(receipt), settled(receipt)))
}

fn name_text(state: &NameState) -> String {
    let NameState { name, owner, since, expires, freed, rent, height } = state;
    let paid = match (expires, freed) {
        (_, Some(freed)) => {
            format!(
                "it is not paid for and not answered: its owner can renew it until {}",
                moment::text(*freed)
            )
        }
        (Some(expires), None) => {
            let rent = crate::amount::Amount(*rent);
            format!("paid for until {}; another period costs {rent}", moment::text(*expires))
        }
        (None, None) => "it costs no rent".to_string(),
    };
    format!("{name} belongs to {owner} since height {since}; {paid} (at height {height})")
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

fn set(args: SetArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let SetArgs { name, record_type, values, remove, ttl } = args;
    let records = if remove { None } else { Some(record_set(record_type, &values, ttl)?) };
    let receipt = session(global, "waiting for the records to be set", async |client| {
        let action = Action::SetRecords(SetRecords { name: name.clone(), record_type, records });
        let operation = client.operation(action).await?;
        done(client.call(&SetRecordsRequest { operation }).await?)
    })?;
    let what = if remove { "removed" } else { "set" };
    output.print(&receipt, |receipt| format!("{what} {record_type} of {name} {}", settled(receipt)))
}

/// The records that were typed. A record of several fields may be typed without quotes, if it is the only one.
fn record_set(record_type: RecordType, values: &[String], ttl: u32) -> Result<RecordSet, Failure> {
    let each: Result<Vec<RecordData>, _> =
        values.iter().map(|value| RecordData::parse(record_type, value)).collect();
    let data = each.or_else(|fault| match RecordData::parse(record_type, &values.join(" ")) {
        Ok(data) => Ok(vec![data]),
        Err(_) => Err(Failure::new(Exit::Usage, fault)),
    })?;
    RecordSet::new(ttl, data).map_err(|fault| Failure::new(Exit::Usage, fault))
}

/// The records that the state says, and how old that is by this machine's clock.
fn look_up_proved(
    name: &DomainName,
    record_type: RecordType,
    global: &Global,
    output: Output,
) -> Result<DnsAnswer, Failure> {
    let question = Question::Records { name: name.clone(), record_type };
    let ProvedAnswer { proved, age_ms, stale, .. } = ask_proved(&question, global, output)?;
    let Answer::Records(found) = proved.answer else { return Err(unasked()) };
    let Resolution { outcome, answers, authority } = found;
    Ok(DnsAnswer { outcome, answers, authority, height: proved.height, time: proved.time, age_ms, stale })
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
        return Err(Failure::new(Exit::NotFound, format!("{name} is nobody's (proved at height {height})")));
    };
    let state = NameState {
        name: holding.registered.clone(),
        owner: holding.owner,
        since: holding.since,
        expires: holding.expires,
        freed: holding.freed,
        rent: NAME_RENT,
        height,
    };
    output.print(&state, |state| format!("{}, proved", name_text(state)))
}

fn show(
    answer: &DnsAnswer,
    name: &DomainName,
    record_type: RecordType,
    output: Output,
) -> Result<(), Failure> {
    let absent = match answer.outcome {
        Found::Found => {
            if answer.stale {
                output.tell(stale(answer));
            }
            return output.print(answer, answer_text);
        }
        Found::NoData => format!("{name} has no {record_type} records"),
        Found::NoSuchName => format!("{name} does not exist"),
        _ => format!("{name} lies in no zone of this mesh"),
    };
    if output.json {
        output.print(answer, answer_text)?;
    }
    let age = if answer.stale { format!("; {}", stale(answer)) } else { String::new() };
    Err(Failure::new(Exit::NotFound, format!("{absent} (at height {}){age}", answer.height)))
}

/// How old an answer is that may be out of date.
fn stale(answer: &DnsAnswer) -> String {
    format!(
        "this may be out of date: it is of height {}, {} s ago, and the node that answered knows of no block since",
        answer.height,
        answer.age_ms / 1000
    )
}

/// The records as a zone file has them.
fn answer_text(answer: &DnsAnswer) -> String {
    answer.answers.iter().flat_map(lines).collect()
}

fn lines(NamedRecordSet { name, set }: &NamedRecordSet) -> impl Iterator<Item = String> {
    set.data.iter().map(move |data| format!("{name}. {} IN {} {data}\n", set.ttl_seconds, data.record_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn several_records_and_one_of_several_words_are_both_understood() {
        let two = record_set(RecordType::Aaaa, &values(&["2001:db8::2", "2001:db8::1"]), 60).unwrap();
        assert_eq!(two.data.len(), 2);
        let quoted = record_set(RecordType::Srv, &values(&["0 5 8443 web.demo.hypermesh"]), 60).unwrap();
        let words = record_set(RecordType::Srv, &values(&["0", "5", "8443", "web.demo.hypermesh"]), 60);
        assert_eq!(words, Ok(quoted));
    }

    #[test]
    fn what_is_no_record_is_refused_with_an_example() {
        let failure = record_set(RecordType::Aaaa, &values(&["192.0.2.1"]), 60).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("2001:db8::7"), "{failure}");
        assert!(record_set(RecordType::Txt, &values(&["hello"]), 0).is_err());
    }
}
