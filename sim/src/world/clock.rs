//! A machine's two clocks: a monotonic one, by which its timers run, and a wall clock. Each goes wrong in its own way:
//! both may run too fast or too slow, the wall clock may also be off, and be set.

use hypermesh_core::base::{Mono, Now, UnixMillis};

/// Parts in a million.
const MILLION: i128 = 1_000_000;

/// A machine's clocks, in terms of the true time, which is the world's.
pub(crate) struct Clock {
    /// What the true wall clock said when the world began.
    world_begins: UnixMillis,
    mono: Reading,
    wall: Reading,
}

/// A clock that said `said_us` at the true time `at`, and has run too fast by so many parts in a million since.
#[derive(Clone, Copy)]
struct Reading {
    at: Mono,
    said_us: i128,
    fast_ppm: i64,
}

impl Reading {
    fn us(&self, at: Mono) -> i128 {
        let past = i128::from(at.0) - i128::from(self.at.0);
        self.said_us + past + (past * i128::from(self.fast_ppm)).div_euclid(MILLION)
    }

    /// The first true time at which the clock says at least this.
    fn when(&self, us: i128) -> Mono {
        let left = (us - self.said_us).max(0);
        let rate = (MILLION + i128::from(self.fast_ppm)).max(1);
        let past = (left * MILLION + rate - 1) / rate;
        Mono(u64::try_from(i128::from(self.at.0) + past).unwrap_or(u64::MAX))
    }

    fn drift(&mut self, at: Mono, fast_ppm: i64) {
        *self = Self { at, said_us: self.us(at), fast_ppm };
    }
}

impl Clock {
    /// Clocks of which the wall clock is so much ahead.
    pub(crate) const fn new(world_begins: UnixMillis, ahead_ms: i64) -> Self {
        let right = Reading { at: Mono(0), said_us: 0, fast_ppm: 0 };
        Self { world_begins, mono: right, wall: Reading { said_us: ahead_ms as i128 * 1000, ..right } }
    }

    /// Lets the monotonic clock begin at zero, as for a process that begins.
    pub(crate) const fn begin(&mut self, at: Mono) {
        self.mono = Reading { at, said_us: 0, fast_ppm: self.mono.fast_ppm };
    }

    /// Lets the monotonic clock go on from what it showed once, as in a machine that is resumed.
    pub(crate) const fn resume(&mut self, at: Mono, mono: Mono) {
        self.mono = Reading { at, said_us: mono.0 as i128, fast_ppm: self.mono.fast_ppm };
    }

    /// What time a process is told.
    pub(crate) fn now(&self, at: Mono) -> Now {
        let mono = u64::try_from(self.mono.us(at)).unwrap_or_default();
        Now { mono: Mono(mono), wall: self.wall(at) }
    }

    /// What the wall clock says.
    pub(super) fn wall(&self, at: Mono) -> UnixMillis {
        let ms = i128::from(self.world_begins.0) + self.wall.us(at).div_euclid(1000);
        UnixMillis(u64::try_from(ms).unwrap_or_default())
    }

    /// When the monotonic clock says this, in true time.
    pub(super) fn when(&self, mono: Mono) -> Mono {
        self.mono.when(i128::from(mono.0))
    }

    /// Sets the wall clock so much ahead of the true one; behind if that is negative. Says by how much it jumps.
    pub(crate) fn set(&mut self, at: Mono, ahead_ms: i64) -> i64 {
        let said_us = i128::from(at.0) + i128::from(ahead_ms) * 1000;
        let jump_us = said_us - self.wall.us(at);
        self.wall = Reading { at, said_us, ..self.wall };
        i64::try_from(jump_us / 1000).unwrap_or_default()
    }

    /// Lets the clocks run too fast by so many parts in a million from now on; too slow if that is negative.
    pub(crate) fn drift(&mut self, at: Mono, mono_ppm: i64, wall_ppm: i64) {
        self.mono.drift(at, mono_ppm);
        self.wall.drift(at, wall_ppm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGINS: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn clocks_run_at_their_own_rates_and_one_is_set_without_the_other() {
        let mut clock = Clock::new(BEGINS, -20);
        assert_eq!(clock.wall(Mono(5_000)), UnixMillis(999_985));
        clock.begin(Mono(1_000_000));
        clock.drift(Mono(2_000_000), 100_000, -50_000);
        let now = clock.now(Mono(4_000_000));
        assert_eq!((now.mono, now.wall), (Mono(3_200_000), UnixMillis(1_003_880)));
        assert_eq!(clock.set(Mono(4_000_000), 500), 620);
        assert_eq!(clock.now(Mono(4_000_000)).mono, Mono(3_200_000));
        assert_eq!(clock.wall(Mono(4_000_000)), UnixMillis(1_004_500));
        assert_eq!(clock.set(Mono(4_000_000), -500), -1000);
    }

    #[test]
    fn a_timer_is_due_at_the_first_moment_at_which_the_clock_says_so() {
        for fast_ppm in [-300_000, -17, 0, 13, 250_000] {
            let mut clock = Clock::new(BEGINS, 0);
            clock.begin(Mono(7));
            clock.drift(Mono(1_000), fast_ppm, 0);
            for due in [994, 5_000, 1_234_567] {
                let at = clock.when(Mono(due));
                assert!(clock.now(at).mono >= Mono(due), "{fast_ppm} {due}");
                assert!(clock.now(Mono(at.0 - 1)).mono < Mono(due), "{fast_ppm} {due}");
            }
        }
    }
}
