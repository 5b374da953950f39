//! `hypermesh dns set`.

use super::super::Global;
use super::super::caesar::settled;
use crate::client::{done, session};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::OperationRequest;
use hypermesh_core::state::{Action, SetRecords};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};

/// What to set.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The name
    pub name: DomainName,
    /// The type of records: A, AAAA, CAA, CNAME, HTTPS, MX, NAPTR, PTR, SRV, SSHFP, SVCB, TLSA, TXT, or any other as TYPE and its
    /// number, whose value is its bytes, such as `'\\# 4 0A000001'`
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

/// Sets or removes the records.
pub(super) fn run(args: SetArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let SetArgs { name, record_type, values, remove, ttl } = args;
    record_type.check_settable().map_err(|fault| Failure::new(Exit::Usage, fault))?;
    let records = if remove { None } else { Some(record_set(record_type, &values, ttl)?) };
    let receipt = session(global, "waiting for the records to be set", async |client| {
        let action = Action::SetRecords(SetRecords { name: name.clone(), record_type, records });
        let operation = client.operation(action).await?;
        done(client.call(&OperationRequest { operation }).await?)
    })?;
    let what = if remove { "removed" } else { "set" };
    output.print(&receipt, |receipt| {
        format!("{what} {record_type} of {} {}", name.both_ways(), settled(receipt))
    })
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
