//! The search for the answer to one question (RFC 1034 §4.3.2), which every transport shares.
//!
//! It follows aliases inside the mesh's zones and nowhere else: an alias that leads out is itself the answer,
//! and the resolver that asked goes on from there.

use super::{RecordData, RecordSet, RecordType, ZoneSource};
use crate::trustchain::DomainName;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most aliases that are followed for one question.
pub const CNAME_CHAIN_MAX: usize = 8;

/// How a search ended. It speaks of the last name reached, when aliases were followed (RFC 6604 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResolutionOutcome {
    /// With records of the type asked for, or with an alias that leads out of the zones or in a circle.
    Found,
    /// The name exists and has no records of that type.
    NoData,
    /// The name does not exist.
    NoSuchName,
    /// The name lies in none of the zones.
    NotAuthoritative,
}

/// A set of records and the name it stands at.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct NamedRecordSet {
    /// The name.
    pub name: DomainName,
    /// Its records.
    pub set: RecordSet,
}

/// What was found for a question.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Resolution {
    /// How the search ended.
    pub outcome: ResolutionOutcome,
    /// The aliases followed, in order, and the records that they led to.
    pub answers: Vec<NamedRecordSet>,
    /// The start of the zone that says there is nothing, with the time for which that may be remembered.
    pub authority: Option<NamedRecordSet>,
}

/// Answers one question: the structured form of what [`super::answer`] says in a DNS message.
#[must_use]
pub fn resolve(source: &dyn ZoneSource, name: &DomainName, record_type: RecordType) -> Resolution {
    let lookup = look_up(source, name, QueriedTypes::Type(record_type));
    let owned = |found: Found<'_>| NamedRecordSet { name: found.name, set: found.set.into_owned() };
    Resolution {
        outcome: lookup.outcome,
        answers: lookup.answers.into_iter().map(owned).collect(),
        authority: lookup.authority,
    }
}

/// What a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueriedTypes {
    /// Records of a type.
    Type(RecordType),
    /// Anything: one set that exists is enough (RFC 8482 §4.1).
    Any,
}

/// A [`Resolution`] that borrows what it found.
pub(super) struct Lookup<'a> {
    pub(super) outcome: ResolutionOutcome,
    pub(super) answers: Vec<Found<'a>>,
    pub(super) authority: Option<NamedRecordSet>,
}

pub(super) struct Found<'a> {
    pub(super) name: DomainName,
    pub(super) set: Cow<'a, RecordSet>,
}

pub(super) fn look_up<'a>(
    source: &'a dyn ZoneSource,
    name: &DomainName,
    queried: QueriedTypes,
) -> Lookup<'a> {
    let mut lookup = Lookup { outcome: ResolutionOutcome::Found, answers: Vec::new(), authority: None };
    let mut name = name.clone();
    for _ in 0..=CNAME_CHAIN_MAX {
        let Some(zone) = zone_of(source, &name) else {
            if lookup.answers.is_empty() {
                lookup.outcome = ResolutionOutcome::NotAuthoritative;
            }
            return lookup;
        };
        if let Some(set) = find(source, zone, &name, queried) {
            lookup.answers.push(Found { name, set });
            return lookup;
        }
        let Some((set, target)) = alias(source, &name, queried) else {
            let exists = name == *zone || source.name_exists(&name);
            lookup.outcome = if exists { ResolutionOutcome::NoData } else { ResolutionOutcome::NoSuchName };
            lookup.authority = Some(start_of(source, zone));
            return lookup;
        };
        lookup.answers.push(Found { name, set });
        if lookup.answers.iter().any(|found| found.name == target) {
            return lookup;
        }
        name = target;
    }
    lookup
}

/// The answer for a name that cannot be stored, since it has bytes that [`DomainName`]s do not: in a zone it
/// does not exist. `ancestor` is the part of it, from the right, that is a name.
pub(super) fn look_up_impossible(source: &dyn ZoneSource, ancestor: Option<&DomainName>) -> Lookup<'static> {
    let zone = ancestor.and_then(|ancestor| zone_of(source, ancestor));
    let outcome =
        if zone.is_some() { ResolutionOutcome::NoSuchName } else { ResolutionOutcome::NotAuthoritative };
    let authority = zone.map(|zone| start_of(source, zone));
    Lookup { outcome, answers: Vec::new(), authority }
}

/// The closest of the zones that `name` lies in.
pub(super) fn zone_of<'a>(source: &'a dyn ZoneSource, name: &DomainName) -> Option<&'a DomainName> {
    let enclosing = source.zones().iter().filter(|zone| name.is_within(zone));
    enclosing.max_by_key(|zone| zone.as_str().len())
}

fn find<'a>(
    source: &'a dyn ZoneSource,
    zone: &DomainName,
    name: &DomainName,
    queried: QueriedTypes,
) -> Option<Cow<'a, RecordSet>> {
    match queried {
        QueriedTypes::Type(RecordType::Soa) | QueriedTypes::Any if name == zone => {
            Some(Cow::Owned(start_of(source, zone).set))
        }
        QueriedTypes::Type(RecordType::Soa) => None,
        QueriedTypes::Type(record_type) => source.record_set(name, record_type),
        QueriedTypes::Any => source.any_record_set(name),
    }
}

fn alias<'a>(
    source: &'a dyn ZoneSource,
    name: &DomainName,
    queried: QueriedTypes,
) -> Option<(Cow<'a, RecordSet>, DomainName)> {
    if matches!(queried, QueriedTypes::Type(RecordType::Cname) | QueriedTypes::Any) {
        return None;
    }
    let set = source.record_set(name, RecordType::Cname)?;
    let target = set.data.iter().find_map(|data| match data {
        RecordData::Cname(target) => Some(target.clone()),
        _ => None,
    })?;
    Some((set, target))
}

/// The start of a zone, as a record that may be remembered for as long as an absence may.
fn start_of(source: &dyn ZoneSource, zone: &DomainName) -> NamedRecordSet {
    let soa = source.soa(zone);
    let set = RecordSet { ttl_seconds: soa.negative_ttl_seconds, data: alloc::vec![RecordData::Soa(soa)] };
    NamedRecordSet { name: zone.clone(), set }
}
