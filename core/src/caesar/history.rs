//! The history of every movement, by who holds and by block.
//!
//! What moved in a block is kept beside the block, in a side table; the authenticated state holds, for everyone who
//! ever held something, how many movements there were and a hash chained over all of them. So the state stays as
//! small as the number of holders, however long the mesh runs; a page of history is checked by folding it from the
//! digest before it to the digest after it, and the newest digest against the state. Nothing is left out unseen, and
//! nothing is pruned: the side table grows as the blocks do, by about a hundred bytes a movement.
//!
//! Why not a row in the tree for each movement: the state is in memory, and rewards alone would add a row a validator
//! and block for ever, or have to be pruned, and then there would be no history.

use super::{LedgerAccount, Movement};
use crate::base::{Digest, Domain, Height, PublicKey, UnixMillis};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

const ENTRY: Domain = Domain::new("hypermesh v1 ledger history entry");
const BLOCK: Domain = Domain::new("hypermesh v1 ledger journal block");

/// Whose history: all places of one owner have one between them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// Someone's: account, stake and what is being unbonded.
    Owner(PublicKey),
    /// The reserve's.
    Reserve,
}

/// How far a holder's history goes, as the state has it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct HistoryHead {
    /// How many movements there were.
    pub count: u64,
    /// The block of the newest; height 0 is genesis.
    pub last: Height,
    /// Chained over all of them; zero before the first.
    pub digest: Digest,
}

/// How far the journal of all movements goes, as the state has it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct JournalHead {
    /// How many movements there were.
    pub count: u64,
    /// The newest block in which something moved.
    pub last: Height,
    /// Chained over the movements of all blocks; zero before the first.
    pub digest: Digest,
}

/// What moved in a block, and how far each history went before it. Kept beside the block.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockMovements {
    /// The block's time.
    pub time: UnixMillis,
    /// What moved, in order.
    pub movements: Vec<Movement>,
    /// The heads of those whose amounts moved, as they were before the block.
    pub before: BTreeMap<Holder, HistoryHead>,
    /// The journal's head, as it was before the block.
    pub journal: JournalHead,
}

/// A movement with its place in a holder's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct NumberedMovement {
    /// Its number in that history, from 0.
    pub number: u64,
    /// The block that made it; height 0 is genesis.
    pub height: Height,
    /// That block's time.
    pub time: UnixMillis,
    /// What moved.
    pub movement: Movement,
}

/// A piece of one history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The chained digest before the first.
    pub before: Digest,
    /// The movements, each the next after the one before.
    pub movements: Vec<NumberedMovement>,
}

impl LedgerAccount {
    /// Whose history movements of this place stand in; genesis has none.
    #[must_use]
    pub const fn holder(self) -> Option<Holder> {
        match self {
            Self::Account(owner) | Self::Stake(owner) | Self::Unbonding(owner) => Some(Holder::Owner(owner)),
            Self::Reserve => Some(Holder::Reserve),
            Self::Genesis => None,
        }
    }
}

impl Movement {
    /// Whose histories it stands in: once where both sides are one holder's.
    pub fn holders(&self) -> impl Iterator<Item = Holder> {
        let (source, target) = (self.source.holder(), self.target.holder());
        source.into_iter().chain(target.filter(|target| source != Some(*target)))
    }
}

impl HistoryHead {
    /// The head after another movement.
    #[must_use]
    pub fn after(self, height: Height, movement: &Movement) -> Self {
        let digest = link(&self.digest, height, movement);
        Self { count: self.count.saturating_add(1), last: height, digest }
    }
}

impl JournalHead {
    /// The head after another block's movements.
    #[must_use]
    pub fn after(self, height: Height, movements: &[Movement]) -> Self {
        let digest = BLOCK.hash_of(&(self.digest, height, movements));
        Self { count: self.count.saturating_add(movements.len() as u64), last: height, digest }
    }
}

impl BlockMovements {
    /// The heads of those whose amounts moved, as they are after the block of this height.
    #[must_use]
    pub fn after(&self, height: Height) -> BTreeMap<Holder, HistoryHead> {
        let mut heads = self.before.clone();
        for movement in &self.movements {
            for holder in movement.holders() {
                let head = heads.entry(holder).or_default();
                *head = head.after(height, movement);
            }
        }
        heads
    }

    /// A holder's movements in the block of this height, in order, each with the chained digest before it.
    pub fn of(&self, holder: Holder, height: Height) -> impl Iterator<Item = (Digest, NumberedMovement)> {
        let mut head = self.before.get(&holder).copied().unwrap_or_default();
        let own = self.movements.iter().filter(move |movement| movement.holders().any(|one| one == holder));
        own.map(move |movement| {
            let before = head;
            head = head.after(height, movement);
            let numbered =
                NumberedMovement { number: before.count, height, time: self.time, movement: *movement };
            (before.digest, numbered)
        })
    }
}

