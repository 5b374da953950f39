//! The log only grows, and every certificate that was approved stands in it.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::base::{Digest, Height};
use hypermesh_core::state::{Certificate, State};
use hypermesh_core::trustchain::ct::{TreeHead, verify_consistency};
use std::collections::BTreeMap;

/// Watches the log.
#[derive(Default)]
pub struct LogCheck {
    /// Each node's last head.
    heads: BTreeMap<NodeIndex, Head>,
}

#[derive(Clone, Copy)]
struct Head {
    height: Height,
    tree: TreeHead,
}

impl LogCheck {
    /// Looks at a state that a node has come to.
    ///
    /// # Errors
    /// If the log is not the one before with more behind it.
    pub fn on_state(&mut self, place: NodeIndex, state: &State) -> Result<(), Violation> {
        let log = state.log();
        let tree = TreeHead { size: log.size(), root: log.root() };
        let head = Head { height: state.height(), tree };
        let Some(before) = self.heads.insert(place, head) else { return Ok(()) };
        // A node that crashed may come back with less than it had, and catches up.
        let (old, new) = if before.height <= head.height { (before.tree, tree) } else { (tree, before.tree) };
        if new.size != tree.size || old.size == new.size && old.root == new.root || old.size == 0 {
            return Ok(());
        }
        let proof = log.consistency_proof(old.size, new.size);
        let holds = proof.is_ok_and(|proof| verify_consistency(&old, &new, &proof).is_ok());
        if holds {
            return Ok(());
        }
        let (number, height) = (place + 1, state.height());
        let what = format!("node-{number} at height {height} has a log that {} does not begin", old.root);
        Err(Violation::new("log", what))
    }

    /// Looks at a state in the end.
    ///
    /// # Errors
    /// If a certificate that was approved is not in the log, or two share an entry.
    pub fn finish(&self, state: &State) -> Result<(), Violation> {
        let mut entries: BTreeMap<u64, Digest> = BTreeMap::new();
        for (_, certificate) in state.rows::<Certificate>(Vec::new()) {
            let index = certificate.leaf_index.0;
            let taken = entries.insert(index, certificate.precertificate).is_some();
            if index >= state.log().size() || taken {
                let what = format!("a certificate of height {} is not at {index}", certificate.height);
                return Err(Violation::new("log", what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Options, Start, World};
    use std::time::Duration;

    #[test]
    fn it_fires_when_a_node_shows_another_log_than_before() {
        let state = |seed| {
            let mut world = World::new(seed, Options { start: Start::Empty, ..Options::default() });
            world.run_until("all nodes ready", Duration::from_secs(20), World::is_ready).unwrap();
            world.view(0).unwrap().state.clone()
        };
        // Each seed generates other keys, so its log begins with another issuing certificate.
        let (one, other) = (state(1), state(2));
        let mut check = LogCheck::default();
        assert_eq!(check.on_state(0, &one), Ok(()));
        assert_eq!(check.on_state(0, &one), Ok(()));
        assert_eq!(check.on_state(0, &other).unwrap_err().check, "log");
    }
}
