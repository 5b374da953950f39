//! Two processes with one key: they would contradict each other, which counts as lying. Whoever notices says so.
//!
//! Links tell: a peer admits one process of each validator, the first for as long as it answers. One peer that refuses
//! this node may lie, to silence it. When more refuse it than can be lying, it is the second process, and says nothing
//! more: no vote, no proposal, no word on chain.

use super::{Event, context::Context};
use crate::base::{PublicKey, reached};
use alloc::collections::BTreeSet;
use alloc::string::ToString;

/// What this node knows of a twin.
#[derive(Default)]
pub(super) struct TwinPart {
    /// Peers whose last word was that they have another link with this key.
    refused_by: BTreeSet<PublicKey>,
}

impl TwinPart {
    /// A peer refused the link.
    pub(super) fn on_refused_as_twin(&mut self, cx: &mut Context, by: PublicKey) {
        if self.refused_by.insert(by) {
            cx.outbox.event(Event::RefusedAsTwin { by });
        }
        if self.refused_by.len() > cx.state.validators().tolerated_faults() && !cx.is_stopped() {
            cx.stopped = Some("another process with this node's key runs, and was there first".to_string());
            reached!(cx.marks, "a node stops because its twin runs");
            let by = self.refused_by.iter().copied().collect();
            cx.outbox.event(Event::TwinRuns { by });
        }
    }

    /// A link was made or ended otherwise: what the peer said before is out of date.
    pub(super) fn forget(&mut self, peer: PublicKey) {
        self.refused_by.remove(&peer);
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::node::test_util::{context, mesh, reported};

    #[test]
    fn a_node_stops_when_more_peers_than_may_lie_say_that_its_twin_runs() {
        let mesh = mesh();
        let (mut cx, mut twin) = (context(&mesh), TwinPart::default());
        let [one, other] = [1, 2].map(|place| mesh.validators[place].public());
        twin.on_refused_as_twin(&mut cx, one);
        twin.on_refused_as_twin(&mut cx, one);
        assert!(!cx.is_stopped(), "one may lie, as often as it likes");
        twin.forget(one);
        twin.on_refused_as_twin(&mut cx, other);
        assert!(!cx.is_stopped(), "what a peer said before it was linked again is out of date");
        twin.on_refused_as_twin(&mut cx, one);
        assert!(cx.is_stopped());
        assert!(
            reported(&mut cx).iter().any(|event| matches!(event, Event::TwinRuns { by } if by.len() == 2))
        );
    }
}
