//! What must hold in every run, watched while it runs.
//!
//! Each checker has a test in which it fires. What they look at is looked at once: a block for each height, not for
//! each node; a message when it is sent; an answer when it is given.

mod abstention;
mod chain;
mod durability;
mod evidence;
mod fork;
#[cfg(test)]
mod kit;
mod log;
mod revocation;
mod supply;
mod validity;

pub use abstention::AbstentionCheck;
pub use chain::{Chain, Decided};
pub use durability::DurabilityCheck;
pub use evidence::EvidenceCheck;
pub use fork::ForkCheck;
pub use log::LogCheck;
pub use revocation::RevocationCheck;
pub use supply::SupplyCheck;

use crate::world::{Disk, Place};
use hypermesh_core::api::View;
use hypermesh_core::base::{Height, Mono, PublicKey};
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

/// When a node did something, and what it has on its disk.
pub struct Moment<'a> {
    /// When, in the world's time.
    pub at: Mono,
    /// Which node.
    pub place: Place,
    /// Its key.
    pub node: PublicKey,
    /// Its disk.
    pub disk: &'a Disk,
}

impl Moment<'_> {
    fn violation(&self, check: &'static str, what: impl std::fmt::Display) -> Violation {
        Violation::new(check, format!("node-{} {what}", self.place + 1))
    }
}

/// All the checks of a run.
pub struct Checks {
    chain: Chain,
    /// More than f lie: what follows from agreement may not hold.
    unsafe_allowed: bool,
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
    pub fn new(genesis: &Arc<Genesis>) -> Self {
        Self {
            chain: Chain::new(genesis),
            unsafe_allowed: false,
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

    /// Takes note that more than f lie: safety may go, and only what each node owes by itself is looked at from now on.
    pub const fn allow_unsafe(&mut self) {
        self.unsafe_allowed = true;
    }

    /// The chain, as all nodes together made it.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
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
        if self.unsafe_allowed {
            return Ok(());
        }
        self.fork.on_event(place, event)
    }

    /// Looks at the state that a node has come to.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_view(&mut self, moment: &Moment<'_>, view: &View) -> Result<(), Violation> {
        let (place, height) = (moment.place, view.state.height());
        if self.seen.insert(place, height) == Some(height) || self.unsafe_allowed {
            return Ok(());
        }
        let _fresh = self.chain.take(moment, view)?;
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
