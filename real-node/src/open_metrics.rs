//! What a node counted, as OpenMetrics text (the exposition format of Prometheus): for `hypermesh node metrics`,
//! and for a file that node_exporter's textfile collector reads.
//!
//! A counter's name in a service (`signing_retries_total`) becomes `hypermesh_SERVICE_signing_retries_total`; what
//! the status says becomes gauges.

use crate::failure::Failure;
use crate::file::{self, Access};
use hypermesh_core::api::{Counters, NodeStatus, View};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
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
    pub fn start(path: PathBuf, views: watch::Receiver<Arc<View>>) -> Self {
        Self { task: tokio::spawn(keep_writing(path, views)) }
    }
}

impl Drop for MetricsFile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_writing(path: PathBuf, views: watch::Receiver<Arc<View>>) {
    let mut ticks = interval(WRITE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let text = {
            let view = Arc::clone(&views.borrow());
            text(&view.status, &view.counters.iter().map(|(name, counters)| (*name, counters)).collect())
        };
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
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: u64| {
        let written = write!(
            text,
            "# TYPE hypermesh_{name} gauge\n# HELP hypermesh_{name} {help}\nhypermesh_{name} {value}\n"
        );
        written.expect(IN_MEMORY);
    };
    gauge("height", "The last block.", status.height.0);
    gauge("block_time_seconds", "The time of the last block, since 1970.", status.time.0 / 1000);
    gauge("validators", "How many validators there are.", status.validators);
    gauge("connected", "How many of them this node is linked with, itself included.", status.connected);
    gauge("quorum", "How many it takes to decide.", status.quorum);
    gauge("behind", "How many blocks the node is behind, as far as it can know.", status.behind);
    gauge("voting", "Whether the node takes part in deciding.", (status.voting == "yes").into());
    gauge("ready", "Whether the node can issue.", status.ready.into());
    gauge("certificates", "How many certificates were approved.", status.certificates);
    gauge("names", "How many names are registered.", status.names);
    gauge("log_size", "The certificate log's size.", status.log_size);
    for (service, counters) in services {
        for (name, value) in *counters {
            let name = format!("hypermesh_{service}_{}", name.strip_suffix(TOTAL).unwrap_or(name));
            write!(text, "# TYPE {name} counter\n{name}{TOTAL} {value}\n").expect(IN_MEMORY);
        }
    }
    text.push_str("# EOF\n");
    text
}

/// What the exposition format wants behind every counter's name; the node's own names mostly have it.
const TOTAL: &str = "_total";
const IN_MEMORY: &str = "writing into a string does not fail";

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
