//! The chain as all nodes together made it: for each height the block, and the state that it leads to when it is
//! executed once more, apart from every node. The other checks ask it what was so at a height.
//!
//! It begins with the first state that any node of the world shows, or where blocks are missing (disks that were grown
//! by [`World::grow`](crate::world::World::grow)): there it takes a node's word, and says for how many heights.

use super::validity::{check_block, check_commit};
use super::{Observation, Violation};
use hypermesh_core::api::View;
use hypermesh_core::base::{Digest, Height, Mono, PublicKey, Signature, Table};
use hypermesh_core::caesar::BlockMovements;
use hypermesh_core::hypermesh::ordering::Round;
use hypermesh_core::state::{Block, Executed, Genesis, Receipt, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many heights are remembered. Answers about older ones are not looked at.
const HEIGHT_COUNT_KEPT: usize = 4096;
/// A node's state may be this many blocks past what was seen; what is further begins the chain anew.
const GAP_BLOCK_COUNT_MAX: u64 = 64;

/// A precommit whose signature was found to hold: who, in which round, and the very signature.
pub(super) type Precommit = (PublicKey, Round, Signature);

/// A decided block, and what follows from it.
pub struct Decided {
    /// The state after it.
    pub state: State,
    /// When a node was first seen to have it.
    pub since: Mono,
    /// The block; `None` for a state that was taken on a node's word.
    pub block: Option<Block>,
    /// What became of its operations, in order; a repeat has none.
    pub receipts: Vec<Receipt>,
    /// What it appended to the log, in order.
    pub entries: Vec<Vec<u8>>,
    /// What it moved in the ledger.
    pub movements: BlockMovements,
    /// Precommits for it that hold.
    precommits: BTreeSet<Precommit>,
}

/// The chain.
pub struct Chain {
    genesis: Arc<Genesis>,
    genesis_hash: Digest,
    decided: BTreeMap<Height, Decided>,
    unverified: u64,
}

impl Chain {
    pub(super) fn new(genesis: &Arc<Genesis>) -> Self {
        let genesis_hash = genesis.hash();
        Self { genesis: Arc::clone(genesis), genesis_hash, decided: BTreeMap::new(), unverified: 0 }
    }

    /// Which mesh's it is.
    pub(super) const fn genesis_hash(&self) -> Digest {
        self.genesis_hash
    }

    /// The block of a height, if it is known.
    #[must_use]
    pub fn at(&self, height: Height) -> Option<&Decided> {
        self.decided.get(&height)
    }

    /// The state of a height, if it is known; height 0 always is.
    #[must_use]
    pub fn state(&self, height: Height) -> Option<State> {
        match height {
            Height::GENESIS => Some(State::genesis(Arc::clone(&self.genesis)).0),
            height => self.at(height).map(|decided| decided.state.clone()),
        }
    }

    /// The newest state.
    #[must_use]
    pub fn newest(&self) -> Option<&State> {
        self.decided.last_key_value().map(|(_, decided)| &decided.state)
    }

    /// For how many heights there was nothing to execute.
    #[must_use]
    pub const fn unverified(&self) -> u64 {
        self.unverified
    }

    /// This chain with another outcome of one block, for tests of what looks at it.
    #[cfg(test)]
    pub(super) fn with(&self, height: Height, state: State, entries: Vec<Vec<u8>>) -> Self {
        let Decided { since, block, receipts, movements, .. } =
            self.at(height).expect("a block of this chain");
        let (block, receipts, movements) = (block.clone(), receipts.clone(), movements.clone());
        let (since, precommits) = (*since, BTreeSet::new());
        let decided = Decided { state, since, block, receipts, entries, movements, precommits };
        let (genesis, genesis_hash) = (Arc::clone(&self.genesis), self.genesis_hash);
        Self { genesis, genesis_hash, decided: BTreeMap::from([(height, decided)]), unverified: 0 }
    }

    /// This chain without the receipts of one block, for tests of what looks at it.
    #[cfg(test)]
    pub(super) fn without_receipts(&self, height: Height) -> Self {
        let Decided { state, entries, .. } = self.at(height).expect("a block of this chain");
        let mut chain = self.with(height, state.clone(), entries.clone());
        chain.decided.values_mut().for_each(|decided| decided.receipts.clear());
        chain
    }

    /// This chain with other receipts of one block, for tests of what looks at it.
    #[cfg(test)]
    pub(super) fn with_receipts(&self, height: Height, receipts: Vec<Receipt>) -> Self {
        let Decided { state, entries, .. } = self.at(height).expect("a block of this chain");
        let mut chain = self.with(height, state.clone(), entries.clone());
        chain.decided.values_mut().for_each(|decided| decided.receipts.clone_from(&receipts));
        chain
    }

    /// Takes the state that a node has come to. Gives the heights that no node had before, in order; `None` if the node
    /// has not written its last blocks yet, so that it is too early.
    ///
    /// # Errors
    /// If it is another than a node had before, or does not follow from its block, or no quorum decided that.
    pub(super) fn take(
        &mut self,
        observation: &Observation<'_>,
        view: &View,
    ) -> Result<Option<Vec<Height>>, Violation> {
        let Some(head) = view.state.head() else { return Ok(Some(Vec::new())) };
        let height = head.height;
        let mut fresh = Vec::new();
        if let Some(first) = self.missing_until(height) {
            let missing = || (first.0..=height.0).map(Height);
            let has =
                |height: Height| observation.disk.written(Table::Blocks, &height.0.to_be_bytes()).is_some();
            if !missing().all(has) {
                return Ok(None);
            }
            for height in missing() {
                self.extend(observation, height)?;
                fresh.push(height);
            }
        } else if self.decided.range(height..).next().is_none() {
            self.unverified += 1;
            self.decided.insert(height, on_its_word(view, observation.at));
            fresh.push(height);
        }
        // Below where the chain begins there is nothing to hold it against.
        let Some(known) = self.decided.get_mut(&height) else { return Ok(Some(fresh)) };
        known.compare(observation, view)?;
        if let Some(commit) = &view.commit {
            check_commit(&self.genesis, head, commit, &mut known.precommits)
                .map_err(|what| observation.violation("validity", what))?;
        }
        while self.decided.len() > HEIGHT_COUNT_KEPT {
            self.decided.pop_first();
        }
        Ok(Some(fresh))
    }

    /// The first height that is missing before this one can be compared, if its blocks can be executed.
    fn missing_until(&self, height: Height) -> Option<Height> {
        let last = self.decided.last_key_value().map(|(last, _)| *last);
        let last = last.or((height == Height::GENESIS.next()).then_some(Height::GENESIS))?;
        (height > last && height.0 - last.0 <= GAP_BLOCK_COUNT_MAX).then(|| last.next())
    }

    /// Executes the next block, as a node has it.
    fn extend(&mut self, observation: &Observation<'_>, height: Height) -> Result<(), Violation> {
        let broken = |what: String| observation.violation("validity", what);
        let parent = self.state(Height(height.0 - 1)).ok_or_else(|| broken("no parent".to_string()))?;
        let bytes = observation.disk.written(Table::Blocks, &height.0.to_be_bytes()).unwrap_or_default();
        let block = Block::from_bytes(&bytes);
        let block = block.ok_or_else(|| broken(format!("has something for block {height} that is none")))?;
        let mut none = BTreeSet::new();
        let known = self.decided.get_mut(&parent.height()).map_or(&mut none, |parent| &mut parent.precommits);
        let executed = check_block(&parent, &block, known);
        let executed = executed.map_err(|what| broken(format!("block {height}: {what}")))?;
        let Executed { state, receipts, entries, movements, .. } = executed;
        let (since, block, precommits) = (observation.at, Some(block), BTreeSet::new());
        let decided = Decided { state, since, block, receipts, entries, movements, precommits };
        self.decided.insert(height, decided);
        Ok(())
    }
}

impl Decided {
    fn compare(&self, observation: &Observation<'_>, view: &View) -> Result<(), Violation> {
        let (known, given) = (&self.state, &view.state);
        let same = known.head() == given.head()
            && known.root() == given.root()
            && known.log().head() == given.log().head();
        if same {
            return Ok(());
        }
        let what = format!(
            "has state {} and log {} after block {}, from which {} and {} follow",
            given.root(),
            given.log().root(),
            given.height(),
            known.root(),
            known.log().root()
        );
        Err(observation.violation("validity", what))
    }
}

fn on_its_word(view: &View, since: Mono) -> Decided {
    Decided {
        state: view.state.clone(),
        since,
        block: None,
        receipts: Vec::new(),
        entries: Vec::new(),
        movements: BlockMovements::default(),
        precommits: BTreeSet::new(),
    }
}
