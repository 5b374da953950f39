//! Nobody is blamed unjustly, and whoever provably lies is found out: no node finds an honest one, or its own store, at
//! fault; of each liar whose lie leaves evidence, some other node tells before the end.

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
    /// Those whose lies leave evidence.
    expected: BTreeSet<PublicKey>,
    /// Those whom others have blamed.
    blamed: BTreeSet<PublicKey>,
}

impl EvidenceCheck {
    /// Allows a node to be blamed from now on.
    pub fn corrupt(&mut self, node: PublicKey) {
        self.liars.insert(node);
    }

    /// Demands that a liar is found out by the end.
    pub fn expect(&mut self, liar: PublicKey) {
        self.expected.insert(liar);
    }

    /// Looks at what was told by the end.
    ///
    /// # Errors
    /// If a liar who left evidence was not found out.
    pub fn finish(&self) -> Result<(), Violation> {
        match self.expected.difference(&self.blamed).next() {
            Some(liar) => {
                Err(Violation::new("evidence", format!("{liar} lied provably, and nobody says so")))
            }
            None => Ok(()),
        }
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
    pub fn on_event(&mut self, place: Place, event: &Event) -> Result<(), Violation> {
        self.blamed.extend(match event {
            Event::Equivocation(evidence) => Some(evidence.offender()),
            Event::Culprit { validator, .. } => Some(*validator),
            Event::InvalidBlock { proposer, .. } => Some(*proposer),
            _ => None,
        });
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

    #[test]
    fn it_fires_when_a_provable_liar_is_not_found_out() {
        let (liar, mut check) = (PublicKey([1; 32]), EvidenceCheck::default());
        assert_eq!(check.finish(), Ok(()));
        check.corrupt(liar);
        check.expect(liar);
        assert_eq!(check.finish().unwrap_err().check, "evidence");
        let culprit = Event::Culprit { validator: liar, reason: "bad share".to_string() };
        check.on_event(0, &culprit).unwrap();
        assert_eq!(check.finish(), Ok(()));
    }
}
