//! `hypermesh dns export`: a zone as a zone file (RFC 1035 §5), for servers that load one.

use super::super::Global;
use super::zone_lines;
use crate::client::{MeshClient, session};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use hypermesh_core::api::{LIST_COUNT_MAX, RecordList, RecordListRequest};
use hypermesh_core::base::Height;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::NamedRecordSet;
use serde::Serialize;

/// How often the zone is read anew if it changes meanwhile.
const EXPORT_TRIES_MAX: u32 = 5;

/// A zone, whole.
#[derive(Serialize)]
struct ExportedZone {
    zone: DomainName,
    /// The block that it is of.
    height: Height,
    start: NamedRecordSet,
    sets: Vec<NamedRecordSet>,
}

/// Writes a zone as a zone file.
pub(super) fn run(zone: Option<DomainName>, global: &Global, output: Output) -> Result<(), Failure> {
    let exported = session(global, "reading the zone", async |client| {
        let zone = match &zone {
            Some(zone) => zone.clone(),
            None => client.genesis().zone.clone(),
        };
        export(client, zone).await
    })?;
    output.print(&exported, zone_text)
}

/// Reads all pages of a zone. What is of another content than the first page is not mixed with it.
async fn export(client: &MeshClient, zone: DomainName) -> Result<ExportedZone, Failure> {
    for _ in 0..EXPORT_TRIES_MAX {
        let mut pages: Vec<RecordList> = Vec::new();
        loop {
            let after = pages.last().and_then(|page| page.next.clone());
            let request = RecordListRequest { name: Some(zone.clone()), after, limit: LIST_COUNT_MAX };
            let page = client.call(&request).await?;
            let (changed, more) =
                (pages.first().is_some_and(|first| first.starts != page.starts), page.next.is_some());
            pages.push(page);
            match (changed, more) {
                (true, _) => break,
                (false, true) => {}
                (false, false) => return whole(zone, pages),
            }
        }
    }
    let message = format!("{zone} changed during each of {EXPORT_TRIES_MAX} reads: try again later");
    Err(Failure::new(Exit::Failed, message))
}

fn whole(zone: DomainName, pages: Vec<RecordList>) -> Result<ExportedZone, Failure> {
    let height = pages.first().map_or(Height(0), |page| page.height);
    let start = pages.first().and_then(|page| page.starts.iter().find(|start| start.name == zone).cloned());
    let absent = || Failure::new(Exit::NotFound, format!("{zone} is not a zone of this mesh"));
    let start = start.ok_or_else(absent)?;
    let sets = pages.into_iter().flat_map(|page| page.sets).collect();
    Ok(ExportedZone { zone, height, start, sets })
}

fn zone_text(exported: &ExportedZone) -> String {
    let ExportedZone { zone, height, start, sets } = exported;
    let head = format!("; {zone} as of height {}\n$ORIGIN {zone}.\n", height.0);
    core::iter::once(head).chain(core::iter::once(start).chain(sets).flat_map(zone_lines)).collect()
}
