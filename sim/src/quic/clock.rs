//! A node's clocks: the simulator's, the wall clock a little wrong.

use crate::world::WORLD_BEGINS;
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
}

/// How wrong a wall clock is: so much is added, and the most that it may be off taken away.
#[derive(Clone, Copy)]
pub(super) struct Skew {
    pub(super) added_ms: u64,
    pub(super) ms_max: u64,
}

impl SimClock {
    /// The clocks of a life that begins now. Must be called from within a host of the simulation.
    pub(super) fn start(skew: Skew) -> Self {
        Self { start: Instant::now(), began: turmoil::sim_elapsed().unwrap_or_default(), skew }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let elapsed = self.start.elapsed();
        let true_wall = wall(Mono(0).after(self.began + elapsed));
        let wall = true_wall.plus(self.skew.added_ms).minus(self.skew.ms_max);
        Now { mono: Mono(0).after(elapsed), wall }
    }
}

/// What the world's true clock says. Genesis was agreed on a moment before the world begins.
pub(super) fn wall(at: Mono) -> UnixMillis {
    WORLD_BEGINS.plus(MS_SINCE_GENESIS + at.0 / 1000)
}

const MS_SINCE_GENESIS: u64 = 1000;
