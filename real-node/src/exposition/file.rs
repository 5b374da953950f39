//! The file that node_exporter's textfile collector reads, written now and then.

use super::text;
use crate::failure::Failure;
use crate::file::{self, Access};
use hypermesh_core::api::View;
use hypermesh_core::state::SERVICES;
use hypermesh_driver::Meters;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stoq::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often the file is written.
const WRITE_PERIOD: Duration = Duration::from_secs(15);

/// Writes a node's metrics to a file now and then, until it is dropped.
pub struct MetricsFile {
    task: JoinHandle<()>,
}

impl MetricsFile {
    /// Begins to write. Must be called from within a tokio runtime.
    #[must_use]
    pub fn start(
        path: PathBuf,
        views: watch::Receiver<Arc<View>>,
        meters: Meters,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { task: tokio::spawn(keep_writing(path, views, meters, clock)) }
    }
}

impl Drop for MetricsFile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_writing(
    path: PathBuf,
    views: watch::Receiver<Arc<View>>,
    meters: Meters,
    clock: Arc<dyn Clock>,
) {
    let mut ticks = interval(WRITE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let view = Arc::clone(&views.borrow());
        let status = view.status_at(clock.now().wall);
        let counters = SERVICES.map(|service| (service, meters.counters(&view, service)));
        let text = text(&status, &counters.iter().map(|(service, counters)| (*service, counters)).collect());
        let path = path.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, &text)).await;
        if let Ok(Err(failure)) = written {
            tracing::warn!(%failure, "the metrics cannot be written");
        }
    }
}

/// The collector reads as another user, and must never see half a file.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    file::write(path, text.as_bytes(), Access::Public)
}
