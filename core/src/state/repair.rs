//! The repair of lost key shares, as the chain orders it: who asks whom, what the helpers commit to, and how it ends.
//!
//! One repair at a time in the whole mesh, so that a helper never has more than one set of summands; so many for each
//! validator and committee, so that nobody is kept busy for ever; and one that does not end gives way after a while.

use super::execute::Moment;
use super::{ABORT_REASON_BYTES_MAX, Draft, Row, State};
use crate::base::{PublicKey, UnixMillis};
use crate::hypermesh::committee::{RepairCommitments, RepairSession};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most repairs that one validator may ask one committee for.
pub const REPAIR_COUNT_MAX: u32 = 64;
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
pub struct Repairs {
    /// Under the keys of which attempt at key generation.
    pub attempt: u32,
    /// How often each validator has asked.
    pub asked: BTreeMap<PublicKey, u32>,
    /// The repair under way.
    pub open: Option<OpenRepair>,
}

/// A repair under way.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct OpenRepair {
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

impl Row for Repairs {
    type Key = ();
    const TAG: u8 = 24;

    fn key_bytes(_key: &()) -> Vec<u8> {
        Vec::new()
    }
}

impl OpenRepair {
    /// Whether the commitments of all helpers are there.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.commitments.len() == self.helpers.len()
    }
}

impl State {
    /// The repairs under the committee in force.
    #[must_use]
    pub fn repairs(&self) -> Repairs {
        self.get::<Repairs>(&()).unwrap_or_default()
    }
}

impl Draft {
    pub(super) fn apply_repair(&mut self, by: PublicKey, action: &RepairAction, moment: Moment) -> bool {
        match action {
            RepairAction::Ask { attempt, number, helpers } => {
                self.ask_for_repair(by, (*attempt, *number), helpers, moment)
            }
            RepairAction::Commit { validator, number, commitments } => {
                self.commit_to_repair(by, (*validator, *number), commitments)
            }
            RepairAction::End { validator, number, outcome } => {
                self.end_repair(by, (*validator, *number), outcome)
            }
        }
    }

    fn ask_for_repair(
        &mut self,
        by: PublicKey,
        (attempt, number): (u32, u32),
        helpers: &[PublicKey],
        moment: Moment,
    ) -> bool {
        let Some(committee) = self.state().committee() else { return false };
        let mut repairs = self.state().repairs();
        if repairs.attempt != committee.attempt {
            repairs = Repairs { attempt: committee.attempt, ..Repairs::default() };
        }
        let asked = repairs.asked.entry(by).or_default();
        let in_turn = attempt == committee.attempt && *asked == number && number < REPAIR_COUNT_MAX;
        let free = repairs
            .open
            .as_ref()
            .is_none_or(|open| open.validator == by || moment.time.since(open.begun) > REPAIR_MS_MAX);
        if !in_turn || !free || RepairSession::new(committee.keys, by, number, helpers.to_vec()).is_err() {
            return false;
        }
        *asked = number.saturating_add(1);
        repairs.open = Some(OpenRepair {
            validator: by,
            number,
            helpers: helpers.to_vec(),
            begun: moment.time,
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
        let mut repairs = self.state().repairs();
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

    fn end_repair(&mut self, by: PublicKey, request: (PublicKey, u32), outcome: &RepairOutcome) -> bool {
        let mut repairs = self.state().repairs();
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
            repairs.open = None;
            self.put(&(), &repairs);
        }
        may
    }
}
