//! What a node counted, in the text exposition format of Prometheus (version 0.0.4): for `hypermesh node metrics`, and
//! for a file that node_exporter's textfile collector reads.
//!
//! A number `name` of a service becomes `hypermesh_SERVICE_name`, in base units; what the status says becomes gauges. What
//! each means is said in one table, the module `families`.

mod encode;
mod families;
mod file;

pub use encode::{MetricKind, Text};
pub use file::MetricsFile;

use encode::Numbers;
use hypermesh_core::api::{Condition, Counters, NodeStatus};
use std::collections::BTreeMap;

/// A node's metrics as text.
#[must_use]
pub fn text(status: &NodeStatus, services: &BTreeMap<&str, &Counters>) -> String {
    let of_status = [
        ("height", status.height.0),
        ("block_time_milliseconds", status.time.0),
        ("block_age_milliseconds", status.age_ms),
        ("validators", status.validators),
        ("connected", status.connected),
        ("quorum", status.quorum),
        ("behind", status.behind),
        ("voting", (status.voting == "yes").into()),
        ("standstill", status.standstill.is_some().into()),
        ("ready", status.ready.into()),
        ("certificates", status.certificates),
        ("names", status.names),
        ("log_size", status.log_size),
        ("beacon", status.beacon),
    ];
    let mut numbers: BTreeMap<String, u64> =
        of_status.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
    for condition in Condition::ALL {
        let unmet = status.not_ready.iter().any(|unmet| unmet.condition == condition);
        numbers.insert(format!("not_ready{{reason=\"{condition}\"}}"), unmet.into());
    }
    for (service, counters) in services {
        numbers.extend(counters.iter().map(|(name, number)| (format!("{service}_{name}"), *number)));
    }
    Numbers(numbers).into_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::api::Unmet;
    use hypermesh_core::base::{Digest, Height, SecretKey, UnixMillis};

    fn status() -> NodeStatus {
        NodeStatus {
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
            age_ms: 1_250,
            ahead_ms: 0,
            standstill: None,
            voting: "yes".into(),
            committee: "active".into(),
            ready: false,
            not_ready: vec![Unmet::new(Condition::Shares, "none here".into())],
            certificates: 2,
            names: 1,
            log_size: 3,
            beacon: 1,
            position: "not attested".into(),
        }
    }

    #[test]
    fn metrics_have_help_and_type_and_base_units() {
        let counters = Counters::from([("blocks_total".into(), 7), ("sync_microseconds".into(), 1_500)]);
        let text = text(&status(), &BTreeMap::from([("hypermesh", &counters)]));
        for line in [
            "# HELP hypermesh_height the last block",
            "# TYPE hypermesh_height gauge",
            "hypermesh_height 7",
            "hypermesh_block_time_seconds 1800000000.999",
            "hypermesh_block_age_seconds 1.25",
            "hypermesh_connected 3",
            "hypermesh_behind 2",
            "hypermesh_voting 1",
            "hypermesh_ready 0",
            "hypermesh_not_ready{reason=\"shares\"} 1",
            "hypermesh_not_ready{reason=\"clock\"} 0",
            "# TYPE hypermesh_hypermesh_blocks_total counter",
            "hypermesh_hypermesh_blocks_total 7",
            "hypermesh_hypermesh_sync_seconds 0.0015",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "that is OpenMetrics");
        assert_eq!(text.matches("hypermesh_not_ready{").count(), Condition::ALL.len());
    }
}
