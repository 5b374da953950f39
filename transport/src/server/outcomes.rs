//! The outcomes of calls that change something, kept for a while: a call that is made again, since its answer was lost, is
//! answered with what came of it the first time, and not done twice.
//!
//! A call is the same if its caller and its idempotency key are, and then its request must be, too: another request under
//! a key that was used is refused. A repeat that comes while the first is under way waits for that. What passes (no room,
//! no quorum) is not kept: it is there to be tried again.
//!
//! This is memory, of one server and one life. What must not happen twice across nodes and restarts, the handler itself
//! sees to: a node's operations are executed once by their content, wherever they are sent.

use super::call_queue::{CallGuard, CallSlot};
use super::connection::Peer;
use super::handler::Call;
use crate::env::Clock;
use crate::lock::lock;
use crate::status::{Status, StatusCode};
use bytes::Bytes;
use hypermesh_base::{Digest, Domain, Mono, PublicKey};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

type CallResult = Result<Bytes, Status>;
type Key = (PublicKey, [u8; 16]);

/// Outcomes by caller and key.
pub(super) struct Outcomes {
    clock: Arc<dyn Clock>,
    cached: Mutex<CachedOutcomes>,
}

#[derive(Default)]
struct CachedOutcomes {
    calls: BTreeMap<Key, Known>,
    /// What has ended, by the order in which it did.
    order: BTreeMap<u64, Key>,
    /// The same, of each caller.
    callers: BTreeMap<PublicKey, VecDeque<u64>>,
    next: u64,
    bytes: usize,
}

/// What is known of a call.
struct Known {
    /// The hash of its request.
    request: Digest,
    state: State,
}

enum State {
    /// It is under way. Closed when it ends.
    Running(watch::Receiver<()>),
    /// It has ended.
    Ended { outcome: CallResult, at: Mono },
}

/// What is to be done with a call.
enum Begun {
    /// It is the first: do it.
    First(Running),
    /// It is under way: wait.
    Again(watch::Receiver<()>),
    /// It was done: this came of it.
    Done(CallResult),
}

/// That a call is under way. Dropped before it has ended, it is as if the call had never come.
struct Running {
    outcomes: Arc<Outcomes>,
    key: Key,
    _alive: watch::Sender<()>,
}

/// Has the handler answer the call, unless it has answered it before.
pub(super) async fn answer_once(peer: &Peer, guard: &CallGuard, mut call: Call) -> CallResult {
    let Some(idempotency_key) = call.idempotency_key else { return peer.shared.handler.call(call).await };
    let key = (call.caller, idempotency_key);
    let request = REQUEST.hash(&[call.service.as_bytes(), call.method.as_bytes(), &call.body]);
    loop {
        match peer.shared.outcomes.begin(key, request)? {
            Begun::First(running) => {
                let outcome = peer.shared.handler.call(call).await;
                running.end(&outcome);
                return outcome;
            }
            Begun::Again(mut under_way) => {
                // Waiting is no work.
                call.slot = CallSlot::default();
                // It is closed when the first attempt ends, however it does.
                drop(under_way.changed().await);
                call.slot = guard.slot().await?;
            }
            Begun::Done(outcome) => {
                let Call { caller, service, method, remote, .. } = &call;
                let key = u128::from_be_bytes(idempotency_key);
                tracing::debug!(
                    target: "audit", %caller, %remote, service, method, idempotency_key = format!("{key:032x}"),
                    "repeated request: answered with the first outcome"
                );
                return outcome;
            }
        }
    }
}

impl Outcomes {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, cached: Mutex::default() })
    }

    fn begin(self: &Arc<Self>, key: Key, request: Digest) -> Result<Begun, Status> {
        let mut cached = lock(&self.cached);
        cached.expire(self.clock.now().mono);
        match cached.calls.get(&key) {
            Some(known) if known.request != request => Err(Status::new(
                StatusCode::AlreadyExists,
                "this idempotency key was used for another request: use a new key for a new request",
            )),
            Some(Known { state: State::Running(under_way), .. }) => Ok(Begun::Again(under_way.clone())),
            Some(Known { state: State::Ended { outcome, .. }, .. }) => Ok(Begun::Done(outcome.clone())),
            None => {
                let (alive, under_way) = watch::channel(());
                cached.calls.insert(key, Known { request, state: State::Running(under_way) });
                Ok(Begun::First(Running { outcomes: self.clone(), key, _alive: alive }))
            }
        }
    }
}

