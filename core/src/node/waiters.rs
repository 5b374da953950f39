//! Requests that wait for something to come about: so many for one thing, and so many for all things together.
//!
//! Clients may ask as often as they like, so what they wait for never grows with how often they do: past a limit they
//! are refused, and told what to do.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The most requests that wait for one thing: an operation, a certificate, a checkpoint, a revocation list.
pub(super) const WAITER_PER_THING_COUNT_MAX: usize = 1024;
/// The most requests that wait for things of one kind: operations, say.
pub(super) const WAITER_COUNT_MAX: usize = 16_384;

const _: () = assert!(WAITER_PER_THING_COUNT_MAX <= WAITER_COUNT_MAX);

/// Who waits, by what for.
pub(super) struct Waiters<Thing, Waiter> {
    by_thing: BTreeMap<Thing, Vec<Waiter>>,
    count: usize,
}

/// Why no further request may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Crowded {
    /// As many wait for this as may.
    #[error(
        "{WAITER_PER_THING_COUNT_MAX} requests wait for this here: wait for one of them, or try again in a second"
    )]
    Thing,
    /// As many wait for things of this kind as may.
    #[error("{WAITER_COUNT_MAX} requests are waiting here: try again in a second, or ask another node")]
    All,
}

impl<Thing, Waiter> Default for Waiters<Thing, Waiter> {
    fn default() -> Self {
        Self { by_thing: BTreeMap::new(), count: 0 }
    }
}

impl<Thing: Ord, Waiter> Waiters<Thing, Waiter> {
    /// Whether one more may wait for this.
    pub(super) fn check_room(&self, thing: &Thing) -> Result<(), Crowded> {
        if self.by_thing.get(thing).map_or(0, Vec::len) >= WAITER_PER_THING_COUNT_MAX {
            return Err(Crowded::Thing);
        }
        if self.count >= WAITER_COUNT_MAX { Err(Crowded::All) } else { Ok(()) }
    }

    /// Lets one wait, if there is room.
    pub(super) fn push(&mut self, thing: Thing, waiter: Waiter) -> Result<(), Crowded> {
        self.check_room(&thing)?;
        self.by_thing.entry(thing).or_default().push(waiter);
        self.count += 1;
        Ok(())
    }

    /// Whether this is waited for, or was and is still to come about.
    pub(super) fn has(&self, thing: &Thing) -> bool {
        self.by_thing.contains_key(thing)
    }

    /// What is waited for.
    pub(super) fn things(&self) -> impl Iterator<Item = &Thing> {
        self.by_thing.keys()
    }

    /// Takes out who waits for something that has come about.
    pub(super) fn take(&mut self, thing: &Thing) -> Vec<Waiter> {
        let taken = self.by_thing.remove(thing).unwrap_or_default();
        self.count -= taken.len();
        taken
    }

    /// Takes out everyone. What they waited for is still to come about.
    pub(super) fn dismiss(&mut self) -> Vec<Waiter> {
        self.count = 0;
        self.by_thing.values_mut().flat_map(core::mem::take).collect()
    }

    /// How many wait.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// How many things are waited for, or were and are still to come about.
    pub(super) fn thing_count(&self) -> usize {
        self.by_thing.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn requests_for_one_thing_hold_at_their_limit_and_not_one_past_it() {
        let mut waiters = Waiters::default();
        for waiter in 0..WAITER_PER_THING_COUNT_MAX {
            assert_eq!(waiters.push('a', waiter), Ok(()));
        }
        assert_eq!(waiters.push('a', 0), Err(Crowded::Thing));
        assert!(Crowded::Thing.to_string().contains("try again in a second"));
        assert_eq!(waiters.push('b', 0), Ok(()), "another thing has room of its own");
        assert_eq!(waiters.take(&'a').len(), WAITER_PER_THING_COUNT_MAX);
        assert_eq!((waiters.push('a', 0), waiters.count()), (Ok(()), 2));
    }

    #[test]
    fn requests_for_all_things_hold_at_their_limit_and_not_one_past_it() {
        let mut waiters = Waiters::default();
        for waiter in 0..WAITER_COUNT_MAX {
            assert_eq!(waiters.push(waiter, waiter), Ok(()));
        }
        assert_eq!(waiters.push(WAITER_COUNT_MAX, 0), Err(Crowded::All));
        assert!(Crowded::All.to_string().contains("ask another node"));
        assert_eq!(waiters.dismiss().len(), WAITER_COUNT_MAX);
        assert!(waiters.has(&0), "what they waited for is remembered");
        assert_eq!((waiters.push(0, 0), waiters.count()), (Ok(()), 1));
    }
}
