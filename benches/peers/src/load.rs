//! How a target is called: one at a time for latency, then many at once for throughput.

use crate::Fault;
use clap::Args;
use serde::Serialize;
use std::time::Instant;

/// How much to call.
#[derive(Args, Clone, Debug)]
pub(crate) struct Load {
    /// How many calls
    #[arg(long)]
    pub(crate) count: usize,
    /// How many callers, each of which calls again as soon as it is answered
    #[arg(long, default_value_t = 1)]
    pub(crate) at_once: usize,
    /// How long a call's body is
    #[arg(long, default_value_t = 600)]
    pub(crate) bytes: usize,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Samples {
    /// How long each call took, in microseconds.
    pub(crate) times_us: Vec<u64>,
    /// How long all took, in microseconds.
    pub(crate) wall_us: u64,
}

/// Calls as the load says: each caller is made by `caller` and then calls, in turn, until the count is full.
pub(crate) async fn drive<C, F>(load: &Load, callers: Vec<C>) -> Result<Samples, Fault>
where
    C: FnMut(Vec<u8>) -> F + Send + 'static,
    F: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let each = load.count.div_ceil(callers.len().max(1));
    let bytes = load.bytes;
    let begun = Instant::now();
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|mut call| {
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each);
                for _ in 0..each {
                    let start = Instant::now();
                    call(vec![7; bytes]).await?;
                    times.push(micros(start));
                }
                Ok::<_, Fault>(times)
            })
        })
        .collect();
    let mut times_us = Vec::with_capacity(load.count);
    for task in tasks {
        times_us.extend(task.await??);
    }
    Ok(Samples { times_us, wall_us: micros(begun) })
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
