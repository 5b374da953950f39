//! The TCP connections that are open, and which of them is closed to make room for another.
//!
//! A newcomer always gets in. Where there are as many connections as may be of its prefix, its own that is idle for longest
//! is closed, which RFC 7766 §6.2.3 allows and Knot and NSD do: whoever holds connections and asks nothing stops nobody who asks. Where
//! there are as many as may be in all, one is closed of the prefix that has the most ([the rule](stoq::fair_share)), so that
//! nobody takes a connection from a client whose prefix has few by opening many from elsewhere. A connection is idle from its last whole
//! query on, so one that sends a query byte by byte is idle too. One that is being answered is closed only if none of its prefix
//! is idle, and one of a client without limits only if all are such clients'.

use super::limits::{DnsLimits, Prefix};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use stoq::fair_share::{Admission, Holder, NoSlot, SlotLimits};
use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

/// The most connections that are open at a time.
pub const CONNECTIONS_MAX: usize = 1024;
/// What an open connection takes at most, besides the kernel's buffers: a query, what was read with it, the longest
/// answer behind its length, and the task.
pub(super) const CONNECTION_BYTES_MAX: usize = 80 * 1024;
/// What all of them take.
const _: () = assert!(CONNECTIONS_MAX * CONNECTION_BYTES_MAX <= 80 << 20);

/// What a connection is at. Those that come first are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Activity {
    /// Waits for a query since then.
    Idle(Instant),
    /// Is being answered since then.
    Answering(Instant),
}

/// Where a connection says what it is at.
#[derive(Clone, Debug)]
pub(super) struct ActivityCell(Arc<Mutex<Activity>>);

impl ActivityCell {
    /// Of a connection that was just accepted.
    pub(super) fn accepted() -> Self {
        Self(Arc::new(Mutex::new(Activity::Idle(Instant::now()))))
    }

    /// A whole query was read.
    pub(super) fn answering(&self) {
        self.set(Activity::Answering(Instant::now()));
    }

    /// The client has its answer, as far as the kernel is concerned.
    pub(super) fn idle(&self) {
        self.set(Activity::Idle(Instant::now()));
    }

    fn set(&self, activity: Activity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = activity;
    }

    fn get(&self) -> Activity {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open connections, by their tasks.
#[derive(Default)]
pub(super) struct Connections {
    open: HashMap<Id, Open>,
}

struct Open {
    /// `None` for a client without limits.
    prefix: Option<Prefix>,
    activity: ActivityCell,
    task: AbortHandle,
}

/// Why a connection was closed in favour of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Its prefix had as many as it may.
    Prefix,
    /// There were as many as may be.
    All,
    /// The process had no file descriptor left.
    Descriptors,
}

impl Eviction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Prefix, Self::All, Self::Descriptors];

    /// What it is called in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::All => "all",
            Self::Descriptors => "descriptors",
        }
    }
}

impl Connections {
    /// Takes note of a connection with a client at this address, once there is room for it.
    pub(super) fn add(
        &mut self,
        client: IpAddr,
        limits: &DnsLimits,
        activity: ActivityCell,
        task: AbortHandle,
    ) {
        self.open.insert(task.id(), Open { prefix: limits.prefix_of(client), activity, task });
    }

    /// Forgets a connection whose task has ended.
    pub(super) fn remove(&mut self, task: Id) {
        self.open.remove(&task);
    }

    /// Closes a connection if there would otherwise be too many with one more from this address. Its task is still to
    /// end, and only then to be removed.
    pub(super) fn make_room(&self, client: IpAddr, limits: &DnsLimits) -> Option<(Id, Eviction)> {
        let prefix = limits.prefix_of(client);
        self.close_for(prefix, CONNECTIONS_MAX, limits.connections_per_prefix)
    }

    /// Closes the connection that is to be closed first, if there is one.
    pub(super) fn close_one(&self) -> Option<Id> {
        self.close_for(None, 0, CONNECTIONS_MAX).map(|(id, _)| id)
    }

