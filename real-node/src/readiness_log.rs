//! Tells in the log when a node becomes ready, and when it no longer is, with what it lacks.
//!
//! A node that follows a busy mesh lacks a block for a moment again and again; what does not last from one look to the next
//! is not told. Nor is what a node lacks while it starts, unless it is still not ready after a grace.

use hypermesh_core::api::{Condition, NodeStatus, View};
use std::sync::Arc;
use std::time::Duration;
use stoq::Clock;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often is looked.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// How long a node may take to become ready before the log says what it lacks.
const START_GRACE: Duration = Duration::from_secs(30);

/// Follows a node until it stops.
pub(crate) async fn follow(views: watch::Receiver<Arc<View>>, clock: Arc<dyn Clock>) {
    let mut started = views.clone();
    let ready = async move { started.wait_for(|view| view.status.ready).await.is_ok() };
    let look = || {
        let runs = views.has_changed().is_ok();
        runs.then(|| views.borrow().status_at(clock.now().wall))
    };
    look_again_and_again(ready, look, tell).await;
}

/// Tells of each change until `look` finds no node any more. `ready` ends when the node is ready for the first time, with
/// `false` if it stops before.
async fn look_again_and_again(
    ready: impl Future<Output = bool>,
    look: impl Fn() -> Option<NodeStatus>,
    tell: impl Fn(Change, &NodeStatus),
) {
    // The first time it is told at once: whoever started the node waits for it.
    let mut changes = match timeout(START_GRACE, ready).await {
        Ok(true) => Changes::default(),
        Ok(false) => return,
        // What is lacking now has lasted.
        Err(_) => Changes { reported: None, seen: look().as_ref().map(lacking).unwrap_or_default() },
    };
    while let Some(status) = look() {
        if let Some(change) = changes.note(&status) {
            tell(change, &status);
        }
        sleep(LOOK_PERIOD).await;
    }
}

fn tell(change: Change, status: &NodeStatus) {
    let height = status.height.0;
    match change {
        Change::Ready => tracing::info!(height, "ready"),
        Change::Lacks => {
            let lacks: Vec<String> = status.not_ready.iter().map(ToString::to_string).collect();
            tracing::warn!(height, lacks = lacks.join("; "), "not ready");
        }
    }
}

/// The conditions that do not hold.
fn lacking(status: &NodeStatus) -> Vec<Condition> {
    status.not_ready.iter().map(|unmet| unmet.condition).collect()
}

/// What changed since it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Ready,
    Lacks,
}

#[derive(Default)]
struct Changes {
    /// What was lacking in the last report; `None` before the first.
    reported: Option<Vec<Condition>>,
    /// What was lacking at the last look.
    seen: Vec<Condition>,
}

impl Changes {
    fn note(&mut self, status: &NodeStatus) -> Option<Change> {
        let lacks = lacking(status);
        let lasts = self.seen == lacks;
        self.seen.clone_from(&lacks);
        let change = if lacks.is_empty() { Change::Ready } else { Change::Lacks };
        let news = self.reported.as_ref() != Some(&lacks);
        if !news || (change == Change::Lacks && !lasts) {
            return None;
        }
        self.reported = Some(lacks);
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::status;
    use hypermesh_core::api::Unmet;
    use std::cell::RefCell;
    use std::future::{pending, ready};
    use tokio::time::Instant;

    fn status_without(conditions: &[Condition]) -> NodeStatus {
        let mut status = status("node-1");
        status.not_ready = conditions.iter().map(|condition| Unmet::new(*condition, "why".into())).collect();
        status.ready = conditions.is_empty();
        status
    }

    #[test]
    fn what_lasts_is_told_once_and_what_does_not_is_not() {
        let mut changes = Changes::default();
        let mut look = |conditions: &[Condition]| changes.note(&status_without(conditions));
        assert_eq!(look(&[]), Some(Change::Ready));
        assert_eq!(look(&[Condition::Behind]), None, "for a moment");
        assert_eq!(look(&[]), None);
        assert_eq!(look(&[Condition::Quorum]), None);
        assert_eq!(look(&[Condition::Quorum]), Some(Change::Lacks));
        assert_eq!(look(&[Condition::Quorum]), None);
        assert_eq!(look(&[]), Some(Change::Ready));
    }

    /// What is told of a node, and after how many seconds, if it lacks this much after so long. It stops after two minutes.
    async fn reported(
        ready: impl Future<Output = bool>,
        lacks: impl Fn(Duration) -> &'static [Condition],
    ) -> Vec<(Change, u64)> {
        let (begun, lines) = (Instant::now(), RefCell::new(Vec::new()));
        let look = || {
            let passed = begun.elapsed();
            (passed < Duration::from_secs(120)).then(|| status_without(lacks(passed)))
        };
        let tell = |change, _: &NodeStatus| lines.borrow_mut().push((change, begun.elapsed().as_secs()));
        look_again_and_again(ready, look, tell).await;
        lines.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_never_becomes_ready_tells_what_it_lacks_after_the_grace() {
        let lines = reported(pending(), |_| &[Condition::Quorum]).await;
        assert_eq!(lines, [(Change::Lacks, START_GRACE.as_secs())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_becomes_ready_within_the_grace_tells_nothing_else() {
        assert_eq!(reported(ready(true), |_| &[]).await, [(Change::Ready, 0)]);
        let late = async {
            sleep(START_GRACE - Duration::from_secs(1)).await;
            true
        };
        let lines =
            reported(late, |passed| if passed < START_GRACE / 2 { &[Condition::Quorum] } else { &[] });
        assert_eq!(lines.await, [(Change::Ready, START_GRACE.as_secs() - 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_becomes_ready_after_the_grace_tells_that_too() {
        let lacks = |passed: Duration| -> &'static [Condition] {
            if passed < 2 * START_GRACE { &[Condition::Quorum] } else { &[] }
        };
        let lines = reported(pending(), lacks).await;
        assert_eq!(
            lines.iter().map(|(change, _)| *change).collect::<Vec<_>>(),
            [Change::Lacks, Change::Ready]
        );
        let (seconds, grace) = (lines[1].1, START_GRACE.as_secs());
        assert!((2 * grace..=2 * grace + LOOK_PERIOD.as_secs()).contains(&seconds), "{lines:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stops_before_it_is_ready_tells_nothing() {
        assert!(reported(ready(false), |_| &[Condition::Quorum]).await.is_empty());
    }
}
