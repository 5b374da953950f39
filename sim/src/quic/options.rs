//! How a world of QUIC is: its links, disks, threads and clocks.

use crate::world::Span;
use std::time::Duration;

/// How a world is. What happens within these bounds follows from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many validators there are.
    pub nodes: usize,
    /// How long every datagram takes. It is the same for all, so that a link does not reorder them.
    pub latency: Duration,
    /// How many datagrams of a thousand are lost.
    pub loss_per_mille: u64,
    /// How long it takes to make writes durable. Timers count in whole milliseconds, rounded up.
    pub disk: Span,
    /// How long a job takes. Timers count in whole milliseconds, rounded up.
    pub job: Span,
    /// How far a node's wall clock may be off, either way, in milliseconds.
    pub skew_ms_max: u64,
    /// Whether to keep what happens in words.
    pub keep_lines: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 4,
            latency: Duration::from_millis(2),
            loss_per_mille: 0,
            disk: Span::us(100, 4_000),
            job: Span::us(50, 3_000),
            skew_ms_max: 20,
            keep_lines: false,
        }
    }
}