impl HistoryPage {
    /// The chained digest after the last, if each movement follows on the one before: what the next page begins with,
    /// or what the state has.
    #[must_use]
    pub fn after(&self) -> Option<Digest> {
        let follows = |pair: &[NumberedMovement]| matches!(pair, [one, next] if one.number.checked_add(1) == Some(next.number) && one.height <= next.height);
        if !self.movements.windows(2).all(follows) {
            return None;
        }
        let chain = |digest: Digest, entry: &NumberedMovement| link(&digest, entry.height, &entry.movement);
        Some(self.movements.iter().fold(self.before, chain))
    }
}

fn link(before: &Digest, height: Height, movement: &Movement) -> Digest {
    ENTRY.hash_of(&(before, height, movement))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::MicroCaesar;
    use crate::caesar::MovementReason;
    use proptest::prelude::*;

    fn place(number: u8) -> LedgerAccount {
        let owner = PublicKey([number / 3; 32]);
        match number % 3 {
            _ if number == 0 => LedgerAccount::Reserve,
            0 => LedgerAccount::Account(owner),
            1 => LedgerAccount::Stake(owner),
            _ => LedgerAccount::Unbonding(owner),
        }
    }

    fn movement(source: u8, target: u8) -> Movement {
        Movement {
            source: place(source),
            target: place(target),
            amount: MicroCaesar(1),
            reason: MovementReason::Transfer,
            operation: None,
        }
    }

    fn blocks(plan: &[Vec<(u8, u8)>]) -> Vec<(Height, BlockMovements)> {
        let mut heads: BTreeMap<Holder, HistoryHead> = BTreeMap::new();
        let mut blocks = Vec::new();
        for (height, pairs) in (1..).map(Height).zip(plan) {
            let movements: Vec<_> = pairs.iter().map(|(source, target)| movement(*source, *target)).collect();
            let touched = movements.iter().flat_map(Movement::holders);
            let before =
                touched.map(|holder| (holder, heads.get(&holder).copied().unwrap_or_default())).collect();
            let block = BlockMovements { movements, before, ..BlockMovements::default() };
            heads.extend(block.after(height));
            blocks.push((height, block));
        }
        blocks
    }

    proptest! {
        #[test]
        fn a_history_folds_from_any_of_its_movements_to_the_head_and_misses_none(
            plan in prop::collection::vec(prop::collection::vec((0..9_u8, 0..9_u8), 0..6), 1..8), skip in 0..12_usize,
        ) {
            let blocks = blocks(&plan);
            for holder in [Holder::Reserve, Holder::Owner(PublicKey([1; 32])), Holder::Owner(PublicKey([2; 32]))] {
                let all: Vec<_> = blocks.iter().flat_map(|(height, block)| block.of(holder, *height)).collect();
                let head = blocks.iter().rev().find_map(|(height, block)| block.after(*height).get(&holder).copied());
                prop_assert_eq!(head.unwrap_or_default().count, all.len() as u64);
                let Some((before, _)) = all.get(skip) else { continue };
                let movements: Vec<_> = all.iter().skip(skip).map(|(_, entry)| *entry).collect();
                let page = HistoryPage { before: *before, movements };
                prop_assert_eq!(page.after(), head.map(|head| head.digest));
                let mut short = page.clone();
                short.movements.remove(0);
                if !short.movements.is_empty() {
                    prop_assert_ne!(short.after(), page.after(), "one left out");
                }
            }
        }
    }

    #[test]
    fn a_movement_between_places_of_one_owner_stands_once() {
        let holders: Vec<_> = movement(3, 4).holders().collect();
        assert_eq!(holders, [Holder::Owner(PublicKey([1; 32]))]);
        let genesis = Movement { source: LedgerAccount::Genesis, ..movement(3, 4) };
        assert_eq!(genesis.holders().count(), 1);
        assert_eq!(movement(0, 4).holders().count(), 2);
    }

    #[test]
    fn a_page_with_a_gap_has_no_digest() {
        let entry = |number, height| NumberedMovement {
            number,
            height: Height(height),
            time: UnixMillis(0),
            movement: movement(0, 3),
        };
        let page = |movements| HistoryPage { before: Digest::ZERO, movements };
        assert!(page(alloc::vec![entry(1, 1), entry(2, 1)]).after().is_some());
        assert!(page(alloc::vec![entry(1, 1), entry(3, 1)]).after().is_none());
        assert!(page(alloc::vec![entry(1, 2), entry(2, 1)]).after().is_none());
    }

    #[test]
    fn digests_are_what_other_versions_make() {
        let head = HistoryHead::default().after(Height(7), &movement(0, 3));
        let journal = JournalHead::default().after(Height(7), &[movement(0, 3)]);
        assert_eq!(
            alloc::format!("{}", head.digest),
            "4b12815edcb206b63627580c747bbe59bdad8abd816f3ade859dfaa590549fdb"
        );
        assert_eq!(
            alloc::format!("{}", journal.digest),
            "df4a35ee207c81441a3f7ad708c6ac15555e6e6c297e94492d95ea91b3e19c95"
        );
    }
}
