//! Who is let in, who waits, and who is rejected.

use super::*;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

type Waits<'a> = Pin<Box<dyn Future<Output = Result<CallSlot, Status>> + 'a>>;

/// A clock that goes on by a millisecond whenever it is looked at.
#[derive(Default)]
struct Ticking(std::sync::atomic::AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> hypermesh_base::Now {
        let micros = 1000 * self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        hypermesh_base::Now { mono: Mono(micros), wall: Default::default() }
    }
}

fn queue(working_max: usize, per_caller_max: usize) -> Arc<CallQueue> {
    queue_with(CallQueueLimits { working_max, waiting_max: 10_000, per_caller_max })
}

fn queue_with(limits: CallQueueLimits) -> Arc<CallQueue> {
    CallQueue::new(limits, Arc::<Ticking>::default())
}

fn key(seed: u8) -> PublicKey {
    PublicKey([seed; 32])
}

fn poll(waiting: &mut Waits<'_>) -> Option<CallSlot> {
    match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => Some(slot.expect("there is room to wait")),
        Poll::Pending => None,
    }
}

fn waiting(guard: &CallGuard) -> Waits<'_> {
    let mut waiting: Waits<'_> = Box::pin(guard.slot());
    assert!(poll(&mut waiting).is_none());
    waiting
}

