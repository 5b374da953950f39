//! Instances of services: who may announce them, what DNS then shows, and for how long.
//!
//! `docs/discovery.md`.

use super::model::Model;
use super::reason::{RefusalReason, RefusalReasons};
use hypermesh_core::base::{Height, PublicKey, UnixMillis};
use hypermesh_core::state::{
    AnnounceService, Instance, InstanceHealth, InstanceName, Location, Offer, Protocol, State,
};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordData, RecordType, SvcbParameters};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

/// How long resolvers may keep what is shown of instances.
pub(super) const ANNOUNCED_TTL_SECONDS: u32 = 10;
/// The most instances of a service, over all protocols.
const INSTANCE_COUNT_MAX: usize = 32;
/// The most addresses of one label, over all its protocols.
const LABEL_ADDRESS_COUNT_MAX: usize = 32;
/// The protocol whose mapping to SVCB is the mesh's own.
const STOQ: &str = "stoq";

/// An instance, as it was announced last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) owner: PublicKey,
    pub(super) offer: Offer,
    pub(super) since: Height,
    pub(super) lease_seconds: u32,
    /// The last moment of its lease.
    pub(super) until: UnixMillis,
}

pub(super) type Instances = BTreeMap<InstanceName, Announced>;

/// The instances of a state.
pub(super) fn instances_of(state: &State) -> Instances {
    let rows = state.rows::<Instance>(Vec::new()).map(|(_, row)| {
        let Instance { name, owner, offer, since, lease_seconds, expires } = row;
        (name, Announced { owner, offer, since, lease_seconds, until: expires })
    });
    rows.collect()
}

/// The names that an instance has a part in.
pub(super) struct Places {
    /// `LABEL._PROTOCOL._TRANSPORT.SERVICE`: who owns this may announce it.
    pub(super) own: DomainName,
    /// `LABEL.SERVICE`: its host, if it gives addresses.
    pub(super) host: DomainName,
    /// `_PROTOCOL._TRANSPORT.SERVICE`: SRV.
    pub(super) srv: DomainName,
    /// `_stoq.SERVICE`, for STOQ over UDP alone: SVCB.
    pub(super) svcb: Option<DomainName>,
}

impl Places {
    /// Of an instance whose names fit, as those of a well-formed announcement do.
    pub(super) fn of(instance: &InstanceName) -> Self {
        let InstanceName { service, protocol, label } = instance;
        let transport = match protocol.transport {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let name = |text: String| text.parse().expect("the names of a well-formed announcement fit");
        let srv = format!("_{}._{transport}.{service}", protocol.name);
        let is_stoq = protocol.name == STOQ && transport == "udp";
        Self {
            own: name(format!("{label}.{srv}")),
            host: name(format!("{label}.{service}")),
            svcb: is_stoq.then(|| name(format!("_{STOQ}.{service}"))),
            srv: name(srv),
        }
    }
}

impl Announced {
    fn addresses(&self) -> &[Ipv6Addr] {
        match &self.offer.location {
            Location::Addresses(addresses) => addresses,
            Location::Host(_) => &[],
        }
    }

    fn target(&self, places: &Places) -> DomainName {
        match &self.offer.location {
            Location::Addresses(_) => places.host.clone(),
            Location::Host(host) => host.clone(),
        }
    }

    /// Whether DNS leads callers to it.
    fn serves(&self) -> bool {
        match self.offer.health {
            InstanceHealth::Passing | InstanceHealth::Warning => true,
            InstanceHealth::Critical => false,
        }
    }
}

impl Model {
    /// Whether instances have the records of this type at this name, be they critical all of them.
    pub(super) fn is_announced(&self, name: &DomainName, record_type: RecordType) -> bool {
        self.instances.iter().any(|(instance, announced)| {
            let places = Places::of(instance);
            let srv = record_type == RecordType::Srv && places.srv == *name;
            let svcb = record_type == RecordType::Svcb && places.svcb.as_ref() == Some(name);
            let is_host = !announced.addresses().is_empty() && places.host == *name;
            srv || svcb || (record_type == RecordType::Aaaa && is_host)
        })
    }

