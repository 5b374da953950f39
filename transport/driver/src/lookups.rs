//! What subscriptions look up at the node, cached at hand while many are likely to want the same.

use hypermesh_core::api::{ApiFault, RECENT_COUNT_MAX, Request, Response};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::Mutex;

/// The newest answers to what subscriptions look up. One is looked up at a time, so that a thousand who wait for a block
/// ask the node for it once.
#[derive(Default)]
pub(super) struct Lookups(Mutex<CachedLookups>);

#[derive(Default)]
struct CachedLookups {
    answers: BTreeMap<Vec<u8>, Response>,
    /// The keys of `answers`, oldest first.
    order: VecDeque<Vec<u8>>,
}

impl Lookups {
    /// The answer to this request: the one that is cached, or what `look` finds.
    pub(super) async fn get(
        &self,
        request: Request,
        look: impl AsyncFnOnce(Request) -> Result<Response, ApiFault>,
    ) -> Result<Response, ApiFault> {
        let key = [request.method().name.as_bytes(), &request.encode()].concat();
        let mut cached = self.0.lock().await;
        if let Some(answer) = cached.answers.get(&key) {
            return Ok(answer.clone());
        }
        let answer = look(request).await?;
        if cached.order.len() >= CACHED_COUNT_MAX
            && let Some(oldest) = cached.order.pop_front()
        {
            cached.answers.remove(&oldest);
        }
        cached.order.push_back(key.clone());
        cached.answers.insert(key, answer.clone());
        Ok(answer)
    }
}

/// Answers that are cached: what is recent, of blocks and of entries.
const CACHED_COUNT_MAX: usize = 2 * RECENT_COUNT_MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::api::{LogEntry, LogEntryRequest};
    use hypermesh_core::base::LeafIndex;
    use std::cell::Cell;

    #[tokio::test]
    async fn what_was_looked_up_is_kept_up_to_the_limit_and_the_oldest_goes_one_past_it() {
        let (lookups, looked) = (Lookups::default(), Cell::new(0));
        let get = async |index: u64| {
            let index = LeafIndex(index);
            let answer = Response::LogEntry(LogEntry { index, entry: vec![7] });
            let look = async |_| {
                looked.set(looked.get() + 1);
                Ok(answer.clone())
            };
            assert_eq!(
                lookups.get(Request::LogEntry(LogEntryRequest { index }), look).await,
                Ok(answer.clone())
            );
        };
        for index in (0..CACHED_COUNT_MAX as u64).chain(0..CACHED_COUNT_MAX as u64) {
            get(index).await;
        }
        assert_eq!(looked.get(), CACHED_COUNT_MAX);
        get(CACHED_COUNT_MAX as u64).await;
        get(1).await;
        assert_eq!(looked.get(), CACHED_COUNT_MAX + 1);
        get(0).await;
        assert_eq!(looked.get(), CACHED_COUNT_MAX + 2);
    }

    #[tokio::test]
    async fn what_failed_is_looked_up_again() {
        let lookups = Lookups::default();
        let request = || Request::LogEntry(LogEntryRequest { index: LeafIndex(1) });
        let fault = ApiFault::not_found("not yet");
        assert_eq!(lookups.get(request(), async |_| Err(fault.clone())).await, Err(fault.clone()));
        let answer = Response::LogEntry(LogEntry { index: LeafIndex(1), entry: vec![7] });
        assert_eq!(lookups.get(request(), async |_| Ok(answer.clone())).await, Ok(answer.clone()));
    }
}
