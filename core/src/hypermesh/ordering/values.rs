//! The blocks proposed at the height under way, and what the host said of them.
//!
//! A block without a verdict is unknown to the core: it can be neither voted for nor decided.

use super::context::{MeshContext, Value};
use crate::base::{Digest, Height, PublicKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use malachite_consensus::State;
use malachite_types::{NilOrVal, Round, VoteType};

/// A block whose verdict is outstanding.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) valid_round: Round,
    pub(super) proposer: PublicKey,
    pub(super) value: Value,
    /// Whether a commit certificate for it is known, so that it came by sync.
    pub(super) certified: bool,
}

impl Candidate {
    /// Whether it has a quorum behind it, or the prevotes of `needed` validators in whatever rounds.
    pub(super) fn is_endorsed(&self, state: &State<MeshContext>, needed: usize) -> bool {
        let id = self.value.id;
        let votes = state.driver.votes().all_rounds().values().flat_map(|round| round.received_votes());
        let prevotes = votes.filter(|vote| {
            vote.message.kind == VoteType::Prevote && vote.message.value_id == NilOrVal::Val(id)
        });
        let voters: BTreeSet<PublicKey> = prevotes.map(|vote| vote.message.validator.0).collect();
        self.certified
            || voters.len() >= needed
            || state.driver.polka_certificates().iter().any(|polka| polka.value_id == id)
    }
}

/// The blocks of a height.
#[derive(Debug, Default)]
pub(super) struct Values {
    waiting: BTreeMap<Digest, Candidate>,
    asked: BTreeSet<Digest>,
    endorsed: BTreeSet<Digest>,
    verdicts: BTreeMap<Digest, bool>,
}

impl Values {
    /// Notes a block that was proposed; the host is asked about it unless it has answered already.
    pub(super) fn propose(&mut self, candidate: Candidate) {
        if !self.verdicts.contains_key(&candidate.value.id) {
            self.waiting.entry(candidate.value.id).or_insert(candidate);
        }
    }

    /// Notes a block that a quorum decided. The host is asked even if it refused the block before.
    pub(super) fn certify(&mut self, candidate: Candidate) {
        let id = candidate.value.id;
        if self.verdicts.remove(&id).is_some() {
            self.asked.remove(&id);
        }
        self.waiting.insert(id, candidate);
    }

    /// Notes a verdict that the core was told.
    pub(super) fn judged(&mut self, id: Digest, valid: bool) {
        self.waiting.remove(&id);
        self.verdicts.insert(id, valid);
    }

    pub(super) fn waiting(&self, id: &Digest) -> Option<&Candidate> {
        self.waiting.get(id)
    }

    /// The blocks that the host has not been asked about, once each.
    pub(super) fn unasked(&mut self) -> Vec<Candidate> {
        let fresh: Vec<_> = self
            .waiting
            .values()
            .filter(|candidate| !self.asked.contains(&candidate.value.id))
            .cloned()
            .collect();
        self.asked.extend(fresh.iter().map(|candidate| candidate.value.id));
        fresh
    }

    /// The waiting blocks for which `supported` holds and of which this was not said before.
    pub(super) fn newly_endorsed(&mut self, supported: impl Fn(&Candidate) -> bool) -> Vec<Digest> {
        let fresh: Vec<_> = self
            .waiting
            .values()
            .filter(|candidate| !self.endorsed.contains(&candidate.value.id) && supported(candidate))
            .map(|candidate| candidate.value.id)
            .collect();
        self.endorsed.extend(&fresh);
        fresh
    }
}
