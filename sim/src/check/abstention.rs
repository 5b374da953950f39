//! Whoever has its log of votes whole, votes: no lie of a peer, and no crash, makes an honest node abstain.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::node::Event;
use std::collections::BTreeSet;

/// Watches who abstains.
#[derive(Default)]
pub struct AbstentionCheck {
    /// Those whose disks were tampered with.
    excused: BTreeSet<NodeIndex>,
}

impl AbstentionCheck {
    /// Allows a node to abstain from now on.
    pub fn excuse(&mut self, place: NodeIndex) {
        self.excused.insert(place);
    }

    /// Looks at something that a node told.
    ///
    /// # Errors
    /// If it abstains without a reason.
    pub fn on_event(&self, place: NodeIndex, event: &Event) -> Result<(), Violation> {
        match event {
            Event::Abstains { reason, .. } if !self.excused.contains(&place) => {
                let what = format!("node-{} abstains although its disk is whole: {reason}", place + 1);
                Err(Violation::new("abstention", what))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::Height;

    #[test]
    fn it_fires_when_a_node_with_a_whole_disk_abstains() {
        let event = Event::Abstains { through: Height(3), reason: "told so".to_string() };
        let mut check = AbstentionCheck::default();
        assert_eq!(check.on_event(0, &event).unwrap_err().check, "abstention");
        check.excuse(0);
        assert_eq!(check.on_event(0, &event), Ok(()));
    }
}
