//! Records: what owners set, what the mesh publishes of certificates and services, and what may stand together.
//!
//! `docs/protocol.md` ("Records", "DNS").

use super::model::Model;
use super::reason::{RefusalReason, RefusalReasons};
use super::services::ANNOUNCED_TTL_SECONDS;
use hypermesh_core::base::{Digest, PublicKey, UnixMillis};
use hypermesh_core::state::{Published, SetRecords, State};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// How long resolvers may keep what is published of certificates.
const PUBLISHED_TTL_SECONDS: u32 = 60;
/// The most records in a set: of more keys at one name, the newest are published.
const SET_COUNT_MAX: usize = 32;

/// The records, by who wrote them. Those of instances follow from the instances.
#[derive(Clone, Default)]
pub(super) struct Records {
    /// What owners set, and what genesis has of the mesh's own.
    pub(super) by_hand: BTreeMap<(DomainName, RecordType), RecordSet>,
    /// The keys of certificates by the name of their TLSA records, oldest first.
    pub(super) published: BTreeMap<DomainName, Vec<(SerialNumber, Digest)>>,
}

impl Records {
    /// Publishes a certificate's key at a name, in place of TLSA records that the owner had set there.
    pub(super) fn publish(&mut self, name: &DomainName, serial: SerialNumber, key: Digest) {
        self.by_hand.remove(&(name.clone(), RecordType::Tlsa));
        let keys = self.published.entry(name.clone()).or_default();
        keys.push((serial, key));
        let excess = keys.len().saturating_sub(SET_COUNT_MAX);
        keys.drain(..excess);
    }

    /// Takes a certificate's key away from a name.
    pub(super) fn withdraw(&mut self, name: &DomainName, serial: &SerialNumber) {
        let Some(keys) = self.published.get_mut(name) else { return };
        keys.retain(|(published, _)| published != serial);
        if keys.is_empty() {
            self.published.remove(name);
        }
    }
}

impl Model {
    /// The keys that a state publishes, and all records that it has and that nobody else wrote.
    pub(super) fn take_records(&mut self, state: &State) {
        for (name, record_type, set) in record_sets(state) {
            if record_type == RecordType::Tlsa
                && let Some(published) = state.get::<Published>(&name)
            {
                self.records.published.insert(name, published.keys);
            } else if !self.is_announced(&name, record_type) {
                self.records.by_hand.insert((name, record_type), set);
            }
        }
    }

    /// What stands against setting or removing records.
    pub(super) fn against_setting(
        &self,
        set: &SetRecords,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let SetRecords { name, record_type, records } = set;
        let mut against = self.names.against(name, owner, time);
        if self.writes_itself(name, *record_type) {
            against.insert(RefusalReason::Reserved);
        }
        // By the key itself, or by its SHA-256 (RFC 6698 §2.1.2, §2.1.3).
        let key = |record: &RecordData| {
            let RecordData::Tlsa { selector: 1, matching, data, .. } = record else { return None };
            match matching {
                0 => Some(Sha256::digest(data).into()),
                1 => data.as_slice().try_into().ok(),
                _ => None,
            }
        };
        let mut keys = records.iter().flat_map(|set| &set.data).filter_map(key);
        if keys.any(|key| self.compromised.contains(&Digest(key))) {
            against.insert(RefusalReason::Compromised);
        }
        if records.is_some() && self.clashes(name, *record_type) {
            against.insert(RefusalReason::Alias);
        }
        against.extend(self.against_aliases(set, owner, time));
        against
    }

    /// Whether the mesh writes records of this type at this name, and nobody else: the keys of certificates, and what is
    /// shown of instances; there, an alias would be in their way.
    fn writes_itself(&self, name: &DomainName, record_type: RecordType) -> bool {
        let shown = [RecordType::Srv, RecordType::Svcb, RecordType::Aaaa];
        let in_the_way = record_type == RecordType::Cname;
        (record_type == RecordType::Tlsa && self.records.published.contains_key(name))
            || self.is_announced(name, record_type)
            || (in_the_way && shown.into_iter().any(|shown| self.is_announced(name, shown)))
    }

    /// Whether an alias would not stand alone, or stand at the top of a zone.
    fn clashes(&self, name: &DomainName, record_type: RecordType) -> bool {
        let written = RecordType::ALL.into_iter().filter(|other| self.standing(name, *other).is_some());
        let by_hand = self.records.by_hand.keys().filter(|(at, _)| at == name).map(|(_, by_hand)| *by_hand);
        let others: Vec<RecordType> = written.chain(by_hand).filter(|other| *other != record_type).collect();
        match record_type == RecordType::Cname {
            true => self.names.is_apex(name) || !others.is_empty(),
            false => others.contains(&RecordType::Cname),
        }
    }

    /// The records of a type that stand at a name.
    pub(super) fn standing(&self, name: &DomainName, record_type: RecordType) -> Option<RecordSet> {
        if record_type == RecordType::Tlsa
            && let Some(keys) = self.records.published.get(name)
        {
            let data = keys.iter().map(|(_, hash)| {
                let data = hash.0.to_vec();
                RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data }
            });
            return RecordSet::new(PUBLISHED_TTL_SECONDS, data.collect()).ok();
        }
        if self.is_announced(name, record_type) {
            let shown = self.shown_by_instances(name, record_type);
            return RecordSet::new(ANNOUNCED_TTL_SECONDS, shown).ok();
        }
        self.records.by_hand.get(&(name.clone(), record_type)).cloned()
    }
}

/// All sets of records in a state. A row's key is its name's labels from the top down, each with a zero behind it, one
/// more zero, and the type's number in two bytes.
pub(super) fn record_sets(state: &State) -> impl Iterator<Item = (DomainName, RecordType, RecordSet)> {
    state.rows::<RecordSet>(Vec::new()).filter_map(|(key, set)| {
        let (record_type, key) = (set.record_type()?, key.get(..key.len().checked_sub(3)?)?);
        Some((super::names::name_of_key(key), record_type, set))
    })
}
