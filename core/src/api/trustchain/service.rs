//! TrustChain's requests and responses about services and their instances.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, PublicKey, UnixMillis};
use crate::state::{Instance, InstanceHealth, Location, ServiceProtocol, State};
use crate::trustchain::DomainName;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

message! {
    /// Asks which instances a service has.
    ServiceRequest {
        /// The service's name.
        name: DomainName,
    }
}

message! {
    /// Asks which instances a service has, now and each time that they change.
    SubscribeServiceRequest {
        /// The service's name.
        name: DomainName,
    }
}

message! {
    /// The instances of a service. None, if there is no such service.
    ServiceState {
        /// The service's name.
        name: DomainName,
        /// The instances, by label and protocol, those that do not serve among them.
        instances: Vec<InstanceState>,
        /// The block that this is of.
        height: Height,
        /// That block's time.
        time: UnixMillis,
    }
}

message! {
    /// An instance of a service.
    InstanceState {
        /// Its own label.
        label: String,
        /// What is spoken there, such as `stoq/udp`.
        protocol: ServiceProtocol,
        /// The host that it is at.
        host: DomainName,
        /// The addresses that it gave; none if the host has its own.
        addresses: Vec<Ipv6Addr>,
        /// The port.
        port: u16,
        /// Lower is tried first.
        priority: u16,
        /// The share of the load among instances of one priority.
        weight: u16,
        /// How it is, as it says itself.
        health: InstanceHealth,
        /// Its tags.
        tags: Vec<String>,
        /// Who announced it last.
        owner: PublicKey,
        /// Since which block it has been there.
        since: Height,
        /// How long its lease is.
        lease_seconds: u32,
        /// When the lease ends, unless it is renewed.
        expires: UnixMillis,
    }
}

impl ReadMethod for ServiceRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<ServiceState, ApiFault> {
        Ok(ServiceState::of(&view.state, &self.name))
    }
}

impl ServiceState {
    /// The instances that a state has.
    #[must_use]
    pub fn of(state: &State, name: &DomainName) -> Self {
        let at = state.time();
        let instances = match state.term(name, at).is_held() {
            false => Vec::new(),
            true => state.instances(name, at).map(InstanceState::from).collect(),
        };
        Self { name: name.clone(), instances, height: state.height(), time: state.time() }
    }

    /// Whether a caller of the service finds in this what it finds in the other: leases apart.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let pairs = self.instances.iter().zip(&other.instances);
        self.instances.len() == other.instances.len()
            && pairs.into_iter().all(|(own, other)| own.is_same(other))
    }
}

impl InstanceState {
    fn is_same(&self, other: &Self) -> bool {
        let Self { lease_seconds, expires, .. } = self;
        *self == Self { lease_seconds: *lease_seconds, expires: *expires, ..other.clone() }
    }
}

impl From<Instance> for InstanceState {
    fn from(instance: Instance) -> Self {
        let host = instance.target();
        let addresses = match instance.offer.location {
            Location::Addresses(addresses) => addresses,
            Location::Host(_) => Vec::new(),
        };
        Self {
            label: instance.name.label,
            protocol: instance.name.protocol,
            host,
            addresses,
            port: instance.offer.port,
            priority: instance.offer.priority,
            weight: instance.offer.weight,
            health: instance.offer.health,
            tags: instance.offer.tags,
            owner: instance.owner,
            since: instance.since,
            lease_seconds: instance.lease_seconds,
            expires: instance.expires,
        }
    }
}