    /// What instances show at a name.
    pub(super) fn shown_by_instances(&self, name: &DomainName, record_type: RecordType) -> Vec<RecordData> {
        let mut shown = BTreeSet::new();
        for (instance, announced) in &self.instances {
            let places = Places::of(instance);
            let Offer { port, priority, weight, .. } = announced.offer;
            let target = Some(announced.target(&places));
            if record_type == RecordType::Srv && places.srv == *name && announced.serves() {
                shown.insert(RecordData::Srv { priority, weight, port, target: target.clone() });
            }
            if record_type == RecordType::Svcb && places.svcb.as_ref() == Some(name) && announced.serves() {
                let parameters = SvcbParameters {
                    alpn: vec!["stoq/1".to_string()],
                    port: Some(port),
                    ipv6_hint: announced.addresses().to_vec(),
                    ..SvcbParameters::default()
                };
                shown.insert(RecordData::Svcb { priority: priority + 1, target, parameters });
            }
            if record_type == RecordType::Aaaa && places.host == *name {
                shown.extend(announced.addresses().iter().copied().map(RecordData::Aaaa));
            }
        }
        shown.into_iter().collect()
    }

    /// What stands against an announcement.
    pub(super) fn against_announcing(
        &self,
        announce: &AnnounceService,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let AnnounceService { instance, offer, .. } = announce;
        let places = Places::of(instance);
        let gives_addresses = matches!(offer.location, Location::Addresses(_));
        let mut against = self.names.against(&places.own, owner, time);
        if gives_addresses {
            against.extend(self.names.against(&places.host, owner, time));
        }
        let before = self.instances.get(instance);
        // Who only renews a lease takes nobody's place.
        if before.is_some_and(|before| before.offer == *offer) {
            return against;
        }
        if before.is_none() {
            against.extend(self.against_showing(&places.srv, RecordType::Srv));
            if let Some(svcb) = &places.svcb {
                against.extend(self.against_showing(svcb, RecordType::Svcb));
            }
        }
        if gives_addresses {
            against.extend(self.against_showing(&places.host, RecordType::Aaaa));
        }
        if let Location::Host(host) = &offer.location
            && self.is_alias(host)
        {
            against.insert(RefusalReason::PointsAtAlias);
        }
        if !self.has_room(announce) {
            against.insert(RefusalReason::ServiceFull);
        }
        against
    }

    /// What stands against the mesh's own writing of records: what an owner has set there.
    fn against_showing(&self, name: &DomainName, record_type: RecordType) -> RefusalReasons {
        let by_hand = |record_type| self.records.by_hand.contains_key(&(name.clone(), record_type));
        let mut against = RefusalReasons::new();
        if by_hand(RecordType::Cname) {
            against.insert(RefusalReason::Alias);
        }
        if by_hand(record_type) {
            against.insert(RefusalReason::SetByHand);
        }
        against
    }

    fn has_room(&self, announce: &AnnounceService) -> bool {
        let InstanceName { service, label, .. } = &announce.instance;
        let others = self.instances.iter().filter(|(name, _)| **name != announce.instance);
        let others: Vec<_> = others.filter(|(name, _)| name.service == *service).collect();
        let beside = others.iter().filter(|(name, _)| name.label == *label);
        let mut addresses: BTreeSet<Ipv6Addr> =
            beside.flat_map(|(_, other)| other.addresses().iter().copied()).collect();
        let own = match &announce.offer.location {
            Location::Addresses(own) => own.as_slice(),
            Location::Host(_) => return others.len() < INSTANCE_COUNT_MAX,
        };
        addresses.extend(own);
        others.len() < INSTANCE_COUNT_MAX && addresses.len() <= LABEL_ADDRESS_COUNT_MAX
    }

    /// What stands against withdrawing an instance: one that owns neither its name nor its service, or that it is not there.
    pub(super) fn against_withdrawing(
        &self,
        instance: &InstanceName,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let own = self.names.against(&Places::of(instance).own, owner, time);
        let service = self.names.against(&instance.service, owner, time);
        let mut against = if own.is_empty() || service.is_empty() { RefusalReasons::new() } else { own };
        if !self.instances.contains_key(instance) {
            against.insert(RefusalReason::NoInstance);
        }
        against
    }

    /// Where what an instance shows may have changed.
    pub(super) fn touch_instance(&mut self, instance: &InstanceName) {
        let Places { own: _, host, srv, svcb } = Places::of(instance);
        self.touched.records.insert((host, RecordType::Aaaa));
        self.touched.records.insert((srv, RecordType::Srv));
        self.touched.records.extend(svcb.map(|svcb| (svcb, RecordType::Svcb)));
        self.touched.instances.insert(instance.clone());
    }
}
