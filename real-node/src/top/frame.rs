//! What one look at the mesh shows, worked out from what the nodes said now and the time before.

use crate::context::Bootstrap;
use crate::failure::Failure;
use crate::node_address::NodeAddress;
use hypermesh_core::api::{CertificateSummary, Condition, Counters, NodeStatus, STALE_HEARTBEATS, Unmet};
use hypermesh_core::base::{Height, UnixMillis};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A block's time this far from this machine's clock, with no standstill told of, means that a clock is wrong.
const CLOCK_MS_MAX: u64 = 5_000;

/// What all nodes said at one time.
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) wall: UnixMillis,
    /// In the order of the nodes.
    pub(super) seen: Vec<Result<Seen, Failure>>,
}

/// What one node said.
pub(super) struct Seen {
    pub(super) status: NodeStatus,
    pub(super) counters: BTreeMap<String, Counters>,
    /// How long its answer took.
    pub(super) took: Duration,
}

/// What one look shows.
#[derive(Clone, Debug, Serialize)]
pub struct Frame {
    /// When, by this machine's clock.
    pub at: UnixMillis,
    /// The mesh as a whole, as its furthest node says; none if no node answers.
    pub mesh: Option<MeshLine>,
    /// The validators, by name.
    pub nodes: Vec<NodeLine>,
    /// What somebody should look into.
    pub alarms: Vec<Alarm>,
    /// The newest certificates, newest first.
    pub certificates: Vec<IssuedLine>,
}

/// The mesh as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct MeshLine {
    /// Its name.
    pub network: String,
    /// The last block.
    pub height: Height,
    /// How long ago it was made, in milliseconds, by this machine's clock.
    pub age_ms: u64,
    /// How many validators answer.
    pub answering: usize,
    /// How many there are.
    pub validators: u64,
    /// How many it takes to decide.
    pub quorum: u64,
    /// How many certificates were approved.
    pub certificates: u64,
    /// How many names are registered.
    pub names: u64,
    /// The log's size.
    pub log_size: u64,
    /// The beacon's number.
    pub beacon: u64,
    /// A second since the last look, of the furthest node's counters; none at the first.
    pub rates: Option<Rates>,
}

/// Events a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rates {
    /// Blocks.
    pub blocks: f64,
    /// Operations carried out.
    pub operations: f64,
    /// Certificates signed, by all nodes that answer.
    pub signed: f64,
    /// Signatures that took other signers, at all nodes that answer.
    pub retries: f64,
}

/// A validator.
#[derive(Clone, Debug, Serialize)]
pub struct NodeLine {
    /// Its name.
    pub name: String,
    /// Where genesis says that it is.
    pub address: NodeAddress,
    /// How it is, if it says so.
    pub status: Option<NodeStatus>,
    /// How long its answer took, in microseconds.
    pub answer_us: Option<u64>,
    /// Certificates that it gathered signatures for since it started.
    pub signed: u64,
    /// Signatures that took other signers since it started.
    pub retries: u64,
    /// Why it does not say how it is.
    pub fault: Option<String>,
}

/// What somebody should look into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// Whether the mesh does not do its work while it lasts.
    pub critical: bool,
    /// What.
    pub what: String,
}

/// A certificate that was issued.
#[derive(Clone, Debug, Serialize)]
pub struct IssuedLine {
    /// When.
    pub issued: UnixMillis,
    /// In which block.
    pub height: Height,
    /// For what.
    pub names: String,
    /// Its serial number.
    pub serial_number: String,
    /// Whether it was revoked since.
    pub revoked: bool,
}

impl Frame {
    pub(super) fn new(
        nodes: &[(String, Bootstrap)],
        before: Option<&Sample>,
        now: &Sample,
        newest: Vec<CertificateSummary>,
        heartbeat: Duration,
    ) -> Self {
        let lines: Vec<NodeLine> =
            nodes.iter().zip(&now.seen).map(|((name, node), seen)| NodeLine::new(name, node, seen)).collect();
        let mesh = MeshLine::new(before, now);
        let alarms = alarms(mesh.as_ref(), &lines, now.wall, heartbeat);
        let certificates = newest.into_iter().map(IssuedLine::from).collect();
        Self { at: now.wall, mesh, nodes: lines, alarms, certificates }
    }
}

impl MeshLine {
    fn new(before: Option<&Sample>, now: &Sample) -> Option<Self> {
        let answers = || now.seen.iter().filter_map(|seen| seen.as_ref().ok());
        let status = &answers().max_by_key(|seen| seen.status.height)?.status;
        Some(Self {
            network: status.network.clone(),
            height: status.height,
            age_ms: now.wall.since(status.time),
            answering: answers().count(),
            validators: status.validators,
            quorum: status.quorum,
            certificates: status.certificates,
            names: status.names,
            log_size: status.log_size,
            beacon: status.beacon,
            rates: before.and_then(|before| Rates::between(before, now)),
        })
    }
}

