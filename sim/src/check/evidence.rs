//! Nobody is blamed unjustly: no node finds an honest one, or its own store, at fault.

use super::Violation;
use crate::world::Place;
use hypermesh_core::base::PublicKey;
use hypermesh_core::node::Event;
use std::collections::BTreeSet;

/// Watches what nodes say of one another.
#[derive(Default)]
pub struct EvidenceCheck {
    /// Those who lie: they may be blamed.
    liars: BTreeSet<PublicKey>,
    /// Those whose stores were damaged: they may complain.
    damaged: BTreeSet<Place>,
    /// Those who are deceived by more than f: they may stop.
    deceived: BTreeSet<Place>,
}

impl EvidenceCheck {
    /// Allows a node to be blamed from now on.
    pub fn corrupt(&mut self, node: PublicKey) {
        self.liars.insert(node);
    }

    /// Allows a node to find its store at fault from now on.
    pub fn excuse_store(&mut self, place: Place) {
        self.damaged.insert(place);
    }

    /// Allows a node to find the mesh broken from now on.
    pub fn excuse_broken(&mut self, place: Place) {
        self.deceived.insert(place);
    }

    /// Looks at something that a node told.
    ///
    /// # Errors
    /// If it blames someone.
    pub fn on_event(&self, place: Place, event: &Event) -> Result<(), Violation> {
        let just = match event {
            Event::Equivocation(evidence) => self.liars.contains(&evidence.offender()),
            Event::Culprit { validator, .. } => self.liars.contains(validator),
            Event::InvalidBlock { proposer, .. } => self.liars.contains(proposer),
            Event::StoreFault { .. } => self.damaged.contains(&place),
            Event::Broken { .. } => self.deceived.contains(&place),
            _ => true,
        };
        if just {
            return Ok(());
        }
        Err(Violation::new("evidence", format!("node-{} says {event:?}", place + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fires_when_an_honest_node_is_blamed() {
        let culprit = Event::Culprit { validator: PublicKey([1; 32]), reason: "bad share".to_string() };
        let mut check = EvidenceCheck::default();
        assert_eq!(check.on_event(0, &culprit).unwrap_err().check, "evidence");
        check.corrupt(PublicKey([1; 32]));
        assert_eq!(check.on_event(0, &culprit), Ok(()));
    }
}