impl Running {
    /// Keeps what came of it, if that is for good.
    fn end(self, outcome: &CallResult) {
        if !is_final(outcome) {
            return;
        }
        let now = self.outcomes.clock.now().mono;
        lock(&self.outcomes.cached).insert(self.key, outcome.clone(), now);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut cached = lock(&self.outcomes.cached);
        if let Some(Known { state: State::Running(_), .. }) = cached.calls.get(&self.key) {
            cached.calls.remove(&self.key);
        }
    }
}

impl CachedOutcomes {
    fn insert(&mut self, key: Key, outcome: CallResult, at: Mono) {
        let Some(known) = self.calls.get_mut(&key) else { return };
        self.bytes += bytes_of(&outcome);
        known.state = State::Ended { outcome, at };
        let number = self.next;
        self.next += 1;
        self.order.insert(number, key);
        let own = self.callers.entry(key.0).or_default();
        own.push_back(number);
        if own.len() > OUTCOMES_PER_CALLER_MAX
            && let Some(oldest) = own.front().copied()
        {
            self.forget(oldest);
        }
        while (self.order.len() > OUTCOMES_MAX || self.bytes > OUTCOME_BYTES_MAX)
            && let Some((oldest, _)) = self.order.first_key_value()
        {
            self.forget(*oldest);
        }
    }

    fn expire(&mut self, now: Mono) {
        while let Some((oldest, key)) = self.order.first_key_value() {
            match self.calls.get(key) {
                Some(Known { state: State::Ended { at, .. }, .. }) if now.since(*at) <= OUTCOME_LIFE => {
                    return;
                }
                _ => self.forget(*oldest),
            }
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(key) = self.order.remove(&number) else { return };
        if let Some(Known { state: State::Ended { outcome, .. }, .. }) = self.calls.remove(&key) {
            self.bytes -= bytes_of(&outcome);
        }
        if let Some(own) = self.callers.get_mut(&key.0) {
            own.retain(|other| *other != number);
            if own.is_empty() {
                self.callers.remove(&key.0);
            }
        }
    }
}

/// Whether it would come out the same if it were tried again.
fn is_final(outcome: &CallResult) -> bool {
    match outcome {
        Ok(_) => true,
        Err(status) => matches!(
            status.code(),
            StatusCode::InvalidArgument
                | StatusCode::NotFound
                | StatusCode::AlreadyExists
                | StatusCode::PermissionDenied
                | StatusCode::FailedPrecondition
        ),
    }
}

fn bytes_of(outcome: &CallResult) -> usize {
    outcome.as_ref().map_or_else(|status| status.message().len() + status.detail().len(), Bytes::len)
}

const REQUEST: Domain = Domain::new("hypermesh v1 stoq request");
/// Outcomes that are kept of all callers; the oldest goes one past it.
const OUTCOMES_MAX: usize = 4096;
/// Outcomes that are kept of one caller; its oldest goes one past it.
const OUTCOMES_PER_CALLER_MAX: usize = 128;
/// Bytes that are kept of all outcomes; the oldest goes past it.
const OUTCOME_BYTES_MAX: usize = 32 << 20;
/// How long an outcome is kept: longer than a client tries one call.
const OUTCOME_LIFE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_base::Now;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[derive(Default)]
    struct SetClock(AtomicU64);

    impl Clock for SetClock {
        fn now(&self) -> Now {
            Now { mono: Mono(self.0.load(Relaxed)), wall: Default::default() }
        }
    }

    fn outcomes() -> (Arc<SetClock>, Arc<Outcomes>) {
        let clock = Arc::<SetClock>::default();
        (clock.clone(), Outcomes::new(clock))
    }

    fn key(caller: u8, number: u64) -> Key {
        (PublicKey([caller; 32]), u128::from(number).to_be_bytes())
    }

    /// Whether this would be done now; if so, it is, with this outcome.
    fn is_done(outcomes: &Arc<Outcomes>, key: Key, outcome: CallResult) -> bool {
        match outcomes.begin(key, Digest([1; 32])).unwrap() {
            Begun::First(running) => {
                running.end(&outcome);
                true
            }
            Begun::Again(_) => panic!("nothing is under way"),
            Begun::Done(before) => {
                assert_eq!(before, outcome);
                false
            }
        }
    }

