//! A page of records is what was so: every set that its state answers with, in order and none left out, as far as the page
//! goes.

use super::{Chain, ObservedAnswer};
use hypermesh_core::api::{RecordList, RecordListRequest};
use hypermesh_core::state::{NameOwner, RecordKey, State};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{NamedRecordSet, RecordSet, RecordType, ResolutionOutcome, resolve};

/// The most sets in a page.
const PAGE_COUNT_MAX: u32 = 1000;
/// The most sets that are looked at for a page.
const LOOKED_AT_MAX: usize = 1000;

/// Looks at a page.
///
/// # Errors
/// If it is not what the state has.
pub(super) fn check(
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    asked: &RecordListRequest,
    answer: &RecordList,
) -> Result<(), String> {
    let Some(state) = super::answer::stated(chain, observed, answer.height)? else { return Ok(()) };
    let all: Vec<RecordKey> =
        state.rows::<RecordSet>(Vec::new()).filter_map(|(key, set)| key_of(&key, &set)).collect();
    let behind = |key: &&RecordKey| asked.after.as_ref().is_none_or(|after| place(key) > place(after));
    let within = |key: &&RecordKey| asked.name.as_ref().is_none_or(|name| key.name.is_within(name));
    let mut wanted: Vec<&RecordKey> = all.iter().filter(within).filter(behind).collect();
    if let Some(next) = &answer.next {
        let end = wanted.iter().position(|key| *key == next).ok_or("goes on at what is not there")? + 1;
        if end == wanted.len() {
            return Err("goes on where nothing follows".to_string());
        }
        wanted.truncate(end);
    }
    let shown: Vec<NamedRecordSet> = wanted.iter().filter_map(|key| shown(&state, key)).collect();
    if answer.sets != shown {
        return Err(format!(
            "lists {} sets of records where {} are to be shown",
            answer.sets.len(),
            shown.len()
        ));
    }
    if wanted.len() > LOOKED_AT_MAX || shown.len() > asked.limit.clamp(1, PAGE_COUNT_MAX) as usize {
        return Err(format!("lists {} sets of records at once", shown.len()));
    }
    check_starts(&state, asked, answer)
}

fn check_starts(state: &State, asked: &RecordListRequest, answer: &RecordList) -> Result<(), String> {
    let genesis = state.genesis_document();
    let zones = core::iter::once(&genesis.zone).chain(&genesis.reverse_zones);
    let asked_for = |zone: &&DomainName| {
        asked.name.as_ref().is_none_or(|name| name.is_within(zone) || zone.is_within(name))
    };
    let starts: Vec<NamedRecordSet> =
        zones.filter(asked_for).flat_map(|zone| resolve(state, zone, RecordType::Soa).answers).collect();
    match answer.starts == starts {
        true => Ok(()),
        false => Err("shows other starts of zones with a page of records".to_string()),
    }
}

/// What a set is found by, from its row's key: its name's labels from the top down, each with a zero behind it, and three bytes.
fn key_of(key: &[u8], set: &RecordSet) -> Option<RecordKey> {
    let name = core::str::from_utf8(key.get(..key.len().checked_sub(4)?)?).ok()?;
    let labels: Vec<&str> = name.split('\0').rev().collect();
    Some(RecordKey { name: labels.join(".").parse().ok()?, record_type: set.record_type()? })
}

/// Where a set stands in the order of all.
fn place(key: &RecordKey) -> (Vec<String>, u16) {
    (key.name.labels().rev().map(str::to_string).collect(), key.record_type.number())
}

/// The set, unless the name is not paid for.
fn shown(state: &State, key: &RecordKey) -> Option<NamedRecordSet> {
    let zones = state.genesis_document();
    let is_zone = |name: &DomainName| *name == zones.zone || zones.reverse_zones.contains(name);
    let mut above = core::iter::successors(Some(key.name.clone()), DomainName::parent);
    let top = above.find(|name| name.parent().is_some_and(|parent| is_zone(&parent)));
    let paid_until = top.and_then(|top| state.get::<NameOwner>(&top)?.expires);
    if paid_until.is_some_and(|until| until < state.time()) {
        return None;
    }
    let found = resolve(state, &key.name, key.record_type);
    found.answers.into_iter().find(|one| {
        found.outcome == ResolutionOutcome::Found && one.set.record_type() == Some(key.record_type)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{answered, issue, world_with};
    use crate::world::name;
    use hypermesh_core::api::{Request, Response};

    #[test]
    fn it_fires_when_a_page_leaves_out_adds_or_misstates_a_set() {
        let (world, _) = world_with(|world| vec![issue(world, 1)]);
        let after = RecordKey { name: name("node-1.hypermesh"), record_type: RecordType::Aaaa };
        for asked in [
            RecordListRequest { limit: 1000, ..RecordListRequest::default() },
            RecordListRequest { limit: 3, ..RecordListRequest::default() },
            RecordListRequest { name: Some(name("node-1.hypermesh")), after: Some(after), limit: 1 },
        ] {
            let fires = |change: fn(&mut RecordList)| {
                answered(&world, Request::ListRecords(asked.clone()), |response| {
                    let Response::ListRecords(answer) = response else { panic!("another response") };
                    assert!(!answer.sets.is_empty());
                    change(answer);
                })
            };
            assert_eq!(fires(|_| {}), Ok(()));
            let broken: [fn(&mut RecordList); 5] = [
                |answer| drop(answer.sets.pop()),
                |answer| answer.sets.push(answer.sets[0].clone()),
                |answer| answer.sets[0].set.ttl_seconds += 1,
                |answer| answer.starts.clear(),
                |answer| {
                    answer.next = Some(RecordKey { name: name("a.hypermesh"), record_type: RecordType::A })
                },
            ];
            for change in broken {
                assert_eq!(fires(change).unwrap_err().check, "answers");
            }
        }
    }
}
