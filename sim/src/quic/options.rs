//! How a world of QUIC is: its links, disks, threads and clocks.

use crate::base::Span;
use crate::world::Start;
use std::time::Duration;

/// What the world does, it does between ticks: they are not longer than this.
const TICK_MS_MAX: u64 = 10;

/// How a world is. What happens within these bounds follows from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many validators there are.
    pub nodes: usize,
    /// Where the world begins.
    pub start: Start,
    /// How long a datagram takes; none overtakes another. At least a millisecond.
    pub latency: Span,
    /// How long it takes to make writes durable. Timers count in whole milliseconds, rounded up.
    pub disk: Span,
    /// How long a job takes. Timers count in whole milliseconds, rounded up.
    pub job: Span,
    /// How far a node's wall clock may be off, either way, in milliseconds.
    pub skew_ms_max: u64,
    /// Whether to keep what happens in words.
    pub keep_lines: bool,
}

impl Options {
    /// How long a tick of the simulator is: not longer than any datagram's way, in whole milliseconds.
    pub(super) const fn tick(&self) -> Duration {
        let ms = self.latency.from_us / 1000;
        Duration::from_millis(match ms {
            0 => 1,
            TICK_MS_MAX.. => TICK_MS_MAX,
            _ => ms,
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 4,
            start: Start::default(),
            latency: Span::us(2_000, 2_000),
            disk: Span::us(100, 4_000),
            job: Span::us(50, 3_000),
            skew_ms_max: 20,
            keep_lines: false,
        }
    }
}
