//! The connections that a server has taken, by key, and how many there may be.

use super::activity::{Activity, GivesWay};
use super::handler::PeerRole;
use super::limits::ServerLimits;
use super::prefix::Prefix;
use crate::close::Close;
use crate::endpoint::{Connection, ipv6};
use crate::fair_share::{Admission, Holder, NoSlot};
use hypermesh_base::PublicKey;
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::{Arc, Weak};
use tokio::sync::Semaphore;

/// An open connection's number. They count up, so the lowest is the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionNumber(u64);

#[derive(Default)]
pub(super) struct Registry {
    open: BTreeMap<(PublicKey, ConnectionNumber), OpenConnection>,
    next: u64,
    clients: usize,
    /// By key, the bytes of requests and responses that its connections may yet hold together, in KiB.
    memory: BTreeMap<PublicKey, Weak<Semaphore>>,
}

struct OpenConnection {
    connection: Connection,
    role: PeerRole,
    prefix: Prefix,
    activity: Activity,
}

impl Registry {
    /// Takes a connection. The oldest connection of a key that has too many is closed; for a client beyond the limit, another
    /// client's that gives way by the [rule](crate::fair_share), or if none does the newcomer's, and `None` returned.
    pub(super) fn admit(
        &mut self,
        connection: &Connection,
        role: PeerRole,
        activity: &Activity,
        limits: &ServerLimits,
    ) -> Option<ConnectionNumber> {
        let key = connection.key;
        let oldest: Vec<_> = self.of(key).collect();
        if oldest.len() >= limits.connections_per_key_max
            && let Some(entry) = oldest.first().and_then(|number| self.remove(key, *number))
        {
            Close::Replaced.connection(&entry.quinn, "this key opened another connection, above its limit");
        }
        let prefix = Prefix::of(connection.quinn.remote_address());
        if role == PeerRole::Client
            && let Err(full) = self.make_room(prefix, limits)
        {
            Close::Crowded.connection(&connection.quinn, refusal(full));
            return None;
        }
        let number = ConnectionNumber(self.next);
        self.next += 1;
        self.clients += usize::from(role == PeerRole::Client);
        if role == PeerRole::Validator || self.clients <= limits.roomy_clients_max {
            let room = limits.calls_per_roomy_connection_max.max(limits.calls_per_connection_max);
            connection.quinn.set_max_concurrent_bi_streams(room.into());
        }
        let (connection, activity) = (connection.clone(), activity.clone());
        self.open.insert((key, number), OpenConnection { connection, role, prefix, activity });
        Some(number)
    }

    /// Makes room for one more client with this prefix: another client's connection is closed if need be.
    fn make_room(&mut self, prefix: Prefix, limits: &ServerLimits) -> Result<(), NoSlot> {
        let clients = self.open.iter().filter(|(_, entry)| entry.role == PeerRole::Client);
        let holders = clients.map(|(at, entry)| {
            let gives_way = entry.activity.gives_way(limits);
            let spares = !matches!(gives_way, GivesWay::Answering(_));
            Holder { prefix: entry.prefix, order: (gives_way, *at), spares, id: (gives_way, *at) }
        });
        let (gives_way, (key, number)) = match limits.clients().admit(Some(&prefix), holders) {
            Admission::Free => return Ok(()),
            Admission::Instead(rival, _) => rival,
            Admission::Refused(full) => return Err(full),
        };
        if let Some(rival) = self.remove(key, number) {
            let reason = match gives_way {
                GivesWay::Idle(_) => "closed for a new connection: this one was idle for longest",
                GivesWay::Streaming(_) => "closed for a new connection: this one had the oldest stream",
                GivesWay::Answering(_) => {
                    "all connections are in use, your network prefix has the most, and a prefix with fewer \
                    opened one"
                }
            };
            Close::Crowded.connection(&rival.quinn, reason);
        }
        Ok(())
    }

    /// What a key's connections may hold in memory together.
    pub(super) fn memory(&mut self, key: PublicKey, kibibytes: u32) -> Arc<Semaphore> {
        if let Some(memory) = self.memory.get(&key).and_then(Weak::upgrade) {
            return memory;
        }
        self.memory.retain(|_, memory| memory.strong_count() > 0);
        let memory = Arc::new(Semaphore::new(kibibytes as usize));
        self.memory.insert(key, Arc::downgrade(&memory));
        memory
    }

    /// Forgets a connection, and hands it back if it was still known.
    pub(super) fn remove(&mut self, key: PublicKey, number: ConnectionNumber) -> Option<Connection> {
        let entry = self.open.remove(&(key, number))?;
        self.clients -= usize::from(entry.role == PeerRole::Client);
        Some(entry.connection)
    }

    /// Closes every connection whose key has another standing now.
    pub(super) fn review(&mut self, role: impl Fn(&PublicKey) -> PeerRole) {
        let changed = self.open.iter().filter(|((key, _), entry)| role(key) != entry.role);
        let changed: Vec<_> = changed.map(|(at, _)| *at).collect();
        for (key, number) in changed {
            if let Some(connection) = self.remove(key, number) {
                Close::RoleChanged.connection(&connection.quinn, "the set of validators changed: dial again");
            }
        }
    }

    /// Where the newest connection of a key comes from at the moment.
    pub(super) fn remote_of(&self, key: PublicKey) -> Option<SocketAddrV6> {
        let newest = self.of(key).last()?;
        let entry = self.open.get(&(key, newest))?;
        Some(ipv6(entry.connection.quinn.remote_address()))
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The connections of a key, oldest first.
    fn of(&self, key: PublicKey) -> impl Iterator<Item = ConnectionNumber> {
        self.open
            .range((key, ConnectionNumber(0))..=(key, ConnectionNumber(u64::MAX)))
            .map(|((_, number), _)| *number)
    }
}

const fn refusal(full: NoSlot) -> &'static str {
    match full {
        NoSlot::Prefix => {
            "your network prefix has the maximum number of connections, and none is idle: close one, or \
            retry later"
        }
        NoSlot::All => {
            "all connections are in use, none is idle, and no network prefix has more than yours: retry \
            later, or with another node"
        }
    }
}
