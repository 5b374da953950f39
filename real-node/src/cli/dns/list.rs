//! `hypermesh dns list`.

use super::super::Global;
use super::zone_lines;
use crate::client::session;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{RecordList, RecordListRequest};
use hypermesh_core::state::RecordKey;
use hypermesh_core::trustchain::DomainName;

/// Which records to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those at this name and below it
    pub name: Option<DomainName>,
    /// Only those after this set: the next page
    #[arg(long, value_name = "NAME/TYPE")]
    pub after: Option<RecordKey>,
    /// At most this many sets of records: a page
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

/// Lists records.
pub(super) fn run(args: ListArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let ListArgs { name, after, limit } = args;
    let request = RecordListRequest { name, after, limit };
    let list = session(global, "fetching the records", async |client| client.call(&request).await)?;
    output.print(&list, list_text)?;
    if let Some(next) = &list.next {
        output.tell(format_args!("there are more: --after {next}"));
    }
    Ok(())
}

fn list_text(list: &RecordList) -> String {
    match list.sets.is_empty() {
        true => "no records\n".to_owned(),
        false => list.sets.iter().flat_map(zone_lines).collect(),
    }
}
