//! Where the state meets the names: what the mesh publishes of itself, and the zone that resolvers see.

use crate::base::{Height, PublicKey};
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::certificates::authority::PUBLISHED_TTL_SECONDS;
use crate::state::chain::row::row;
use crate::state::{
    Genesis, GenesisValidator, NameCount, RowSource, SetRecords, State, StateDraft, Validator, get,
};
use crate::trustchain::DomainName;
use crate::trustchain::ca::SubjectKey;
use crate::trustchain::dns::{
    RecordData, RecordSet, RecordType, Soa, TlsaProtocol, TreeKey, ZoneSource, tlsa_for_key, tlsa_name,
};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The services of a mesh; the nodes that expose one are found at `_stoq._udp.SERVICE.ZONE`.
pub const SERVICES: [&str; 3] = ["trustchain", "hypermesh", "caesar"];
/// The types of records that come and go with leases and certificates.
const MADE_BY_TIME: [RecordType; 4] = [RecordType::Srv, RecordType::Svcb, RecordType::Aaaa, RecordType::Tlsa];
/// Labels below the zone that belong to nobody besides. By custom they mean the zone's own servers, or the machine itself; the
/// others programs look up in whatever domain they are in, and do as is said there: whoever had one could lead all of the
/// mesh's hosts through a proxy or tunnel, or to another mail server or key.
const RESERVED_LABELS: [&str; 8] =
    ["ns", "localhost", "wpad", "isatap", "autoconfig", "autodiscover", "mta-sts", "openpgpkey"];

impl State {
    /// Whether a name is one that the mesh itself answers for: see [`Genesis::is_of_the_mesh`].
    #[must_use]
    pub fn is_of_the_mesh(&self, name: &DomainName) -> bool {
        self.genesis_document().is_of_the_mesh(name)
    }
}

impl Genesis {
    /// Whether a name is one that the mesh itself answers for: the zone, a node's, a service's, one with an
    /// underscore directly below the zone, or one below any of those but the zone.
    #[must_use]
    pub fn is_of_the_mesh(&self, name: &DomainName) -> bool {
        if !name.is_within(&self.zone) {
            return false;
        }
        let depth = self.zone.labels().count();
        let first = name.labels().rev().nth(depth).unwrap_or_default();
        let node = self.validators.iter().any(|validator| validator.name == first);
        node || is_reserved_label(first)
    }
}

impl Genesis {
    /// Where the nodes that expose a service are found; `None` for what is no service of the mesh's.
    #[must_use]
    pub fn service_name(&self, service: &str) -> Option<DomainName> {
        let known = SERVICES.contains(&service);
        known.then(|| self.zone.child(&["_stoq._udp.", service].concat()).ok()).flatten()
    }

    /// Whether a validator exposes a service: whether genesis' own SRV records at the service's name list it. Without such
    /// records all validators expose it.
    #[must_use]
    pub fn exposes(&self, validator: &PublicKey, service: &str) -> bool {
        let Some(validator) = self.validators.iter().find(|listed| listed.member.key == *validator) else {
            return false;
        };
        match self.service_name(service).and_then(|name| self.listed_servers(&name)) {
            Some(servers) => servers.data.iter().any(|server| self.is_server(server, validator)),
            None => SERVICES.contains(&service),
        }
    }

    /// The records that genesis has of its own at a service's name.
    fn listed_servers(&self, name: &DomainName) -> Option<&RecordSet> {
        let listed = self.records.iter().find(|set| set.name == *name && set.record_type == RecordType::Srv);
        listed?.records.as_ref()
    }

    /// Whether a record says that this validator exposes the service that it stands at.
    fn is_server(&self, server: &RecordData, validator: &GenesisValidator) -> bool {
        let RecordData::Srv { port, target: Some(target), .. } = server else { return false };
        let own = self.zone.child(&validator.name);
        *port == validator.address.port() && own.is_ok_and(|own| own == *target)
    }

    /// Whether a set of records says which validators expose a service, and nothing else.
    pub(in crate::state) fn lists_servers(&self, set: &SetRecords) -> bool {
        let is_service =
            SERVICES.into_iter().any(|service| self.service_name(service).as_ref() == Some(&set.name));
        let of_validators = |servers: &RecordSet| {
            let of_one = |server| self.validators.iter().any(|validator| self.is_server(server, validator));
            !servers.data.is_empty() && servers.data.iter().all(of_one)
        };
        is_service && set.record_type == RecordType::Srv && set.records.as_ref().is_some_and(of_validators)
    }
}

/// Whether a label directly below the zone is the mesh's own, whatever its nodes are called.
pub(in crate::state) fn is_reserved_label(label: &str) -> bool {
    SERVICES.contains(&label)
        || RESERVED_LABELS.contains(&label)
        || label.is_empty()
        || label.starts_with('_')
}

