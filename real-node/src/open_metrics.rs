//! What a node counted, as OpenMetrics text (the exposition format of Prometheus): for `hypermesh node metrics`,
//! and for a file that node_exporter's textfile collector reads.
//!
//! A number `name` of a service becomes `hypermesh_SERVICE_name`; what the status says becomes gauges. What each means is
//! said in one table, the module `families`.

mod encode;
mod families;

use crate::failure::Failure;
use crate::file::{self, Access};
use encode::Numbers;
use hypermesh_core::api::{Counters, NodeStatus, Request, Response, StatusRequest, View, read};
use hypermesh_core::state::SERVICES;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stoq::{Clock, Meters};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often the file is written.
pub const WRITE_PERIOD: Duration = Duration::from_secs(15);

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
        let status = match read(&view, &Request::Status(StatusRequest {}), clock.now().wall) {
            Some(Ok(Response::Status(status))) => status,
            _ => view.status.clone(),
        };
        let counters = SERVICES.map(|service| (service, meters.counters(&view, service)));
        let text = text(&status, &counters.iter().map(|(service, counters)| (*service, counters)).collect());
        let path = path.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, &text)).await;
        if let Ok(Err(failure)) = written {
            tracing::warn!(%failure, "the metrics cannot be written");
        }
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    file::write(path, text.as_bytes(), Access::Public)
}

/// A node's metrics as OpenMetrics text.
#[must_use]
pub fn text(status: &NodeStatus, services: &BTreeMap<&str, &Counters>) -> String {
    let of_status = [
        ("height", status.height.0),
        ("block_time_seconds", status.time.0 / 1000),
        ("block_age_milliseconds", status.age_ms),
        ("validators", status.validators),
        ("connected", status.connected),
        ("quorum", status.quorum),
        ("behind", status.behind),
        ("voting", (status.voting == "yes").into()),
        ("ready", status.ready.into()),
        ("certificates", status.certificates),
        ("names", status.names),
        ("log_size", status.log_size),
        ("beacon", status.beacon),
    ];
    let mut numbers: BTreeMap<String, u64> =
        of_status.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
    for (service, counters) in services {
        numbers.extend(counters.iter().map(|(name, number)| (format!("{service}_{name}"), *number)));
    }
    Numbers(numbers).into_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, Height, SecretKey, UnixMillis};

    #[test]
    fn metrics_are_open_metrics_text() {
        let status = NodeStatus {
            network: "demo".into(),
            genesis: Digest([1; 32]),
            profile: "devnet".into(),
            node: SecretKey::from_seed([1; 32]).public(),
            name: "node-1".into(),
            height: Height(7),
            time: UnixMillis(1_800_000_000_999),
            validators: 4,
            connected: 3,
            quorum: 3,
            behind: 2,
            unreachable: vec!["node-4".into()],
            age_ms: 0,
            standstill: None,
            voting: "yes".into(),
            committee: "active".into(),
            ready: true,
            certificates: 2,
            names: 1,
            log_size: 3,
            beacon: 1,
            position: "not attested".into(),
        };
        let counters = Counters::from([("blocks_total".into(), 7), ("operations_total".into(), 9)]);
        let text = text(&status, &BTreeMap::from([("hypermesh", &counters)]));
        for line in [
            "# TYPE hypermesh_height gauge",
            "hypermesh_height 7",
            "hypermesh_block_time_seconds 1800000000",
            "hypermesh_connected 3",
            "hypermesh_behind 2",
            "hypermesh_voting 1",
            "hypermesh_ready 1",
            "# TYPE hypermesh_hypermesh_operations counter",
            "hypermesh_hypermesh_operations_total 9",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
