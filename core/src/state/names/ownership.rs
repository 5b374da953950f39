//! Whose names are, and what records stand at them.

use crate::base::{PublicKey, UnixMillis};
use crate::state::chain::row::{RecordKey, own_records_key};
use crate::state::{Refusal, State};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordSet, RecordType, TreeKey};
use alloc::vec::Vec;

pub(in crate::state) fn outside(state: &State, name: &DomainName) -> Refusal {
    Refusal::OutsideZone { name: name.clone(), zone: state.genesis_document().zone.clone() }
}

impl State {
    /// The mesh's zone, or the reverse zone, that a name lies in.
    #[must_use]
    pub fn zone_of(&self, name: &DomainName) -> Option<&DomainName> {
        let genesis = self.genesis_document();
        core::iter::once(&genesis.zone).chain(&genesis.reverse_zones).find(|zone| name.is_within(zone))
    }

    /// Who owns a name at a moment: by itself, or because of a name that it lies below.
    #[must_use]
    pub fn owner_of(&self, name: &DomainName, at: UnixMillis) -> Option<PublicKey> {
        self.holding(name, at).map(|holding| holding.owner())
    }

    /// Refuses if the name is not this owner's, and paid for, at this moment.
    pub(in crate::state) fn require_owner(
        &self,
        name: &DomainName,
        owner: PublicKey,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        if self.zone_of(name).is_none() {
            return Err(outside(self, name));
        }
        self.require_paid(name, at)?;
        match self.owner_of(name, at) {
            Some(holder) if holder == owner => Ok(()),
            Some(holder) => Err(Refusal::NotOwner { name: name.clone(), owner: holder }),
            None => Err(Refusal::NotRegistered { name: name.clone() }),
        }
    }

    /// What the sets of records at and below a name, or all of them, are found by: those after one, which lies there too.
    pub fn record_keys(
        &self,
        name: Option<&DomainName>,
        after: Option<&RecordKey>,
    ) -> impl Iterator<Item = RecordKey> {
        let within = name.map(|name| TreeKey::from(name).as_bytes().to_vec()).unwrap_or_default();
        let after = after.map(|after| (after.name.clone(), after.record_type));
        self.keys_after::<RecordSet>(within, after.as_ref()).filter_map(|key| RecordKey::of(key.get(1..)?))
    }

    /// The types of the sets of records at a name. There can be as many as there are types.
    pub(in crate::state) fn record_types(&self, name: &DomainName) -> impl Iterator<Item = RecordType> {
        let keys = self.keys_after::<RecordSet>(own_records_key(name), None);
        keys.filter_map(|key| Some(RecordKey::of(key.get(1..)?)?.record_type))
    }

    /// Those of the types at a name that one to be set there may be refused for: an alias for any other, any other for an alias.
    pub(in crate::state) fn types_beside(
        &self,
        name: &DomainName,
        record_type: RecordType,
    ) -> Vec<RecordType> {
        match record_type {
            RecordType::Cname => self.record_types(name).take(2).collect(),
            _ => {
                let alias = self.get::<RecordSet>(&(name.clone(), RecordType::Cname));
                alias.iter().filter_map(RecordSet::record_type).collect()
            }
        }
    }
}
