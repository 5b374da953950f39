//! The model against a state: names, records, certificates, the revocation list, instances. What changed in a block is
//! compared after it, and everything from time to time and in the end.

use super::certificates::{Leaf, List};
use super::model::{Model, Touched};
use super::names::{Name, name_of_key};
use super::records::record_sets;
use super::root_list::RootList;
use super::services::{Announced, instances_of};
use hypermesh_core::state::{
    Certificate, Instance, InstanceName, NameOwner, RevocationListHead, Revoked, State,
};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_core::trustchain::dns::{RecordSet, RecordType};
use std::collections::BTreeSet;

impl Model {
    /// Compares what changed since it was compared last.
    ///
    /// # Errors
    /// With the first difference.
    pub(super) fn compare_touched(&mut self, state: &State) -> Result<(), String> {
        let Touched { names, records, leaves, instances } = core::mem::take(&mut self.touched);
        names.iter().try_for_each(|name| self.compare_name(state, name))?;
        records.iter().try_for_each(|(name, record_type)| self.compare_records(state, name, *record_type))?;
        leaves.iter().try_for_each(|serial| self.compare_leaf(state, serial))?;
        instances.iter().try_for_each(|instance| self.compare_instance(state, instance))?;
        if state.log().size() != self.log_size {
            return Err(format!("the log has {} entries instead of {}", state.log().size(), self.log_size));
        }
        self.compare_list(state)
    }

    /// Compares everything.
    ///
    /// # Errors
    /// With the first difference.
    pub(super) fn compare_all(&self, state: &State) -> Result<(), String> {
        let rows = state.rows::<NameOwner>(Vec::new()).map(|(key, _)| name_of_key(&key));
        let names: BTreeSet<DomainName> = rows.chain(self.names.registered.keys().cloned()).collect();
        names.iter().try_for_each(|name| self.compare_name(state, name))?;

        let standing = record_sets(state).map(|(name, record_type, _)| (name, record_type));
        let by_hand = self.records.by_hand.keys().cloned();
        let published = self.records.published.keys().map(|name| (name.clone(), RecordType::Tlsa));
        let records: BTreeSet<(DomainName, RecordType)> = standing.chain(by_hand).chain(published).collect();
        records.iter().try_for_each(|(name, record_type)| self.compare_records(state, name, *record_type))?;

        let rows = state.rows::<Certificate>(Vec::new());
        let rows = rows.filter_map(|(key, _)| SerialNumber::from_bytes(&key).ok());
        let leaves: BTreeSet<SerialNumber> = rows.chain(self.leaves.keys().copied()).collect();
        leaves.iter().try_for_each(|serial| self.compare_leaf(state, serial))?;

        let instances: BTreeSet<InstanceName> =
            instances_of(state).into_keys().chain(self.instances.keys().cloned()).collect();
        instances.iter().try_for_each(|instance| self.compare_instance(state, instance))?;
        self.compare_list(state)
    }

    fn compare_name(&self, state: &State, name: &DomainName) -> Result<(), String> {
        let row = state.get::<NameOwner>(name);
        let row = row.map(|row| Name::of(state, name, &row));
        equal(&format!("the name {name}"), row.as_ref(), self.names.registered.get(name))
    }

    fn compare_records(
        &self,
        state: &State,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<(), String> {
        let row = state.get::<RecordSet>(&(name.clone(), record_type));
        let what = format!("what stands at {name} as {record_type}");
        equal(&what, row.as_ref(), self.standing(name, record_type).as_ref())
    }

    fn compare_leaf(&self, state: &State, serial: &SerialNumber) -> Result<(), String> {
        let leaf = self.leaves.get(serial);
        let row = state.get::<Certificate>(serial).map(|row| Leaf {
            owner: row.owner,
            names: row.names,
            key: row.subject_key,
            height: row.height,
            not_before: row.not_before,
            not_after: row.not_after,
            tlsa: row.tlsa,
            revoked: row.revocation.map(|revocation| (revocation.at, revocation.reason, revocation.list)),
            // Which of its keys stand is seen at the records.
            withdrawn: leaf.is_some_and(|leaf| leaf.withdrawn),
        });
        equal(&format!("the certificate {serial}"), row.as_ref(), leaf)
    }

    fn compare_list(&self, state: &State) -> Result<(), String> {
        let rows = state.rows::<Revoked>(Vec::new());
        let entries = rows.filter_map(|(key, row)| {
            Some((SerialNumber::from_bytes(&key).ok()?, (row.at, row.reason, row.not_after)))
        });
        let list = state.get::<RevocationListHead>(&()).map(|head| {
            let (number, fixed, scheduled) = (head.number, head.this_update, head.scheduled);
            List { number, fixed, scheduled, entries: entries.collect() }
        });
        equal("the revocation list", list.as_ref(), self.list.as_ref())?;
        equal("the root key's revocation list", RootList::of(state).as_ref(), self.root_list.as_ref())
    }

    fn compare_instance(&self, state: &State, instance: &InstanceName) -> Result<(), String> {
        let row = state.get::<Instance>(instance).map(|row| Announced {
            owner: row.owner,
            offer: row.offer,
            since: row.since,
            lease_seconds: row.lease_seconds,
            until: row.expires,
        });
        let label = &instance.label;
        equal(
            &format!("the instance {label} of {}", instance.service),
            row.as_ref(),
            self.instances.get(instance),
        )
    }
}

fn equal<T: PartialEq + core::fmt::Debug>(
    what: &str,
    found: Option<&T>,
    expected: Option<&T>,
) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what} is {found:?} and should be {expected:?}")),
    }
}
