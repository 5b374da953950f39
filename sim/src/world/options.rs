//! How a world is: how many nodes, how slow their links, disks and threads, how wrong their clocks.

use super::network::NetworkOptions;
use crate::base::Span;
use serde::{Deserialize, Serialize};

/// Where a world begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// With empty disks: the mesh generates its keys first.
    Empty,
    /// With the disks of a mesh that generated its keys in a calm world, once for each number of nodes.
    #[default]
    Ready,
}

/// How a world is. What happens within these bounds follows from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many validators there are.
    pub nodes: usize,
    /// Where the world begins.
    pub start: Start,
    /// The links between them.
    pub network: NetworkOptions,
    /// How long a write takes to become durable.
    pub disk: Span,
    /// How long a job takes.
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
            start: Start::default(),
            network: NetworkOptions {
                latency: Span::us(500, 5_000),
                loss_per_mille: 0,
                detection: Span::us(1_000, 200_000),
            },
            disk: Span::us(100, 4_000),
            job: Span::us(50, 3_000),
            skew_ms_max: 20,
            keep_lines: false,
        }
    }
}
