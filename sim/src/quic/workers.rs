//! A node's threads, as the simulator has them: a job is done at once, and its outcome comes when a slow thread
//! would have brought it.

use super::device::Written;
use super::host::NodeHost;
use crate::base::{Random, Stream};
use crate::fault::FaultClass;
use hypermesh_core::base::WriteBatch;
use hypermesh_core::node::{Job, JobOutcome};
use hypermesh_driver::Workers;
use std::sync::{Arc, Mutex};
use stoq::BoxFuture;
use tokio::time::sleep;

/// The workers of one life of a node. What they write goes to a device that outlives them.
pub(super) struct SimWorkers {
    host: Arc<NodeHost>,
    random: Mutex<Random>,
}

impl SimWorkers {
    pub(super) fn new(host: Arc<NodeHost>, stream: Stream<'_>) -> Self {
        Self { host, random: Mutex::new(Random::new(stream)) }
    }
}

impl Workers for SimWorkers {
    fn run(&self, job: Job) -> BoxFuture<'static, JobOutcome> {
        let mut random = self.random.lock().expect("drawing does not panic");
        let mut delay = random.duration(self.host.common.options.job);
        if let Some(lag) = self.host.behaviour().job_lag {
            self.host.common.record.hit(FaultClass::LateJob);
            delay = delay.saturating_add(random.duration(lag));
        }
        let outcome = job.run();
        Box::pin(async move {
            sleep(delay).await;
            outcome
        })
    }

    fn commit(&self, batches: Vec<WriteBatch>) -> BoxFuture<'static, Result<(), String>> {
        let host = Arc::clone(&self.host);
        // The device has had them from the node itself.
        let written = host.device.begin(batches.len());
        if let Written::Failed(class) = written {
            host.write_failed(class);
        }
        Box::pin(async move {
            match written {
                Written::Durable(token, delay) => {
                    sleep(delay).await;
                    host.device.finish(token);
                    Ok(())
                }
                Written::Failed(class) => Err(class.means().to_string()),
            }
        })
    }
}
