//! What a proved lie costs: all that the liar has at stake or is taking out of it goes to the reserve.
//!
//! Any validator may bring the evidence; every validator checks it, as it checks the rest of a block. The rules:
//!
//! - Two contradicting votes, or two proposals for one round, that one validator signed; or a signature share that it
//!   signed and that is bad; or its signed word for a finished signature that does not hold. Nothing else: absence, silence
//!   and wrong blocks cost rewards at most.
//! - Each offence once. An equivocation at or below the height of the block that last punished its validator is punished
//!   already, whatever there were of them; bad shares are told apart by their signing session, false words by their digest.
//! - Evidence of an equivocation expires: after [`Profile::evidence_ms_max`](crate::base::Profile::evidence_ms_max) of
//!   block time it is not taken any more. That is less than unbonding takes, so what stood behind the vote is still there.
//!   Evidence of a bad share or a false word holds for as long as the committee's keys do.
//! - Where nothing is at stake there is nothing to punish, and the evidence does not go on chain. Evidence of a bad share
//!   or a false word waits until the minimum is at stake again: so many are punished, and none is used up for less than
//!   a whole stake.
//!
//! What it does not do: a slashed validator keeps its vote and its key shares until the committee is changed. It loses
//! the admission of its batches and its rewards, because its stake is below the minimum, until it has bonded anew.

use crate::base::{Digest, Height, MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::{Ledger, LedgerAccount, Movement, MovementReason, STAKE_MINIMUM};
use crate::hypermesh::committee::{Committee, FalseClaim, ShareEvidence};
use crate::hypermesh::ordering::Evidence;
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::{EvidenceHorizon, Offences};
use crate::state::{State, StateDraft};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most bad shares and false words that one validator is punished for under one committee: each has cost it a whole
/// stake.
pub const SIGNING_OFFENCE_COUNT_MAX: usize = 64;
/// Into how many parts the time in which evidence holds is marked.
const HORIZON_PARTS: u64 = 16;

/// Evidence that a validator broke the rules, brought by another.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Offence {
    /// It signed two things that contradict each other.
    Equivocation(Evidence),
    /// It signed a bad signature share.
    BadShare(ShareEvidence),
    /// It vouched for a finished signature that does not hold.
    FalseClaim(FalseClaim),
}

impl Offence {
    /// Who is accused.
    #[must_use]
    pub const fn offender(&self) -> PublicKey {
        match self {
            Self::Equivocation(evidence) => evidence.offender(),
            Self::BadShare(evidence) => evidence.share.signer,
            Self::FalseClaim(evidence) => evidence.claim.validator,
        }
    }

    /// Whether this is an offence in threshold signing. A validator can commit any number of those.
    #[must_use]
    pub(crate) fn is_in_signing(&self) -> bool {
        self.in_signing().is_some()
    }

    /// What tells an offence in signing from others of the same validator under one committee.
    fn in_signing(&self) -> Option<Digest> {
        match self {
            Self::Equivocation(_) => None,
            Self::BadShare(evidence) => Some(evidence.share.session),
            Self::FalseClaim(evidence) => Some(evidence.claim.digest()),
        }
    }
}

impl State {
    /// What a validator was punished for.
    #[must_use]
    pub fn offences(&self, validator: &PublicKey) -> Offences {
        self.get::<Offences>(validator).unwrap_or_default()
    }

    /// The lowest height of which evidence is still taken at a moment: the newest that is marked and was too long ago by then,
    /// so that what is younger than the bound always counts.
    #[must_use]
    pub fn oldest_evidence(&self, at: UnixMillis) -> Height {
        let age_max = self.genesis_document().profile.evidence_ms_max();
        let horizon = self.get::<EvidenceHorizon>(&()).unwrap_or_default();
        let too_old = horizon.marks.iter().rev().find(|(time, _)| at.since(*time) >= age_max);
        too_old.or(horizon.marks.first()).map(|(_, height)| *height).unwrap_or_default()
    }

    /// What a validator can lose.
    #[must_use]
    pub fn at_risk(&self, validator: &PublicKey) -> MicroCaesar {
        self.at_risk_at(validator, self.time())
    }

