//! Who has been voting, and who proposes next.
//!
//! Each block carries the precommits that decided its parent, so the chain itself says who takes part. Whoever has
//! not been seen there for a while is passed over in the first rounds of a height, so that a dead validator costs
//! the mesh nothing. The rule, a function of the committed state alone:
//!
//! - A validator is *absent* if its precommit is in none of the last [`ABSENT_AFTER_TURNS`] · n certificates on
//!   chain. A live validator is in one at least every n heights, because the proposer of the next block is free to
//!   put its own precommit in.
//! - Absent validators propose last in each height ([`Roster`]), the longest absent first; those present take turns
//!   before them. At most n − quorum count as absent, whoever else is missing.
//! - In one of [`PLAIN_TURN_PERIOD`] turns round the validators nobody counts as absent: so even one whose votes
//!   always come too late for the others' certificates proposes, and its own block makes it present again. A vote
//!   that makes it into another's block does that at once.

use crate::base::{Height, PublicKey};
use crate::hypermesh::ordering::{CommitCertificate, Roster};
use crate::state::chain::row::Attendance;
use crate::state::{State, StateDraft};
use alloc::vec::Vec;

/// After this many turns round all validators without a precommit on chain a validator counts as absent.
pub const ABSENT_AFTER_TURNS: u64 = 2;
/// In one of this many turns round the validators, nobody counts as absent.
pub const PLAIN_TURN_PERIOD: u64 = 16;

impl State {
    /// The validators of the next block, and the order in which they propose.
    #[must_use]
    pub fn roster(&self) -> Roster {
        let validators = self.validators().clone();
        let turn_heights = validators.count() as u64;
        let turn = self.height().next().0 / turn_heights;
        if turn.is_multiple_of(PLAIN_TURN_PERIOD) {
            return validators.into();
        }
        Roster::new(validators, self.absent())
    }

    /// Who has not been seen to vote for a while, the longest absent first; whether a quorum is left or not.
    #[must_use]
    pub fn absent(&self) -> Vec<PublicKey> {
        let validators = self.validators();
        let turn_heights = validators.count() as u64;
        let attendance = self.attendance();
        let newest = self.height().0.saturating_sub(1);
        let absent_before = newest.saturating_sub(ABSENT_AFTER_TURNS * turn_heights);
        let last = |key: &PublicKey| attendance.last.get(key).copied().unwrap_or_default();
        let mut absent: Vec<(Height, PublicKey)> = validators
            .as_slice()
            .iter()
            .map(|key| (last(key), *key))
            .filter(|(seen, _)| seen.0 < absent_before)
            .collect();
        absent.sort_unstable();
        absent.into_iter().map(|(_, key)| key).collect()
    }

    /// When each validator was last seen to vote.
    #[must_use]
    pub fn attendance(&self) -> Attendance {
        self.get::<Attendance>(&()).unwrap_or_default()
    }
}

impl StateDraft {
    /// Notes who decided the parent.
    pub(in crate::state) fn attend(&mut self, commit: Option<&CommitCertificate>) {
        let Some(commit) = commit else { return };
        let mut attendance = self.state().attendance();
        for signature in &commit.signatures {
            attendance.last.insert(signature.validator, commit.height);
        }
        self.put(&(), &attendance);
    }
}
