//! What a node does when its machine did not run on: the wall clock jumped, or the machine was resumed from a snapshot.
//!
//! A resumed machine has old memory: nonces that have been spent since, and a log of votes without the last votes. To sign
//! with either gives the key share away, or contradicts what this node has voted. So the node destroys all nonces, declares
//! the commitments that its peers hold void, and does not vote until its peers have reported its last votes, as after a
//! restart (see [`super::recall`]). Randomness that the old memory would draw again is mixed with the time of the
//! discontinuity.
//!
//! A node cannot see a resume as such. It sees its wall clock jump against its monotonic one, which is what happens when
//! the clock of a resumed machine is set; and its driver may know more ([`Node::handle_discontinuity`]). A false alarm
//! costs a round trip. What is not seen: a resume after less than [`CLOCK_JUMP_MS_MAX`], what the node signs before the
//! clock is set, and a resume on a platform that reports neither.

use super::timers::Timer;
use super::{Event, Node};
use crate::base::{Digest, Domain, Entropy, Mono, Now, reached};
use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

/// A wall clock that jumps against the monotonic one by more than this between two inputs is a discontinuity. NTP slews
/// by half a millisecond a second at most, and steps a clock that is further off.
pub const CLOCK_JUMP_MS_MAX: u64 = 1_000;
/// After a discontinuity peers are asked, and offered new commitments, no sooner than this after the time before: a clock
/// that jumps to and fro costs its own node its votes, and the others next to nothing.
const ASKS_AGAIN_AFTER: Duration = Duration::from_secs(5);

const HEDGED: Domain = Domain::new("hypermesh v1 hedged entropy");
const RESEEDED: Domain = Domain::new("hypermesh v1 entropy after a discontinuity");

/// Why a node cannot rely on what it has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discontinuity {
    /// The wall clock jumped against the monotonic one.
    ClockJump {
        /// By how much, in milliseconds; back if negative.
        ms: i64,
    },
    /// The machine slept: its monotonic clock stood still.
    Suspended {
        /// For how long, in milliseconds.
        ms: u64,
    },
    /// The platform says that the virtual machine was resumed from a snapshot, or cloned.
    Resumed,
}

impl fmt::Display for Discontinuity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockJump { ms } => write!(formatter, "the wall clock jumped by {ms} ms"),
            Self::Suspended { ms } => write!(formatter, "the machine was suspended for {ms} ms"),
            Self::Resumed => formatter.write_str("the machine was resumed from a snapshot or cloned"),
        }
    }
}

/// By how much the wall clock jumped against the monotonic one between two readings, in milliseconds.
fn clock_jump_ms(before: Now, after: Now) -> i64 {
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let wall = signed(after.wall.0).saturating_sub(signed(before.wall.0));
    let mono = u64::try_from(after.mono.since(before.mono).as_millis()).unwrap_or(u64::MAX);
    wall.saturating_sub(signed(mono))
}

/// When peers were last asked after a discontinuity, and which one they are to be asked after next.
#[derive(Default)]
pub(super) struct Continuity {
    asked: Option<Mono>,
    unreported: Option<Discontinuity>,
}

impl Continuity {
    /// When they may be asked again.
    fn may_ask(&self, now: Mono) -> Mono {
        self.asked.map_or(now, |asked| asked.after(ASKS_AGAIN_AFTER).max(now))
    }
}

/// The driver's randomness; mixed with the time of the last discontinuity once there was one, so that a generator which
/// was resumed too, and repeats itself, does not repeat what comes out of here.
pub(super) struct HedgedEntropy {
    inner: Box<dyn Entropy>,
    salt: Option<Digest>,
    drawn: u64,
}

impl HedgedEntropy {
    pub(super) fn new(inner: Box<dyn Entropy>) -> Self {
        Self { inner, salt: None, drawn: 0 }
    }

    pub(super) fn as_mut(&mut self) -> &mut dyn Entropy {
        self
    }

    fn reseed(&mut self, now: Now) {
        let mut fresh = [0; 32];
        self.inner.fill(&mut fresh);
        let before = self.salt.unwrap_or(Digest::ZERO);
        let time = [now.wall.0.to_le_bytes(), now.mono.0.to_le_bytes()].concat();
        self.salt = Some(RESEEDED.hash(&[&before.0, &fresh, &time]));
    }
}