impl Rates {
    fn between(before: &Sample, now: &Sample) -> Option<Self> {
        let seconds = now.at.duration_since(before.at).as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        // What each node counted since, where it answered both times and was not started anew in between.
        let each = |service: &str, name: &str| -> Vec<u64> {
            let pairs = before.seen.iter().zip(&now.seen);
            let grown = pairs.filter_map(|(before, now)| {
                let (before, now) = (before.as_ref().ok()?, now.as_ref().ok()?);
                now.counted(service, name).checked_sub(before.counted(service, name))
            });
            grown.collect()
        };
        let most = |service, name| each(service, name).into_iter().max().unwrap_or_default() as f64 / seconds;
        let all = |service, name| each(service, name).into_iter().sum::<u64>() as f64 / seconds;
        Some(Self {
            blocks: most("hypermesh", "blocks_total"),
            operations: most("hypermesh", "operations_total"),
            signed: all("trustchain", "certificates_signed_total"),
            retries: all("hypermesh", "signing_retries_total"),
        })
    }
}

impl Seen {
    fn counted(&self, service: &str, name: &str) -> u64 {
        self.counters.get(service).and_then(|counters| counters.get(name)).copied().unwrap_or_default()
    }
}

impl NodeLine {
    fn new(name: &str, node: &Bootstrap, seen: &Result<Seen, Failure>) -> Self {
        let answer = seen.as_ref().ok();
        let counted = |service, name| answer.map_or(0, |seen| seen.counted(service, name));
        Self {
            name: name.to_owned(),
            address: node.address.clone(),
            status: answer.map(|seen| seen.status.clone()),
            answer_us: answer.map(|seen| u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX)),
            signed: counted("trustchain", "certificates_signed_total"),
            retries: counted("hypermesh", "signing_retries_total"),
            fault: seen.as_ref().err().map(|failure| failure.message.clone()),
        }
    }
}

impl From<CertificateSummary> for IssuedLine {
    fn from(certificate: CertificateSummary) -> Self {
        Self {
            issued: certificate.issued,
            height: certificate.height,
            names: certificate.names.to_string(),
            serial_number: certificate.serial_number.to_string(),
            revoked: certificate.revocation.is_some(),
        }
    }
}

