//! Requests that wait for something to come about: so many for one thing, and so many for all things together.
//!
//! Clients may ask as often as they like, so what they wait for never grows with how often they do: past a limit they
//! are refused, and told what to do.

use super::RequestId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The most requests that wait for one thing: an operation, a certificate, a checkpoint, a revocation list.
pub(super) const WAITER_PER_THING_COUNT_MAX: usize = 1024;
/// The most requests that wait for things of one kind: operations, say.
pub(super) const WAITER_COUNT_MAX: usize = 16_384;

const _: () = assert!(WAITER_PER_THING_COUNT_MAX <= WAITER_COUNT_MAX);

/// Which requests wait, by what for, each with what else is to be known of it. A request waits for one thing at a time.
pub(super) struct Waiters<Thing, Note = ()> {
    by_thing: BTreeMap<Thing, Vec<(RequestId, Note)>>,
    by_request: BTreeMap<RequestId, Thing>,
}

/// Why no further request may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WaiterLimitReached {
    /// As many wait for this as may.
    #[error(
        "{WAITER_PER_THING_COUNT_MAX} requests wait for this here: wait for one of them, or try again in a second"
    )]
    Thing,
    /// As many wait for things of this kind as may.
    #[error("{WAITER_COUNT_MAX} requests are waiting here: try again in a second, or ask another node")]
    All,
}

impl<Thing, Note> Default for Waiters<Thing, Note> {
    fn default() -> Self {
        Self { by_thing: BTreeMap::new(), by_request: BTreeMap::new() }
    }
}

impl<Thing: Ord + Copy, Note> Waiters<Thing, Note> {
    /// Whether one more may wait for this.
    pub(super) fn check_room(&self, thing: &Thing) -> Result<(), WaiterLimitReached> {
        if self.by_thing.get(thing).map_or(0, Vec::len) >= WAITER_PER_THING_COUNT_MAX {
            return Err(WaiterLimitReached::Thing);
        }
        if self.count() >= WAITER_COUNT_MAX { Err(WaiterLimitReached::All) } else { Ok(()) }
    }

    /// Lets a request wait, if there is room.
    pub(super) fn push(
        &mut self,
        thing: Thing,
        request: RequestId,
        note: Note,
    ) -> Result<(), WaiterLimitReached> {
        self.check_room(&thing)?;
        self.by_thing.entry(thing).or_default().push((request, note));
        self.by_request.insert(request, thing);
        Ok(())
    }

    /// Whether this is waited for, or was and is still to come about.
    pub(super) fn has(&self, thing: &Thing) -> bool {
        self.by_thing.contains_key(thing)
    }

    /// Whether this was waited for and is still to come about, but nobody waits any more.
    pub(super) fn is_deserted(&self, thing: &Thing) -> bool {
        self.by_thing.get(thing).is_some_and(Vec::is_empty)
    }

    /// What is waited for.
    pub(super) fn things(&self) -> impl Iterator<Item = &Thing> {
        self.by_thing.keys()
    }

    /// Takes out who waits for something that has come about.
    pub(super) fn take(&mut self, thing: &Thing) -> Vec<(RequestId, Note)> {
        let taken = self.by_thing.remove(thing).unwrap_or_default();
        for (request, _) in &taken {
            self.by_request.remove(request);
        }
        taken
    }

    /// Takes out everyone. What they waited for is still to come about.
    pub(super) fn dismiss(&mut self) -> Vec<(RequestId, Note)> {
        self.by_request.clear();
        self.by_thing.values_mut().flat_map(core::mem::take).collect()
    }

    /// Removes one request that no longer waits. Returns what it waited for, if that has not happened yet.
    pub(super) fn remove(&mut self, request: RequestId) -> Option<Thing> {
        let thing = self.by_request.remove(&request)?;
        if let Some(waiting) = self.by_thing.get_mut(&thing) {
            waiting.retain(|(waiting, _)| *waiting != request);
        }
        Some(thing)
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.by_request.len()
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
        for waiter in 0..WAITER_PER_THING_COUNT_MAX as u64 {
            assert_eq!(waiters.push('a', RequestId(waiter), ()), Ok(()));
        }
        let (one, other) = (RequestId(u64::MAX), RequestId(u64::MAX - 1));
        assert_eq!(waiters.push('a', one, ()), Err(WaiterLimitReached::Thing));
        assert!(WaiterLimitReached::Thing.to_string().contains("try again in a second"));
        assert_eq!(waiters.push('b', one, ()), Ok(()), "another thing has room of its own");
        assert_eq!(waiters.take(&'a').len(), WAITER_PER_THING_COUNT_MAX);
        assert_eq!((waiters.push('a', other, ()), waiters.count()), (Ok(()), 2));
    }

    #[test]
    fn requests_for_all_things_hold_at_their_limit_and_not_one_past_it() {
        let mut waiters = Waiters::default();
        for waiter in 0..WAITER_COUNT_MAX as u64 {
            assert_eq!(waiters.push(waiter, RequestId(waiter), ()), Ok(()));
        }
        let one_more = RequestId(WAITER_COUNT_MAX as u64);
        assert_eq!(waiters.push(one_more.0, one_more, ()), Err(WaiterLimitReached::All));
        assert!(WaiterLimitReached::All.to_string().contains("ask another node"));
        assert_eq!(waiters.dismiss().len(), WAITER_COUNT_MAX);
        assert!(waiters.has(&0), "what they waited for is remembered");
        assert_eq!((waiters.push(0, one_more, ()), waiters.count()), (Ok(()), 1));
    }

    #[test]
    fn one_that_waits_no_more_is_taken_out_and_leaves_the_others() {
        let mut waiters = Waiters::default();
        for request in 1..=3 {
            assert_eq!(waiters.push('a', RequestId(request), ()), Ok(()));
        }
        assert_eq!(waiters.remove(RequestId(2)), Some('a'));
        assert_eq!(waiters.remove(RequestId(2)), None);
        assert_eq!((waiters.count(), waiters.is_deserted(&'a')), (2, false));
        assert_eq!(waiters.remove(RequestId(1)), Some('a'));
        assert_eq!(waiters.remove(RequestId(3)), Some('a'));
        assert!(waiters.has(&'a') && waiters.is_deserted(&'a') && !waiters.is_deserted(&'b'));
        assert!(waiters.take(&'a').is_empty() && !waiters.has(&'a'));
    }
}
