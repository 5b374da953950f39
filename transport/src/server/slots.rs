//! Slots for what lasts: handshakes under way, and streaming calls. When all are taken, they are shared out
//! [fairly](crate::fair_share) between the parts of the network, and the one that began first gives way.
//!
//! Whoever begins handshakes and does not go on with them holds slots for seconds each: one that has had time enough for an
//! honest one can spare its slot to any newcomer. A streaming call is worth what it has to say, and gives way only to a part of the
//! network that has less.

use super::prefix::Prefix;
use crate::fair_share::{Admission, Holder, NoSlot, SlotLimits};
use crate::lock::lock;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The slots that are taken, in the order in which they were.
#[derive(Clone, Default)]
pub(super) struct SlotTable {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    prefix: Prefix,
    since: Instant,
    lost: Arc<Notify>,
}

/// A slot that is taken. It is free when this is dropped, or when it was lost.
pub(super) struct Slot {
    table: SlotTable,
    number: u64,
    lost: Arc<Notify>,
}

impl SlotTable {
    /// A slot for whoever is at this address. `spare_after`: a slot that was held for so long can be spared.
    pub(super) fn take(
        &self,
        remote: SocketAddr,
        limits: SlotLimits,
        spare_after: Option<Duration>,
    ) -> Result<Slot, NoSlot> {
        let (prefix, since) = (Prefix::of(remote), Instant::now());
        let mut inner = lock(&self.inner);
        let holders = inner.taken.iter().map(|(number, taken)| Holder {
            prefix: taken.prefix,
            order: *number,
            spares: spare_after.is_some_and(|least| since.duration_since(taken.since) >= least),
            id: *number,
        });
        match limits.admit(Some(&prefix), holders) {
            Admission::Free => {}
            Admission::Instead(number, _) => {
                inner.taken.remove(&number).iter().for_each(|taken| taken.lost.notify_one());
            }
            Admission::Refused(full) => return Err(full),
        }
        let (number, lost) = (inner.next, Arc::<Notify>::default());
        inner.next += 1;
        inner.taken.insert(number, Taken { prefix, since, lost: Arc::clone(&lost) });
        drop(inner);
        Ok(Slot { table: self.clone(), number, lost })
    }

    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        lock(&self.inner).taken.len()
    }
}

impl Slot {
    /// Waits until this slot has to be given up.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.table.inner).taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);
    const LIMITS: SlotLimits = SlotLimits { all: 4, per_prefix: 2 };

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    async fn is_lost(slot: &Slot) -> bool {
        tokio::time::timeout(Duration::ZERO, slot.lost()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_prefix_has_its_share_and_then_its_own_first_gives_way_once_it_had_its_time() {
        let table = SlotTable::default();
        let take = |address: &str| table.take(at(address), LIMITS, Some(GRACE));
        let (other, first) = (take("2001:db8:1::1").unwrap(), take("2001:db8::1").unwrap());
        let second = take("2001:db8:0:ff::2").unwrap();
        assert_eq!(take("2001:db8::3").err(), Some(NoSlot::Prefix), "one past the share, at once");
        tokio::time::advance(GRACE).await;
        let third = take("2001:db8::3").unwrap();
        assert!(is_lost(&first).await && !is_lost(&other).await && !is_lost(&second).await);
        drop((first, third));
        assert_eq!(table.len(), 2, "what was lost has no slot to free");
    }

    #[tokio::test(start_paused = true)]
    async fn when_each_prefix_holds_one_place_the_first_of_all_gives_way_once_it_had_its_time() {
        let table = SlotTable::default();
        let take = |number: usize, spare_after| {
            table.take(at(&format!("2001:db8:{number}::1")), LIMITS, spare_after)
        };
        let held: Vec<_> = (0..4).map(|number| take(number, Some(GRACE)).unwrap()).collect();
        assert_eq!(take(4, Some(GRACE)).err(), Some(NoSlot::All), "one past the limit, at once");
        tokio::time::advance(GRACE).await;
        assert_eq!(take(4, None).err(), Some(NoSlot::All), "what is never spared");
        let _newcomer = take(4, Some(GRACE)).unwrap();
        assert!(is_lost(&held[0]).await && !is_lost(&held[1]).await);
        assert_eq!(table.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn two_prefixes_that_hold_all_places_lose_one_each_at_once() {
        let table = SlotTable::default();
        let take = |number: usize| table.take(at(&format!("2001:db8:{number}::1")), LIMITS, None);
        let held: Vec<_> = [1, 1, 2, 2].into_iter().map(|number| take(number).unwrap()).collect();
        let _newcomers = [take(3).unwrap(), take(4).unwrap()];
        for (slot, lost) in held.iter().zip([true, false, true, false]) {
            assert_eq!(is_lost(slot).await, lost);
        }
        assert_eq!(take(5).err(), Some(NoSlot::All));
    }
}
