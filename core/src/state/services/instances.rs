//! Services that are found by name: which instances there are, and the records that say so.
//!
//! Each announced instance has a row of its own. From the rows of a service follow its SRV records, its SVCB records and the
//! addresses of its instances' hosts, which stand in the state as any other records do: so they are answered, counted and
//! proved as those are. They change in the block in which an instance is announced, withdrawn, or its lease ends by block
//! time, and in no other. A block that only renews leases changes none of them.
//!
//! Records that somebody set by hand where these would stand are never replaced: the announcement is refused. And while
//! instances stand there, nobody sets records there by hand.

use crate::base::UnixMillis;
use crate::caesar::NAME_MS_GRACE;
use crate::state::chain::row::{Instance, own_records_key};
use crate::state::{
    AnnounceService, Due, InstanceHealth, InstanceName, Location, Offer, Refusal, ServiceProtocol, State,
    StateDraft,
};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RECORDS_PER_SET_MAX, RecordData, RecordSet, RecordType, SvcbParameters};
use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// The most instances of one service, over all its protocols.
pub const INSTANCE_COUNT_MAX: usize = 32;
/// How long resolvers may keep the records of announced instances.
pub const ANNOUNCED_TTL_SECONDS: u32 = 10;
/// What STOQ is called where protocols are negotiated.
const STOQ_ALPN: &str = "stoq/1";

const _: () = assert!(INSTANCE_COUNT_MAX <= RECORDS_PER_SET_MAX);
// A name that is freed has no instances any more.
const _: () = assert!(crate::state::LEASE_SECONDS_MAX as u64 * 1000 < NAME_MS_GRACE);

impl State {
    /// The instances of a service whose leases run at a moment, by label and protocol. At most [`INSTANCE_COUNT_MAX`].
    pub fn instances(&self, service: &DomainName, at: UnixMillis) -> impl Iterator<Item = Instance> {
        self.standing_instances(service).filter(move |instance| !instance.is_over(at))
    }

    /// The instances of a service that have rows, also those whose leases are over and that are not taken away yet.
    pub(in crate::state) fn standing_instances(
        &self,
        service: &DomainName,
    ) -> impl Iterator<Item = Instance> {
        self.rows::<Instance>(own_records_key(service)).map(|(_, instance)| instance)
    }

    /// Whether the records of this type at this name are those of announced instances, or an alias would be in their place.
    pub(in crate::state) fn is_announced(&self, name: &DomainName, record_type: RecordType) -> bool {
        let Some(parent) = name.parent() else { return false };
        match record_type {
            RecordType::Srv => {
                let service = parent.parent();
                service.is_some_and(|service| {
                    self.standing_instances(&service).any(|one| one.name.srv() == *name)
                })
            }
            RecordType::Svcb => {
                self.standing_instances(&parent).any(|one| one.name.svcb().as_ref() == Some(name))
            }
            RecordType::Aaaa => self.standing_instances(&parent).any(|one| one.has_host(name)),
            // While all are critical there are no records there that an alias would have to stand beside.
            RecordType::Cname => {
                let written = [RecordType::Srv, RecordType::Svcb, RecordType::Aaaa];
                written.into_iter().any(|record_type| self.is_announced(name, record_type))
            }
            _ => false,
        }
    }

    /// Refuses if records of this type cannot be written there for instances: somebody else set some, or an alias.
    fn require_announceable(&self, name: &DomainName, record_type: RecordType) -> Result<(), Refusal> {
        if self.get::<RecordSet>(&(name.clone(), RecordType::Cname)).is_some() {
            return Err(Refusal::Cname { name: name.clone() });
        }
        let stands = self.get::<RecordSet>(&(name.clone(), record_type)).is_some();
        match stands && !self.is_announced(name, record_type) {
            true => Err(Refusal::SetByHand { name: name.clone(), record_type }),
            false => Ok(()),
        }
    }

    /// Refuses if what is announced, which was announced as `before`, finds no place among the records and instances.
    pub(in crate::state) fn require_place(
        &self,
        announce: &AnnounceService,
        before: Option<&Instance>,
    ) -> Result<(), Refusal> {
        let AnnounceService { instance: name, offer, .. } = announce;
        if before.is_none() {
            self.require_announceable(&name.srv(), RecordType::Srv)?;
            name.svcb().map_or(Ok(()), |svcb| self.require_announceable(&svcb, RecordType::Svcb))?;
        }
        match &offer.location {
            Location::Addresses(_) => self.require_announceable(&name.host(), RecordType::Aaaa)?,
            Location::Host(host) => self.require_hosts(&name.srv(), core::iter::once(host))?,
        }
        self.require_room(announce)
    }