    #[test]
    fn outcomes_are_kept_up_to_the_limit_of_a_caller_and_its_oldest_goes_one_past_it() {
        let (_, outcomes) = outcomes();
        assert!(is_done(&outcomes, key(2, 0), Ok(Bytes::new())));
        let most = OUTCOMES_PER_CALLER_MAX as u64;
        for number in 0..most {
            assert!(is_done(&outcomes, key(1, number), Ok(Bytes::new())));
        }
        assert!(!is_done(&outcomes, key(1, 0), Ok(Bytes::new())));
        assert!(is_done(&outcomes, key(1, most), Ok(Bytes::new())));
        assert!(is_done(&outcomes, key(1, 0), Ok(Bytes::new())), "the oldest was forgotten");
        assert!(!is_done(&outcomes, key(2, 0), Ok(Bytes::new())), "nobody else's was");
    }

    #[test]
    fn outcomes_are_kept_up_to_the_limits_of_all_and_the_oldest_goes_one_past_them() {
        let (_, outcomes) = outcomes();
        let all = |n: usize| key(u8::try_from(n % 64).unwrap(), n as u64);
        for number in 0..OUTCOMES_MAX {
            assert!(is_done(&outcomes, all(number), Ok(Bytes::new())));
        }
        assert!(!is_done(&outcomes, all(0), Ok(Bytes::new())));
        assert!(is_done(&outcomes, key(99, 0), Ok(Bytes::new())));
        assert!(is_done(&outcomes, all(0), Ok(Bytes::new())));
        let large = || Ok(Bytes::from(vec![7; OUTCOME_BYTES_MAX / 4]));
        for number in 0..4 {
            assert!(is_done(&outcomes, key(100, number), large()));
        }
        assert!((0..4).all(|number| !is_done(&outcomes, key(100, number), large())));
        assert!(is_done(&outcomes, key(100, 4), large()));
        assert!(is_done(&outcomes, key(100, 0), large()) && !is_done(&outcomes, key(100, 2), large()));
        let cached = lock(&outcomes.cached);
        assert_eq!((cached.calls.len(), cached.bytes), (cached.order.len(), OUTCOME_BYTES_MAX));
    }

    #[test]
    fn an_outcome_is_kept_to_its_end_and_no_longer() {
        let (clock, outcomes) = outcomes();
        assert!(is_done(&outcomes, key(1, 1), Ok(Bytes::new())));
        let life = u64::try_from(OUTCOME_LIFE.as_micros()).unwrap();
        clock.0.store(life, Relaxed);
        assert!(!is_done(&outcomes, key(1, 1), Ok(Bytes::new())));
        clock.0.store(life + 1, Relaxed);
        assert!(is_done(&outcomes, key(1, 1), Ok(Bytes::new())));
        assert_eq!(lock(&outcomes.cached).calls.len(), 1);
    }

    #[test]
    fn what_passes_is_not_kept_and_what_is_for_good_is() {
        let (_, outcomes) = outcomes();
        for (number, code) in (0..).zip(StatusCode::ALL.into_iter().skip(1)) {
            let failed = || Err(Status::new(code, "why"));
            assert!(is_done(&outcomes, key(1, number), failed()));
            let kept = matches!(
                code.name(),
                "invalid_argument"
                    | "not_found"
                    | "already_exists"
                    | "permission_denied"
                    | "failed_precondition"
            );
            assert_eq!(is_done(&outcomes, key(1, number), failed()), !kept, "{code}");
        }
    }

    #[test]
    fn a_call_that_is_given_up_leaves_nothing_behind() {
        let (_, outcomes) = outcomes();
        let Begun::First(running) = outcomes.begin(key(1, 1), Digest([1; 32])).unwrap() else {
            panic!("it is the first")
        };
        assert!(matches!(outcomes.begin(key(1, 1), Digest([1; 32])), Ok(Begun::Again(_))));
        let refused = outcomes.begin(key(1, 1), Digest([2; 32])).err().unwrap();
        assert_eq!(refused.code(), StatusCode::AlreadyExists);
        drop(running);
        assert!(lock(&outcomes.cached).calls.is_empty());
    }
}
