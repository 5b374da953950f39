//! What must hold in every run, watched while it runs.
//!
//! Each checker has a test in which it fires. What they look at is looked at once: a block for each height, not for
//! each node; a message when it is sent; an answer when it is given.

mod abstention;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new response must be judged here")]
mod answer;
mod block_time;
mod bounded;
mod calm;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new effect or status must be judged here")]
mod certificate;
mod chain;
mod checkpoint;
mod durability;
mod evidence;
mod fork;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new action must be judged here")]
mod ledger;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new change of names must be judged here")]
mod linear;
mod log;
mod nonce;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new action, effect or refusal must be judged here")]
mod policy;
pub mod progress;
mod record_list;
mod revocation;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new change of services must be judged here")]
mod services;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new response must be judged here")]
mod shown;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new document must be judged here")]
mod strict;
mod supply;
#[cfg(test)]
mod test_util;
#[deny(clippy::wildcard_enum_match_arm, reason = "a new action must be sorted here")]
mod touched;
mod validity;

use crate::base::{Disk, NodeIndex, Participants};
pub use abstention::AbstentionCheck;
pub use block_time::BlockTimeCheck;
pub use bounded::{LEFT_COUNT_MAX, UNSTATED_COUNT_MAX, check_sizes, check_sizes_when_quiet};
pub use calm::{CALM_WITHIN, check_calm};
pub use chain::{Chain, Decided};
pub use checkpoint::CheckpointCheck;
pub use durability::DurabilityCheck;
pub use evidence::{EvidenceCheck, Heard};
pub use fork::ForkCheck;
pub use ledger::LedgerCheck;
pub use linear::LinearCheck;
pub use log::LogCheck;
pub use nonce::NonceCheck;
pub use policy::PolicyCheck;
pub use revocation::RevocationCheck;
pub use services::ServicesCheck;
use shown::Shown;
pub use supply::SupplyCheck;

use hypermesh_core::api::{ApiFault, Request, Response, View};
use hypermesh_core::base::{Height, Mono, PublicKey, Size, UnixMillis, WriteBatch};
use hypermesh_core::node::{Event, RequestId};
use std::collections::{BTreeMap, BTreeSet};
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
pub struct Observation<'a> {
    /// When, in the world's time.
    pub at: Mono,
    /// Which node.
    pub place: NodeIndex,
    /// Its key.
    pub node: PublicKey,
    /// Its disk.
    pub disk: &'a Disk,
}

impl Observation<'_> {
    fn violation(&self, check: &'static str, what: impl std::fmt::Display) -> Violation {
        Violation::new(check, format!("node-{} {what}", self.place + 1))
    }
}

/// An answer that a node gave.
pub struct ObservedAnswer<'a> {
    /// When, and who.
    pub observation: Observation<'a>,
    /// To what.
    pub request: &'a Request,
    /// When it was asked.
    pub asked: Mono,
    /// What it said.
    pub response: &'a Result<Response, ApiFault>,
    /// The node's view when it answered.
    pub view: &'a View,
    /// What its wall clock said.
    pub wall: UnixMillis,
}

/// An answer whose request is looked up by its number.
pub struct UnmatchedAnswer<'a> {
    /// When, and who.
    pub observation: Observation<'a>,
    /// To which request.
    pub id: RequestId,
    /// What it says.
    pub response: &'a Result<Response, ApiFault>,
    /// The node's view.
    pub view: &'a View,
    /// What its wall clock says.
    pub wall: UnixMillis,
}

/// All the checks of a run.
pub struct Checks {
    chain: Chain,
    /// The validators, each at its place.
    validators: Vec<PublicKey>,
    liars: BTreeSet<PublicKey>,
    ledger: LedgerCheck,
    policy: PolicyCheck,
    nonce: NonceCheck,
    checkpoint: CheckpointCheck,
    linear: LinearCheck,
    /// Requests that are not answered.
    asked: BTreeMap<RequestId, (Mono, Request)>,
    /// More than f lie: what follows from agreement may not hold.
    unsafe_allowed: bool,
    fork: ForkCheck,
    supply: SupplyCheck,
    evidence: EvidenceCheck,
    log: LogCheck,
    revocation: RevocationCheck,
    services: ServicesCheck,
    durability: DurabilityCheck,
    abstention: AbstentionCheck,
    block_time: BlockTimeCheck,
    /// The height of each node that was checked last.
    seen: BTreeMap<NodeIndex, Height>,
}

