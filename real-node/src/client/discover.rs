//! Finding a service by its SRV records (RFC 2782) in the mesh's own DNS.

use super::cache::{Cache, records_of};
use super::service::{FAILED_COUNT_MAX, FAILED_FOR, not_found};
use super::walk::{self, Target};
use super::{MeshClient, malformed};
use crate::failure::{Exit, Failure};
use hypermesh_core::api::{DnsAnswer, DnsRequest, RESPONSE_BYTES_MAX};
use hypermesh_core::base::{Digest, Mono, decode, encode};
use hypermesh_core::state::{GenesisValidator, SERVICES};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::{Arc, MutexGuard, PoisonError};
use stoq::{Expect, Peer};

/// The most nodes of a service that are kept at hand.
const TARGET_COUNT_MAX: usize = 8;

/// What a client remembers of services.
#[derive(Default)]
pub(super) struct Memory {
    cache: Cache,
    /// Where nobody answered, and when.
    failed: BTreeMap<SocketAddrV6, Mono>,
}

/// The mesh has the service, and no node of it can be dialled.
fn no_addresses(service: &str, name: &DomainName) -> Failure {
    let message = format!(
        "no node that exposes {service} can be dialled: the SRV records of _stoq._udp.{name} name no host with an AAAA \
         record and a known key; does a node of the mesh expose {service} (`roles`)?"
    );
    Failure::new(Exit::Unreachable, message)
}

/// An SRV record with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    priority: u16,
    weight: u16,
    port: u16,
    target: DomainName,
}

impl MeshClient {
    /// The nodes that offer a service, in the order in which to try them.
    pub(super) async fn discover(&self, service: &str) -> Result<Vec<Target>, Failure> {
        let zone = &self.genesis.zone;
        let unknown = || {
            let known = SERVICES.join(", ");
            Failure::new(Exit::NotFound, format!("unknown service {service:?}: the mesh has {known}"))
        };
        let name = zone.child(service).map_err(|_| unknown())?;
        let targets = self.targets(&name).await?;
        match targets.is_empty() {
            true if SERVICES.contains(&service) => Err(no_addresses(service, &name)),
            true => Err(unknown()),
            false => Ok(targets),
        }
    }

    /// The nodes that serve STOQ under a name of anybody's, in the order in which to try them, each with what it must prove:
    /// by the SRV records at `_stoq._udp.NAME`, the addresses of their targets, and the TLSA records that the mesh publishes
    /// with a certificate for target and port. As honest as the node that was asked.
    ///
    /// # Errors
    /// If the mesh cannot be asked, or nothing there can be dialled.
    pub async fn find(&self, name: &DomainName) -> Result<Vec<Peer>, Failure> {
        let peers: Vec<Peer> = self.targets(name).await?.into_iter().map(|target| target.peer).collect();
        if peers.is_empty() { Err(not_found(name)) } else { Ok(peers) }
    }

    pub(super) async fn targets(&self, name: &DomainName) -> Result<Vec<Target>, Failure> {
        let Ok(name) = name.child("_stoq._udp") else { return Ok(Vec::new()) };
        let records = self.resolve(name, RecordType::Srv).await?;
        let servers = in_order(records.iter().filter_map(server).collect(), random_below);
        let mut targets = Vec::new();
        for server in servers.into_iter().take(TARGET_COUNT_MAX) {
            // A target that nobody vouches for cannot prove itself.
            let Some(expect) = self.expectation(&server).await? else { continue };
            let records = self.resolve(server.target.clone(), RecordType::Aaaa).await?;
            let listed = records.iter().filter_map(address);
            let listed = listed.map(|ip| SocketAddrV6::new(ip, server.port, 0, 0)).collect();
            targets.extend(self.addresses_of(&server, listed).into_iter().map(|addr| Target {
                name: server.target.to_string(),
                peer: Peer { addr, expect: expect.clone() },
            }));
        }
        Ok(targets)
    }

    /// Where a target may be. Of a validator, DNS says what genesis says, which may no longer be so.
    fn addresses_of(&self, server: &Server, listed: Vec<SocketAddrV6>) -> Vec<SocketAddrV6> {
        match self.validator(&server.target).filter(|validator| validator.address.port() == server.port) {
            Some(validator) => self.addresses_known().of(&validator.member.key, std::iter::empty(), listed),
            None => listed,
        }
    }

    /// Which key a target must hold: a validator's by genesis, another's by its certificate.
    async fn expectation(&self, server: &Server) -> Result<Option<Expect>, Failure> {
        if let Some(validator) = self.validator(&server.target) {
            return Ok(Some(Expect::Key(validator.member.key)));
        }
        let Ok(name) = server.target.child(&format!("_{}._udp", server.port)) else { return Ok(None) };
        let records = self.resolve(name, RecordType::Tlsa).await?;
        let hashes: BTreeSet<Digest> = records.iter().filter_map(key_hash).collect();
        Ok((!hashes.is_empty()).then(|| Expect::AnyOfHashes(Arc::new(hashes))))
    }

