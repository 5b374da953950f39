//! `hypermesh dns lookup`.

use super::super::Global;
use super::super::proof::{ask_proved, unasked};
use super::zone_lines;
use crate::client::{ProvedAnswer, session};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use hypermesh_core::api::{DnsAnswer, DnsRequest};
use hypermesh_core::trust::{Answer, Question};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordType, Resolution, ResolutionOutcome};

/// Asks for the records and shows them.
pub(super) fn run(
    name: &DomainName,
    record_type: RecordType,
    prove: bool,
    global: &Global,
    output: Output,
) -> Result<(), Failure> {
    let answer = match prove {
        true => look_up_proved(name, record_type, global, output),
        false => session(global, "fetching the records", async |client| {
            client.call(&DnsRequest { name: name.clone(), record_type }).await
        }),
    };
    show(&answer?, name, record_type, output)
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

fn show(
    answer: &DnsAnswer,
    name: &DomainName,
    record_type: RecordType,
    output: Output,
) -> Result<(), Failure> {
    let name = name.both_ways();
    let absent = match answer.outcome {
        ResolutionOutcome::Found => {
            if answer.stale {
                output.tell(stale(answer));
            }
            return output.print(answer, answer_text);
        }
        ResolutionOutcome::NoData => format!("{name} has no {record_type} records"),
        ResolutionOutcome::NoSuchName => format!("{name} does not exist"),
        _ => format!("{name} is outside the zones of this mesh"),
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
        "this may be out of date: it is the state of height {}, {} s ago, and the node that answered has \
        no later block",
        answer.height,
        answer.age_ms / 1000
    )
}

/// The records as a zone file has them.
fn answer_text(answer: &DnsAnswer) -> String {
    answer.answers.iter().flat_map(zone_lines).collect()
}
