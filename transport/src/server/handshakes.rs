//! The handshakes under way, and which of them is given up to make room for another.
//!
//! Whoever begins handshakes and does not go on with them holds places for seconds each. So where all places are taken, or
//! all of a prefix, the oldest handshake gives way, if it has had time enough for an honest one; else the newcomer is refused.

use super::limits::ServerLimits;
use super::prefix::Prefix;
use crate::lock::lock;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The handshakes under way, in the order in which they began.
#[derive(Clone, Default)]
pub(super) struct Handshakes {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    under_way: BTreeMap<u64, UnderWay>,
}

struct UnderWay {
    prefix: Prefix,
    begun: Instant,
    given_up: Arc<Notify>,
}

/// A handshake under way. Its place is free when this is dropped, or when it was given up.
pub(super) struct Handshake {
    handshakes: Handshakes,
    number: u64,
    given_up: Arc<Notify>,
}

impl Handshakes {
    /// A place for a handshake with whoever is at this address; `None` if there is none.
    pub(super) fn begin(&self, remote: SocketAddr, limits: &ServerLimits) -> Option<Handshake> {
        let (prefix, begun) = (Prefix::of(remote), Instant::now());
        let mut inner = lock(&self.inner);
        let of_prefix = inner.under_way.values().filter(|other| other.prefix == prefix).count();
        let full_prefix = of_prefix >= limits.handshakes_per_prefix_max;
        if full_prefix || inner.under_way.len() >= limits.handshakes_max {
            let mut rivals =
                inner.under_way.iter().filter(|(_, rival)| !full_prefix || rival.prefix == prefix);
            let (oldest, rival) = rivals.next()?;
            if begun.duration_since(rival.begun) < limits.handshake_grace {
                return None;
            }
            let oldest = *oldest;
            inner.under_way.remove(&oldest).iter().for_each(|rival| rival.given_up.notify_one());
        }
        let (number, given_up) = (inner.next, Arc::<Notify>::default());
        inner.next += 1;
        inner.under_way.insert(number, UnderWay { prefix, begun, given_up: Arc::clone(&given_up) });
        drop(inner);
        Some(Handshake { handshakes: self.clone(), number, given_up })
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        lock(&self.inner).under_way.len()
    }
}

impl Handshake {
    /// Waits until this handshake has to give way.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        lock(&self.handshakes.inner).under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    fn limits() -> ServerLimits {
        ServerLimits { handshakes_max: 4, handshakes_per_prefix_max: 2, ..ServerLimits::default() }
    }

    async fn is_given_up(handshake: &Handshake) -> bool {
        tokio::time::timeout(Duration::ZERO, handshake.given_up()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_prefix_has_its_share_and_then_its_own_oldest_gives_way_once_it_had_its_time() {
        let (handshakes, limits) = (Handshakes::default(), limits());
        let begin = |address: &str| handshakes.begin(at(address), &limits);
        let (other, first) = (begin("2001:db8:1::1").unwrap(), begin("2001:db8::1").unwrap());
        let second = begin("2001:db8:0:ff::2").unwrap();
        assert!(begin("2001:db8::3").is_none(), "one past the share, at once");
        tokio::time::advance(limits.handshake_grace).await;
        let third = begin("2001:db8::3").unwrap();
        assert!(is_given_up(&first).await && !is_given_up(&other).await && !is_given_up(&second).await);
        drop((first, third));
        assert_eq!(handshakes.len(), 2, "what was given up has no place to free");
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_places_are_taken_the_oldest_of_all_gives_way() {
        let (handshakes, limits) = (Handshakes::default(), limits());
        let begin = |number: usize| handshakes.begin(at(&format!("2001:db8:{number}::1")), &limits);
        let held: Vec<_> = (0..4).map(|number| begin(number).unwrap()).collect();
        assert!(begin(4).is_none(), "one past the limit, at once");
        tokio::time::advance(limits.handshake_grace).await;
        let _newcomer = begin(4).unwrap();
        assert!(is_given_up(&held[0]).await && !is_given_up(&held[1]).await);
        assert_eq!(handshakes.len(), 4);
    }
}
