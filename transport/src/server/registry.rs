//! The connections that a server has taken, by key, and how many there may be.

use super::activity::Activity;
use super::handler::Standing;
use super::limits::ServerLimits;
use super::prefix::Prefix;
use crate::close::Close;
use crate::endpoint::{Connection, ipv6};
use hypermesh_core::base::PublicKey;
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::{Arc, Weak};
use tokio::sync::Semaphore;

/// An open connection's number. They count up, so the lowest is the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

#[derive(Default)]
pub(super) struct Registry {
    open: BTreeMap<(PublicKey, Ticket), Entry>,
    next: u64,
    clients: usize,
    /// By key, the bytes of requests and responses that its connections may yet hold together, in KiB.
    memory: BTreeMap<PublicKey, Weak<Semaphore>>,
}

struct Entry {
    connection: Connection,
    standing: Standing,
    prefix: Prefix,
    activity: Activity,
}

impl Registry {
    /// Takes a connection. The oldest connection of a key that has too many is closed; for a client beyond the limit, another
    /// client's that gives way, or if none does the newcomer's, and `None` returned.
    pub(super) fn admit(
        &mut self,
        connection: &Connection,
        standing: Standing,
        activity: &Activity,
        limits: &ServerLimits,
    ) -> Option<Ticket> {
        let key = connection.key;
        let oldest: Vec<_> = self.of(key).collect();
        if oldest.len() >= limits.connections_per_key_max
            && let Some(entry) = oldest.first().and_then(|ticket| self.remove(key, *ticket))
        {
            Close::Replaced.connection(&entry.quinn, "this key opened another connection and has too many");
        }
        let prefix = Prefix::of(connection.quinn.remote_address());
        if standing == Standing::Client && !self.make_room(prefix, limits) {
            let reason = "there are as many connections, or of your part of the network, as may be, and all are asked something";
            Close::Crowded.connection(&connection.quinn, reason);
            return None;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.clients += usize::from(standing == Standing::Client);
        if standing == Standing::Validator || self.clients <= limits.roomy_clients_max {
            let room = limits.calls_per_roomy_connection_max.max(limits.calls_per_connection_max);
            connection.quinn.set_max_concurrent_bi_streams(room.into());
        }
        let (connection, activity) = (connection.clone(), activity.clone());
        self.open.insert((key, ticket), Entry { connection, standing, prefix, activity });
        Some(ticket)
    }

    /// Whether there is room for one more client with this prefix, after another client's connection was closed if need be.
    fn make_room(&mut self, prefix: Prefix, limits: &ServerLimits) -> bool {
        let clients = || self.open.iter().filter(|(_, entry)| entry.standing == Standing::Client);
        let of_prefix = clients().filter(|(_, entry)| entry.prefix == prefix).count();
        let full_prefix = of_prefix >= limits.clients_per_prefix_max;
        if !full_prefix && self.clients < limits.clients_max {
            return true;
        }
        let rivals = clients().filter(|(_, entry)| !full_prefix || entry.prefix == prefix);
        let in_turn = rivals.filter_map(|(at, entry)| Some((entry.activity.gives_way(limits)?, *at)));
        let Some((_, (key, ticket))) = in_turn.min() else { return false };
        if let Some(rival) = self.remove(key, ticket) {
            Close::Crowded.connection(&rival.quinn, "others came, and this connection was idle for longest");
        }
        true
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
    pub(super) fn remove(&mut self, key: PublicKey, ticket: Ticket) -> Option<Connection> {
        let entry = self.open.remove(&(key, ticket))?;
        self.clients -= usize::from(entry.standing == Standing::Client);
        Some(entry.connection)
    }

    /// Closes every connection whose key has another standing now.
    pub(super) fn review(&mut self, standing: impl Fn(&PublicKey) -> Standing) {
        let changed = self.open.iter().filter(|((key, _), entry)| standing(key) != entry.standing);
        let changed: Vec<_> = changed.map(|(at, _)| *at).collect();
        for (key, ticket) in changed {
            if let Some(connection) = self.remove(key, ticket) {
                Close::StandingChanged
                    .connection(&connection.quinn, "the set of validators changed: dial again");
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
    fn of(&self, key: PublicKey) -> impl Iterator<Item = Ticket> {
        self.open.range((key, Ticket(0))..=(key, Ticket(u64::MAX))).map(|((_, ticket), _)| *ticket)
    }
}
