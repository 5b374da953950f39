//! The repair of lost key shares, as the chain orders it: who asks whom, what the helpers commit to, and how it ends.
//!
//! One repair at a time in the whole mesh, so that a helper never has more than one set of summands; and one that does not
//! end gives way to another validator's after a while. How much of the chain one validator can take up with requests is
//! bounded in two ways ([`RepairBudget`]):
//!
//! - A request takes one from a *budget* of [`REPAIR_BUDGET_MAX`], which refills with block time. It is given back if the
//!   request failed through others: a helper gave it up, or was accused, or did not commit. So helpers that are down or
//!   lie cost the asker nothing, and who asks again and again without need has soon spent all.
//! - After each request there is a *pause*, which doubles with each failure in a row, up to [`REPAIR_MS_PAUSE_MAX`]. So an
//!   asker that accuses helpers without reason, or has one that lies for it, is slow at it. During the pause the place is
//!   free for other validators, whoever comes first in a block.

use crate::base::{PublicKey, UnixMillis};
use crate::hypermesh::committee::{RepairCommitments, RepairSession};
use crate::state::block::execute::BlockPosition;
use crate::state::{ABORT_REASON_BYTES_MAX, Row, State, StateDraft};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// As many requests for repair may a validator make at once, if none of them fails through others.
pub const REPAIR_BUDGET_MAX: u32 = 16;
/// After this much block time a validator may make one request more, up to [`REPAIR_BUDGET_MAX`].
pub const REPAIR_MS_REFILL: u64 = 60 * 60 * 1000;
/// A validator may ask again this much block time after its last request ended, if that did not fail.
pub const REPAIR_MS_PAUSE_MIN: u64 = 2_000;
/// However many requests in a row failed, a validator may ask again after this much block time.
pub const REPAIR_MS_PAUSE_MAX: u64 = 5 * 60 * 1000;
/// A repair that has not ended after this much block time gives way to another's.
pub const REPAIR_MS_MAX: u64 = 30_000;

/// What validators say about repairs.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairAction {
    /// The validator has lost its key shares and asks these for repair.
    Ask {
        /// The attempt at key generation that made the keys.
        attempt: u32,
        /// How often this validator has asked this committee before.
        number: u32,
        /// As many others as sign together, in order.
        helpers: Vec<PublicKey>,
    },
    /// A helper's commitments.
    Commit {
        /// Who asked.
        validator: PublicKey,
        /// Its number.
        number: u32,
        /// The commitments.
        commitments: RepairCommitments,
    },
    /// The repair is over: said by who asked, or by a helper that gives it up.
    End {
        /// Who asked.
        validator: PublicKey,
        /// Its number.
        number: u32,
        /// How it ended.
        outcome: RepairOutcome,
    },
}

/// How a repair ended.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// The validator has its shares again, on disk. Said by it alone.
    Repaired,
    /// It cannot succeed.
    GivenUp {
        /// Whom the speaker holds responsible; itself after a restart.
        accused: Vec<PublicKey>,
        /// In words, for the operators.
        reason: String,
    },
}

/// The repairs under one committee.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ShareRepairs {
    /// Under the keys of which attempt at key generation.
    pub attempt: u32,
    /// What each validator that has asked may still ask for.
    pub budgets: BTreeMap<PublicKey, RepairBudget>,
    /// The repair under way.
    pub open: Option<OpenShareRepair>,
}

/// What a validator may still ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RepairBudget {
    /// The number of its next request: how often it has asked this committee.
    pub next: u32,
    /// How many requests were left at `counted`.
    pub left: u32,
    /// Up to when `left` has been refilled.
    pub counted: UnixMillis,
    /// How many requests in a row failed through others.
    pub failures: u32,
    /// It may not ask before this.
    pub not_before: UnixMillis,
}

/// How a request that is over counts for the validator that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RepairSettlement {
    /// It has its shares.
    Repaired,
    /// It failed through others.
    FailedThroughOthers,
    /// The validator itself gave it up, or left it lying when it could have ended it.
    FailedByAsker,
}

