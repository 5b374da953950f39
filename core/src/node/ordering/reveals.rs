//! This node's contributions to the beacon, and how many of them are left.

use super::Ordering;
use crate::base::Digest;
use crate::node::context::Context;
use crate::state::{SystemAction, SystemOperation, Validator};

/// How many reveals this node has left, as of its last one.
#[derive(Default)]
pub(in crate::node) struct RevealsLeft {
    of: Option<Digest>,
    count: u32,
}

impl Ordering {
    /// Counts the reveals that are left, if this node has made one since.
    pub(in crate::node) fn count_reveals(&mut self, cx: &mut Context) {
        let Some(row) = cx.state.get::<Validator>(&cx.identity.public()) else { return };
        if self.reveals_left.of != Some(row.reveal) {
            let count = self.reveals.left(&row.reveal);
            self.reveals_left = RevealsLeft { of: Some(row.reveal), count };
        }
    }

    pub(in crate::node) const fn reveals_left(&self) -> u32 {
        self.reveals_left.count
    }

    /// This node's contribution to the next beacon, unless it has made it.
    pub(super) fn reveal(&mut self, cx: &mut Context) -> Option<SystemOperation> {
        let me = cx.identity.public();
        if cx.state.beacon().reveals.contains_key(&me) {
            return None;
        }
        let last = cx.state.get::<Validator>(&me)?.reveal;
        let preimage = self.reveals.preimage(&last)?;
        Some(SystemOperation::sign(cx.state.genesis_hash(), SystemAction::Reveal(preimage), &cx.identity))
    }
}