    /// The records that a name has, as they are remembered or as a bootstrap node has them.
    async fn resolve(&self, name: DomainName, record_type: RecordType) -> Result<Vec<RecordData>, Failure> {
        let (remembered, forgotten) = {
            let memory = self.memory();
            (memory.cache.get(&name, record_type, self.now()), memory.cache.forgotten())
        };
        if let Some(records) = remembered {
            return Ok(records);
        }
        let method = DnsRequest::METHOD;
        let what = (method.service, method.name);
        let body = encode(&DnsRequest { name: name.clone(), record_type });
        let answer: DnsAnswer = walk::walk(&self.stoq, &self.bootstrap, what, &body, self.timeout, |bytes| {
            decode(bytes, RESPONSE_BYTES_MAX).map_err(|fault| malformed(what, &fault))
        })
        .await?
        .0;
        let mut memory = self.memory();
        if memory.cache.forgotten() == forgotten {
            memory.cache.put(name, record_type, &answer, self.now());
        }
        Ok(records_of(&answer))
    }

    /// Forgets what was found of a service, and of the hosts that it was found at.
    pub(super) fn forget(&self, name: &DomainName, targets: &[Target]) {
        let mut memory = self.memory();
        memory.cache.forget(name);
        for host in targets.iter().filter_map(|target| target.name.parse().ok()) {
            memory.cache.forget(&host);
        }
    }

    /// Notes that these did not answer.
    pub(super) fn note_failed<'a>(&self, targets: impl Iterator<Item = &'a Target>) {
        let now = self.now();
        let mut memory = self.memory();
        memory.failed.retain(|_, since| now.since(*since) < FAILED_FOR);
        for target in targets {
            if memory.failed.len() < FAILED_COUNT_MAX {
                memory.failed.insert(target.peer.addr, now);
            }
        }
    }

    /// Whether a target did not answer a short while ago.
    pub(super) fn failed_lately(&self, target: &Target) -> bool {
        let since = self.memory().failed.get(&target.peer.addr).copied();
        since.is_some_and(|since| self.now().since(since) < FAILED_FOR)
    }

    fn now(&self) -> Mono {
        self.clock.now().mono
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The validator with this name.
    fn validator(&self, name: &DomainName) -> Option<&GenesisValidator> {
        let genesis = &self.genesis;
        let is_it = |label: &str| genesis.zone.child(label).is_ok_and(|full| full == *name);
        genesis.validators.iter().find(|validator| is_it(&validator.name))
    }
}

fn server(data: &RecordData) -> Option<Server> {
    match data {
        RecordData::Srv { priority, weight, port, target: Some(target) } => {
            Some(Server { priority: *priority, weight: *weight, port: *port, target: target.clone() })
        }
        _ => None,
    }
}

/// The hash of a key that a TLSA record `3 1 1` vouches for.
fn key_hash(data: &RecordData) -> Option<Digest> {
    match data {
        RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data } => {
            Some(Digest(data.as_slice().try_into().ok()?))
        }
        _ => None,
    }
}

const fn address(data: &RecordData) -> Option<Ipv6Addr> {
    match data {
        RecordData::Aaaa(address) => Some(*address),
        _ => None,
    }
}

/// The servers by rising priority, and within one priority at random, the heavier the sooner (RFC 2782).
fn in_order(mut servers: Vec<Server>, mut random_below: impl FnMut(u64) -> u64) -> Vec<Server> {
    servers.sort_by_key(|server| (server.priority, server.weight));
    let mut ordered = Vec::with_capacity(servers.len());
    while let Some(first) = servers.first() {
        let same = servers.iter().take_while(|server| server.priority == first.priority);
        let weights: Vec<u64> = same.map(|server| u64::from(server.weight)).collect();
        let drawn = random_below(weights.iter().sum::<u64>() + 1);
        let mut sum = 0;
        let place = weights.iter().position(|weight| {
            sum += weight;
            sum >= drawn
        });
        ordered.push(servers.remove(place.unwrap_or_default()));
    }
    ordered
}

/// A random number below `bound`, which is above zero and far below 2^64.
fn random_below(bound: u64) -> u64 {
    getrandom::u64().map_or(0, |random| random % bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_of(name: &str, priority: u16, weight: u16) -> Server {
        Server { priority, weight, port: 4840, target: name.parse().unwrap() }
    }

    fn names(servers: Vec<Server>) -> Vec<String> {
        servers.into_iter().map(|server| server.target.to_string()).collect()
    }

    #[test]
    fn servers_come_by_priority_and_then_by_weight() {
        let servers = vec![
            server_of("late", 9, 5),
            server_of("light", 1, 1),
            server_of("heavy", 1, 8),
            server_of("never", 1, 0),
        ];
        let highest = in_order(servers.clone(), |bound| bound - 1);
        assert_eq!(names(highest), ["heavy", "light", "never", "late"]);
        let lowest = in_order(servers, |_| 0);
        assert_eq!(names(lowest), ["never", "light", "heavy", "late"]);
    }
}