impl StateDraft {
    /// Publishes the nodes and their services, as genesis lists them.
    pub(in crate::state) fn publish_mesh(&mut self, genesis: &Genesis) {
        let zone = &genesis.zone;
        let child = |labels: &str| zone.child(labels).expect("node and service names fit below a zone");
        let ttl = PUBLISHED_TTL_SECONDS;
        let set = |data: Vec<RecordData>| RecordSet::new(ttl, data).expect("a mesh's own records fit");
        for validator in &genesis.validators {
            let name = child(&validator.name);
            let address = set(alloc::vec![RecordData::Aaaa(*validator.address.ip())]);
            self.set_record_set(&name, RecordType::Aaaa, Some(&address));
            let key = set(alloc::vec![tlsa_for_key(SubjectKey::from(validator.member.key).spki_der())]);
            let at = tlsa_name(validator.address.port(), TlsaProtocol::Udp, &name)
                .expect("node names leave room for a port");
            self.set_record_set(&at, RecordType::Tlsa, Some(&key));
        }
        // A record set is bounded: a mesh larger than that lists its first nodes.
        let listed = genesis.validators.iter().take(crate::trustchain::dns::RECORDS_PER_SET_MAX);
        let servers = listed.clone().map(|validator| RecordData::Ns(child(&validator.name))).collect();
        self.set_record_set(zone, RecordType::Ns, Some(&set(servers)));
        for reverse in &genesis.reverse_zones {
            let servers = listed.clone().map(|validator| RecordData::Ns(child(&validator.name))).collect();
            self.set_record_set(reverse, RecordType::Ns, Some(&set(servers)));
        }
        for service in SERVICES {
            let name = child(&["_stoq._udp.", service].concat());
            if genesis.listed_servers(&name).is_some() {
                continue;
            }
            let targets = listed.clone().map(|validator| RecordData::Srv {
                priority: 0,
                weight: 1,
                port: validator.address.port(),
                target: Some(child(&validator.name)),
            });
            self.set_record_set(&name, RecordType::Srv, Some(&set(targets.collect())));
        }
    }
}

impl State {
    /// Whether records at a name are given to those who ask: not once it has lapsed.
    fn is_answered(&self, name: &DomainName) -> bool {
        self.term(name, self.time()).is_held() || planted::is(Bug::LapsedServed)
    }
}

impl ZoneSource for State {
    fn zones(&self) -> &[DomainName] {
        self.zone_list()
    }

    fn record_set(&self, name: &DomainName, record_type: RecordType) -> Option<Cow<'_, RecordSet>> {
        if !self.is_answered(name) {
            return None;
        }
        let set = self.get::<RecordSet>(&(name.clone(), record_type))?;
        let set = match self.has_overdue() && MADE_BY_TIME.contains(&record_type) {
            true => self.without_overdue(name, record_type, set)?,
            false => set,
        };
        Some(Cow::Owned(set))
    }

    fn any_record_set(&self, name: &DomainName) -> Option<Cow<'_, RecordSet>> {
        if !self.is_answered(name) {
            return None;
        }
        self.record_types(name).find_map(|record_type| self.record_set(name, record_type))
    }

    fn name_exists(&self, name: &DomainName) -> bool {
        self.term(name, self.time()).is_held() && self.get::<NameCount>(name).is_some()
    }

    fn soa(&self, zone: &DomainName) -> Soa {
        soa_of(self, zone)
    }
}

/// When a zone began to answer as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ZoneChange {
    /// The last block that changed an answer.
    pub height: Height,
}

row!(ZoneChange, 32, DomainName, |zone| TreeKey::from(zone).as_bytes().to_vec());

impl StateDraft {
    /// Notes that something changed at a name that is answered.
    pub(in crate::state) fn note_zone_change(&mut self, name: &DomainName) {
        if let Some(zone) = self.state().zone_of(name).cloned() {
            self.changed_zones.insert(zone);
        }
    }

    /// Gives the zones that answer otherwise than before this block a new serial number.
    pub(in crate::state) fn fix_zone_serials(&mut self, position: BlockPosition) {
        for zone in core::mem::take(&mut self.changed_zones) {
            self.put(&zone, &ZoneChange { height: position.height });
        }
    }

    /// Notes that a name lapses, or is answered again, and so does all below it.
    pub(in crate::state) fn note_term_change(&mut self, name: &DomainName) {
        if self.state().get::<NameCount>(name).is_some() {
            self.note_zone_change(name);
        }
    }
}

/// The start of a zone. Its serial number moves with the zone's content, and is the same on every node: 1 as genesis has it, and
/// one past the height of the last block that changed an answer (RFC 1982: it wraps).
pub(in crate::state) fn soa_of(source: &dyn RowSource, zone: &DomainName) -> Soa {
    let genesis = source.founding();
    let changed = get::<ZoneChange>(source, zone).map_or(0, |change| change.height.0);
    let first = genesis.validators.first().map_or("ns", |validator| validator.name.as_str());
    let name = |label: &str| genesis.zone.child(label).unwrap_or_else(|_| zone.clone());
    let serial = u32::try_from(changed.wrapping_add(1) & u64::from(u32::MAX)).unwrap_or_default();
    Soa {
        primary: name(first),
        responsible: name("hostmaster"),
        serial,
        refresh_seconds: 3600,
        retry_seconds: 600,
        expire_seconds: 86_400,
        negative_ttl_seconds: 60,
    }
}

/// The validator with this name, by its label.
#[must_use]
pub fn validator_by_name(state: &State, label: &str) -> Option<(PublicKey, Validator)> {
    let genesis = state.genesis_document();
    let key = genesis.validators.iter().find(|validator| validator.name == label)?.member.key;
    state.get::<Validator>(&key).map(|row| (key, row))
}
