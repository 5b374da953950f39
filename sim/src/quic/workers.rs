//! A node's threads, as the simulator has them: a job is done at once, and its outcome comes when a slow thread
//! would have brought it.

use super::device::Device;
use crate::world::{Random, Span, Stream};
use hypermesh_core::base::WriteBatch;
use hypermesh_core::node::{Job, JobOutcome};
use std::sync::{Arc, Mutex};
use stoq::{BoxFuture, Workers};
use tokio::time::sleep;

/// The workers of one life of a node. What they write goes to a device that outlives them.
pub(super) struct SimWorkers {
    device: Arc<Device>,
    span: Span,
    random: Mutex<Random>,
}

impl SimWorkers {
    pub(super) fn new(device: Arc<Device>, span: Span, stream: Stream<'_>) -> Self {
        Self { device, span, random: Mutex::new(Random::new(stream)) }
    }
}

impl Workers for SimWorkers {
    fn run(&self, job: Job) -> BoxFuture<'static, JobOutcome> {
        let delay = self.random.lock().expect("drawing does not panic").duration(self.span);
        let outcome = job.run();
        Box::pin(async move {
            sleep(delay).await;
            outcome
        })
    }

    fn commit(&self, batches: Vec<WriteBatch>) -> BoxFuture<'static, Result<(), String>> {
        let device = Arc::clone(&self.device);
        let (token, delay) = device.begin(batches);
        Box::pin(async move {
            sleep(delay).await;
            device.finish(token);
            Ok(())
        })
    }
}
