//! What must hold in every run, watched while it runs.
//!
//! Each checker has a test in which it fires.

mod abstention;
mod durability;
mod evidence;
mod fork;
mod log;
mod revocation;
mod supply;

pub use abstention::AbstentionCheck;
pub use durability::DurabilityCheck;
pub use evidence::EvidenceCheck;
pub use fork::ForkCheck;
pub use log::LogCheck;
pub use revocation::RevocationCheck;
pub use supply::SupplyCheck;

use crate::world::{Disk, Place};
use hypermesh_core::api::View;
use hypermesh_core::base::{Height, PublicKey};
use hypermesh_core::node::Event;
use hypermesh_core::state::Genesis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {what}")]
pub struct Violation {
    /// Which check says so.
    pub check: &'static str,
    /// What happened.
    pub what: String,
}

impl Violation {
    fn new(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, what: what.into() }
    }
}

/// All the checks of a run.
pub struct Checks {
    fork: ForkCheck,
    supply: SupplyCheck,
    evidence: EvidenceCheck,
    log: LogCheck,
    revocation: RevocationCheck,
    durability: DurabilityCheck,
    abstention: AbstentionCheck,
    /// The height of each node that was checked last.
    seen: BTreeMap<Place, Height>,
}

impl Checks {
    /// The checks of a mesh.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self {
            fork: ForkCheck::default(),
            supply: SupplyCheck::new(genesis),
            evidence: EvidenceCheck::default(),
            log: LogCheck::default(),
            revocation: RevocationCheck::default(),
            durability: DurabilityCheck::default(),
            abstention: AbstentionCheck::default(),
            seen: BTreeMap::new(),
        }
    }

    /// Takes note that a node lies from now on.
    pub fn corrupt(&mut self, node: PublicKey) {
        self.evidence.corrupt(node);
    }

    /// Takes note that a node's log of votes was lost or rolled back.
    pub fn excuse_abstention(&mut self, place: Place) {
        self.abstention.excuse(place);
    }

    /// Takes note that a row of a node's store is damaged.
    pub fn excuse_store(&mut self, place: Place) {
        self.evidence.excuse_store(place);
    }

    /// Takes note that a node is told of a decision that no honest quorum made.
    pub fn excuse_broken(&mut self, place: Place) {
        self.evidence.excuse_broken(place);
    }

    /// Looks at something that a node sends.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_send(
        &mut self,
        place: Place,
        sender: PublicKey,
        disk: &Disk,
        message: &Arc<[u8]>,
    ) -> Result<(), Violation> {
        self.durability.on_send(place, sender, disk, message)
    }

    /// Looks at something that a node told.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_event(&mut self, place: Place, event: &Event) -> Result<(), Violation> {
        self.evidence.on_event(place, event)?;
        self.abstention.on_event(place, event)?;
        self.fork.on_event(place, event)
    }

    /// Looks at the state that a node has come to.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_view(&mut self, place: Place, view: &View) -> Result<(), Violation> {
        let height = view.state.height();
        if self.seen.insert(place, height) == Some(height) {
            return Ok(());
        }
        self.supply.on_state(place, &view.state)?;
        self.log.on_state(place, &view.state)?;
        self.revocation.on_state(place, &view.state)
    }

    /// Looks at what can only be looked at in the end.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn finish(&self, views: &[Arc<View>]) -> Result<(), Violation> {
        views.iter().try_for_each(|view| self.log.finish(&view.state))
    }
}