    /// Closes a connection if a newcomer would be one too many.
    fn close_for(&self, newcomer: Option<Prefix>, all: usize, per_prefix: usize) -> Option<(Id, Eviction)> {
        let holders = self.open.iter().filter_map(|(id, open)| {
            let (prefix, order) = (open.prefix?, open.activity.get());
            Some(Holder { prefix, order, spares: true, id: *id })
        });
        let without_limits = || self.open.iter().filter(|(_, open)| open.prefix.is_none());
        let places = SlotLimits { all: all.saturating_sub(without_limits().count()), per_prefix };
        let (closed, reason) = match places.admit(newcomer.as_ref(), holders) {
            Admission::Free => return None,
            Admission::Instead(id, NoSlot::Prefix) => (id, Eviction::Prefix),
            Admission::Instead(id, NoSlot::All) => (id, Eviction::All),
            // All are of clients without limits.
            Admission::Refused(_) => {
                (*without_limits().min_by_key(|(_, open)| open.activity.get())?.0, Eviction::All)
            }
        };
        self.open.get(&closed)?.task.abort();
        Some((closed, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::task::JoinSet;

    /// Connections with tasks that do nothing, and limits of three for each prefix.
    struct Table {
        connections: Connections,
        tasks: JoinSet<()>,
        limits: DnsLimits,
    }

    impl Table {
        fn new() -> Self {
            let limits = DnsLimits { connections_per_prefix: 3, ..DnsLimits::default() };
            Self { connections: Connections::default(), tasks: JoinSet::new(), limits }
        }

        async fn add(&mut self, client: &str) -> (Id, ActivityCell) {
            tokio::time::advance(Duration::from_millis(1)).await;
            let activity = ActivityCell::accepted();
            let task = self.tasks.spawn(std::future::pending());
            let id = task.id();
            self.connections.add(client.parse().unwrap(), &self.limits, activity.clone(), task);
            (id, activity)
        }

        fn make_room(&self, client: &str) -> Option<(Id, Eviction)> {
            self.connections.make_room(client.parse().unwrap(), &self.limits)
        }

        async fn fill(&mut self) {
            for number in 0..CONNECTIONS_MAX - self.connections.open.len() {
                self.add(&format!("2001:db8:{number:x}::1")).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_prefix_makes_room_for_itself_at_its_share_and_not_before() {
        let mut table = Table::new();
        let (first, _) = table.add("192.0.2.1").await;
        let (second, _) = table.add("192.0.2.2").await;
        assert_eq!(table.make_room("192.0.2.3"), None);
        table.add("192.0.2.3").await;
        assert_eq!(table.make_room("192.0.3.1"), None, "another prefix");
        assert_eq!(table.make_room("192.0.2.4"), Some((first, Eviction::Prefix)));
        table.connections.remove(first);
        assert_eq!(table.make_room("192.0.2.4"), None);
        table.add("192.0.2.4").await;
        assert_eq!(table.make_room("192.0.2.5"), Some((second, Eviction::Prefix)));
        for _ in 0..9 {
            assert_eq!(table.make_room("::1"), None, "who has no limits");
            table.add("::1").await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_is_idle_for_longest_gives_way_when_all_are_there_and_not_before() {
        let mut table = Table::new();
        let (first, activity) = table.add("192.0.2.1").await;
        let (second, _) = table.add("198.51.100.1").await;
        table.fill().await;
        table.connections.remove(first);
        assert_eq!(table.make_room("203.0.113.1"), None, "one less than may be");
        let (_, newest) = table.add("192.0.2.1").await;
        drop((activity, newest));
        assert_eq!(table.make_room("203.0.113.1"), Some((second, Eviction::All)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_being_answered_gives_way_last_and_idle_time_counts_from_the_answer() {
        let mut table = Table::new();
        let (first, answering) = table.add("192.0.2.1").await;
        let (second, asks_again) = table.add("192.0.2.2").await;
        let (third, _) = table.add("192.0.2.3").await;
        answering.answering();
        tokio::time::advance(Duration::from_millis(1)).await;
        asks_again.answering();
        asks_again.idle();
        assert_eq!(table.make_room("192.0.2.9"), Some((third, Eviction::Prefix)));
        table.connections.remove(third);
        let (fourth, busy) = table.add("192.0.2.4").await;
        busy.answering();
        assert_eq!(table.make_room("192.0.2.9"), Some((second, Eviction::Prefix)));
        asks_again.answering();
        assert_eq!(table.make_room("192.0.2.9"), Some((first, Eviction::Prefix)), "all are being answered");
        assert_ne!(first, fourth);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_without_limits_give_way_after_all_others() {
        let mut table = Table::new();
        let (exempt, _) = table.add("::1").await;
        let (limited, activity) = table.add("192.0.2.1").await;
        activity.answering();
        assert_eq!(table.connections.close_one(), Some(limited));
        table.connections.remove(limited);
        assert_eq!(table.connections.close_one(), Some(exempt));
        table.connections.remove(exempt);
        assert_eq!(table.connections.close_one(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn prefixes_with_many_connections_take_none_from_one_with_few_however_new_theirs_are() {
        let mut table = Table::new();
        table.limits.connections_per_prefix = CONNECTIONS_MAX / 4;
        let (honest, _) = table.add("198.51.100.1").await;
        for number in 1..CONNECTIONS_MAX {
            table.add(&format!("2001:db8:{:x}::1", number % 4)).await;
        }
        let (_, newest) = table.add("203.0.113.1").await;
        drop(newest);
        // The honest one is idle for longest of all.
        for attacker in ["2001:db8:0::1", "2001:db8:1::1", "2001:db8:2::1", "203.0.113.2", "::1"] {
            let (closed, _) = table.make_room(attacker).unwrap();
            assert_ne!(closed, honest, "{attacker}");
        }
        assert_ne!(table.connections.close_one(), Some(honest));
    }
}
