//! No fork: whatever happens, two nodes never decide different blocks for one height, nor one node twice.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::base::{Digest, Height};
use hypermesh_core::node::Event;
use std::collections::BTreeMap;

/// Watches what is decided.
#[derive(Default)]
pub struct ForkCheck {
    /// The block of each height, and who decided it first.
    decided: BTreeMap<Height, (Digest, NodeIndex)>,
}

impl ForkCheck {
    /// Looks at something that a node told.
    ///
    /// # Errors
    /// If it decided another block than a node before it.
    pub fn on_event(&mut self, place: NodeIndex, event: &Event) -> Result<(), Violation> {
        let Event::Committed { height, hash, .. } = event else { return Ok(()) };
        let (first, by) = *self.decided.entry(*height).or_insert((*hash, place));
        if first == *hash {
            return Ok(());
        }
        let (number, by) = (place + 1, by + 1);
        let what = format!("at height {height} node-{by} decided {first} and node-{number} {hash}");
        Err(Violation::new("fork", what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::UnixMillis;

    #[test]
    fn it_fires_when_two_nodes_decide_different_blocks() {
        let committed = |hash| Event::Committed {
            height: Height(3),
            hash: Digest([hash; 32]),
            time: UnixMillis(0),
            operations: 0,
        };
        let mut check = ForkCheck::default();
        assert_eq!(check.on_event(0, &committed(1)), Ok(()));
        assert_eq!(check.on_event(1, &committed(1)), Ok(()));
        assert_eq!(check.on_event(2, &committed(2)).unwrap_err().check, "fork");
    }
}
