//! A node's clocks: the simulator's, the wall clock a little wrong.

use hypermesh_core::base::{Mono, Now, UnixMillis};
use std::time::Duration;
use stoq::Clock;
use tokio::time::Instant;

/// The clocks of one life of a node.
pub(super) struct SimClock {
    /// When this life began, on the host's clock.
    start: Instant,
    /// When this life began, since the world did.
    began: Duration,
    skew: Skew,
    begins: UnixMillis,
}

/// How wrong a wall clock is: so much is added, and the most that it may be off taken away.
#[derive(Clone, Copy)]
pub(super) struct Skew {
    pub(super) added_ms: u64,
    pub(super) ms_max: u64,
}

impl SimClock {
    /// The clocks of a life that begins now, in a world that began when the wall clock said this. Must be called
    /// from within a host of the simulation.
    pub(super) fn start(skew: Skew, begins: UnixMillis) -> Self {
        Self { start: Instant::now(), began: turmoil::sim_elapsed().unwrap_or_default(), skew, begins }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let elapsed = self.start.elapsed();
        let true_wall = wall(self.begins, Mono(0).after(self.began + elapsed));
        let wall = true_wall.plus(self.skew.added_ms).minus(self.skew.ms_max);
        Now { mono: Mono(0).after(elapsed), wall }
    }
}

/// What the true clock says in a world that began when it said this.
pub(super) const fn wall(begins: UnixMillis, at: Mono) -> UnixMillis {
    begins.plus(at.0 / 1000)
}