impl Checks {
    /// The checks of a mesh with these nodes.
    #[must_use]
    pub fn new(participants: &Participants) -> Self {
        let genesis = &participants.genesis;
        Self {
            chain: Chain::new(genesis),
            validators: participants.keys().collect(),
            liars: BTreeSet::new(),
            ledger: LedgerCheck::default(),
            policy: PolicyCheck::default(),
            nonce: NonceCheck::default(),
            checkpoint: CheckpointCheck::default(),
            linear: LinearCheck::default(),
            asked: BTreeMap::new(),
            unsafe_allowed: false,
            fork: ForkCheck::default(),
            supply: SupplyCheck::new(genesis),
            evidence: EvidenceCheck::default(),
            log: LogCheck::default(),
            revocation: RevocationCheck::default(),
            services: ServicesCheck::default(),
            durability: DurabilityCheck::default(),
            abstention: AbstentionCheck::default(),
            block_time: BlockTimeCheck::default(),
            seen: BTreeMap::new(),
        }
    }

    /// Takes note that a node lies from now on.
    pub fn corrupt(&mut self, node: PublicKey) {
        self.liars.insert(node);
        self.evidence.corrupt(node);
    }

    /// Demands that a node which lies provably is found out by the end.
    pub fn expect_evidence(&mut self, node: PublicKey) {
        self.evidence.expect(node);
    }

    /// Takes note that a node starts.
    pub fn on_start(&mut self, place: NodeIndex) {
        self.seen.remove(&place);
        self.evidence.on_start(place);
        self.linear.on_start(place);
    }

    /// Takes note of a request that reaches a node.
    pub fn on_request(&mut self, at: Mono, id: RequestId, request: &Request) {
        self.linear.on_request(at, request);
        self.asked.insert(id, (at, request.clone()));
    }

    /// Takes the readings of all honest nodes' clocks: before and after one jumps, and when there is a new block.
    pub fn on_clocks(&mut self, walls: impl Iterator<Item = UnixMillis>) {
        self.block_time.on_clocks(walls);
    }

    /// Whether no node was seen to have a block of this height.
    #[must_use]
    pub fn is_new(&self, height: Height) -> bool {
        self.chain.newest().is_none_or(|newest| newest.height() < height)
    }

