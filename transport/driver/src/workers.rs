//! What runs a node's jobs and makes its writes durable: threads in the real node, the clock in the simulator.

use hypermesh_core::base::WriteBatch;
use hypermesh_core::node::{Job, JobOutcome};
use std::sync::{Arc, Mutex, PoisonError};
use stoq::BoxFuture;

/// Makes writes durable.
pub trait Storage: Send + 'static {
    /// Makes these durable, all of them, in order. One sync of the disk for all is enough.
    ///
    /// # Errors
    /// With what the device said.
    fn commit(&mut self, batches: Vec<WriteBatch>) -> Result<(), String>;
}

/// Runs jobs and makes writes durable. The driver has one `commit` under way at a time.
pub trait Workers: Send + Sync + 'static {
    /// Runs a job.
    fn run(&self, job: Job) -> BoxFuture<'static, JobOutcome>;

    /// Makes these durable, all of them, in order.
    fn commit(&self, batches: Vec<WriteBatch>) -> BoxFuture<'static, Result<(), String>>;
}

/// [`Workers`] on tokio's blocking threads.
pub struct ThreadWorkers {
    storage: Arc<Mutex<Box<dyn Storage>>>,
}

impl ThreadWorkers {
    /// Workers that write to this storage.
    #[must_use]
    pub fn new(storage: Box<dyn Storage>) -> Self {
        Self { storage: Arc::new(Mutex::new(storage)) }
    }
}

impl Workers for ThreadWorkers {
    fn run(&self, job: Job) -> BoxFuture<'static, JobOutcome> {
        let running = tokio::task::spawn_blocking(move || job.run());
        Box::pin(async { running.await.expect("a job never panics, and is never cancelled") })
    }

    fn commit(&self, batches: Vec<WriteBatch>) -> BoxFuture<'static, Result<(), String>> {
        let storage = Arc::clone(&self.storage);
        let writing = tokio::task::spawn_blocking(move || {
            storage.lock().unwrap_or_else(PoisonError::into_inner).commit(batches)
        });
        Box::pin(async { writing.await.unwrap_or_else(|panic| Err(panic.to_string())) })
    }
}
