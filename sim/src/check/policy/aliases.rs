//! Aliases: how far they may lead, and what may point at one.
//!
//! `docs/protocol.md` ("What owners may do").

use super::model::Model;
use super::names::is_within;
use super::reason::{RefusalReason, RefusalReasons};
use super::services::Places;
use hypermesh_core::base::{PublicKey, UnixMillis};
use hypermesh_core::state::SetRecords;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use std::collections::{BTreeMap, BTreeSet};

/// So many aliases may lead from one name to the end.
const ALIAS_COUNT_MAX: usize = 8;
/// With more sets at and below the registered name, what points at an alias is not looked for.
const LOOKED_THROUGH_MAX: usize = 64;

/// The host that a record points at, if that may not be an alias.
fn host(data: &RecordData) -> Option<&DomainName> {
    let (RecordData::Mx { exchange: host, .. } | RecordData::Srv { target: host, .. }) = data else {
        return None;
    };
    host.as_ref()
}

fn alias_of(data: &[RecordData]) -> Option<&DomainName> {
    data.iter().find_map(|data| if let RecordData::Cname(target) = data { Some(target) } else { None })
}

impl Model {
    /// What stands against records because of aliases.
    pub(super) fn against_aliases(
        &self,
        set: &SetRecords,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let Some(records) = &set.records else { return RefusalReasons::new() };
        let mut against = RefusalReasons::new();
        if records.data.iter().filter_map(host).any(|host| self.is_alias(host)) {
            against.insert(RefusalReason::PointsAtAlias);
        }
        if let Some(target) = alias_of(&records.data) {
            against.extend(self.against_alias(&set.name, target, owner, time));
        }
        against
    }

    pub(super) fn is_alias(&self, name: &DomainName) -> bool {
        self.records.by_hand.contains_key(&(name.clone(), RecordType::Cname))
    }

    fn against_alias(
        &self,
        name: &DomainName,
        target: &DomainName,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let mut against = RefusalReasons::new();
        let mut path = vec![target.clone()];
        while path.len() <= ALIAS_COUNT_MAX && !path.contains(name) {
            let end = path.last().map(|end| (end.clone(), RecordType::Cname));
            let next = end.and_then(|end| alias_of(&self.records.by_hand.get(&end)?.data));
            let Some(next) = next.cloned() else { break };
            path.push(next);
        }
        let own = self.own_records(name, owner, time);
        if own
            .values()
            .filter(|data| alias_of(data).is_none())
            .flatten()
            .filter_map(host)
            .any(|host| host == name)
        {
            against.insert(RefusalReason::PointedAt);
        }
        let aliases: BTreeMap<&DomainName, &DomainName> =
            own.iter().filter_map(|((at, _), data)| Some((at, alias_of(data)?))).collect();
        let before = aliases.keys().filter_map(|start| links_to(name, start, &aliases)).max().unwrap_or(0);
        if path.contains(name) || path.len() + before > ALIAS_COUNT_MAX {
            against.insert(RefusalReason::AliasChain);
        }
        against
    }

    /// The owner's records that could point at a name: set by hand, at other names at and below the registered name that it
    /// lies in.
    fn own_records(
        &self,
        name: &DomainName,
        owner: PublicKey,
        time: UnixMillis,
    ) -> BTreeMap<(DomainName, RecordType), Vec<RecordData>> {
        let Some(top) = self.names.held_by_right_of(name, time) else { return BTreeMap::new() };
        if self.standing_within(&top) > LOOKED_THROUGH_MAX {
            return BTreeMap::new();
        }
        let sets = self.records.by_hand.iter().filter(|((at, record_type), _)| {
            let pointing = matches!(record_type, RecordType::Cname | RecordType::Mx | RecordType::Srv);
            pointing && at != name && is_within(at, &top) && self.names.owner(at, time) == Some(owner)
        });
        sets.map(|(key, set)| (key.clone(), set.data.clone())).collect()
    }

    /// How many sets of records stand at and below a name.
    fn standing_within(&self, top: &DomainName) -> usize {
        let mut keys: BTreeSet<(DomainName, RecordType)> = self.records.by_hand.keys().cloned().collect();
        keys.extend(self.records.published.keys().map(|name| (name.clone(), RecordType::Tlsa)));
        for places in self.instances.keys().map(Places::of) {
            keys.extend([(places.srv, RecordType::Srv), (places.host, RecordType::Aaaa)]);
            keys.extend(places.svcb.map(|svcb| (svcb, RecordType::Svcb)));
        }
        let standing = |key: &&(DomainName, RecordType)| {
            is_within(&key.0, top) && self.standing(&key.0, key.1).is_some()
        };
        keys.iter().filter(standing).count()
    }
}

/// How many aliases lead from `start` to `name`.
fn links_to(
    name: &DomainName,
    start: &DomainName,
    aliases: &BTreeMap<&DomainName, &DomainName>,
) -> Option<usize> {
    let mut at = start;
    for links in 0..=aliases.len() {
        if at == name {
            return Some(links);
        }
        at = *aliases.get(at)?;
    }
    None
}