    /// Looks at an answer.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_answer(&mut self, answering: UnmatchedAnswer<'_>) -> Result<(), Violation> {
        let UnmatchedAnswer { observation, id, response, view, wall } = answering;
        let Some((asked, request)) = self.asked.remove(&id) else { return Ok(()) };
        if self.unsafe_allowed || self.liars.contains(&observation.node) {
            return Ok(());
        }
        let observed = ObservedAnswer { observation, request: &request, asked, response, view, wall };
        self.policy.on_answer(&self.chain, &observed, &self.ledger)?;
        answer::on_answer(&self.chain, &observed)?;
        certificate::on_answer(&self.chain, &observed)?;
        strict::on_answer(&self.chain, &observed)?;
        self.checkpoint.on_answer(&self.chain, &observed)?;
        self.linear.on_answer(&self.chain, &observed)
    }

    /// Takes note of a message that reaches a node.
    pub fn on_deliver(&mut self, node: PublicKey, message: &[u8]) {
        self.nonce.on_deliver(node, message);
    }

    /// Looks at what a node that lies itself to nobody has made of a message.
    ///
    /// # Errors
    /// If that shows that another lies, and it does not say so.
    pub fn on_heard(&mut self, node: PublicKey, heard: &Heard<'_>) -> Result<(), Violation> {
        match self.liars.contains(&node) {
            true => Ok(()),
            false => self.evidence.on_heard(&self.chain.genesis_hash(), heard),
        }
    }

    /// Looks at how much a node holds.
    ///
    /// # Errors
    /// If it is too much.
    pub fn on_sizes(&self, place: NodeIndex, sizes: &[Size]) -> Result<(), Violation> {
        check_sizes(place, sizes)
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
    pub fn excuse_abstention(&mut self, place: NodeIndex) {
        self.abstention.excuse(place);
        if let Some(node) = self.validators.get(place) {
            self.evidence.excuse_forgetful(*node);
        }
    }

    /// Takes note that a node's disk does not keep what it holds.
    pub fn excuse_durability(&mut self, place: NodeIndex) {
        self.durability.excuse(place);
    }

    /// Takes note that a row of a node's store is damaged.
    pub fn excuse_store(&mut self, place: NodeIndex) {
        self.evidence.excuse_store(place);
    }

    /// Takes note that a node is told of a decision that no honest quorum made.
    pub fn excuse_broken(&mut self, place: NodeIndex) {
        self.evidence.excuse_broken(place);
    }

    /// Looks at something that a node sends.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_send(&mut self, observation: &Observation<'_>, message: &Arc<[u8]>) -> Result<(), Violation> {
        let Observation { place, node, disk, .. } = *observation;
        self.durability.on_send(place, node, disk, message)?;
        if self.unsafe_allowed || self.liars.contains(&node) {
            return Ok(());
        }
        self.nonce.on_send(&self.chain, observation, message)
    }

    /// Looks at something that a node writes.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_persist(&self, observation: &Observation<'_>, batch: &WriteBatch) -> Result<(), Violation> {
        if self.unsafe_allowed || self.liars.contains(&observation.node) {
            return Ok(());
        }
        strict::on_persist(&self.chain, observation, batch)
    }

    /// Looks at something that a node told.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_event(&mut self, place: NodeIndex, event: &Event) -> Result<(), Violation> {
        self.evidence.on_event(place, event)?;
        self.abstention.on_event(place, event)?;
        if self.unsafe_allowed {
            return Ok(());
        }
        certificate::on_event(&self.chain, place, event)?;
        self.fork.on_event(place, event)
    }

    /// Looks at the state that a node has come to. Says whether it was one that this node had not shown before.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn on_view(&mut self, observation: &Observation<'_>, view: &View) -> Result<bool, Violation> {
        let (place, height) = (observation.place, view.state.height());
        if self.seen.get(&place) == Some(&height) || self.unsafe_allowed {
            return Ok(false);
        }
        let Some(fresh) = self.chain.take(observation, view)? else { return Ok(false) };
        self.seen.insert(place, height);
        for height in fresh {
            self.on_block(height)?;
        }
        self.supply.on_state(place, &view.state)?;
        self.log.on_state(place, &view.state)?;
        self.revocation.on_state(place, &view.state)?;
        Ok(true)
    }

    /// Looks at a block that no node had before.
    fn on_block(&mut self, height: Height) -> Result<(), Violation> {
        self.block_time.on_block(&self.chain, height)?;
        self.ledger.on_block(&self.chain, height)?;
        self.policy.on_block(&self.chain, height, &self.ledger)?;
        self.linear.on_block(&self.chain, height)?;
        self.services.on_block(&self.chain, height)?;
        certificate::on_block(&self.chain, height)?;
        if let Some(decided) = self.chain.at(height) {
            self.nonce.on_block(&decided.state);
        }
        Ok(())
    }

    /// Looks at what can only be looked at in the end.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn finish(&self, views: &[Arc<View>]) -> Result<(), Violation> {
        self.evidence.finish()?;
        if self.unsafe_allowed {
            return Ok(());
        }
        self.policy.finish(self.chain.newest())?;
        views.iter().try_for_each(|view| self.log.finish(&view.state))
    }
}