/// A repair under way.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct OpenShareRepair {
    /// Whose shares.
    pub validator: PublicKey,
    /// The how many-th of that validator, from 0.
    pub number: u32,
    /// Who helps.
    pub helpers: Vec<PublicKey>,
    /// The time of the block that it began with.
    pub begun: UnixMillis,
    /// The helpers' commitments so far.
    pub commitments: BTreeMap<PublicKey, RepairCommitments>,
}

impl Row for ShareRepairs {
    type Key = ();
    const TAG: u8 = 24;

    fn key_bytes(_key: &()) -> Vec<u8> {
        Vec::new()
    }
}

impl OpenShareRepair {
    /// Whether the commitments of all helpers are there.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.commitments.len() == self.helpers.len()
    }
}

impl RepairBudget {
    /// Of a validator that has not asked yet.
    const FULL: Self = Self {
        next: 0,
        left: REPAIR_BUDGET_MAX,
        counted: UnixMillis(0),
        failures: 0,
        not_before: UnixMillis(0),
    };

    /// How many requests it may make at a moment, pauses apart.
    #[must_use]
    pub fn left_at(&self, at: UnixMillis) -> u32 {
        let refilled = u32::try_from(at.since(self.counted) / REPAIR_MS_REFILL).unwrap_or(u32::MAX);
        self.left.saturating_add(refilled).min(REPAIR_BUDGET_MAX)
    }

    /// From when on it may make the next request: after the pause, and when something is left.
    #[must_use]
    pub fn next_at(&self, at: UnixMillis) -> UnixMillis {
        match self.left_at(at) {
            0 => self.not_before.max(self.counted.plus(REPAIR_MS_REFILL)),
            _ => self.not_before,
        }
    }

    fn refill(&mut self, at: UnixMillis) {
        let left = self.left_at(at);
        let refills = u64::from(left.saturating_sub(self.left));
        self.counted = match left == REPAIR_BUDGET_MAX {
            true => at,
            false => self.counted.plus(refills.saturating_mul(REPAIR_MS_REFILL)),
        };
        self.left = left;
    }

    /// Takes one request out.
    fn spend(&mut self, at: UnixMillis) {
        self.refill(at);
        self.left = self.left.saturating_sub(1);
        self.next = self.next.saturating_add(1);
    }

    /// A request that was taken out has ended.
    fn settle(&mut self, settlement: RepairSettlement, at: UnixMillis) {
        match settlement {
            RepairSettlement::Repaired => self.failures = 0,
            RepairSettlement::FailedByAsker => {}
            RepairSettlement::FailedThroughOthers => {
                self.left = self.left.saturating_add(1).min(REPAIR_BUDGET_MAX);
                self.failures = self.failures.saturating_add(1);
            }
        }
        self.not_before = at.plus(pause_after(self.failures));
    }
}

/// How long a validator waits after so many failures in a row.
fn pause_after(failures: u32) -> u64 {
    let doubled = 1_u64.checked_shl(failures).unwrap_or(u64::MAX);
    REPAIR_MS_PAUSE_MIN.saturating_mul(doubled).min(REPAIR_MS_PAUSE_MAX)
}

impl ShareRepairs {
    /// What a validator may still ask for.
    #[must_use]
    pub fn budget(&self, validator: &PublicKey) -> RepairBudget {
        self.budgets.get(validator).copied().unwrap_or(RepairBudget::FULL)
    }

    /// Whether this validator may begin a repair at a moment, as far as another's is concerned.
    #[must_use]
    pub fn is_free(&self, validator: &PublicKey, at: UnixMillis) -> bool {
        self.open
            .as_ref()
            .is_none_or(|open| open.validator != *validator && at.since(open.begun) > REPAIR_MS_MAX)
    }

    /// Ends the repair under way.
    fn settle(&mut self, settlement: RepairSettlement, at: UnixMillis) {
        let Some(open) = self.open.take() else { return };
        self.budgets.entry(open.validator).or_insert(RepairBudget::FULL).settle(settlement, at);
    }

    /// Ends the repair under way because another validator asks. Before all helpers have committed, its asker could do
    /// nothing about it.
    fn give_way(&mut self, at: UnixMillis) {
        let committed = self.open.as_ref().is_some_and(OpenShareRepair::is_committed);
        let settlement =
            if committed { RepairSettlement::FailedByAsker } else { RepairSettlement::FailedThroughOthers };
        self.settle(settlement, at);
    }
}

