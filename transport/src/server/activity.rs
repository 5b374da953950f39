//! What a connection is asked, by which it is chosen when one has to give way.

use super::limits::ServerLimits;
use crate::lock::lock;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// What a connection is asked. A call counts from when its whole request is here: one that comes byte by byte is none yet.
#[derive(Clone)]
pub(super) struct Activity {
    state: Arc<Mutex<State>>,
}

struct State {
    /// Calls that are being answered.
    answering: usize,
    /// Since when there are none, or some.
    since: Instant,
}

/// How a connection comes in the order in which connections give way: those that are idle, the longest idle first; then those
/// that were answered on without a pause for longer than any call but a stream takes; then those with calls under way, the longest
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GivesWay {
    Idle(Instant),
    Streaming(Instant),
    Answering(Instant),
}

/// A call that is being answered.
pub(super) struct Answering(Activity);

impl Activity {
    /// Of a connection that is new.
    pub(super) fn new() -> Self {
        Self { state: Arc::new(Mutex::new(State { answering: 0, since: Instant::now() })) }
    }

    /// Counts a call until what is returned is dropped.
    pub(super) fn answer(&self) -> Answering {
        self.change(|answering| answering + 1);
        Answering(self.clone())
    }

    /// When in turn the connection is closed to make room.
    pub(super) fn gives_way(&self, limits: &ServerLimits) -> GivesWay {
        let State { answering, since } = *lock(&self.state);
        match answering {
            0 => GivesWay::Idle(since),
            _ if since.elapsed() > limits.call_timeout_max => GivesWay::Streaming(since),
            _ => GivesWay::Answering(since),
        }
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) {
        let mut state = lock(&self.state);
        let before = state.answering;
        state.answering = change(before);
        if (before == 0) != (state.answering == 0) {
            state.since = Instant::now();
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.change(|answering| answering - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_gives_way_first_then_old_streams_and_then_calls_under_way() {
        let limits = ServerLimits::default();
        let tick = || tokio::time::advance(Duration::from_millis(1));
        let (first, second) = (Activity::new(), Activity::new());
        tick().await;
        drop(first.answer());
        assert!(second.gives_way(&limits) < first.gives_way(&limits), "idle from the last answer on");
        let (one, another) = (second.answer(), second.answer());
        tokio::time::advance(limits.call_timeout_max).await;
        assert!(matches!(second.gives_way(&limits), GivesWay::Answering(_)), "as long as a call may take");
        drop(one);
        tick().await;
        assert!(
            first.gives_way(&limits) < second.gives_way(&limits),
            "longer than a call takes, it is a stream"
        );
        drop(another);
        assert!(matches!(second.gives_way(&limits), GivesWay::Idle(_)));
    }
}
