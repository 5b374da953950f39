//! Nobody is blamed unjustly: where every node is honest, none finds another, or its own store, at fault.

use super::Violation;
use crate::world::Place;
use hypermesh_core::node::Event;

/// Watches what nodes say of one another, in worlds where all are honest.
pub struct EvidenceCheck;

impl EvidenceCheck {
    /// Looks at something that a node told.
    ///
    /// # Errors
    /// If it blames someone.
    pub fn on_event(&self, place: Place, event: &Event) -> Result<(), Violation> {
        let blames = matches!(
            event,
            Event::Equivocation(_)
                | Event::Culprit { .. }
                | Event::InvalidBlock { .. }
                | Event::StoreFault { .. }
        );
        if blames {
            return Err(Violation::new("evidence", format!("node-{} says {event:?}", place + 1)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::PublicKey;

    #[test]
    fn it_fires_when_an_honest_node_is_blamed() {
        let culprit = Event::Culprit { validator: PublicKey([1; 32]), reason: "bad share".to_string() };
        assert_eq!(EvidenceCheck.on_event(0, &culprit).unwrap_err().check, "evidence");
    }
}
