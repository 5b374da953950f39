//! A node's clocks: those of its machine, as one life of the node reads them.
//!
//! What the node is told goes wrong with them. QUIC's own timers and all sleeps go by the simulator's clock, which is
//! right: they are waits of milliseconds to seconds, in which no drift that plans have makes a difference.

use crate::world::Clock as Clocks;
use hypermesh_core::base::{Mono, Now, UnixMillis};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use stoq::Clock;
use tokio::time::Instant;

/// The clocks of a machine, which outlive the node. The world sets them.
#[derive(Clone)]
pub(super) struct MachineClocks(Arc<Mutex<Clocks>>);

impl MachineClocks {
    /// Clocks of which the wall clock is so much ahead, in a world that began when the true one said this.
    pub(super) fn new(begins: UnixMillis, ahead_ms: i64) -> Self {
        Self(Arc::new(Mutex::new(Clocks::new(begins, ahead_ms))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Clocks> {
        self.0.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }
}

/// The clocks of one life of a node.
pub(super) struct SimClock {
    /// When this life began, on the host's clock.
    start: Instant,
    /// When this life began, since the world did.
    began: Duration,
    clocks: MachineClocks,
}

impl SimClock {
    /// The clocks of a life that begins now. Must be called from within a host of the simulation.
    pub(super) fn start(clocks: MachineClocks) -> Self {
        let began = turmoil::sim_elapsed().unwrap_or_default();
        clocks.lock().begin(Mono(0).after(began));
        Self { start: Instant::now(), began, clocks }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let at = Mono(0).after(self.began + self.start.elapsed());
        self.clocks.lock().now(at)
    }
}

/// What the true clock says in a world that began when it said this.
pub(super) const fn wall(begins: UnixMillis, at: Mono) -> UnixMillis {
    begins.plus(at.0 / 1000)
}
