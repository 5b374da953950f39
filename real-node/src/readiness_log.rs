//! Tells in the log when a node becomes ready, and when it no longer is, with what it lacks.
//!
//! A node that follows a busy mesh lacks a block for a moment again and again; what does not last from one look to the next
//! is not told.

use hypermesh_core::api::{Condition, NodeStatus, View};
use std::sync::Arc;
use std::time::Duration;
use stoq::Clock;
use tokio::sync::watch;
use tokio::time::sleep;

/// How often is looked.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// Follows a node until it stops.
pub(crate) async fn follow(mut views: watch::Receiver<Arc<View>>, clock: Arc<dyn Clock>) {
    // The first time it is told at once: whoever started the node waits for it.
    if views.wait_for(|view| view.status.ready).await.is_err() {
        return;
    }
    let mut changes = Changes::default();
    loop {
        let status = views.borrow().status_at(clock.now().wall);
        match changes.note(&status) {
            Some(Change::Ready) => tracing::info!(height = status.height.0, "ready"),
            Some(Change::Lacks) => {
                let lacks: Vec<String> = status.not_ready.iter().map(ToString::to_string).collect();
                tracing::warn!(height = status.height.0, lacks = lacks.join("; "), "not ready");
            }
            None => {}
        }
        sleep(LOOK_PERIOD).await;
        if views.has_changed().is_err() {
            return;
        }
    }
}

/// What changed since it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Ready,
    Lacks,
}

#[derive(Default)]
struct Changes {
    /// What was lacking when it was told last; none if nothing was told yet.
    told: Option<Vec<Condition>>,
    /// What was lacking at the last look.
    seen: Vec<Condition>,
}

impl Changes {
    fn note(&mut self, status: &NodeStatus) -> Option<Change> {
        let lacks: Vec<Condition> = status.not_ready.iter().map(|unmet| unmet.condition).collect();
        let lasts = self.seen == lacks;
        self.seen.clone_from(&lacks);
        let change = if lacks.is_empty() { Change::Ready } else { Change::Lacks };
        let news = self.told.as_ref() != Some(&lacks);
        if !news || (change == Change::Lacks && !lasts) {
            return None;
        }
        self.told = Some(lacks);
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::status;
    use hypermesh_core::api::Unmet;

    fn lacking(conditions: &[Condition]) -> NodeStatus {
        let mut status = status("node-1");
        status.not_ready = conditions.iter().map(|condition| Unmet::new(*condition, "why".into())).collect();
        status.ready = conditions.is_empty();
        status
    }

    #[test]
    fn what_lasts_is_told_once_and_what_does_not_is_not() {
        let mut changes = Changes::default();
        let mut look = |conditions: &[Condition]| changes.note(&lacking(conditions));
        assert_eq!(look(&[]), Some(Change::Ready));
        assert_eq!(look(&[Condition::Behind]), None, "for a moment");
        assert_eq!(look(&[]), None);
        assert_eq!(look(&[Condition::Quorum]), None);
        assert_eq!(look(&[Condition::Quorum]), Some(Change::Lacks));
        assert_eq!(look(&[Condition::Quorum]), None);
        assert_eq!(look(&[]), Some(Change::Ready));
    }
}
