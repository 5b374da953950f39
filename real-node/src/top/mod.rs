//! `hypermesh top`: the whole mesh at a glance, as its nodes say it is, again and again.
//!
//! Each validator is asked for its status and its counters; what changed between two looks makes the rates. Nothing of it is
//! proved: it is each node's own word, and where they differ, that is to be seen.

mod frame;
mod plain;
mod screen;

#[cfg(test)]
pub(crate) use frame::tests;

pub use frame::{Alarm, Frame, IssuedLine, MeshLine, NodeLine};

use crate::client::MeshClient;
use crate::context::Bootstrap;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::probe::Probe;
use frame::{Sample, Seen};
use hypermesh_core::api::{CertificateListRequest, CertificateSummary};
use hypermesh_core::base::UnixMillis;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A node that runs answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many of the newest certificates are shown.
const CERTIFICATES_SHOWN: usize = 8;
/// A list is shown for so long, if no certificate is issued meanwhile.
const LISTED_FOR: Duration = Duration::from_secs(10);
/// Certificates that were issued before this much time ago are no news.
const NEWS_MS: u64 = 24 * 60 * 60 * 1000;

/// How to look.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often.
    pub period: Duration,
    /// Only once, as text.
    pub once: bool,
}

/// Looks at a mesh until whoever looks has seen enough.
///
/// # Errors
/// If the terminal cannot be drawn on.
pub async fn run(client: &MeshClient, options: Options, output: Output) -> Result<(), Failure> {
    let mut watcher = Watcher::new(client)?;
    let outcome = if output.json || options.once || !output.is_terminal() {
        plain::run(&mut watcher, options, output).await
    } else {
        screen::run(&mut watcher, options).await
    };
    watcher.close().await;
    outcome
}

/// Asks the nodes, and remembers what they said last.
struct Watcher<'a> {
    client: &'a MeshClient,
    probe: Probe,
    nodes: Vec<(String, Bootstrap)>,
    last: Option<Sample>,
    /// How many certificates there were when they were listed last, when that was, and the newest of them.
    listed: Option<(u64, Instant, Vec<CertificateSummary>)>,
}

impl<'a> Watcher<'a> {
    fn new(client: &'a MeshClient) -> Result<Self, Failure> {
        let nodes = client.genesis().validators.iter().map(|validator| {
            let node = Bootstrap { address: client.address_of(validator).into(), key: validator.member.key };
            (validator.name.clone(), node)
        });
        let mut nodes: Vec<_> = nodes.collect();
        nodes.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self { client, probe: Probe::new()?, nodes, last: None, listed: None })
    }

    /// Looks once more.
    async fn look(&mut self) -> Frame {
        let mut asked = JoinSet::new();
        for (place, (_, node)) in self.nodes.iter().enumerate() {
            let (probe, node) = (self.probe.clone(), node.clone());
            asked.spawn(async move { (place, see(&probe, &node).await) });
        }
        let mut seen = asked.join_all().await;
        seen.sort_by_key(|(place, _)| *place);
        let seen: Vec<_> = seen.into_iter().map(|(_, seen)| seen).collect();
        let count = seen.iter().flatten().map(|seen| seen.status.certificates).max().unwrap_or_default();
        let newest = self.newest(count).await;
        let sample = Sample { at: Instant::now(), wall: crate::moment::now(), seen };
        let heartbeat = self.client.genesis().profile.heartbeat();
        let frame = Frame::new(&self.nodes, self.last.as_ref(), &sample, newest, heartbeat);
        self.last = Some(sample);
        frame
    }

    /// The newest certificates, newest first, if a node lists them in time. Listed again when there are more, and now and
    /// then, since some may have been revoked.
    async fn newest(&mut self, count: u64) -> Vec<CertificateSummary> {
        if let Some((listed, at, newest)) = &self.listed
            && *listed == count
            && at.elapsed() < LISTED_FOR
        {
            return newest.clone();
        }
        let since = UnixMillis(crate::moment::now().0.saturating_sub(NEWS_MS));
        let mut request =
            CertificateListRequest { issued_after: Some(since), limit: 1000, ..Default::default() };
        let mut found = Vec::new();
        // Lists are in order of serial numbers, which say nothing of time: all pages of a day, within bounds.
        for _ in 0..PAGES_MAX {
            let page = tokio::time::timeout(ANSWER_TIMEOUT, self.client.call(&request)).await;
            let Ok(Ok(page)) = page else { break };
            found.extend(page.certificates);
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        found.sort_by_key(|certificate| std::cmp::Reverse((certificate.issued, certificate.leaf_index)));
        found.truncate(CERTIFICATES_SHOWN);
        self.listed = Some((count, Instant::now(), found.clone()));
        found
    }

    async fn close(self) {
        self.probe.close().await;
    }
}

/// So many pages of a day's certificates are looked through for the newest; of more, some are not shown.
const PAGES_MAX: usize = 4;

async fn see(probe: &Probe, node: &Bootstrap) -> Result<Seen, Failure> {
    let begun = Instant::now();
    let status = probe.status(node, ANSWER_TIMEOUT).await?;
    let took = begun.elapsed();
    let counters = probe.counters(node, ANSWER_TIMEOUT).await?;
    Ok(Seen { status, counters, took })
}

fn unusable(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot draw on the terminal: {error}: try --once"))
}