    /// What a validator can lose at a moment: its stake, and what it has taken out of it and is not released by then.
    pub(in crate::state) fn at_risk_at(&self, validator: &PublicKey, at: UnixMillis) -> MicroCaesar {
        let unbonding = self.unbonding(validator).releases.into_iter();
        let waiting = unbonding.filter(|release| release.time >= at).map(|release| release.amount);
        waiting.fold(self.balance(LedgerAccount::Stake(*validator)), |sum, amount| {
            sum.checked_add(amount).expect("the supply fits, and this is part of it")
        })
    }

    /// Whether evidence shows an offence that is to be punished in a block of this height and time. Cheapest first.
    fn convicts(&self, offence: &Offence, position: BlockPosition) -> bool {
        let offender = offence.offender();
        let at_risk = self.at_risk_at(&offender, position.time);
        if at_risk == MicroCaesar::ZERO {
            return false;
        }
        let offences = self.offences(&offender);
        let is_punished = |offence: &Digest| {
            offences.shares.contains(offence) || offences.shares.len() >= SIGNING_OFFENCE_COUNT_MAX
        };
        // Of the bounded number each has cost a whole stake: nobody uses it up with a millionth at a time.
        let spared = |offence: &Digest| at_risk < STAKE_MINIMUM || is_punished(offence);
        if offence.in_signing().is_some_and(|offence| spared(&offence)) {
            return false;
        }
        let committee = || Committee::new(self.committee()?.keys).ok();
        match offence {
            Offence::Equivocation(evidence) => {
                let at = evidence.height();
                let punished = offences.through.is_some_and(|through| at <= through);
                !punished
                    && at <= position.height
                    && at >= self.oldest_evidence(position.time)
                    && evidence.verify(&self.genesis_hash(), self.validators()).is_ok()
            }
            Offence::BadShare(evidence) => {
                committee().is_some_and(|committee| evidence.verify(&committee).is_ok())
            }
            Offence::FalseClaim(evidence) => {
                committee().is_some_and(|committee| evidence.verify(&committee).is_ok())
            }
        }
    }
}

impl StateDraft {
    /// Punishes an offence, if the evidence shows one that is to be punished. `operation` brought it.
    pub(in crate::state) fn punish(
        &mut self,
        offence: &Offence,
        operation: Digest,
        position: BlockPosition,
    ) -> bool {
        if !self.state().convicts(offence, position) {
            return false;
        }
        let offender = offence.offender();
        // What is out of the stake by its time is its owner's, also if more fell due than the block could do.
        self.release(offender, position.time.minus(1));
        let mut offences = self.state().offences(&offender);
        let lost = self.state().at_risk(&offender);
        for source in [LedgerAccount::Stake(offender), LedgerAccount::Unbonding(offender)] {
            let amount = self.balance(source);
            let (target, reason) = (LedgerAccount::Reserve, MovementReason::Slash);
            let movement = Movement { source, target, amount, reason, operation: Some(operation) };
            self.carry_out(movement).expect("a place holds what was just found in it");
        }
        offences.count = offences.count.saturating_add(1);
        offences.slashed = offences.slashed.checked_add(lost).unwrap_or(MicroCaesar(u64::MAX));
        match offence.in_signing() {
            None => offences.through = Some(position.height),
            Some(offence) => {
                offences.shares.insert(offence);
            }
        }
        self.put(&offender, &offences);
        true
    }

    /// Marks the height of now and then, so that it is known how old evidence is.
    pub(in crate::state) fn mark_horizon(&mut self, position: BlockPosition) {
        let age_max = self.state().genesis_document().profile.evidence_ms_max();
        let mut horizon = self.state().get::<EvidenceHorizon>(&()).unwrap_or_default();
        let marked: Option<UnixMillis> = horizon.marks.last().map(|(time, _)| *time);
        if marked.is_some_and(|marked| position.time.since(marked) < age_max / HORIZON_PARTS) {
            return;
        }
        horizon.marks.push((position.time, position.height));
        // The first is the newest of those that are too old, so that what is younger than the bound always counts.
        let too_old = |mark: Option<&(UnixMillis, Height)>| {
            mark.is_some_and(|(time, _)| position.time.since(*time) >= age_max)
        };
        while too_old(horizon.marks.get(1)) {
            horizon.marks.remove(0);
        }
        self.put(&(), &horizon);
    }
}