    /// Refuses if the service has no room for what is announced.
    fn require_room(&self, announce: &AnnounceService) -> Result<(), Refusal> {
        let AnnounceService { instance, offer, .. } = announce;
        let full = Refusal::ServiceFull { service: instance.service.clone() };
        let others: Vec<Instance> =
            self.standing_instances(&instance.service).filter(|one| one.name != *instance).collect();
        if others.len() >= INSTANCE_COUNT_MAX {
            return Err(full);
        }
        let Location::Addresses(own) = &offer.location else { return Ok(()) };
        let host = instance.host();
        let mut addresses: Vec<_> = others.iter().filter_map(|one| one.addresses_of(&host)).collect();
        addresses.push(own.as_slice());
        let mut addresses: Vec<_> = addresses.concat();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.len() > RECORDS_PER_SET_MAX { Err(full) } else { Ok(()) }
    }
}

impl StateDraft {
    /// Takes away the instances of a service whose leases are over, which more than a block can do may have put off.
    pub(in crate::state) fn end_leases_of(&mut self, service: &DomainName, at: UnixMillis) {
        let over = self.state().standing_instances(service).filter(|instance| instance.is_over(at));
        for Instance { name, expires, .. } in over.collect::<Vec<_>>() {
            self.remove::<Due>(&(expires, Due::Lease(name.clone())));
            self.end_lease(&name, expires);
        }
    }

    /// A lease that ran until `at`, and was not renewed, ends.
    pub(in crate::state) fn end_lease(&mut self, name: &InstanceName, at: UnixMillis) {
        let over = self.state().get::<Instance>(name).filter(|instance| instance.expires == at);
        if let Some(instance) = over {
            self.remove::<Instance>(name);
            self.publish_service(name, Some(&instance));
        }
    }

    /// Writes the records that this instance has part in, as the instances of its service now are. `before` is what it was.
    pub(in crate::state) fn publish_service(&mut self, name: &InstanceName, before: Option<&Instance>) {
        let all: Vec<Instance> = self.state().standing_instances(&name.service).collect();
        let serving = all.iter().filter(|one| one.serves(&name.protocol));
        self.publish_records(
            &name.srv(),
            RecordType::Srv,
            serving.clone().map(Instance::srv_record).collect(),
        );
        if let Some(svcb) = name.svcb() {
            self.publish_records(&svcb, RecordType::Svcb, serving.map(Instance::svcb_record).collect());
        }
        let host = name.host();
        let addresses: Vec<RecordData> = all
            .iter()
            .filter_map(|one| one.addresses_of(&host))
            .flatten()
            .copied()
            .map(RecordData::Aaaa)
            .collect();
        // Otherwise what stands there, if anything, was set by hand.
        if !addresses.is_empty() || before.is_some_and(|before| before.has_host(&host)) {
            self.publish_records(&host, RecordType::Aaaa, addresses);
        }
    }

    fn publish_records(&mut self, name: &DomainName, record_type: RecordType, data: Vec<RecordData>) {
        let set = (!data.is_empty()).then(|| {
            RecordSet::new(ANNOUNCED_TTL_SECONDS, data)
                .expect("checked announcements make records within every bound")
        });
        if self.state().get::<RecordSet>(&(name.clone(), record_type)) != set {
            self.set_record_set(name, record_type, set.as_ref());
        }
    }
}

impl Instance {
    /// Whether its lease is over at a moment.
    #[must_use]
    pub const fn is_over(&self, at: UnixMillis) -> bool {
        self.expires.0 < at.0
    }

    /// The host that it is at.
    #[must_use]
    pub fn target(&self) -> DomainName {
        match &self.offer.location {
            Location::Addresses(_) => self.name.host(),
            Location::Host(host) => host.clone(),
        }
    }

    /// Whether callers of this protocol may be sent to it.
    pub(in crate::state) fn serves(&self, protocol: &ServiceProtocol) -> bool {
        self.name.protocol == *protocol && self.offer.health != InstanceHealth::Critical
    }

    /// Whether its addresses are written at this name.
    fn has_host(&self, host: &DomainName) -> bool {
        self.addresses_of(host).is_some()
    }

    /// Its addresses, if they are written at this name.
    pub(in crate::state) fn addresses_of(&self, host: &DomainName) -> Option<&[Ipv6Addr]> {
        match &self.offer.location {
            Location::Addresses(addresses) if self.name.host() == *host => Some(addresses),
            _ => None,
        }
    }

    pub(in crate::state) fn srv_record(&self) -> RecordData {
        let Offer { priority, weight, port, .. } = self.offer;
        RecordData::Srv { priority, weight, port, target: Some(self.target()) }
    }

    pub(in crate::state) fn svcb_record(&self) -> RecordData {
        let ipv6_hint = match &self.offer.location {
            Location::Addresses(addresses) => addresses.clone(),
            Location::Host(_) => Vec::new(),
        };
        let alpn = alloc::vec![STOQ_ALPN.into()];
        let parameters =
            SvcbParameters { alpn, port: Some(self.offer.port), ipv6_hint, ..SvcbParameters::default() };
        RecordData::Svcb { priority: self.offer.priority + 1, target: Some(self.target()), parameters }
    }
}