/// What somebody should look into, the worst first.
fn alarms(mesh: Option<&MeshLine>, nodes: &[NodeLine], wall: UnixMillis, heartbeat: Duration) -> Vec<Alarm> {
    let critical = |what: String| Alarm { critical: true, what };
    let warning = |what: String| Alarm { critical: false, what };
    let Some(mesh) = mesh else { return vec![critical("no validator answers".to_owned())] };
    let mut alarms = Vec::new();
    if (mesh.answering as u64) < mesh.quorum {
        let (answering, quorum) = (mesh.answering, mesh.quorum);
        alarms.push(critical(format!("{answering} validators answer, and it takes {quorum} to decide")));
    }
    let late = heartbeat.as_millis() * u128::from(STALE_HEARTBEATS);
    if u128::from(mesh.age_ms) > late {
        alarms.push(critical(format!("no block for {} s", mesh.age_ms / 1000)));
    }
    for node in nodes {
        let name = &node.name;
        let Some(status) = &node.status else {
            alarms.push(warning(format!("{name} does not answer")));
            continue;
        };
        if let Some(standstill) = &status.standstill {
            alarms.push(critical(format!("{name}: {standstill}")));
        }
        if status.connected < status.validators {
            alarms.push(warning(format!("{name} is not linked with {}", status.unreachable.join(", "))));
        }
        // What is said already, in these words or by the links, is not said twice.
        let is_reported = |unmet: &&Unmet| {
            unmet.condition == Condition::Quorum || Some(&unmet.detail) == status.standstill.as_ref()
        };
        for unmet in status.not_ready.iter().filter(|unmet| !is_reported(unmet)) {
            alarms.push(warning(format!("{name} is not ready: {unmet}")));
        }
        if status.ahead_ms > CLOCK_MS_MAX {
            let ahead = status.ahead_ms / 1000;
            alarms.push(warning(format!("block time is {ahead} s ahead of {name}'s clock")));
            continue;
        }
        // Its age is by its own clock, and the block's time is the same everywhere.
        let age = UnixMillis(wall.0.saturating_sub(status.age_ms));
        let apart = age.0.abs_diff(status.time.0);
        if apart > CLOCK_MS_MAX {
            alarms.push(warning(format!("{name}'s clock and this machine's are {} s apart", apart / 1000)));
        }
    }
    alarms.sort_by_key(|alarm| !alarm.critical);
    alarms
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, PublicKey};

    pub(in crate::top) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    pub(crate) fn status(name: &str) -> NodeStatus {
        NodeStatus {
            network: "demo".to_owned(),
            genesis: Digest([1; 32]),
            profile: "devnet".to_owned(),
            node: PublicKey([1; 32]),
            name: name.to_owned(),
            height: Height(120),
            time: UnixMillis(NOW.0 - 800),
            validators: 4,
            connected: 4,
            quorum: 3,
            behind: 0,
            voting: "yes".to_owned(),
            unreachable: Vec::new(),
            age_ms: 800,
            ahead_ms: 0,
            standstill: None,
            committee: "active since height 4".to_owned(),
            ready: true,
            not_ready: Vec::new(),
            certificates: 7,
            names: 3,
            log_size: 8,
            beacon: 9,
            position: "not attested".to_owned(),
        }
    }

    fn seen(name: &str, blocks: u64) -> Result<Seen, Failure> {
        let counters =
            BTreeMap::from([("hypermesh".to_owned(), BTreeMap::from([("blocks_total".to_owned(), blocks)]))]);
        Ok(Seen { status: status(name), counters, took: Duration::from_micros(700) })
    }

    pub(in crate::top) fn frame(change: impl Fn(usize, &mut Result<Seen, Failure>)) -> Frame {
        let names = ["node-1", "node-2", "node-3", "node-4"];
        let node = |name: &&str| {
            let address = "[::1]:7400".parse().unwrap();
            ((*name).to_owned(), Bootstrap { address, key: PublicKey([1; 32]) })
        };
        let nodes: Vec<_> = names.iter().map(node).collect();
        let at = Instant::now();
        let sample = |at, blocks| {
            let mut seen: Vec<_> = names.iter().map(|name| seen(name, blocks)).collect();
            seen.iter_mut().enumerate().for_each(|(place, seen)| change(place, seen));
            Sample { at, wall: NOW, seen }
        };
        let (before, now) = (sample(at, 100), sample(at + Duration::from_secs(2), 105));
        Frame::new(&nodes, Some(&before), &now, Vec::new(), Duration::from_secs(2))
    }

    fn alarms(frame: &Frame) -> Vec<&str> {
        frame.alarms.iter().map(|alarm| alarm.what.as_str()).collect()
    }

    #[test]
    fn a_whole_mesh_has_rates_and_no_alarm() {
        let frame = frame(|_, _| {});
        assert_eq!(alarms(&frame), Vec::<&str>::new());
        let mesh = frame.mesh.unwrap();
        assert_eq!((mesh.answering, mesh.age_ms, mesh.height), (4, 800, Height(120)));
        assert!((mesh.rates.unwrap().blocks - 2.5).abs() < 1e-9);
    }

    #[test]
    fn below_the_quorum_the_alarm_is_critical_and_comes_first() {
        let silent = || Err(Failure::new(crate::failure::Exit::Unreachable, "no answer"));
        let one = frame(|place, seen| {
            if place == 2 {
                *seen = silent();
            }
        });
        assert_eq!(alarms(&one), ["node-3 does not answer"]);
        let two = frame(|place, seen| {
            if place >= 2 {
                *seen = silent();
            }
        });
        assert!(two.alarms[0].critical && two.alarms[0].what.contains("it takes 3"), "{:?}", two.alarms);
        let none = frame(|_, seen| *seen = silent());
        assert!(none.mesh.is_none() && none.alarms[0].critical);
    }

    #[test]
    fn what_a_node_says_is_wrong_with_it_is_an_alarm() {
        let says = |change: fn(&mut NodeStatus)| {
            let frame = frame(|place, seen| {
                if place == 0 {
                    change(&mut seen.as_mut().unwrap().status);
                }
            });
            alarms(&frame).join("; ")
        };
        let unlinked = says(|status| {
            status.connected = 3;
            status.unreachable = vec!["node-2".to_owned()];
        });
        assert_eq!(unlinked, "node-1 is not linked with node-2");
        let lacks = says(|status| {
            status.not_ready = vec![
                Unmet::new(Condition::Voting, "abstains through height 9".to_owned()),
                Unmet::new(Condition::Shares, "this node has no key shares".to_owned()),
            ];
        });
        assert_eq!(
            lacks,
            "node-1 is not ready: voting: abstains through height 9; node-1 is not ready: shares: this node has no key \
             shares"
        );
        assert!(
            says(|status| status.standstill = Some("quorum is missing".to_owned()))
                .contains("quorum is missing")
        );
        assert!(says(|status| status.age_ms = 60_000).contains("59 s apart"));
        assert!(says(|status| status.ahead_ms = 60_000).contains("block time is 60 s ahead"));
    }

    #[test]
    fn a_node_that_was_started_anew_makes_no_negative_rate() {
        let names = [(
            "node-1".to_owned(),
            Bootstrap { address: "[::1]:1".parse().unwrap(), key: PublicKey([1; 32]) },
        )];
        let at = Instant::now();
        let before = Sample { at, wall: NOW, seen: vec![seen("node-1", 100)] };
        let now = Sample { at: at + Duration::from_secs(1), wall: NOW, seen: vec![seen("node-1", 3)] };
        let frame = Frame::new(&names, Some(&before), &now, Vec::new(), Duration::from_secs(2));
        assert!(frame.mesh.unwrap().rates.unwrap().blocks.abs() < 1e-9);
    }
}