impl Entropy for HedgedEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        let Some(salt) = self.salt else { return self.inner.fill(buffer) };
        for chunk in buffer.chunks_mut(32) {
            let mut fresh = [0; 32];
            self.inner.fill(&mut fresh);
            self.drawn += 1;
            let mixed = HEDGED.hash(&[&salt.0, &fresh, &self.drawn.to_le_bytes()]);
            chunk.iter_mut().zip(mixed.0).for_each(|(byte, mixed)| *byte = mixed);
        }
    }
}

impl Node {
    /// Takes note that this node's memory may be older than what it has sent: the machine was resumed from a snapshot or
    /// slept. A jump of the wall clock is noticed without this.
    pub fn handle_discontinuity(&mut self, now: Now, what: Discontinuity) {
        self.cx.now = now;
        self.on_discontinuity(what);
        self.conclude();
    }

    /// Takes the time that comes with an input.
    pub(super) fn enter(&mut self, now: Now) {
        let ms = clock_jump_ms(self.cx.now, now);
        self.cx.now = now;
        if ms.unsigned_abs() > CLOCK_JUMP_MS_MAX {
            self.on_discontinuity(Discontinuity::ClockJump { ms });
        }
    }

    fn on_discontinuity(&mut self, what: Discontinuity) {
        reached!(self.cx.marks, "a node's memory may be old, and it destroys its nonces");
        self.cx.count("hypermesh", "discontinuities_total", 1);
        self.cx.entropy.reseed(self.cx.now);
        self.signing.destroy_nonces(&mut self.cx);
        if !self.cx.is_stopped() {
            if self.recall.is_done() {
                self.ordering.suspend(&mut self.cx);
            }
            self.recall.begin_anew();
        }
        // Those that follow one another closely are counted each, and reported together.
        self.continuity.unreported.get_or_insert(what);
        let at = self.continuity.may_ask(self.cx.now.mono);
        if at == self.cx.now.mono {
            self.ask_after_discontinuity();
        } else {
            self.cx.timers.set(Timer::Recall, at);
        }
        self.cx.publish();
    }

    /// Asks the peers what this node voted for, and offers them commitments in place of those that are void.
    pub(super) fn ask_after_discontinuity(&mut self) {
        self.continuity.asked = Some(self.cx.now.mono);
        if let Some(what) = self.continuity.unreported.take() {
            self.cx.outbox.event(Event::Discontinuity { what });
        }
        self.recall.begin_asking(&mut self.cx);
        self.signing.offer_all_anew(&mut self.cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::UnixMillis;

    const fn now(ms: u64, wall_ms: u64) -> Now {
        Now { mono: Mono(ms * 1000), wall: UnixMillis(1_800_000_000_000 + wall_ms) }
    }

    #[test]
    fn a_jump_is_what_the_wall_clock_gained_or_lost_against_the_monotonic_one() {
        assert_eq!(clock_jump_ms(now(5, 5), now(60_005, 60_005)), 0, "time that passes is no jump");
        assert_eq!(clock_jump_ms(now(5, 5), now(6, 1_006)), 1_000);
        assert_eq!(clock_jump_ms(now(5, 9_000), now(1_005, 0)), -10_000);
        let end = Now { mono: Mono(u64::MAX), wall: UnixMillis(u64::MAX) };
        assert!(clock_jump_ms(now(0, 0), end) > 0, "and nothing overflows");
    }

    /// A generator that was resumed: it gives the same as it did before.
    struct Repeating;

    impl Entropy for Repeating {
        fn fill(&mut self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    #[test]
    fn randomness_that_repeats_itself_differs_after_a_discontinuity_at_another_time() {
        let drawn = |at: Option<Now>| {
            let mut entropy = HedgedEntropy::new(Box::new(Repeating));
            at.into_iter().for_each(|at| entropy.reseed(at));
            let mut buffer = [0; 40];
            entropy.fill(&mut buffer);
            buffer
        };
        let (first, second) = (drawn(Some(now(5, 1))), drawn(Some(now(5, 2))));
        assert_eq!(drawn(None), [7; 40], "untouched while nothing has happened");
        assert_ne!(first, second);
        assert_ne!(first[..8], first[32..], "nor does one draw repeat itself");
    }

    #[test]
    fn peers_are_asked_at_once_and_then_not_more_often_than_the_limit() {
        let mut continuity = Continuity::default();
        assert_eq!(continuity.may_ask(Mono(9)), Mono(9));
        continuity.asked = Some(Mono(9));
        let limit = Mono(9).after(ASKS_AGAIN_AFTER);
        assert_eq!(continuity.may_ask(Mono(10)), limit);
        assert_eq!(continuity.may_ask(limit), limit);
        assert_eq!(continuity.may_ask(Mono(limit.0 + 1)), Mono(limit.0 + 1));
    }
}