#[test]
fn a_caller_with_a_thousand_calls_delays_another_by_one() {
    let queue = queue(1, 1000);
    let flood: Vec<_> = (0..1000).map(|_| queue.enter(key(1)).unwrap()).collect();
    let single = queue.enter(key(2)).unwrap();
    let mut working = poll(&mut (Box::pin(flood[0].slot()) as Waits<'_>));
    let mut flooding: Vec<_> = flood[1..].iter().map(waiting).collect();
    let mut other = waiting(&single);
    // The flood came first and takes the first slot; the other comes next, not 999 later.
    drop(working.take());
    working = poll(&mut flooding[0]);
    assert!(working.is_some() && poll(&mut other).is_none());
    drop(working.take());
    working = poll(&mut other);
    assert!(working.is_some() && flooding[1..].iter_mut().all(|flood| poll(flood).is_none()));
    drop(working);
    assert!(poll(&mut flooding[1]).is_some());
}

#[test]
fn every_caller_gets_as_many_turns_as_any_other_however_much_it_asks() {
    let queue = queue(4, 1000);
    let guards: Vec<_> = (1..=10_u8)
        .flat_map(|caller| {
            let calls = if caller == 1 { 500 } else { 20 };
            std::iter::repeat_with(move || caller).take(calls)
        })
        .map(|caller| (caller, queue.enter(key(caller)).unwrap()))
        .collect();
    let hold: Vec<_> = (0..4).map(|_| queue.enter(key(0)).unwrap()).collect();
    let held: Vec<_> = hold.iter().map(|guard| poll(&mut (Box::pin(guard.slot()) as Waits<'_>))).collect();
    let mut calls: Vec<_> = guards.iter().map(|(caller, guard)| (*caller, Some(waiting(guard)))).collect();
    drop(held);
    let mut served = [0; 11];
    while served.iter().sum::<usize>() < 200 {
        let mut slots = Vec::new();
        for (caller, call) in &mut calls {
            if let Some(slot) = call.as_mut().and_then(poll) {
                *call = None;
                served[usize::from(*caller)] += 1;
                slots.push(slot);
            }
        }
        assert_eq!(slots.len(), 4);
    }
    assert!(served[1..].iter().all(|turns| (19..=21).contains(turns)), "{served:?}");
}

#[test]
fn calls_of_a_caller_hold_at_the_limit_and_not_one_past_it() {
    let queue = queue(1, 3);
    let mut guards: Vec<_> = (0..3).map(|_| queue.enter(key(1)).unwrap()).collect();
    let Err(refused) = queue.enter(key(1)) else { panic!("one past the limit") };
    assert_eq!(refused.code(), StatusCode::ResourceExhausted);
    assert!(refused.message().contains("3 calls in progress"));
    assert!(queue.enter(key(2)).is_ok());
    drop(guards.pop());
    assert!(queue.enter(key(1)).is_ok());
}

#[test]
fn who_comes_and_goes_leaves_nothing_behind() {
    let queue = queue(1, 10);
    let blocker = queue.enter(key(1)).unwrap();
    let slot = poll(&mut (Box::pin(blocker.slot()) as Waits<'_>));
    assert!(slot.is_some());
    for _ in 0..10_000 {
        let guard = queue.enter(key(2)).unwrap();
        drop(waiting(&guard));
        drop(guard);
    }
    let patient = queue.enter(key(2)).unwrap();
    for _ in 0..10_000 {
        let guard = queue.enter(key(2)).unwrap();
        drop(waiting(&guard));
    }
    let inner = lock(&queue.inner);
    let left = inner.callers.values().map(|caller| caller.waiting.len()).sum::<usize>();
    assert!((inner.callers.len(), inner.callers_next.len()) <= (2, 1) && left <= 10, "{left}");
    drop(inner);
    drop((slot, patient, blocker));
    let inner = lock(&queue.inner);
    assert_eq!((inner.free_slots, inner.callers.len()), (1, 0));
}

#[test]
fn a_turn_that_its_waiter_did_not_live_to_see_goes_to_the_next() {
    let queue = queue(1, 100);
    let guards: Vec<_> = (0..50).map(|caller| queue.enter(key(caller)).unwrap()).collect();
    let slot = poll(&mut (Box::pin(guards[0].slot()) as Waits<'_>));
    let mut queues: Vec<_> = guards[1..].iter().map(waiting).collect();
    let mut last = queues.pop().unwrap();
    drop(queues);
    drop(slot);
    let slot = poll(&mut last);
    assert!(slot.is_some());
    assert_eq!(lock(&queue.inner).free_slots, 0);
    drop(slot);
    assert_eq!(lock(&queue.inner).free_slots, 1);
}

/// What a call that waits learns, if it has learned that it is not to.
fn rejection(waiting: &mut Waits<'_>) -> Option<Status> {
    match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => slot.err(),
        Poll::Pending => None,
    }
}

#[test]
fn waiting_calls_hold_at_the_limit_and_one_past_it_the_longest_line_gives_way() {
    let queue = queue_with(CallQueueLimits { working_max: 1, waiting_max: 10, per_caller_max: 100 });
    let holder = queue.enter(key(9)).unwrap();
    let held = poll(&mut (Box::pin(holder.slot()) as Waits<'_>)).unwrap();
    let greedy: Vec<_> = (0..11).map(|_| queue.enter(key(1)).unwrap()).collect();
    let modest: Vec<_> = (0..6).map(|_| queue.enter(key(2)).unwrap()).collect();
    let another = queue.enter(key(3)).unwrap();
    let mut flood: Vec<_> = greedy[..10].iter().map(waiting).collect();
    assert_eq!(queue.waiting(), 10);
    // Its own next call finds no shorter queue, and is rejected.
    let mut last: Waits<'_> = Box::pin(greedy[10].slot());
    let status = rejection(&mut last).unwrap();
    assert_eq!(status.code(), StatusCode::Unavailable);
    assert!(matches!(status.advice(), Some(Advice::RetryAfter { ms: 50.. })), "{status}");
    // Another's calls take its last positions, until both have as many.
    let mut others: Vec<_> = modest[..5].iter().map(waiting).collect();
    let gone: Vec<_> = flood.iter_mut().map(|call| rejection(call).is_some()).collect();
    assert_eq!(gone, [[false; 5], [true; 5]].concat(), "those that came last");
    let mut sixth: Waits<'_> = Box::pin(modest[5].slot());
    assert!(rejection(&mut sixth).is_some(), "nobody has more than five");
    // A third caller is let in all the same, and all that wait are served in turn.
    let mut third: Waits<'_> = waiting(&another);
    drop(held);
    let (mut left, mut served) = (10, [0; 3]);
    while left > 0 {
        let mut queues =
            [flood[..5].iter_mut().collect::<Vec<_>>(), others.iter_mut().collect(), vec![&mut third]];
        let before = left;
        for (queue, served) in queues.iter_mut().zip(&mut served) {
            for call in queue.iter_mut() {
                if let Poll::Ready(slot) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    **call = Box::pin(std::future::pending());
                    *served += usize::from(slot.is_ok());
                    left -= usize::from(slot.is_ok());
                }
            }
        }
        assert!(left < before, "{left} wait for ever");
    }
    assert!(served[2] == 1 && served[0] + served[1] == 9 && served[0].abs_diff(served[1]) <= 1, "{served:?}");
}

#[test]
fn who_is_sent_away_is_told_to_come_back_later_the_more_wait_before_it() {
    let queue = queue_with(CallQueueLimits { working_max: 1, waiting_max: 1000, per_caller_max: 1000 });
    let guards: Vec<_> = (0..900).map(|_| queue.enter(key(1)).unwrap()).collect();
    // Each is worked on for as long as the clock goes on meanwhile.
    for guard in &guards[..100] {
        let slot = poll(&mut (Box::pin(guard.slot()) as Waits<'_>)).unwrap();
        for _ in 0..9 {
            queue.clock.now();
        }
        drop(slot);
    }
    let service_time = lock(&queue.inner).service_time;
    assert!((9..=11).contains(&service_time.as_millis()), "{service_time:?}");
    let held = poll(&mut (Box::pin(guards[100].slot()) as Waits<'_>));
    let mut queues: Vec<Waits<'_>> = Vec::new();
    let mut before = 0;
    for (waits, at_least, at_most) in [(0, 50, 50), (100, 800, 1200), (700, 6000, 9000)] {
        queues.extend(guards[101 + before..101 + waits].iter().map(waiting));
        before = waits;
        let Advice::RetryAfter { ms } = queue.retry_advice(key(1)) else {
            panic!("an advice of another kind")
        };
        assert!((at_least..=at_most).contains(&ms), "{waits} wait: {ms} ms");
        // One who has none before it waits for the others' calls no longer than that.
        assert_eq!(queue.retry_advice(key(2)), Advice::RetryAfter { ms: 50 });
    }
    drop(held);
}