impl State {
    /// The repairs under the committee in force.
    #[must_use]
    pub fn share_repairs(&self) -> ShareRepairs {
        let repairs = self.get::<ShareRepairs>(&()).unwrap_or_default();
        match self.committee() {
            Some(committee) if committee.attempt != repairs.attempt => {
                ShareRepairs { attempt: committee.attempt, ..ShareRepairs::default() }
            }
            _ => repairs,
        }
    }
}

impl StateDraft {
    pub(in crate::state) fn apply_repair(
        &mut self,
        by: PublicKey,
        action: &RepairAction,
        position: BlockPosition,
    ) -> bool {
        match action {
            RepairAction::Ask { attempt, number, helpers } => {
                self.ask_for_repair(by, (*attempt, *number), helpers, position)
            }
            RepairAction::Commit { validator, number, commitments } => {
                self.commit_to_repair(by, (*validator, *number), commitments)
            }
            RepairAction::End { validator, number, outcome } => {
                self.end_repair(by, (*validator, *number), outcome, position)
            }
        }
    }

    fn ask_for_repair(
        &mut self,
        by: PublicKey,
        (attempt, number): (u32, u32),
        helpers: &[PublicKey],
        position: BlockPosition,
    ) -> bool {
        let Some(committee) = self.state().committee() else { return false };
        let mut repairs = self.state().share_repairs();
        let mut budget = repairs.budget(&by);
        let in_turn = attempt == committee.attempt && budget.next == number && number < u32::MAX;
        let in_time = position.time >= budget.next_at(position.time);
        let free = repairs.is_free(&by, position.time);
        if !(in_turn && in_time && free)
            || RepairSession::new(committee.keys, by, number, helpers.to_vec()).is_err()
        {
            return false;
        }
        repairs.give_way(position.time);
        budget.spend(position.time);
        repairs.budgets.insert(by, budget);
        repairs.open = Some(OpenShareRepair {
            validator: by,
            number,
            helpers: helpers.to_vec(),
            begun: position.time,
            commitments: BTreeMap::new(),
        });
        self.put(&(), &repairs);
        true
    }

    fn commit_to_repair(
        &mut self,
        by: PublicKey,
        request: (PublicKey, u32),
        commitments: &RepairCommitments,
    ) -> bool {
        let Some(committee) = self.state().committee() else { return false };
        let mut repairs = self.state().share_repairs();
        let Some(open) = repairs.open.as_mut().filter(|open| (open.validator, open.number) == request) else {
            return false;
        };
        if !open.helpers.contains(&by) || open.commitments.contains_key(&by) {
            return false;
        }
        let session = RepairSession::new(committee.keys, open.validator, open.number, open.helpers.clone());
        if !session.is_ok_and(|session| commitments.check(&session, &by).is_ok()) {
            return false;
        }
        open.commitments.insert(by, commitments.clone());
        self.put(&(), &repairs);
        true
    }

    fn end_repair(
        &mut self,
        by: PublicKey,
        request: (PublicKey, u32),
        outcome: &RepairOutcome,
        position: BlockPosition,
    ) -> bool {
        let mut repairs = self.state().share_repairs();
        let Some(open) = repairs.open.as_ref().filter(|open| (open.validator, open.number) == request) else {
            return false;
        };
        let may = match outcome {
            RepairOutcome::Repaired => by == open.validator && open.is_committed(),
            RepairOutcome::GivenUp { accused, reason } => {
                (by == open.validator || open.helpers.contains(&by))
                    && reason.len() <= ABORT_REASON_BYTES_MAX
                    && accused.iter().all(|key| open.helpers.contains(key))
                    && accused.is_sorted_by(|one, next| one < next)
            }
        };
        if may {
            let settlement = match outcome {
                RepairOutcome::Repaired => RepairSettlement::Repaired,
                RepairOutcome::GivenUp { accused, .. } if by == open.validator && accused.is_empty() => {
                    RepairSettlement::FailedByAsker
                }
                RepairOutcome::GivenUp { .. } => RepairSettlement::FailedThroughOthers,
            };
            repairs.settle(settlement, position.time);
            self.put(&(), &repairs);
        }
        may
    }
}
